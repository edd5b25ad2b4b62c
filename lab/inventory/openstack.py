"""Roles openstack_*: which machine of the cloud has which services, and how it takes part in its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lab.inventory import nas
from lab.inventory.common import PROJECT, Variables, authority, secret
from lab.inventory.openstack_services import Api, Cloud, ceph, control, machine
from lab.inventory.openstack_services.designate import DNS
from lab.inventory.openstack_services.infrastructure import CERTIFICATE
from lab.inventory.openstack_services.infrastructure import PORT as MESSAGES
from lab.inventory.openstack_services.neutron import PHYSICAL, SOUTH
from lab.inventory.openstack_services.service import as_data
from lab.sections import openstack
from lab.sections.git import names_of
from lab.sections.openstack import COMPUTE, CONTROL, NETWORK, Openstack
from lab.site import Site
from lab.site_machines import Interface

GENEVE = 6081
PROVIDER_BRIDGE, TUNNEL_BRIDGE = "br-provider", "br-tunnels"
SWITCH_PACKAGES = ("openvswitch-switch", "ovn-host")  # as role openstack_chassis installs them
SHARED = "provider"  # the network of the cloud that floating addresses come from


def groups(site: Site) -> dict[str, list[str]]:
    """Groups that follow from the section.

    `openstack` is all machines of the cloud, `openstack_chassis` those with a part in its networks; `openstack_resources` is the one
    that carries the variables of what is made through the APIs, from the controller.
    """
    if site.openstack is None:
        return {"openstack": [], "openstack_chassis": [], "openstack_resources": []}
    first = openstack.control_machine(site)
    return {
        "openstack": [machine.name for machine in openstack.everyone(site)],
        "openstack_chassis": [machine.name for machine in openstack.chassis(site)],
        "openstack_resources": [first] if first else [],
    }


def variables(site: Site, secrets: Mapping[str, str], name: str) -> Variables:
    """What a machine's openstack roles see, by the groups it is in."""
    ours, of = site.openstack, set(site.machines[name].groups)
    if ours is None or not of & {CONTROL, NETWORK, COMPUTE}:
        return {}
    cloud = as_seen_from(site, ours, secrets, name)
    services = machine(cloud, is_control=CONTROL in of, is_compute=COMPUTE in of)
    found: Variables = {
        "openstack_service_list": [as_data(service, cloud) for service in services],
        "openstack_service_cloud": login(site, ours, secrets),
        "openstack_service_project": str(PROJECT),
        "openstack_service_release": ours.release,
        "openstack_service_repository": ours.repository or "",
    }
    if of & {NETWORK, COMPUTE}:
        found |= chassis(site, ours, name)
    if COMPUTE in of and ours.kernel:
        found["openstack_hypervisor_kernel"] = ours.kernel
    if CONTROL in of:
        found |= certificate(site, ours, name)
    if name == openstack.control_machine(site):
        found |= resources(site, ours, secrets)
    return found


def packages(site: Site, name: str) -> list[str]:
    """What roles will install on a machine, where Debian itself has it: a machine may be made with it, and none of it runs by that."""
    ours, of = site.openstack, set(site.machines[name].groups)
    if ours is None or ours.repository or not of & {CONTROL, NETWORK, COMPUTE}:
        return []
    services = machine(of_nobody(ours), is_control=CONTROL in of, is_compute=COMPUTE in of)
    switches = SWITCH_PACKAGES if of & {NETWORK, COMPUTE} else ()
    return sorted({*switches, *(package for service in services for package in service.packages)})


def as_seen_from(site: Site, ours: Openstack, secrets: Mapping[str, str], name: str) -> Cloud:
    """The cloud, for the services of one machine."""
    return Cloud(
        name=full_name(site, ours),
        region=ours.region,
        seed=secret(site, secrets, ours.services_password.secret),
        admin_password=secret(site, secrets, ours.admin_password.secret),
        my_address=str(site.machines[name].address),
        control_address=control_address(site),
        workers=ours.workers,
        provider_mtu=site.network.subnets[ours.provider.subnet].mtu,
        overlay_mtu=openstack.overlay_mtu(site, ours),
        optional=ours.services,
        volumes_backend=ours.volumes.backend if ours.volumes else "",
        volumes_gib=ours.volumes.size_gib if ours.volumes else 0,
        volumes_export=export(site, ours.volumes.dataset) if ours.volumes and ours.volumes.dataset else "",
    )


def export(site: Site, dataset: str) -> str:
    """A dataset of the NAS, as `mount` is told it."""
    server = next(name for name, machine in site.machines.items() if "nas" in machine.groups)
    return f"{server}.{site.domain}:{nas.path(dataset)}"


def zones(site: Site) -> list[Variables]:
    """What the router asks the cloud for in place of answering by itself."""
    ours = site.openstack
    if ours is None or "designate" not in ours.services:
        return []
    return [{"name": f"{ours.zone}.{site.domain}", "server": control_address(site)}]


def full_name(site: Site, ours: Openstack) -> str:
    """The host name in every URL of the cloud."""
    return f"{ours.name or openstack.control_machine(site)}.{site.domain}"


def control_address(site: Site) -> str:
    """Where the control machine is reached, by the other machines too."""
    return str(site.machines[str(openstack.control_machine(site))].address)


def login(site: Site, ours: Openstack, secrets: Mapping[str, str]) -> Variables:
    """How the controller logs in as administrator: by the name in the certificate, at the address of the control machine."""
    return {
        "auth_url": f"https://{full_name(site, ours)}:5000/v3",
        "user": "admin",
        "password": secret(site, secrets, ours.admin_password.secret),
        "project": "admin",
        "user_domain": "Default",
        "project_domain": "Default",
        "region": ours.region,
        "ca_file": str(authority(site) / "ca.crt"),
        "address": control_address(site),
    }


def certificate(site: Site, ours: Openstack, name: str) -> Variables:
    """Role certificate: the name in the URLs first, then every other name of the machine, and its address for those without DNS."""
    names = sorted(names_of(site, name), key=lambda one: one != (ours.name or name))
    return {
        "certificate_name": CERTIFICATE,
        "certificate_names": [f"{one}.{site.domain}" for one in names] + names + [str(site.machines[name].address)],
        "certificate_authority": str(authority(site)),
        "certificate_project": str(PROJECT),
        "certificate_units": ["haproxy.service"],
    }


def chassis(site: Site, ours: Openstack, name: str) -> Variables:
    """Role openstack_chassis: switches, and the leg that each has as its way out."""
    legs = site.machines[name].interfaces
    tunnel = legs[openstack.overlay_subnet(ours)]
    provider = legs.get(ours.provider.subnet)
    return {
        "openstack_chassis_switches": [switch(site, PROVIDER_BRIDGE, provider)] if provider else [],
        "openstack_chassis_tunnels": switch(site, TUNNEL_BRIDGE, tunnel),
        "openstack_chassis_mappings": {PHYSICAL: PROVIDER_BRIDGE} if provider else {},
        "openstack_chassis_remote": f"tcp:{control_address(site)}:{SOUTH}",
        "openstack_chassis_lets_out": NETWORK in site.machines[name].groups,
    }


def switch(site: Site, bridge: str, leg: Interface) -> Variables:
    """A switch with a leg of the machine as its port, whose address it takes over."""
    subnet = site.network.subnets[leg.subnet]
    return {"name": bridge, "leg": leg.interface, "address": str(leg.address), "prefix": subnet.cidr.prefixlen, "mtu": subnet.mtu}


def resources(site: Site, ours: Openstack, secrets: Mapping[str, str]) -> Variables:
    """Role openstack_resources: what every cloud of a lab has, and how people log in to it."""
    return {
        "openstack_resources_cloud": login(site, ours, secrets),
        "openstack_resources_project": str(PROJECT),
        "openstack_resources_model": model(site, ours),
        "openstack_resources_clouds_file": str(clouds_file(site)),
        "openstack_resources_name": site.name,
        "openstack_resources_endpoints": endpoints(site, ours),
    }


def endpoints(site: Site, ours: Openstack) -> Variables:
    """Each API by address: the names in the catalog are known in the lab only."""
    address = control_address(site)
    listed = [api for api in fronts(ours) if api.type]
    return {f"{api.type.replace('-', '_')}_endpoint_override": f"https://{address}:{api.port}{api.path}" for api in listed}


def clouds_file(site: Site) -> Path:
    """What the SDK and the client of OpenStack read; it holds the administrator's password."""
    return site.artifacts / "openstack" / "clouds.yaml"


def model(site: Site, ours: Openstack) -> Variables:
    """Things of the cloud, by kind (lab.openstack.model): the way out, and sizes of servers."""
    subnet = site.network.subnets[ours.provider.subnet]
    first, last = openstack.floating(site, ours)
    return {
        "flavor": [{"name": name, **flavor.model_dump()} for name, flavor in ours.flavors.items()],
        "network": [{"name": SHARED, "external": True, "provider_type": "flat", "physical_network": PHYSICAL}],
        "subnet": [
            {
                "name": SHARED,
                "network": SHARED,
                "cidr": str(subnet.cidr),
                "gateway": str(subnet.gateway),
                "dhcp": False,
                "pool": {"from": str(first), "to": str(last)},
            }
        ],
    }


def what_it_keeps(site: Site) -> tuple[list[str], list[str]]:
    """Units of the control machine that write to databases, and the databases; for copies of them."""
    assert site.openstack  # noqa: S101 - whoever asks has the section
    keepers = [service for service in control(of_nobody(site.openstack)) if service.databases]
    return [unit for service in keepers for unit in service.units], [name for service in keepers for name in service.databases]


def firewall(site: Site, name: str) -> list[Variables]:
    """What a machine of the cloud lets in besides administrators."""
    ours, of = site.openstack, set(site.machines[name].groups)
    if ours is None or not of & {CONTROL, NETWORK, COMPUTE}:
        return []
    legs = {machine.name: machine.interfaces.values() for machine in openstack.everyone(site)}
    others = [str(leg.address) for other, found in legs.items() if other != name for leg in found]
    rules = []
    if CONTROL in of:
        chosen = ours.clients or tuple(site.network.subnets)
        clients = [str(site.network.subnets[one].cidr) for one in chosen] + [str(cidr) for cidr in site.network.uplink.manage_from]
        ports = [api.port for api in fronts(ours) if api.is_for_clients]
        rules.append({"comment": "cloud APIs", "protocol": "tcp", "ports": ports, "sources": clients, "interfaces": []})
        inside = [MESSAGES, SOUTH, *(api.port for api in fronts(ours) if not api.is_for_clients)]
        inside += ceph.ports() if ours.volumes and ours.volumes.backend == "ceph" else []
        # An empty list of sources would mean anyone.
        if others:
            rules.append({"comment": "cloud machines", "protocol": "tcp", "ports": inside, "sources": others, "interfaces": []})
        if zones(site):
            routers = [str(site.network.subnets[subnet].gateway) for subnet in site.machines[name].interfaces]
            for protocol in ("udp", "tcp"):
                asked = {"protocol": protocol, "ports": [DNS], "sources": routers, "interfaces": []}
                rules.append({"comment": f"names of the cloud, {protocol}", **asked})
    if of & {NETWORK, COMPUTE} and others:
        rules.append({"comment": "tunnels", "protocol": "udp", "ports": [GENEVE], "sources": others, "interfaces": []})
    return rules


def fronts(ours: Openstack) -> list[Api]:
    """What the proxy stands before."""
    return [api for service in control(of_nobody(ours)) for api in service.apis]


def of_nobody(ours: Openstack) -> Cloud:
    """For what of services does not depend on who asks."""
    backend = ours.volumes.backend if ours.volumes else ""
    cloud = Cloud(name="", region="", seed="", admin_password="", my_address="", control_address="", optional=ours.services)
    return replace(cloud, volumes_backend=backend)
