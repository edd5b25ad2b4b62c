"""How a machine comes to exist and how Ansible gets there: connection variables and role machine."""

from __future__ import annotations

from collections.abc import Mapping

from lab.inventory import openstack, ovirt
from lab.inventory.common import APT_CACHE, PROJECT, Variables, apt_cache, known_hosts
from lab.site import Site

# ssh alone waits for ever for the answer of a machine that went down without a word, as in a reboot.
# Seconds until a machine answers: a VM's first boot sets it up.
SLOWEST = {"container": 90, "vm": 90, "metal": 90, "ovirt": 300}
ALIVE = "-o ServerAliveInterval=10 -o ServerAliveCountMax=3"


def connection(site: Site, name: str) -> Variables:
    """How Ansible gets there. Host keys of containers and vms are read from the platform, never taken from the wire."""
    checking = "accept-new" if site.machines[name].platform.kind == "metal" else "yes"
    trust = f"-o IdentitiesOnly=yes -o StrictHostKeyChecking={checking} -o UserKnownHostsFile={known_hosts(site)}"
    return {
        "ansible_host": str(site.machines[name].address),
        "ansible_connection": "ssh",
        "ansible_user": site.access.user,
        "ansible_ssh_private_key_file": str(site.private_key),
        "ansible_ssh_common_args": f"{trust} {ALIVE}",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def machine(site: Site, secrets: Mapping[str, str], name: str) -> Variables:
    """Role machine."""
    return {
        "machine_name": name,
        "machine_platform": site.machines[name].platform.kind,
        "machine_project": str(PROJECT),
        "machine_known_hosts": str(known_hosts(site)),
        "machine_spec": machine_spec(site, secrets, name),
        "machine_timeout_seconds": SLOWEST[site.machines[name].platform.kind],
    }


def machine_spec(site: Site, secrets: Mapping[str, str], name: str) -> Variables:
    """What the machine's platform has to know (lab/platforms)."""
    data = site.machines[name]
    if data.platform.kind == "ovirt":
        return ovirt.machine_spec(site, secrets, name)
    if data.platform.kind == "metal":
        return {"address": str(data.address)}
    spec = {
        "container": f"{site.name}-{name}",
        "hostname": name,
        "address": str(data.address),
        "image_suite": getattr(site.platforms, data.platform.kind).suite,
        "public_key_file": f"{site.private_key}.pub",
        "cables": router_cables(site) if name == site.network.router else cables(site, name),
        "uplink": uplink(site) if name == site.network.router else None,
    }
    # Installed once for all machines that want the same; a vm's image is one for all.
    if data.platform.kind == "container" and (packages := openstack.packages(site, name)):
        spec["image_packages"] = packages
    if data.platform.kind == "vm":
        disks = [{"name": disk.name, "size_gib": disk.size_gib} for disk in data.disks]
        spec |= {"memory_gib": data.memory_gib, "disk_gib": data.disk_gib, "disks": disks}
    return spec


def cable(site: Site, subnet: str, interface: str, mac: str) -> Variables:
    """One plug in the bridge of a subnet."""
    return {"network": f"{site.name}-{subnet}", "interface": interface, "mac": mac, "bridge_mtu": site.network.subnets[subnet].mtu}


def cables(site: Site, name: str) -> list[Variables]:
    """A machine's plugs."""
    found = site.machines[name].interfaces.items()
    return [cable(site, subnet, interface.interface, str(interface.mac)) for subnet, interface in found]


def router_cables(site: Site) -> list[Variables]:
    """One plug in every subnet; the gateway address makes the MAC unique."""
    return [cable(site, name, name, "52:54:" + subnet.gateway.packed.hex(":")) for name, subnet in site.network.subnets.items()]


def uplink(site: Site) -> Variables:
    """The provider's side of the router, as the container platform plays it."""
    ours = site.network.uplink
    assert ours.address != "dhcp"  # noqa: S101 - refused by load: a container router needs a static uplink
    return {
        "network": f"{site.name}-uplink",
        "interface": ours.interface,
        "cidr": str(ours.address.network),
        "address": str(ours.address.ip),
        "gateway": str(ours.gateway),
        "supernet": str(site.network.supernet),
        "routes": [str(subnet.cidr) for subnet in site.network.subnets.values()],
        "apt_cache": apt_cache(site) and {"container": f"{site.name}-apt-cache", "address": apt_cache(site), "port": APT_CACHE},
    }
