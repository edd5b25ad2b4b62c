"""What several roles' variables are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import InputError
from lab.site import Site

PROJECT = Path(__file__).parents[2]
SSH, DNS, DHCP, NTP, HTTPS, APT_CACHE = 22, 53, 67, 123, 443, 3142

Variables = dict[str, Any]


def secret(site: Site, secrets: Mapping[str, str], name: str) -> str:
    """One secret's value, or InputError naming it and its file."""
    if name not in secrets:
        how = "./inv up makes it" if site.secrets == "generated" else "write it there, mode 0600"
        raise InputError(f"{site.directory / 'secrets.yml'}: {name} is missing; fix: {how}")
    return secrets[name]


def known_hosts(site: Site) -> Path:
    """The site's own file of host keys."""
    return site.artifacts / "ssh" / "known_hosts"


def authority(site: Site) -> Path:
    """The folder of the site's own certificate authority."""
    return site.artifacts / "ca"


def apt_cache(site: Site) -> str:
    """The address of the platform's package cache on the uplink, the last one of it; empty where there is none."""
    address = site.network.uplink.address
    if address == "dhcp" or not site.platforms.container.apt_cache:
        return ""
    return str(address.network.broadcast_address - 1)


def leg_name(site: Site, name: str, subnet: str) -> str:
    """A machine's first leg has its name; further ones say where they are."""
    return name if subnet == next(iter(site.machines[name].interfaces)) else f"{name}-{subnet}"
