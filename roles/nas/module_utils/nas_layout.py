"""Makes, mounts and owns what a layout says.

A layout is {pools: [{name, kind, path}], datasets: [{name, pool, path, size_mib, owner, group, mode}]}.
"""

import os
import stat
from pathlib import Path

try:
    from ansible.module_utils.nas_filesystems import BtrfsPool, XfsPool
    from ansible.module_utils.nas_pools import FolderPool, LvmPool, Pool, Refusal, Work, is_mounted
except ImportError:  # at boot there is no Ansible
    from nas_filesystems import BtrfsPool, XfsPool
    from nas_pools import FolderPool, LvmPool, Pool, Refusal, Work, is_mounted

KINDS: dict[str, type[Pool]] = {"lvm": LvmPool, "btrfs": BtrfsPool, "xfs": XfsPool, "folder": FolderPool}


def own(dataset: dict, work: Work) -> None:
    """Owner and mode of a dataset's root, read again after they were set."""
    path = Path(dataset["path"])
    wanted = (dataset["owner"], dataset["group"], int(dataset["mode"], 8))
    if not is_mounted(str(path)):
        raise Refusal(f"dataset {dataset['name']} ({path}): is not mounted; fix: look at `systemctl status nas-storage`")
    if owned(path) == wanted:
        return
    work.steps.append(f"{path} belongs to {wanted[0]}:{wanted[1]}, mode {dataset['mode']}")
    if work.is_plan:
        return
    os.chown(path, wanted[0], wanted[1])
    path.chmod(wanted[2])
    if owned(path) != wanted:
        raise Refusal(
            f"dataset {dataset['name']} ({path}): owner and mode are {owned(path)} though {wanted} were set; fix: find what sets them"
        )


def owned(path: Path) -> tuple[int, int, int]:
    """Owner, group and mode."""
    found = path.stat()
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def build(pools: list[Pool], datasets: list[dict], work: Work) -> None:
    """All pools are looked at, and all space is counted, before anything is created."""
    of = {pool.name: [dataset for dataset in datasets if dataset["pool"] == pool.name] for pool in pools}
    for look in (Pool.look, Pool.activate):
        gather([(lambda pool=pool, look=look: getattr(pool, look.__name__)()) for pool in pools])
    gather([(lambda pool=pool: pool.check_space(of[pool.name])) for pool in pools])
    for pool in pools:
        pool.make()
        for dataset in of[pool.name]:
            pool.ensure(dataset)
            pool.mount(dataset)
            if not work.is_plan:
                own(dataset, work)


def boot(pools: list[Pool], datasets: list[dict], work: Work) -> None:
    """Mounts what exists; one pool that is missing does not hold up the others."""

    def bring(pool: Pool) -> None:
        pool.look()
        if not pool.exists:
            raise Refusal(f"{pool.where()}: is blank; fix: ./inv up --only nas makes it anew, ./inv restore brings its data back")
        pool.activate()
        mine = [dataset for dataset in datasets if dataset["pool"] == pool.name]
        gather([(lambda dataset=dataset: (pool.mount(dataset), own(dataset, work))) for dataset in mine])

    gather([(lambda pool=pool: bring(pool)) for pool in pools])


def gather(attempts: list) -> None:
    """Tries all, then refuses with everything that was refused."""
    problems = []
    for attempt in attempts:
        try:
            attempt()
        except Refusal as refusal:
            problems.append(str(refusal))
    if problems:
        raise Refusal("\n".join(problems))


def pools_of(layout: dict, work: Work) -> list[Pool]:
    """The pools of a layout."""
    return [KINDS[pool["kind"]](pool, work) for pool in layout["pools"]]


def carry_out(command: str, layout: dict, work: Work) -> None:
    """build: everything there is to do; mount: what a boot needs, creating nothing; owners: owners and modes alone."""
    if command == "owners":
        gather([(lambda dataset=dataset: own(dataset, work)) for dataset in layout["datasets"]])
    else:
        {"build": build, "mount": boot}[command](pools_of(layout, work), layout["datasets"], work)
