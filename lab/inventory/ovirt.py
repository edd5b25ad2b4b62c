"""Roles ovirt_*: the engine, its hypervisors, what is made on it; and what platform ovirt has to know of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, collapse_addresses
from pathlib import Path

from lab.images import debian
from lab.inventory import nas
from lab.inventory.baseline import managers
from lab.inventory.common import HTTPS, PROJECT, Variables, secret
from lab.sections import ovirt
from lab.sections.nas import networks as ranges
from lab.sections.nas_checks import nas_machine
from lab.sections.ovirt import Ovirt
from lab.site import Site
from lab.site_machines import Machine

IMAGES = 54323  # where disks are sent to and read from
MIB_PER_GIB = 1024


def folder(site: Site) -> Path:
    """What the controller keeps of the engine: its CA; of a simulator, all there is."""
    return site.artifacts / "ovirt"


def groups(site: Site) -> dict[str, list[str]]:
    """Groups that follow from the section; each is empty where the site has no such machine.

    `ovirt_resources` is one machine that carries the variables of what is made through the API, from the controller.
    """
    ours = site.ovirt
    hypervisors = [machine.name for machine in ovirt.machines_of(site, ovirt.HYPERVISOR)] if ours else []
    engines = [machine.name for machine in ovirt.machines_of(site, ovirt.ENGINE)] if ours else []
    carrier = (engines or hypervisors)[:1]
    is_simulated = ours is not None and ours.engine.kind == "simulator"
    return {
        "ovirt_simulator": carrier if is_simulated else [],
        "ovirt_el_hypervisor": [] if is_simulated else hypervisors,
        "ovirt_el_engine": [] if is_simulated else carrier,
        "ovirt_resources": carrier,
    }


def variables(site: Site, secrets: Mapping[str, str], name: str) -> Variables:
    """What a machine's ovirt roles see, by the groups it is in."""
    ours = site.ovirt
    if ours is None:
        return {}
    found: Variables = {}
    of = groups(site)
    if name in of["ovirt_simulator"]:
        found |= simulator(site, ours, secrets)
    if name in of["ovirt_el_hypervisor"]:
        found |= repositories(ours) | host(site, ours, site.machines[name])
    if name in of["ovirt_el_engine"]:
        found |= repositories(ours) | engine(site, ours, secrets, site.machines[name])
    if name in of["ovirt_resources"]:
        found |= resources(site, ours, secrets)
    return found


def ca_file(site: Site) -> Path:
    """The engine's CA: a simulator keeps its own where it is, a real one's is fetched."""
    is_simulated = site.ovirt is not None and site.ovirt.engine.kind == "simulator"
    return folder(site) / ("tls/ca.pem" if is_simulated else "ca.pem")


def engine_address(site: Site, ours: Ovirt) -> str:
    """Where the engine is reached."""
    machine = ovirt.engine_machine(site)
    if machine is not None:
        return str(site.machines[machine].address)
    return next((str(record.address) for record in site.network.records if record.name == ours.engine.name), "")


def login(site: Site, ours: Ovirt, secrets: Mapping[str, str]) -> Variables:
    """Who speaks to what. A simulator by its address: the computer of a rehearsal need not ask the lab for names."""
    where = engine_address(site, ours) if ours.engine.kind == "simulator" else ovirt.engine_name(site)
    return {
        "url": f"https://{where}/ovirt-engine/api",
        "user": ours.engine.user,
        "password": secret(site, secrets, ours.engine.password.secret),
        "ca_file": str(ca_file(site)),
    }


def simulator(site: Site, ours: Ovirt, secrets: Mapping[str, str]) -> Variables:
    """Role ovirt_simulator."""
    machine = str(ovirt.engine_machine(site))
    containers = {str(one.address): f"{site.name}-{one.name}" for one in ovirt.machines_of(site, ovirt.HYPERVISOR)}
    engine_of = {"container": f"{site.name}-{machine}", "address": engine_address(site, ours), "fqdn": ovirt.engine_name(site)}
    return {
        "ovirt_simulator_folder": str(folder(site)),
        "ovirt_simulator_project": str(PROJECT),
        "ovirt_simulator_owner": f"{site.private_key}.pub",
        "ovirt_simulator_site": site.name,
        "ovirt_simulator_engine": engine_of,
        "ovirt_simulator_hypervisors": containers,
        "ovirt_simulator_backend": ours.engine.backend,
        "ovirt_simulator_suite": site.platforms.ovirt.suite,
        "ovirt_simulator_password": secret(site, secrets, ours.engine.password.secret),
    }


def repositories(ours: Ovirt) -> Variables:
    """Role ovirt_repositories."""
    return {f"ovirt_repositories_{key}": list(value) for key, value in ours.repositories.model_dump().items()}


def host(site: Site, ours: Ovirt, machine: Machine) -> Variables:
    """Role ovirt_host."""
    names = [storage.dataset for storage in ours.storage.values()]
    if ours.engine.self_hosted:
        names.append(ours.engine.self_hosted.dataset)
    return {
        "ovirt_host_project": str(PROJECT),
        "ovirt_host_fqdn": f"{machine.name}.{site.domain}",
        "ovirt_host_address": str(machine.address),
        "ovirt_host_interface": next(iter(machine.interfaces.values())).interface,
        "ovirt_host_engine_fqdn": ovirt.engine_name(site),
        "ovirt_host_exports": [{"server": nas_address(site, name), "path": nas.path(name)} for name in names],
        "ovirt_host_cpu_type": ours.cpu_type or "",
    }


def engine(site: Site, ours: Ovirt, secrets: Mapping[str, str], machine: Machine) -> Variables:
    """Role ovirt_engine, on the engine's machine, or for a self-hosted engine on the first hypervisor."""
    found: Variables = {
        "ovirt_engine_project": str(PROJECT),
        "ovirt_engine_kind": ours.engine.kind,
        "ovirt_engine_fqdn": ovirt.engine_name(site),
        "ovirt_engine_address": engine_address(site, ours),
        "ovirt_engine_admin_password": secret(site, secrets, ours.engine.password.secret),
        "ovirt_engine_organization": site.domain,
        "ovirt_engine_restore_file": str(site.directory / ours.engine.restore_from) if ours.engine.restore_from else "",
        "ovirt_engine_ca_file": str(ca_file(site)),
    }
    own = ours.engine.self_hosted
    if own is not None:
        subnet = site.network.subnets[str(ovirt.management_subnet(site))]
        found["ovirt_engine_self_hosted"] = {
            "interface": next(iter(machine.interfaces.values())).interface,
            "prefix": subnet.cidr.prefixlen,
            "gateway": str(subnet.gateway),
            "resolvers": [str(subnet.gateway)],
            "appliance_password": secret(site, secrets, own.appliance_password.secret),
            "storage": {"server": nas_address(site, own.dataset), "path": nas.path(own.dataset)},
            "memory_mib": round(own.memory_gib * MIB_PER_GIB),
            "vcpus": own.vcpus,
            "disk_gib": own.disk_gib,
            "mac": own.mac or "",
            "data_center": ours.data_center,
            "cluster": ours.cluster,
            "host_name": f"{machine.name}.{site.domain}",
            "host_address": str(machine.address),
            "hypervisor": machine.name,
            "domains": [f"{nas_address(site, one.dataset)}:{nas.path(one.dataset)}" for one in ours.storage.values()],
        }
    return found


def resources(site: Site, ours: Ovirt, secrets: Mapping[str, str]) -> Variables:
    """Role ovirt_resources: everything on the engine that is no VM."""
    found = ovirt.machines_of(site, ovirt.HYPERVISOR)
    first = found[0].name
    return {
        "ovirt_resources_project": str(PROJECT),
        "ovirt_resources_engine": login(site, ours, secrets),
        "ovirt_resources_data_center": ours.data_center,
        "ovirt_resources_cluster": {"name": ours.cluster, "cpu_type": ours.cpu_type or ""},
        "ovirt_resources_networks": [network(site, subnet) for subnet in ovirt.networks(site)],
        "ovirt_resources_hypervisors": [{"name": one.name, "address": hypervisor_address(site, ours, one)} for one in found],
        "ovirt_resources_hypervisor_password": secret(site, secrets, ours.hypervisor_password.secret),
        "ovirt_resources_attachments": [one for machine in found for one in attachments(site, ours, machine)],
        "ovirt_resources_storage_domains": [
            {"name": name, "hypervisor": first, "address": nas_address(site, storage.dataset), "path": nas.path(storage.dataset)}
            for name, storage in ours.storage.items()
        ],
        "ovirt_resources_affinity": [
            {"name": name, "machines": list(group.machines), "rule": group.rule, "enforcing": group.enforcing}
            for name, group in ours.affinity.items()
        ],
        "ovirt_resources_template": {
            "name": template(site),
            "suite": site.platforms.ovirt.suite,
            "storage_domain": next(iter(ours.storage)),
        },
    }


def hypervisor_address(site: Site, ours: Ovirt, machine: Machine) -> str:
    """Where the engine reaches a hypervisor: a real one makes certificates for names, a simulated one finds it by its address."""
    return str(machine.address) if ours.engine.kind == "simulator" else f"{machine.name}.{site.domain}"


def network(site: Site, subnet: str) -> Variables:
    """A subnet as a logical network; `vlan` is 0 where it comes untagged."""
    data = site.network.subnets[subnet]
    tag = data.vlan or 0 if ovirt.is_tagged(site, subnet) else 0
    name = ovirt.network_name(site, subnet)
    return {"name": name, "vlan": tag, "mtu": data.mtu, "required": name == ovirt.MANAGEMENT, "description": data.purpose}


def attachments(site: Site, ours: Ovirt, machine: Machine) -> list[Variables]:
    """Every network on an interface of a hypervisor: untagged on a leg of its own, with its address there, or tagged on the trunk."""
    found = []
    for subnet in ovirt.networks(site):
        name = ovirt.network_name(site, subnet)
        if leg := machine.interfaces.get(subnet):
            data = site.network.subnets[subnet]
            gateway = str(data.gateway) if subnet == ovirt.management_subnet(site) else ""
            one = {"interface": leg.interface, "address": f"{leg.address}/{data.cidr.prefixlen}", "gateway": gateway}
        elif ours.trunk and ovirt.is_tagged(site, subnet):
            one = {"interface": ours.trunk, "address": "", "gateway": ""}
        else:
            continue
        found.append({"name": name, "hypervisor": machine.name, **one})
    return found


def nas_address(site: Site, dataset: str) -> str:
    """The NAS as hypervisors reach it: on a wire they share and that the dataset is exported to, else at its first address."""
    machine = site.machines[str(nas_machine(site))]
    assert site.nas  # noqa: S101 - a storage domain without a NAS is refused by the checks
    allowed = [one for export in site.nas.datasets[dataset].exports for one in ranges(export.clients, site.network.subnets)]
    for hypervisor in ovirt.machines_of(site, ovirt.HYPERVISOR):
        for subnet, leg in machine.interfaces.items():
            if subnet in hypervisor.interfaces and any(hypervisor.interfaces[subnet].address in one for one in allowed):
                return str(leg.address)
    return str(machine.address)


def template(site: Site) -> str:
    """The template VMs are made from. It has the name of its image, so that another image is another template beside it."""
    return debian.name(site.platforms.ovirt.suite)


def machine_spec(site: Site, secrets: Mapping[str, str], name: str) -> Variables:
    """What platform ovirt has to know of a machine (lab/platforms/ovirt.py)."""
    ours, machine = site.ovirt, site.machines[name]
    assert ours  # noqa: S101 - a machine on oVirt without one is refused by the checks
    first = site.network.subnets[next(iter(machine.interfaces))]
    return {
        "engine": login(site, ours, secrets),
        "data_center": ours.data_center,
        "cluster": ours.cluster,
        "template": template(site),
        "address": str(machine.address),
        "hostname": name,
        "vcpus": machine.vcpus,
        "memory_mib": round(machine.memory_gib * MIB_PER_GIB),
        "disk_gib": round(machine.disk_gib),
        "nics": [nic(site, subnet, leg.interface, str(leg.mac)) for subnet, leg in machine.interfaces.items()],
        "addresses": [
            {
                "interface": leg.interface,
                "address": f"{leg.address}/{site.network.subnets[subnet].cidr.prefixlen}",
                "gateway": str(first.gateway) if subnet == next(iter(machine.interfaces)) else "",
            }
            for subnet, leg in machine.interfaces.items()
        ],
        "dns_servers": [str(first.gateway)],
        "dns_search": [site.domain],
        "public_key_file": f"{site.private_key}.pub",
        "host_key_file": str(site.artifacts / "ssh" / "hosts" / name),
    }


def nic(site: Site, subnet: str, interface: str, mac: str) -> Variables:
    """A card of a VM, called as in the guest, in the network of a subnet."""
    return {"name": interface, "network": ovirt.network_name(site, subnet), "mac": mac}


def firewall(site: Site) -> list[Variables]:
    """What the machine of the engine lets in: its web page and API, and disks, from who manages the lab and from its hypervisors."""
    if site.ovirt is None:
        return []
    addresses = [str(leg.address) for machine in ovirt.machines_of(site, ovirt.HYPERVISOR) for leg in machine.interfaces.values()]
    sources = merged([*managers(site), *addresses])

    def rule(comment: str, port: int) -> Variables:
        return {"comment": comment, "protocol": "tcp", "ports": [port], "sources": sources, "interfaces": []}

    return [rule("engine", HTTPS), rule("disks of VMs", IMAGES)]


def merged(sources: list[str]) -> list[str]:
    """Ranges that do not meet: a set of nftables refuses those that do."""
    return list(map(str, collapse_addresses(map(IPv4Network, sources))))
