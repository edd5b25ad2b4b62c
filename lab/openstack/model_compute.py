"""What can be wanted of Nova, Glance and Cinder: hardware, images, disks and the servers themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SecretStr, model_validator

from lab.things.thing import Name, Ref, Thing

Sha512 = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class Flavor(Thing):
    """A size of servers. It cannot be changed once it is there; `disk_gib` 0 is as large as the image."""

    kind: ClassVar[str] = "flavor"
    vcpus: int = Field(ge=1)
    memory_mib: int = Field(ge=1)
    disk_gib: int = Field(ge=0)
    public: bool = True
    properties: dict[str, str] = Field(default_factory=dict)

    def wanted(self) -> dict[str, Any]:
        """Size, and the properties that are named."""
        values = {key: getattr(self, key) for key in ("vcpus", "memory_mib", "disk_gib", "public")}
        return values | ({"properties": dict(self.properties)} if self.properties else {})


class Image(Thing):
    """A disk that servers begin with, uploaded from a file of the controller; a wrong or half one is only replaced with `replace`."""

    kind: ClassVar[str] = "image"
    file: Path
    format: Literal["qcow2", "raw", "iso", "vmdk", "vhd"] = "qcow2"
    sha512: Sha512 | None = None
    visibility: Literal["public", "private", "shared", "community"] = "public"
    min_disk_gib: int = Field(default=0, ge=0)
    min_memory_mib: int = Field(default=0, ge=0)
    properties: dict[str, str] = Field(default_factory=dict)
    replace: bool = False

    def wanted(self) -> dict[str, Any]:
        """Its content, as soon as that is known: in check mode the file may still have to be built."""
        values: dict[str, Any] = {key: getattr(self, key) for key in ("format", "visibility", "min_disk_gib", "min_memory_mib")}
        values |= {"status": "active"}
        values |= {"sha512": self.sha512} if self.sha512 else {}
        return values | ({"properties": dict(self.properties)} if self.properties else {})


class Keypair(Thing):
    """A public key of who is logged in, which servers let in."""

    kind: ClassVar[str] = "keypair"
    public_key: str = Field(pattern=r"^(ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+ \S+")

    def wanted(self) -> dict[str, Any]:
        """Type and key; the comment is nobody's business."""
        return {"public_key": " ".join(self.public_key.split()[:2])}


class VolumeType(Thing):
    """A kind of disks: which backend of Cinder makes them."""

    kind: ClassVar[str] = "volume_type"
    backend: Name | None = None
    description: str = ""
    public: bool = True
    properties: dict[str, str] = Field(default_factory=dict)

    def wanted(self) -> dict[str, Any]:
        """The backend is one of the properties."""
        properties = dict(self.properties) | ({"volume_backend_name": self.backend} if self.backend else {})
        values: dict[str, Any] = {"description": self.description, "public": self.public}
        return values | ({"properties": properties} if properties else {})


class Volume(Thing):
    """A disk of its own life. Made from an image it can be booted; disks grow and never shrink."""

    kind: ClassVar[str] = "volume"
    size_gib: int = Field(ge=1)
    type: Name | None = None
    image: Name | None = None
    snapshot: Name | None = None
    description: str = ""

    @model_validator(mode="after")
    def one_beginning(self) -> Volume:
        """It begins as a copy of one thing, or empty."""
        if self.image is not None and self.snapshot is not None:
            raise ValueError("give image or snapshot, not both: a volume begins as a copy of one of them")
        return self

    def needs(self) -> list[Ref]:
        """Its type, and what it begins as a copy of."""
        parts = {"volume_type": self.type, "image": self.image, "snapshot": self.snapshot}
        return [Ref(kind, name) for kind, name in parts.items() if name]

    def wanted(self) -> dict[str, Any]:
        """The type only where the site decides it."""
        values: dict[str, Any] = {"size_gib": self.size_gib, "description": self.description, "usable": True}
        chosen = {"type": self.type, "image": self.image, "snapshot": self.snapshot}
        return values | {key: value for key, value in chosen.items() if value is not None}


class Snapshot(Thing):
    """A volume as it was at a moment; another volume can begin as a copy of it. `even_attached` takes it from under a server."""

    kind: ClassVar[str] = "snapshot"
    volume: Name
    description: str = ""
    even_attached: bool = False

    def needs(self) -> list[Ref]:
        """Its volume."""
        return [Ref("volume", self.volume)]

    def wanted(self) -> dict[str, Any]:
        """Whose moment it is."""
        return {"volume": self.volume, "description": self.description, "usable": True}


class Stack(Thing):
    """Things that Heat makes of a template, which is compared as a whole, with the parameters that are named."""

    kind: ClassVar[str] = "stack"
    template: dict[str, Any]
    parameters: dict[str, str] = Field(default_factory=dict)

    def wanted(self) -> dict[str, Any]:
        """What Heat was told, and that it is done."""
        return {"template": canonical(self.template), "parameters": dict(self.parameters), "state": "complete"}


def canonical(template: Mapping[str, Any]) -> str:
    """A template as text that is the same for the same content; what is empty or only a description does not count."""
    told = {key: value for key, value in template.items() if value and key != "description"}
    return json.dumps(told, indent=1, sort_keys=True)


class Server(Thing):
    """A server, booted from an image or from a volume, on networks in this order; `host` only where it has to be that compute node."""

    kind: ClassVar[str] = "server"
    flavor: Name
    image: Name | None = None
    boot_volume: Name | None = None
    networks: tuple[Name, ...] = Field(min_length=1)
    security_groups: tuple[Name, ...] = ("default",)
    keypair: Name | None = None
    user_data: SecretStr | None = None
    config_drive: bool = False
    volumes: tuple[Name, ...] = ()
    host: Name | None = None
    state: Literal["running", "stopped"] = "running"

    @model_validator(mode="after")
    def boots(self) -> Server:
        """It boots from one disk, which is not one of the others."""
        if (self.image is None) == (self.boot_volume is None):
            raise ValueError("give image or boot_volume: a server boots from one of them")
        if self.boot_volume in self.volumes:
            raise ValueError(f"{self.boot_volume} is the disk it boots from and cannot be one of volumes, too")
        return self

    def needs(self) -> list[Ref]:
        """Everything it is made of."""
        parts = [Ref("flavor", self.flavor), *(Ref("network", name) for name in self.networks)]
        parts += [Ref("security_group", name) for name in self.security_groups]
        parts += [Ref("image", self.image)] if self.image else []
        parts += [Ref("volume", name) for name in (self.boot_volume, *self.volumes) if name]
        return parts + ([Ref("keypair", self.keypair)] if self.keypair else [])

    def wanted(self) -> dict[str, Any]:
        """Hardware, place, state; what the guest was told once cannot be told again, and is not compared."""
        values: dict[str, Any] = {"flavor": self.flavor, "state": self.state, "networks": sorted(self.networks)}
        values |= {"security_groups": sorted(self.security_groups), "volumes": sorted(self.volumes)}
        chosen = {"image": self.image, "boot_volume": self.boot_volume, "keypair": self.keypair, "host": self.host}
        return values | {key: value for key, value in chosen.items() if value is not None}
