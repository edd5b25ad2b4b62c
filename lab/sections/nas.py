"""Section `nas` of a site file: pools, what is kept on them, and who may use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator

from lab.errors import suggest
from lab.site_fields import Name, UserName, refuse, shown
from lab.site_model import Model, SecretReference, one_of

OVIRT = 36  # vdsm and kvm, as every oVirt host has them; a storage domain of anyone else is refused there
_KNOWN_NUMBERS = {"root": 0, "vdsm": OVIRT, "kvm": OVIRT, "nobody": 65534}
_RESERVED_DATASETS = ("global", "homes", "ipc", "netlogon", "printers", "print", "profiles", "pool", "thin")
FIRST_PERSON = 2000  # below, Debian numbers its own accounts and those of administrators


def _owner(value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        refuse(f"must be a number or a name, is {shown(value)}")
    if isinstance(value, int):
        if not 0 <= value < 2**32 - 1:
            refuse(f"{value} is not the number of a user or group")
        return value
    return _KNOWN_NUMBERS.get(value, value)


def _mode(value: Any) -> str:
    if not isinstance(value, str):
        refuse(f"must be octal digits in quotes, is {shown(value)}", 'write it as "0770"')
    if not re.fullmatch(r"[0-7]{3,4}", value):
        refuse(f"{shown(value)} is not a mode", 'write it as "0770"')
    return value.rjust(4, "0")


def _device(value: str) -> str:
    if not re.fullmatch(r"/dev/[\w./:+@-]+", value) or ".." in value.split("/"):
        refuse(f"{shown(value)} is not the path of a device", "best by what stays the same: /dev/disk/by-id/...")
    return value


def _folder(value: str) -> str:
    if not re.fullmatch(r"(/[\w.+-]+){2,}", value) or ".." in value.split("/"):
        refuse(f"{shown(value)} is not a folder of its own", "write it as /srv/pools/tank")
    if value.startswith("/srv/nas"):
        refuse(f"{shown(value)} lies where datasets are mounted", "write it as /srv/pools/tank")
    return value


def _pool_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", value):
        refuse(f"{shown(value)} is not a pool name: a letter, then letters and digits, at most 8, for it is the label of a disk")
    return value


def _dataset_name(value: str) -> str:
    if value in _RESERVED_DATASETS:
        refuse(f"{value} is a name with a meaning of its own on a file server", "choose another name")
    if len(value) > 32:
        refuse(f"{shown(value)} is longer than 32 characters")
    return value


_WRITTEN_OWNER = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}
Owner = Annotated[int | str, PlainValidator(_owner), WithJsonSchema(_WRITTEN_OWNER)]
Mode = Annotated[str, PlainValidator(_mode), WithJsonSchema({"type": "string", "pattern": "^[0-7]{3,4}$"})]
Device = Annotated[str, AfterValidator(_device)]
Folder = Annotated[str, AfterValidator(_folder)]
PoolName = Annotated[str, AfterValidator(_pool_name)]
DatasetName = Annotated[Name, AfterValidator(_dataset_name)]
Count = Annotated[int, Field(ge=0, le=500)]


class NasUser(Model):
    """Someone who uses SMB; has no login on any machine."""

    name: UserName
    uid: Annotated[int, Field(ge=FIRST_PERSON, lt=60000)]
    password: SecretReference


class Pool(Model):
    """Where datasets are: a whole disk, or a folder for a machine that has none to give (a container)."""

    disk: str | None = Field(None, description="name of one of the machine's `disks`")
    device: Device | None = Field(None, description="path of a device; it has to be blank, or this pool already")
    folder: Folder | None = Field(None, description="a file per dataset in this folder, each with an ext4")
    filesystem: Literal["lvm", "btrfs", "xfs"] | None = Field(
        None, description="of a disk or device; lvm: an ext4 per dataset on a thin pool"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        one_of(self, "disk", "device", "folder")
        if self.folder is not None and self.filesystem is not None:
            refuse("a folder has the file system it is on", "remove it", "filesystem")
        if self.folder is None and self.filesystem is None:
            refuse("is required for a disk", "one of: btrfs, lvm, xfs", "filesystem")
        return self

    @property
    def kind(self) -> str:
        """What role nas calls it."""
        return self.filesystem or "folder"


class Snapshots(Model):
    """How many are kept; without any, none is taken."""

    hourly: Count = 0
    daily: Count = 0
    weekly: Count = 0


class Export(Model):
    """Clients that may use a dataset over NFS, all in the same way."""

    clients: tuple[str, ...] = Field(min_length=1, description="subnets by name, or addresses and ranges inside of subnets")
    squash: Literal["none", "root", "all"] = Field("root", description="whose number is not believed; all: everyone is the dataset's owner")
    read_only: bool = False


class Share(Model):
    """People who may use a dataset over SMB, with their passwords."""

    clients: tuple[str, ...] = Field(min_length=1, description="subnets by name, or addresses and ranges inside of subnets")
    users: tuple[str, ...] = Field(min_length=1, description="out of nas.users")
    read_only: bool = False


class Dataset(Model):
    """A folder with an owner, a limit, snapshots, and those who may use it. It is /srv/nas/NAME."""

    for_: Literal["ovirt"] | None = Field(None, alias="for", description="ovirt: a storage domain, which belongs to 36:36")
    pool: str
    size_gib: Annotated[float, Field(ge=0.0625, le=2**20)]
    owner: Owner = 0
    group: Owner = 0
    mode: Mode = "0755"
    snapshots: Snapshots = Snapshots()
    backup: bool = Field(False, description="whether the stage backup keeps copies of it elsewhere")
    exports: tuple[Export, ...] = ()
    share: Share | None = Field(None, description="SMB")

    @model_validator(mode="before")
    @classmethod
    def _of_ovirt(cls, data: Any) -> Any:
        """What oVirt needs is the default where it is said to be for oVirt."""
        if not isinstance(data, Mapping) or data.get("for") != "ovirt":
            return data
        return {"owner": OVIRT, "group": OVIRT, **data}

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for key in ("owner", "group") if self.for_ == "ovirt" else ():
            if getattr(self, key) != OVIRT:
                refuse(f"oVirt uses a storage domain as 36:36 only, is {getattr(self, key)}", f"{key}: 36, or leave it out", key)
        if self.for_ == "ovirt" and int(self.mode, 8) & 0o700 != 0o700:
            refuse(f"mode {self.mode} does not let oVirt, the owner, read and write", 'mode: "0755"', "mode")
        share, bits = self.share, int(self.mode, 8)
        if share and not share.read_only and bits & 0o2070 != 0o2070:
            mended = f'"{bits | 0o2070:04o}"'
            refuse(
                f"mode {self.mode} does not let the group of those who share it write, or keep it the group of new files", mended, "mode"
            )
        if share and not share.read_only and isinstance(self.group, int) and self.group < FIRST_PERSON:
            refuse(
                f"group {self.group} belongs to the system, and who writes over SMB becomes a member of it",
                f"a number from {FIRST_PERSON} on",
                "group",
            )
        return self

    @property
    def size_mib(self) -> int:
        """The limit as tools want it."""
        return round(self.size_gib * 1024)


class Mount(Model):
    """A dataset that a machine of group client mounts at boot, by its kernel."""

    machine: str
    dataset: str
    path: Folder
    read_only: bool = False


class Nas(Model):
    """The machine of group nas: its pools, datasets and users."""

    users: tuple[NasUser, ...] = ()
    pools: dict[PoolName, Pool] = Field(min_length=1)
    datasets: dict[DatasetName, Dataset] = Field(min_length=1)
    mounts: tuple[Mount, ...] = ()

    def number(self, owner: int | str) -> int:
        """The number of a user or of the user's own group; names that are unknown are refused by the checks."""
        return owner if isinstance(owner, int) else next(user.uid for user in self.users if user.name == owner)


def networks(clients: tuple[str, ...], subnets: Mapping[str, Any]) -> list[IPv4Network]:
    """Clients as ranges; a text that is neither a subnet nor a range raises ValueError."""
    return [subnets[client].cidr if client in subnets else IPv4Network(client) for client in clients]


def unknown_name(name: str, known: list[str]) -> tuple[str, str]:
    """Message and fix for an owner nobody knows."""
    return f"there is no user {name}", suggest(name, [*known, *_KNOWN_NUMBERS]) + ("" if known else ", or a number")
