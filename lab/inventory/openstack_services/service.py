"""What a service is: data for role openstack_service, and how its files are written from it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Option = str | int | bool
MARK = "# Written by Strata: only what differs from what the program does by itself, each with its reason."
MEMCACHED = "127.0.0.1:11211"
SERVICES_PROJECT = "service"  # where the accounts of services are


@dataclass(frozen=True)
class Because:
    """Options with the one reason they share."""

    reason: str
    options: Mapping[str, Option]


Sections = Mapping[str, tuple[Because, ...]]


def because(reason: str, **options: Option) -> Because:
    """Options of a section, and why they are not what the program would choose."""
    return Because(reason, options)


def ini(sections: Sections) -> str:
    """The text of a configuration file."""
    lines = [MARK]
    for name, parts in sections.items():
        lines += ["", f"[{name}]"]
        for part in parts:
            lines += [f"# {part.reason}", *(f"{key} = {written(value)}" for key, value in part.options.items())]
    return "\n".join(lines) + "\n"


def written(value: Option) -> str:
    """A value as these files have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class File:
    """A file of a service; `group` may read it where it is not for everyone. `folder`: mode of its folder, if no package brings it."""

    path: str
    text: str
    group: str = "root"
    mode: str = "0640"
    folder: str = ""


@dataclass(frozen=True)
class Command:
    """Runs when the files it reads, or the packages it comes from, are not those it last succeeded with."""

    what: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Api:
    """What a service offers over TLS: a front of the proxy, and with a `type` entries of the catalog."""

    name: str
    type: str
    port: int
    path: str = ""  # behind the port, in the catalog
    description: str = ""
    is_for_clients: bool = True
    behind: int = 0  # on the machine itself, where that is another port

    @property
    def local_port(self) -> int:
        """What the proxy leads to."""
        return self.behind or self.port


@dataclass(frozen=True)
class Service:
    """One service. Lists are in the order in which things happen; what is empty is not done.

    `probe` is a URL on the machine itself that answers with one of `statuses` once the service is ready; `port` is what listens before.
    """

    name: str
    packages: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    databases: tuple[str, ...] = ()
    database_password: str = ""
    commands: tuple[Command, ...] = ()
    apis: tuple[Api, ...] = ()
    account_password: str = ""
    account_roles: tuple[str, ...] = ("admin", "service")
    more_identity: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)  # of Keystone, besides account and catalog
    more_passwords: Mapping[str, str] = field(default_factory=dict)  # of users in that, by domain/name
    units: tuple[str, ...] = ()
    unwanted_units: tuple[str, ...] = ()
    port: int = 0
    probe: str = ""
    probe_name: str = ""  # the host that is asked for, where it matters
    statuses: tuple[int, ...] = (200, 300)


@dataclass(frozen=True)
class Cloud:
    """What services have to know of the cloud they are part of."""

    name: str  # full host name in every URL
    region: str
    seed: str  # every password of a service is made from it
    admin_password: str
    my_address: str  # of this machine, towards the others
    control_address: str  # of the control machine, where messages go
    workers: int = 1
    provider_mtu: int = 1500  # of the lab's subnet that servers are let out in, in bytes
    overlay_mtu: int = 1442  # of servers' own networks
    optional: tuple[str, ...] = ()  # services that a cloud need not have, out of OPTIONAL
    volumes_backend: str = ""  # ceph or nfs; without one, the cloud has no volumes
    volumes_gib: int = 10  # that a store on the control machine may take
    volumes_export: str = ""  # of the NAS, as `mount` is told it

    def password(self, of: str) -> str:
        """The password of one purpose, as `nova/database`: from the site's one secret, and none of them tells another or the secret."""
        return base64.urlsafe_b64encode(self.key(of))[:32].decode()

    def key(self, of: str) -> bytes:
        """Thirty-two bytes of one purpose, in the same way."""
        return hmac.new(self.seed.encode(), of.encode(), hashlib.sha256).digest()

    def url(self, port: int, path: str = "") -> str:
        """An address of an API, the same for those inside and outside."""
        return f"https://{self.name}:{port}{path}"

    def database(self, name: str, user: str = "") -> str:
        """How a service reaches its database: by the socket, so that none listens on a network."""
        who = f"{user or name}:{self.password((user or name) + '/database')}"
        return f"mysql+pymysql://{who}@localhost/{name}?unix_socket=/run/mysqld/mysqld.sock"

    def messages(self) -> str:
        """How services reach the message broker."""
        return f"rabbit://openstack:{self.password('rabbitmq')}@{self.control_address}:5672/"

    def login(self, user: str) -> dict[str, Option]:
        """Options of a section in which one service speaks to another as itself."""
        return {
            "auth_type": "password",
            "auth_url": self.url(5000, "/v3"),
            "project_name": SERVICES_PROJECT,
            "project_domain_name": "Default",
            "user_domain_name": "Default",
            "username": user,
            "password": self.password(f"{user}/account"),
            "region_name": self.region,
        }

    def as_itself(self, user: str, reason: str, **more: Option) -> tuple[Because, ...]:
        """A section in which one service speaks to another, and why it does."""
        return (Because(reason, self.login(user) | more),)

    def asks_keystone(self, user: str) -> tuple[Because, ...]:
        """Section keystone_authtoken: who comes is asked of Keystone, and remembered for a while."""
        own: dict[str, Option] = {
            "www_authenticate_uri": self.url(5000),
            "memcached_servers": MEMCACHED,
            # Tokens of services that act for a user, whose own may have run out meanwhile.
            "service_token_roles": "service",
            "service_token_roles_required": True,
        }
        return (Because("Who comes is asked of Keystone, as this account.", self.login(user) | own),)


@dataclass(frozen=True)
class Wsgi:
    """An API that runs in uWSGI; `script` of its package is what uWSGI runs, `start` the name of its start script's defaults."""

    start: str
    port: int
    script: str
    folder: str  # /etc/NAME, and group NAME
    threads: int = 4
    enable_threads: bool = True  # whether the program may have threads besides those
    more: tuple[Because, ...] = ()


def wsgi_files(wsgi: Wsgi, processes: int) -> tuple[File, ...]:
    """How many processes, and for this machine alone: the proxy speaks to the world. The package's own would listen everywhere."""
    path = f"/etc/{wsgi.folder}/lab-{wsgi.start}-uwsgi.ini"
    options: dict[str, Option] = {
        "plugins": "python3",
        "wsgi-file": wsgi.script,
        "chdir": f"/var/lib/{wsgi.folder}",
        "http-socket": f"127.0.0.1:{wsgi.port}",
        "processes": processes,
        "threads": wsgi.threads,
        "enable-threads": wsgi.enable_threads,
        "master": True,
        "lazy-apps": True,
        "die-on-term": True,
        "no-orphans": True,
        "close-on-exec": True,
        "thunder-lock": True,
    }
    reasons = (
        Because("Listens for the proxy on this machine only; the journal has what it says.", options),
        Because("Tokens and catalogs make long headers.", {"buffer-size": 65535}),
        Because("A kept connection that uWSGI closes first looks like a reset to the client.", {"add-header": "Connection: close"}),
        *wsgi.more,
    )
    start = f"# Written by Strata: instead of {wsgi.start}'s own uWSGI settings, which listen everywhere.\n"
    start += f'DAEMON_ARGS="--ini {path}"\n'
    return (File(path, ini({"uwsgi": reasons}), wsgi.folder), File(f"/etc/default/{wsgi.start}", start, mode="0644"))


def identity(service: Service, cloud: Cloud) -> dict[str, list[dict[str, Any]]]:
    """What Keystone has to know of a service, as kinds of things (lab.openstack.model), without the password."""
    if not service.account_password:
        return {}
    listed = [api for api in service.apis if api.type]
    who = service.name
    more = service.more_identity
    own: dict[str, list[dict[str, Any]]] = {
        "project": [{"name": SERVICES_PROJECT, "description": "Accounts of services"}],
        "role": [{"name": role} for role in service.account_roles],
        "user": [{"name": who}],
        "assignment": [{"name": who, "role": role, "project": SERVICES_PROJECT} for role in service.account_roles],
        "service": [{"name": api.name, "type": api.type, "description": api.description} for api in listed],
        "endpoint": [
            {"name": api.name, "interface": interface, "region": cloud.region, "url": cloud.url(api.port, api.path)}
            for api in listed
            for interface in ("public", "internal")
        ],
    }
    return {kind: [*own.get(kind, []), *more.get(kind, [])] for kind in {**own, **more}}


def as_data(service: Service, cloud: Cloud) -> dict[str, Any]:
    """The service as role openstack_service sees it."""
    one = {"what": "", "argv": []}
    return {
        "name": service.name,
        "packages": list(service.packages),
        "files": [vars(file) for file in service.files],
        "databases": list(service.databases),
        "database_password": service.database_password,
        "commands": [one | {"what": command.what, "argv": list(command.argv)} for command in service.commands],
        "apis": [vars(api) for api in service.apis],
        "passwords": ({f"Default/{service.name}": service.account_password} if service.account_password else {})
        | dict(service.more_passwords),
        "identity": identity(service, cloud),
        "units": list(service.units),
        "unwanted_units": list(service.unwanted_units),
        "port": service.port,
        "probe": service.probe,
        "probe_name": service.probe_name,
        "statuses": list(service.statuses),
    }
