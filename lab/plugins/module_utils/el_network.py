"""Facts of an EL machine's network: names, addresses, interfaces, profiles, open ports, proxies. Python of EL9 (3.9)."""

import json
import socket
from pathlib import Path

LISTENING = "0A"  # of /proc/net/tcp
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def forward(name):
    """The IPv4 addresses of a name, as everything on the machine would find them, /etc/hosts included."""
    try:
        return sorted({found[4][0] for found in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)})
    except OSError:
        return []


def backward(address):
    """The names of an address."""
    try:
        name, aliases, _ = socket.gethostbyaddr(address)
    except OSError:
        return []
    return [name, *aliases]


def interfaces(text):
    """Name -> kind (`vlan`, `bond`, `team`, ...; empty for a plain port), mode of a bond, parent and number of a VLAN, addresses."""
    found = {}
    for link in json.loads(text or "[]"):
        info = link.get("linkinfo", {})
        data = info.get("info_data", {})
        found[link["ifname"]] = {
            "kind": info.get("info_kind", ""),
            "mode": str(data.get("mode", "")),
            "parent": link.get("link", ""),
            "vlan": data.get("id", 0),
            "is_up": "UP" in link.get("flags", []),
            "addresses": [entry["local"] for entry in link.get("addr_info", []) if entry.get("family") == "inet"],
        }
    return found


def listening(text):
    """Ports somebody listens on, of a /proc/net/tcp."""
    fields = [line.split() for line in text.splitlines()[1:]]
    return {int(field[1].rpartition(":")[2], 16) for field in fields if field[3] == LISTENING}


def profiles(text):
    """Interface -> file of the NetworkManager profile in use, of `nmcli --terse --fields DEVICE,FILENAME connection show --active`."""
    return dict(line.replace("\\:", ":").split(":", 1) for line in text.splitlines() if not line.startswith(":") and ":" in line)


def read(output, names, addresses):
    """All of them. `output(*command)` is what a command says, empty where it fails or is not there."""
    routes = json.loads(output("ip", "-json", "-4", "route", "show", "default") or "[]")
    environment = dict(line.split("=", 1) for line in output("bash", "--login", "-c", "env").splitlines() if "=" in line)
    tables = [Path(path) for path in ("/proc/net/tcp", "/proc/net/tcp6")]
    return {
        "fqdn": output("hostname", "--fqdn").strip(),
        "names": {name: forward(name) for name in names},
        "reverse": {address: backward(address) for address in addresses},
        "interfaces": interfaces(output("ip", "-json", "-details", "address", "show")),
        "gateways": [route["gateway"] for route in routes if "gateway" in route],
        "profiles": profiles(output("nmcli", "--terse", "--fields", "DEVICE,FILENAME", "connection", "show", "--active")),
        "listening": sorted(set().union(*(listening(table.read_text()) for table in tables if table.exists()))),
        "proxies": {name: environment.get(name, environment.get(name.upper(), "")) for name in PROXIES},
    }
