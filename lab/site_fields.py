"""The types of single values in a site file: what they accept, and what they say when they refuse."""

from __future__ import annotations

import base64
import binascii
import re
import zoneinfo
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_address
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from lab.errors import suggest

GROUPS: Mapping[str, str] = {
    "router": "routes between the subnets, serves their addresses, names and time",
    "client": "a machine without a service of its own",
    "nas": "keeps files for the lab and exports them",
    "ovirt_engine": "manages hypervisors and the machines on them",
    "ovirt_hypervisor": "runs machines of platform ovirt",
    "openstack_control": "has the cloud's APIs, database and messages",
    "openstack_network": "lets servers of the cloud out, and visitors in",
    "openstack_compute": "runs servers of the cloud",
    "git": "keeps the lab's repositories",
    "kubernetes_control_plane": "serves the API of the cluster and keeps its state",
    "kubernetes_worker": "runs the workloads of the cluster",
    "backup": "keeps copies of what the lab cannot make again",
    "spare": "stands only during a drill: what was lost is restored onto it",
}
"""What a machine can be, by name. A stage that installs something brings its group."""

_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_SECURITY_KEY_TYPES = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
# Ansible's own names, and groups of the inventory: it takes a host of such a name for the group.
_RESERVED_MACHINES = ("all", "lab", "localhost", "ungrouped", "debian", "kubernetes", "openstack", *GROUPS)


def refuse(message: str, fix: str = "", key: str = "") -> NoReturn:
    """Refuse a value; `key` names the part of it that is at fault."""
    raise PydanticCustomError("strata", "{message}", {"message": message, "fix": fix, "key": key})


def _text(value: Any, wanted: str) -> str:
    if not isinstance(value, str):
        refuse(f"must be {wanted}, is {shown(value)}")
    return value


def shown(value: Any) -> str:
    """A value as a message shows it: short, and without the content of collections."""
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _address(value: Any) -> IPv4Address:
    text = _text(value, "an IPv4 address in dotted form")
    try:
        address = IPv4Address(text)
    except ValueError:
        refuse(f"{shown(text)} is not an IPv4 address", _without_prefix(text))
    if int(address) < 2**24:
        refuse(f"{address} is not the address of a machine")
    return address


def _without_prefix(text: str) -> str:
    try:
        return f"did you mean {IPv4Interface(text).ip}?"
    except ValueError:
        return ""


def _address_or_number(value: Any) -> IPv4Address:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value < 2**24:
            refuse(f"host number {value} must be between 1 and {2**24 - 1}")
        return IPv4Address(value)
    return _address(value)


def _network(value: Any) -> IPv4Network:
    text = _text(value, "a network such as 10.64.20.0/24")
    try:
        return IPv4Network(text)
    except ValueError:
        pass
    try:
        fix = f"did you mean {IPv4Network(text, strict=False)}?"
    except ValueError:
        refuse(f"{shown(text)} is not an IPv4 network", "write it as 10.64.20.0/24")
    refuse(f"{text} is an address inside a network, not the network", fix)


def _uplink_address(value: Any) -> IPv4Interface | Literal["dhcp"]:
    text = _text(value, "dhcp or an address with its prefix length")
    if text == "dhcp":
        return "dhcp"
    try:
        interface = IPv4Interface(text)
    except ValueError:
        refuse(f"{shown(text)} is neither dhcp nor an address with its prefix length", "write it as 192.0.2.2/24")
    if "/" not in text:
        refuse(f"{text} lacks the prefix length of its network", f"did you mean {text}/24?")
    return interface


def _mac(value: Any) -> str:
    text = _text(value, "a MAC address").lower().replace("-", ":")
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", text):
        refuse(f"{shown(value)} is not a MAC address", "write it as 52:54:00:12:34:56")
    if int(text[:2], 16) & 1:
        refuse(f"{text} is a multicast address, which no machine has")
    return text


def _named(pattern: str, rule: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value):
            return value
        mended = re.sub(r"[^a-z0-9-]+", "-", value.lower()).strip("-").lstrip("0123456789-")
        refuse(f"{shown(value)} is not {rule}", f"did you mean {mended}?" if re.fullmatch(pattern, mended) else "")

    return check


def _machine_name(value: str) -> str:
    if value in _RESERVED_MACHINES:
        refuse(f"{value} is a name with a meaning of its own", "choose another name")
    return value


def _domain(value: str) -> str:
    if len(value) <= 253 and re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", value):
        return value
    refuse(f"{shown(value)} is not a domain name", "write it as lab.internal")


def _server(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        return _domain(value)


def _timezone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
        return value
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
    if known:
        fix = suggest(value, known)
        refuse(f"there is no time zone {shown(value)}", fix if fix.startswith("did") else "write it as Etc/UTC")
    return value  # a machine without a time zone database cannot tell


def _group(value: str) -> str:
    if value not in GROUPS:
        refuse(f"there is no group {shown(value)}", suggest(value, GROUPS))
    return value


def _public_key(value: str) -> str:
    kind, _, rest = value.strip().partition(" ")
    if "PRIVATE KEY" in value:
        refuse("this is a private key: it must not be here", "put the content of the .pub file here and replace the key, it has been shown")
    if kind not in _KEY_TYPES + _SECURITY_KEY_TYPES:
        refuse("this is not a public SSH key", "put the one line of a .pub file here, it starts with ssh-ed25519 or the like")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()) or len(blob) < len(kind) + 36:
        refuse(f"this {kind} key is cut short or damaged", "copy the .pub file again")
    return value.strip()


def _proxy(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/:@]+(:[0-9]{1,5})?/?", value):
        refuse(f"{shown(value)} is not the URL of a proxy", "write it as http://10.91.0.1:3142")
    return value


def _relative_path(value: str) -> str:
    if not value or value.startswith("/") or ".." in value.split("/"):
        refuse(
            f"{shown(value)} does not lie in the folder of the site", "write it relative to site.yml, for example artifacts/ssh/id_ed25519"
        )
    return value


_IPV4 = {"type": "string", "format": "ipv4"}
_HOST = {"anyOf": [{"type": "integer", "minimum": 1}, _IPV4]}
_text_form = PlainSerializer(str, when_used="json")

Address = Annotated[IPv4Address, PlainValidator(_address), WithJsonSchema(_IPV4), _text_form]
HostOrAddress = Annotated[IPv4Address, PlainValidator(_address_or_number), WithJsonSchema(_HOST), _text_form]
NetworkRange = Annotated[IPv4Network, PlainValidator(_network), WithJsonSchema({"type": "string", "format": "ipv4network"}), _text_form]
UplinkAddress = Annotated[IPv4Interface | Literal["dhcp"], PlainValidator(_uplink_address), WithJsonSchema({"type": "string"}), _text_form]
Mac = Annotated[str, PlainValidator(_mac), WithJsonSchema({"type": "string"})]
HostNumber = Annotated[int, Field(ge=1, lt=2**24)]
Name = Annotated[
    str, AfterValidator(_named(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", "a host name: a letter, then letters, digits and -, in lower case"))
]
MachineName = Annotated[Name, AfterValidator(_machine_name)]
SubnetName = Annotated[
    str, AfterValidator(_named(r"(?!lo$)[a-z][a-z0-9-]{0,14}", "a subnet name: a letter, then letters, digits and -, at most 15"))
]
InterfaceName = Annotated[str, AfterValidator(_named(r"[A-Za-z0-9_.-]{1,15}", "an interface name"))]
UserName = Annotated[str, AfterValidator(_named(r"[a-z_][a-z0-9_-]{0,31}", "a user name"))]
SecretName = Annotated[str, AfterValidator(_named(r"[a-z][a-z0-9_]*", "the name of a secret: a letter, then letters, digits and _"))]
Suite = Annotated[str, AfterValidator(_named(r"[a-z][a-z-]*", "a Debian suite such as trixie"))]
Domain = Annotated[str, AfterValidator(_domain)]
Server = Annotated[str, AfterValidator(_server)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Group = Annotated[str, AfterValidator(_group)]
PublicKey = Annotated[str, AfterValidator(_public_key)]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
RelativePath = Annotated[str, AfterValidator(_relative_path)]
