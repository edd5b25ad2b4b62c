#!/usr/bin/python3
"""Snapshots of datasets, by what their pool can really do.

nas-snapshot take DATASET            takes one, then drops what the dataset's keep counts no longer cover
nas-snapshot list DATASET            names, oldest first
nas-snapshot open DATASET SNAPSHOT   shows it read-only and prints where; copy from there what you need
nas-snapshot close DATASET SNAPSHOT  ends that

lvm: a thin snapshot. btrfs: a read-only subvolume. folder: a copy of the dataset's file, made while its file system is frozen,
so it costs as much as the dataset holds. xfs has none. What there is to do is data: /etc/nas/layout.json.
"""

import fcntl
import json
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

LAYOUT = Path("/etc/nas/layout.json")
OPENED = Path("/run/nas/snapshots")
STAMP = "%Y%m%dT%H%M%SZ"
NEVER_FULLER = 85  # percent of a thin pool; beyond it old snapshots go, for a full pool stops every dataset in it
PERIODS = {"hourly": "%Y%m%d%H", "daily": "%Y%m%d", "weekly": "%G%V"}
SPARE_BYTES = 64 * 2**20


class Problem(Exception):
    """Something an operator has to mend."""


def run(*argv: str) -> str:
    """What a program prints."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())
        full = "disk full: " if "no space" in said.lower() or "insufficient free" in said.lower() else ""
        raise Problem(f"{full}{' '.join(argv)}: {said or done.returncode}")
    return done.stdout


def kept(stamps: list[str], counts: dict[str, int]) -> set[str]:
    """The snapshots to keep: of each period, the newest one in each of its last so many; the newest one of all always."""
    found = set(stamps[-1:])
    for period, shape in PERIODS.items():
        newest = {datetime.strptime(stamp, STAMP).strftime(shape): stamp for stamp in stamps}  # the last one of a period wins
        count = counts.get(period, 0)
        found |= set(list(newest.values())[-count:] if count else [])
    return found


class Lvm:
    """Thin snapshots."""

    def __init__(self, pool: dict, dataset: dict):
        """Of one dataset."""
        self.group, self.dataset = f"nas_{pool['name']}", dataset
        self.prefix = f"snap.{dataset['name']}."

    def stamps(self) -> list[str]:
        """Oldest first."""
        names = run("lvs", "--noheadings", "-o", "lv_name", self.group).split()
        return sorted(name.removeprefix(self.prefix) for name in names if name.startswith(self.prefix))

    def make_room(self) -> None:
        """A pool that fills up loses snapshots before it loses writes."""
        while self.fullness() > NEVER_FULLER:
            if not self.stamps():
                raise Problem(f"disk full: {self.group}/thin.pool is {self.fullness():.0f} % full; fix: delete files or enlarge the pool")
            oldest = self.stamps()[0]
            print(f"pool is {self.fullness():.0f} % full: drops snapshot {oldest}", file=sys.stderr)
            self.drop(oldest)

    def fullness(self) -> float:
        """Percent of the pool that is used."""
        return float(run("lvs", "--noheadings", "-o", "data_percent", f"{self.group}/thin.pool"))

    def take(self, stamp: str) -> None:
        """The kernel freezes the file system for the moment it takes."""
        run("lvcreate", "-q", "-y", "--snapshot", "-n", f"{self.prefix}{stamp}", f"{self.group}/data.{self.dataset['name']}")

    def drop(self, stamp: str) -> None:
        """For good."""
        run("lvremove", "-q", "-y", f"{self.group}/{self.prefix}{stamp}")

    def show(self, stamp: str, at: Path) -> None:
        """Snapshots are not active by themselves."""
        run("lvchange", "-q", "-ay", "-K", f"{self.group}/{self.prefix}{stamp}")
        run("mount", "-t", "ext4", "-o", "ro,noload", f"/dev/{self.group}/{self.prefix}{stamp}", str(at))

    def hide(self, stamp: str, at: Path) -> None:
        """The other way round."""
        run("umount", str(at))
        run("lvchange", "-q", "-an", f"{self.group}/{self.prefix}{stamp}")


class Btrfs:
    """Read-only subvolumes."""

    def __init__(self, pool: dict, dataset: dict):
        """Of one dataset."""
        self.dataset, self.top = dataset, Path("/var/lib/nas/pools") / pool["name"]
        self.prefix = f"snap.{dataset['name']}."

    def stamps(self) -> list[str]:
        """Oldest first."""
        return sorted(path.name.removeprefix(self.prefix) for path in self.top.glob(f"{self.prefix}*"))

    def make_room(self) -> None:
        """btrfs says by itself when it is full."""

    def take(self, stamp: str) -> None:
        """Costs nothing until files change."""
        run("btrfs", "-q", "subvolume", "snapshot", "-r", str(self.top / f"data.{self.dataset['name']}"), str(self.path(stamp)))

    def drop(self, stamp: str) -> None:
        """For good."""
        run("btrfs", "-q", "subvolume", "delete", str(self.path(stamp)))

    def show(self, stamp: str, at: Path) -> None:
        """It is in the pool already."""
        run("mount", "--bind", "-o", "ro", str(self.path(stamp)), str(at))

    def hide(self, stamp: str, at: Path) -> None:
        """The other way round."""
        run("umount", str(at))

    def path(self, stamp: str) -> Path:
        """Where a snapshot is in the pool."""
        return self.top / f"{self.prefix}{stamp}"


class Folder:
    """Copies of the dataset's file."""

    def __init__(self, pool: dict, dataset: dict):
        """Of one dataset."""
        self.dataset, self.folder = dataset, Path(pool["path"])
        self.prefix = f"snap.{dataset['name']}."

    def stamps(self) -> list[str]:
        """Oldest first."""
        return sorted(path.stem.removeprefix(self.prefix) for path in self.folder.glob(f"{self.prefix}*.img"))

    def make_room(self) -> None:
        """A copy that does not fit is not begun: the dataset would be frozen for nothing."""
        used, free = shutil.disk_usage(self.dataset["path"]).used, shutil.disk_usage(self.folder).free
        if used + SPARE_BYTES > free:
            raise Problem(
                f"disk full: {self.folder} has {free // 2**20} MiB left, a copy needs {(used + SPARE_BYTES) // 2**20}"
                "; fix: keep fewer snapshots, or a larger disk"
            )

    def take(self, stamp: str) -> None:
        """Under another name until it is whole."""
        part = self.folder / f"part.{self.dataset['name']}"
        run("fsfreeze", "--freeze", self.dataset["path"])
        try:
            run("cp", "--reflink=auto", "--sparse=always", str(self.folder / f"{self.dataset['name']}.img"), str(part))
        finally:
            run("fsfreeze", "--unfreeze", self.dataset["path"])
        part.rename(self.path(stamp))

    def drop(self, stamp: str) -> None:
        """For good."""
        self.path(stamp).unlink()

    def show(self, stamp: str, at: Path) -> None:
        """As the dataset itself is mounted; containers have nodes for the first loop devices only."""
        node = 'd=$(losetup -f); d=${d%% *}; [ -b "$d" ] || mknod -m 0600 "$d" b 7 "${d#/dev/loop}"'
        run("sh", "-ec", f'{node}; exec mount -t ext4 -o ro,noload,loop "$1" "$2"', "sh", str(self.path(stamp)), str(at))

    def hide(self, stamp: str, at: Path) -> None:
        """The other way round."""
        run("umount", str(at))

    def path(self, stamp: str) -> Path:
        """The copy."""
        return self.folder / f"{self.prefix}{stamp}.img"


KINDS = {"lvm": Lvm, "btrfs": Btrfs, "folder": Folder}


def take(store: Lvm | Btrfs | Folder, counts: dict[str, int]) -> None:
    """One more, and those dropped that are old."""
    store.make_room()
    stamp = datetime.now(UTC).strftime(STAMP)
    if stamp not in store.stamps():  # twice within a second
        store.take(stamp)
    print(stamp)
    stamps = store.stamps()
    for old in sorted(set(stamps) - kept(stamps, counts)):
        if not (OPENED / store.dataset["name"] / old).exists():  # somebody restores from it
            store.drop(old)


def at(name: str, stamp: str, store: Lvm | Btrfs | Folder) -> Path:
    """Where a snapshot is shown."""
    if stamp not in store.stamps():
        raise Problem(f"there is no snapshot {stamp} of {name}; fix: one of: {', '.join(store.stamps()) or '(none)'}")
    return OPENED / name / stamp


def act(argv: list[str]) -> None:
    """Does what the command line says."""
    command, name, *rest = argv
    layout = json.loads(LAYOUT.read_text())
    dataset = next((one for one in layout["datasets"] if one["name"] == name), None)
    if dataset is None:
        raise Problem(f"there is no such dataset; fix: one of: {', '.join(one['name'] for one in layout['datasets'])}")
    pool = next(one for one in layout["pools"] if one["name"] == dataset["pool"])
    if pool["kind"] not in KINDS:
        raise Problem(f"pool {pool['name']} is {pool['kind']}, which has no snapshots; fix: move the dataset to another pool")
    store = KINDS[pool["kind"]](pool, dataset)
    if command == "take":
        take(store, dataset["snapshots"])
    elif command == "list":
        print(*store.stamps(), sep="\n")
    elif command == "open":
        place = at(name, rest[0], store)
        place.mkdir(parents=True, exist_ok=True)
        OPENED.parent.chmod(0o700)
        if not place.is_mount():
            store.show(rest[0], place)
        print(place)
    else:
        place = at(name, rest[0], store)
        store.hide(rest[0], place)
        place.rmdir()


def main(argv: list[str]) -> int:
    """One at a time, with one line for what went wrong."""
    wanted = {"take": 2, "list": 2, "open": 3, "close": 3}
    if not argv or wanted.get(argv[0]) != len(argv):
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is frozen is thawed
    lock = Path("/run/lock/nas-snapshot")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            act(argv)
        except Problem as problem:
            print(f"nas-snapshot {argv[0]}: dataset {argv[1]}: {problem}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
