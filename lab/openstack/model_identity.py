"""What can be wanted of Keystone: who there is, what each may, and where services are."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, model_validator

from lab.things.thing import Name, Ref, Thing

DEFAULT = "Default"  # the domain that bootstrapping makes
AS_GIVEN = "as given"  # a password that opens the door; anything else is another one, and neither is ever shown


class Domain(Thing):
    """Projects and users of one owner."""

    kind: ClassVar[str] = "domain"
    description: str = ""
    enabled: bool = True

    def wanted(self) -> dict[str, Any]:
        """What a domain decides."""
        return {"description": self.description, "enabled": self.enabled}


class Project(Thing):
    """What owns servers, networks and volumes."""

    kind: ClassVar[str] = "project"
    domain: Name = DEFAULT
    description: str = ""
    enabled: bool = True

    @property
    def key(self) -> str:
        """Unique in its domain."""
        return f"{self.domain}/{self.name}"

    def needs(self) -> list[Ref]:
        """Its domain."""
        return [Ref("domain", self.domain)]

    def wanted(self) -> dict[str, Any]:
        """What a project decides."""
        return {"description": self.description, "enabled": self.enabled}


class User(Thing):
    """A person or a service. Whether a password is as wanted is found out by asking for a token with it."""

    kind: ClassVar[str] = "user"
    domain: Name = DEFAULT
    password: SecretStr | None = None
    description: str = ""
    enabled: bool = True

    @property
    def key(self) -> str:
        """Unique in its domain."""
        return f"{self.domain}/{self.name}"

    def needs(self) -> list[Ref]:
        """Its domain."""
        return [Ref("domain", self.domain)]

    def wanted(self) -> dict[str, Any]:
        """The password only as a word."""
        told = {"password": AS_GIVEN} if self.password is not None and self.enabled else {}
        return {"description": self.description, "enabled": self.enabled} | told


class Role(Thing):
    """A word that the services' policies know."""

    kind: ClassVar[str] = "role"


class Assignment(Thing):
    """A user (`name`) has a role on a project, on a domain, or on the whole system."""

    kind: ClassVar[str] = "assignment"
    role: Name
    user_domain: Name = DEFAULT
    project: Name | None = None
    project_domain: Name = DEFAULT
    on_domain: Name | None = None
    system: bool = False

    @model_validator(mode="after")
    def one_place(self) -> Assignment:
        """A role is given in one place."""
        if sum((self.project is not None, self.on_domain is not None, self.system)) != 1:
            raise ValueError("give one of project, on_domain and system: a role is given in one place")
        return self

    @property
    def place(self) -> str:
        """Where the role counts."""
        if self.project is not None:
            return f"project {self.project_domain}/{self.project}"
        return f"domain {self.on_domain}" if self.on_domain is not None else "the system"

    @property
    def key(self) -> str:
        """Who is what, where."""
        return f"{self.role} for {self.user_domain}/{self.name} on {self.place}"

    def needs(self) -> list[Ref]:
        """Who, what, where."""
        where = [Ref("project", f"{self.project_domain}/{self.project}")] if self.project is not None else []
        where += [Ref("domain", self.on_domain)] if self.on_domain is not None else []
        return [Ref("user", f"{self.user_domain}/{self.name}"), Ref("role", self.role), *where]


class Service(Thing):
    """A service of the catalog."""

    kind: ClassVar[str] = "service"
    type: Name
    description: str = ""
    enabled: bool = True

    def wanted(self) -> dict[str, Any]:
        """What a service decides."""
        return {"type": self.type, "description": self.description, "enabled": self.enabled}


class Endpoint(Thing):
    """Where a service (`name`) is spoken to."""

    kind: ClassVar[str] = "endpoint"
    interface: Literal["public", "internal", "admin"] = "public"
    region: Name = "RegionOne"
    url: str = Field(pattern=r"^https?://")

    @property
    def key(self) -> str:
        """A service has one of an interface in a region."""
        return f"{self.region}/{self.name}/{self.interface}"

    def needs(self) -> list[Ref]:
        """Its service."""
        return [Ref("service", self.name)]

    def wanted(self) -> dict[str, Any]:
        """Its address."""
        return {"url": self.url}


# What a site calls a limit -> the service that keeps it, and what that one calls it.
LIMITS: dict[str, tuple[str, str]] = {
    "servers": ("compute", "instances"),
    "vcpus": ("compute", "cores"),
    "memory_mib": ("compute", "ram"),
    "key_pairs": ("compute", "key_pairs"),
    "volumes": ("volume", "volumes"),
    "volumes_gib": ("volume", "gigabytes"),
    "snapshots": ("volume", "snapshots"),
    "networks": ("network", "networks"),
    "subnets": ("network", "subnets"),
    "routers": ("network", "routers"),
    "ports": ("network", "ports"),
    "floating_ips": ("network", "floating_ips"),
    "security_groups": ("network", "security_groups"),
    "security_group_rules": ("network", "security_group_rules"),
}


class Quota(Thing):
    """How much a project (`name`) may use; -1 is no limit, and what is not named stays as it is."""

    kind: ClassVar[str] = "quota"
    domain: Name = DEFAULT
    limits: dict[str, int]

    @model_validator(mode="after")
    def known(self) -> Quota:
        """Refuses limits that no service has."""
        unknown = sorted(set(self.limits) - set(LIMITS))
        low = sorted(name for name, value in self.limits.items() if value < -1)
        if unknown:
            raise ValueError(f"no service limits {', '.join(unknown)}; fix: one of {', '.join(sorted(LIMITS))}")
        if low:
            raise ValueError(f"{', '.join(low)}: a limit is -1 (none) or more")
        return self

    @property
    def key(self) -> str:
        """Its project."""
        return f"{self.domain}/{self.name}"

    def needs(self) -> list[Ref]:
        """Its project."""
        return [Ref("project", self.key)]

    def wanted(self) -> dict[str, Any]:
        """The limits that are named."""
        return dict(self.limits)
