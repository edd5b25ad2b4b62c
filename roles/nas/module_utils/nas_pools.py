"""What pools and datasets of a NAS are: thin volumes of LVM, or files in a folder, each with an ext4.

Runs inside Ansible and, at boot, by itself; needs nothing but Python and the tools of the storage. What holds data is never
formatted, never shrunk and never removed.
"""

import os
import shutil
import stat
import subprocess
from pathlib import Path

MIB = 2**20
EXTENT = 4 * MIB  # LVM gives space in pieces of this size
BOOKKEEPING = 32  # one part in so many of a pool is kept for its own tables (metadata of a thin pool, of btrfs, the log of XFS)
MOUNT_OPTIONS = "noatime,nodev,nosuid"


class Refusal(Exception):
    """What is not done, with place, cause and fix."""


class Work:
    """What has been, or in a plan would be, changed."""

    def __init__(self, is_plan: bool):
        """Starts with nothing."""
        self.is_plan = is_plan
        self.steps: list[str] = []

    def step(self, text: str, *commands: list[str]) -> None:
        """Runs the commands, unless this is a plan."""
        self.steps.append(text)
        for argv in commands if not self.is_plan else ():
            run(argv, text)


def run(argv: list[str], what: str) -> str:
    """What a program prints, or a Refusal that names a full disk as one."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    except FileNotFoundError:
        raise Refusal(f"{what}: {argv[0]} is not installed; fix: install its package and start again") from None
    if done.returncode == 0:
        return done.stdout
    said = " ".join((done.stderr or done.stdout).split())
    if any(word in said.lower() for word in ("no space left", "insufficient free space", "insufficient suitable", "quota exceeded")):
        raise Refusal(f"{what}: disk full: {said}; fix: a larger disk, or smaller datasets in this pool")
    raise Refusal(f"{what}: {' '.join(argv)} failed: {said or f'exit code {done.returncode}'}; fix: look at the kernel's log (dmesg)")


def is_mounted(path: str) -> bool:
    """Whether something is mounted exactly there."""
    return any(line.split()[4] == path for line in Path("/proc/self/mountinfo").read_text().splitlines())


def probe(device: str) -> dict[str, str]:
    """What blkid finds on a device; empty for a blank one."""
    done = subprocess.run(["blkid", "--probe", "--output", "export", device], capture_output=True, text=True, check=False)
    if done.returncode == 8:
        return {"TYPE": "several signatures"}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def device_bytes(device: str) -> int:
    """The size of a block device."""
    return int(Path(f"/sys/class/block/{Path(device).resolve().name}/size").read_text()) * 512


class Pool:
    """What all kinds of pools share; `label` marks a disk as ours."""

    type = ""  # as blkid calls it

    def __init__(self, data: dict, work: Work):
        """Of the layout's pool."""
        self.name, self.path, self.work = data["name"], data["path"], work
        self.label = f"nas-{self.name}"
        self.exists = False
        self.fresh: set[str] = set()  # datasets that a plan would make

    def where(self) -> str:
        """How messages name it."""
        return f"pool {self.name} ({self.path})"

    def look(self) -> None:
        """Whether it exists; refuses a device that is missing or holds something else."""
        try:
            is_block = stat.S_ISBLK(Path(self.path).stat().st_mode)
        except FileNotFoundError:
            raise Refusal(f"{self.where()}: there is no such device; fix: plug the disk in, or name another one in the site") from None
        if not is_block:
            raise Refusal(f"{self.where()}: is not a block device; fix: name a disk, best by a path in /dev/disk/by-id")
        found = probe(self.path)
        if not found.keys() & {"TYPE", "PTTYPE"}:
            return
        if found.get("TYPE") != self.type or not self.is_ours(found):
            holds = found.get("TYPE") or f"a partition table ({found['PTTYPE']})"
            named = f" named {found['LABEL']}" if "LABEL" in found else ""
            raise Refusal(
                f"{self.where()}: holds {holds}{named} that is not of this NAS, so it is left as it is"
                f"; fix: name another disk, or, if its data may go, run `wipefs --all {self.path}` on the machine"
            )
        self.exists = True

    def is_ours(self, found: dict[str, str]) -> bool:
        """Whether what blkid found is this very pool."""
        return found.get("LABEL") == self.label

    def capacity(self) -> int:
        """Bytes its datasets may have together."""
        size = device_bytes(self.path)
        return size - size // BOOKKEEPING

    def check_space(self, datasets: list[dict]) -> None:
        """Refuses before anything is created."""
        asked, has = sum(dataset["size_mib"] for dataset in datasets), self.capacity() // MIB
        if asked > has:
            raise Refusal(
                f"{self.where()}: disk full: its datasets ask for {asked} MiB, it has room for {has} MiB; nothing was created"
                f"; fix: take {asked - has} MiB off their sizes, or a larger disk"
            )

    def make(self) -> None:
        """Creates the pool on its blank disk."""
        raise NotImplementedError

    def activate(self) -> None:
        """Makes its datasets reachable after a boot."""

    def ensure(self, dataset: dict) -> None:
        """Creates or grows a dataset."""
        raise NotImplementedError

    def mount_command(self, dataset: dict) -> list[str]:
        """What mounts a dataset at its path."""
        raise NotImplementedError

    def mount(self, dataset: dict) -> None:
        """Mounts a dataset, never over files."""
        path = Path(dataset["path"])
        if is_mounted(str(path)):
            return
        if path.is_dir() and any(path.iterdir()):
            raise Refusal(
                f"dataset {dataset['name']} ({path}): is not mounted, and the folder below has files"
                "; fix: move them away, they were written while the pool was missing"
            )
        if not self.work.is_plan:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0)  # what is written while the pool is missing shall fail
        self.work.step(f"mount {path}", self.mount_command(dataset))


class Ext4Pool(Pool):
    """Each dataset has an ext4 of its own, and so its size is a limit by itself."""

    def size(self, dataset: dict) -> int | None:
        """Bytes of an existing dataset."""
        raise NotImplementedError

    def block(self, dataset: dict) -> str:
        """The file or device with the ext4."""
        raise NotImplementedError

    def allocate(self, dataset: dict) -> None:
        """Makes the file or device."""
        raise NotImplementedError

    def grow(self, dataset: dict) -> None:
        """Makes the file or device larger, and the file system in it."""
        raise NotImplementedError

    def ensure(self, dataset: dict) -> None:
        """Creates or grows a dataset."""
        wanted, block = dataset["size_mib"] * MIB, self.block(dataset)
        has = self.size(dataset)
        if has is None:
            self.allocate(dataset)
        elif has < wanted:
            self.grow(dataset)
        elif has >= wanted + EXTENT:
            raise Refusal(
                f"dataset {dataset['name']}: has {has // MIB} MiB, the site says {dataset['size_mib']}: it is never shrunk"
                f"; fix: size_gib: {has / 2**30:g}, or a new dataset"
            )
        # Looked at by itself: a run may have ended between allocating and formatting.
        if has is None or not probe(block):
            # Blocks stay allocated, so that a file cannot find its disk full later.
            self.work.step(f"format {block} as ext4", ["mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard", block])

    def mount_command(self, dataset: dict) -> list[str]:
        """What mounts a dataset at its path, after a look at its file system (a machine may have lost power)."""
        fsck = f"e2fsck -p {self.block(dataset)} || [ $? -le 1 ]"
        return ["sh", "-ec", f"{fsck}; exec mount -t ext4 -o {self.options} {self.block(dataset)} {dataset['path']}"]

    options = MOUNT_OPTIONS


class LvmPool(Ext4Pool):
    """A volume group with a thin pool; each dataset is a thin volume."""

    type = "LVM2_member"
    options = f"{MOUNT_OPTIONS},discard"  # so that what is deleted is free for other datasets and snapshots

    @property
    def group(self) -> str:
        """Name of the volume group."""
        return f"nas_{self.name}"

    def is_ours(self, found: dict[str, str]) -> bool:
        """Whether the disk is in our volume group."""
        return run(["pvs", "--noheadings", "-o", "vg_name", self.path], self.where()).strip() == self.group

    def volumes(self) -> dict[str, int]:
        """Bytes of each volume."""
        words = ["lvs", "--noheadings", "--nosuffix", "--units", "b", "-o", "lv_name,lv_size", self.group]
        return {name: int(size) for name, size in (line.split() for line in run(words, self.where()).splitlines())} if self.exists else {}

    def make(self) -> None:
        """The group, then all of it as thin pool; the second also after a run that ended between the two."""
        if not self.exists:
            self.work.step(f"volume group {self.group} on {self.path}", ["vgcreate", "-q", self.group, self.path])
            self.exists = not self.work.is_plan
        thin = f"{self.group}/thin.pool"
        if "thin.pool" not in self.volumes():
            words = ["lvcreate", "-q", "-y", "--type", "thin-pool", "-l", "100%FREE", "-n", "thin.pool", self.group]
            self.work.step(f"thin pool in {self.group}", words)
        if "thin.pool" not in self.volumes() or run(["lvs", "--noheadings", "-o", "lv_when_full", thin], thin).strip() != "error":
            self.work.step(f"a full {thin} is an error at once", ["lvchange", "-q", "--errorwhenfull", "y", thin])

    def activate(self) -> None:
        """The kernel does not know volumes by itself."""
        if self.exists and not self.work.is_plan and not Path(f"/dev/{self.group}").is_dir():
            run(["vgchange", "-q", "-ay", self.group], self.where())

    def size(self, dataset: dict) -> int | None:
        """Bytes of an existing dataset."""
        return self.volumes().get(f"data.{dataset['name']}")

    def block(self, dataset: dict) -> str:
        """The device with the ext4."""
        return f"/dev/{self.group}/data.{dataset['name']}"

    def allocate(self, dataset: dict) -> None:
        """A thin volume."""
        words = ["lvcreate", "-q", "-y", "--thin", "-V", f"{dataset['size_mib']}m", "-n", f"data.{dataset['name']}"]
        self.work.step(f"volume for {dataset['name']}", [*words, f"{self.group}/thin.pool"])

    def grow(self, dataset: dict) -> None:
        """Volume and file system."""
        block = self.block(dataset)
        words = ["lvextend", "-q", "--resizefs", "-L", f"{dataset['size_mib']}m", block]
        self.work.step(f"grow {dataset['name']} to {dataset['size_mib']} MiB", words)


class FolderPool(Ext4Pool):
    """A folder with a file per dataset; each file holds an ext4. For machines without a disk to give."""

    def look(self) -> None:
        """A folder is made by `make`; what is no folder is refused."""
        self.exists = Path(self.path).is_dir()
        if not self.exists and Path(self.path).exists():
            raise Refusal(f"{self.where()}: is not a folder; fix: name another one in the site")

    def check_space(self, datasets: list[dict]) -> None:
        """Only what is not there yet needs room."""
        above = next(path for path in (Path(self.path), *Path(self.path).parents) if path.is_dir())
        asked = sum(dataset["size_mib"] - (self.size(dataset) or 0) // MIB for dataset in datasets)
        disk = shutil.disk_usage(above)
        has = (disk.free - disk.total // BOOKKEEPING) // MIB
        if asked > 0 and asked > has:
            raise Refusal(
                f"{self.where()}: disk full: its datasets ask for {asked} MiB more, {above} can give {max(has, 0)} MiB; nothing was created"
                f"; fix: take {asked - max(has, 0)} MiB off their sizes, or a larger disk"
            )

    def make(self) -> None:
        """Readable by root only: in it are all files of everyone."""
        if not self.exists:
            self.work.step(f"folder {self.path}", ["mkdir", "--parents", "--mode=0700", self.path])

    def size(self, dataset: dict) -> int | None:
        """Bytes of an existing dataset."""
        file = Path(self.block(dataset))
        return file.stat().st_size if file.exists() else None

    def block(self, dataset: dict) -> str:
        """The file with the ext4."""
        return f"{self.path}/{dataset['name']}.img"

    def allocate(self, dataset: dict) -> None:
        """A file of that size whose blocks are there, and not only promised."""
        self.work.step(f"file for {dataset['name']}", ["fallocate", "-l", f"{dataset['size_mib']}MiB", self.block(dataset)])

    def grow(self, dataset: dict) -> None:
        """File, the device that shows it, and the file system."""
        block = self.block(dataset)
        script = 'fallocate -l "$2" "$1"; e2fsck -fp "$1" || [ $? -le 1 ]; resize2fs "$1"'
        if is_mounted(dataset["path"]):
            script = 'fallocate -l "$2" "$1"; d=$(losetup -nO NAME -j "$1"); losetup -c $d; resize2fs $d'
        words = ["sh", "-ec", script, "sh", block, f"{dataset['size_mib']}MiB"]
        self.work.step(f"grow {dataset['name']} to {dataset['size_mib']} MiB", words)

    def mount_command(self, dataset: dict) -> list[str]:
        """Containers have nodes for the first loop devices only."""
        node = 'd=$(losetup -f); d=${d%% *}; [ -b "$d" ] || mknod -m 0600 "$d" b 7 "${d#/dev/loop}"'
        words = super().mount_command(dataset)
        return [*words[:2], f"{node}; {words[2]}"]
