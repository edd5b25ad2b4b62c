"""Pools that are one file system for all their datasets: btrfs with subvolumes, XFS with project quotas."""

import os
import subprocess
import zlib
from pathlib import Path

try:
    from ansible.module_utils.nas_pools import MIB, MOUNT_OPTIONS, Pool, is_mounted, run
except ImportError:  # at boot there is no Ansible
    from nas_pools import MIB, MOUNT_OPTIONS, Pool, is_mounted, run

POOLS = Path("/var/lib/nas/pools")  # where the pools themselves are mounted


class FileSystemPool(Pool):
    """One file system for all datasets, mounted apart from them."""

    options = MOUNT_OPTIONS

    @property
    def top(self) -> str:
        """Where the pool itself is mounted."""
        return str(POOLS / self.name)

    def format_command(self) -> list[str]:
        """What makes the file system."""
        raise NotImplementedError

    def make(self) -> None:
        """File system and its mount."""
        if not self.exists:
            self.work.step(f"format {self.path} as {self.type}", self.format_command())
            self.exists = not self.work.is_plan
        self.activate()

    def activate(self) -> None:
        """Mounts the pool."""
        if self.exists and not is_mounted(self.top) and not self.work.is_plan:
            Path(self.top).mkdir(parents=True, exist_ok=True)
            POOLS.chmod(0o700)
            self.work.step(f"mount {self.top}", ["mount", "-t", self.type, "-o", self.options, self.path, self.top])

    def folder(self, dataset: dict) -> str:
        """Where a dataset is in the pool."""
        return f"{self.top}/data.{dataset['name']}"

    def is_there(self, dataset: dict) -> bool:
        """Whether a dataset exists."""
        return self.exists and Path(self.folder(dataset)).is_dir()


class BtrfsPool(FileSystemPool):
    """Each dataset is a subvolume with a limit on its group."""

    type = "btrfs"

    def format_command(self) -> list[str]:
        """What makes the file system."""
        return ["mkfs.btrfs", "-q", "-L", self.label, self.path]

    def make(self) -> None:
        """Limits count only with quotas on."""
        super().make()
        if not self.exists or self.limits() is None:
            self.work.step(f"quotas on {self.path}", ["btrfs", "quota", "enable", self.top])

    def limits(self) -> dict[str, str] | None:
        """The limit of each group; None with quotas off."""
        words = ["btrfs", "qgroup", "show", "-r", "--raw", self.top]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        rows = [line.split() for line in done.stdout.splitlines() if line.startswith("0/")]
        return {row[0]: row[3] for row in rows} if done.returncode == 0 else None

    def ensure(self, dataset: dict) -> None:
        """Subvolume, then its limit."""
        folder, wanted = self.folder(dataset), str(dataset["size_mib"] * MIB)
        has = None
        if not self.is_there(dataset):
            self.work.step(f"subvolume for {dataset['name']}", ["btrfs", "-q", "subvolume", "create", folder])
        if self.is_there(dataset):
            number = run(["btrfs", "inspect-internal", "rootid", folder], folder).strip()
            has = (self.limits() or {}).get(f"0/{number}")
        if has != wanted:
            self.work.step(f"limit {dataset['name']} to {dataset['size_mib']} MiB", ["btrfs", "qgroup", "limit", wanted, folder])

    def mount_command(self, dataset: dict) -> list[str]:
        """A subvolume can be mounted by itself."""
        return ["mount", "-t", "btrfs", "-o", f"{self.options},subvol=/data.{dataset['name']}", self.path, dataset["path"]]


class XfsPool(FileSystemPool):
    """Each dataset is a folder with a project quota."""

    type = "xfs"
    options = f"{MOUNT_OPTIONS},prjquota"

    def format_command(self) -> list[str]:
        """What makes the file system."""
        return ["mkfs.xfs", "-q", "-L", self.label, self.path]

    def ensure(self, dataset: dict) -> None:
        """Folder, then its project and limit; a folder of a project shows its limit as the size of its file system."""
        folder, project = self.folder(dataset), str(zlib.crc32(dataset["name"].encode()) % 2**31 + 1)
        if not self.is_there(dataset):
            self.work.step(f"folder for {dataset['name']}", ["mkdir", folder])
        has = 0
        if self.is_there(dataset):
            found = os.statvfs(folder)
            has = found.f_blocks * found.f_frsize
        if has != dataset["size_mib"] * MIB:
            marks = ["xfs_quota", "-x", "-c", f"project -s -p {folder} {project}", self.top]
            limits = ["xfs_quota", "-x", "-c", f"limit -p bhard={dataset['size_mib']}m {project}", self.top]
            self.work.step(f"limit {dataset['name']} to {dataset['size_mib']} MiB", marks, limits)

    def mount_command(self, dataset: dict) -> list[str]:
        """Shown at its path, as all datasets are."""
        return ["mount", "--bind", self.folder(dataset), dataset["path"]]
