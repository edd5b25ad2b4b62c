"""Networks on the interfaces of hypervisors: /hosts/ID/networkattachments, written by setupnetworks."""

from __future__ import annotations

from typing import Any

from lab.ovirt.kinds.base import said
from lab.ovirt.kinds.networks import network_key
from lab.ovirt.model import HypervisorNetwork
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import ident, types, word
from lab.ovirt.state import State


class HypervisorNetworks:
    """Which network is on which interface, with which address of the hypervisor."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By hypervisor and network."""
        found = {}
        for host in state.objects("hosts"):
            names = {nic.id: nic.name for nic in host.nics or ()}
            for item in host.network_attachments or ():
                network = network_key(state, item.network).rpartition("/")[2]
                interface = names.get(ident(item.host_nic), item.host_nic.name if item.host_nic else None)
                notes = {"hypervisor": host.id, "hypervisor_name": host.name}
                found[f"{host.name}/{network}"] = Seen(item.id, {"interface": interface} | own_address(item), notes)
        return found

    def create(self, state: State, thing: HypervisorNetwork) -> None:
        """One request sets it up and keeps it: the engine rolls back by itself when it loses the hypervisor."""
        host = state.id("hosts", thing.hypervisor, said(thing, "attach"))
        self.set_up(state, thing, host, None)

    def update(self, state: State, thing: HypervisorNetwork, seen: Seen, step: Step) -> None:
        """The attachment is moved or gets another address, as one change."""
        self.set_up(state, thing, seen.notes["hypervisor"], seen.id)

    def set_up(self, state: State, thing: HypervisorNetwork, host: str, attachment: str | None) -> None:
        """The change is tried with a check of the connection, and committed only if that held."""
        service = state.service("hosts").host_service(host)
        wanted = f"{thing.data_center}/{thing.name}"
        network = next((item.id for item in state.objects("networks") if network_key(state, item) == wanted), None)
        request = types().NetworkAttachment(
            id=attachment,
            network=types().Network(id=network) if network else types().Network(name=thing.name),
            host_nic=types().HostNic(name=thing.interface),
            ip_address_assignments=[assignment(thing)],
        )
        state.engine.tell(
            said(thing, f"set up on {thing.interface}"),
            lambda: service.setup_networks(modified_network_attachments=[request], check_connectivity=True),
        )
        state.engine.tell(said(thing, "keep over a reboot"), service.commit_net_config)

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Takes the network off the interface."""
        service = state.service("hosts").host_service(seen.notes["hypervisor"])
        gone = types().NetworkAttachment(id=seen.id)
        state.engine.tell(
            f"hypervisor network {key}: remove",
            lambda: service.setup_networks(removed_network_attachments=[gone], check_connectivity=True),
        )
        state.engine.tell(f"hypervisor network {key}: keep over a reboot", service.commit_net_config)


def own_address(item: Any) -> dict[str, Any]:
    """`address` as the model writes it, with the prefix whether the engine says mask or length."""
    from ipaddress import IPv4Interface

    for one in item.ip_address_assignments or ():
        method = word(one.assignment_method)
        if method == "dhcp":
            return {"address": "dhcp", "gateway": None}
        if method == "static" and one.ip and one.ip.address and word(one.ip.version) != "v6":
            return {"address": str(IPv4Interface(f"{one.ip.address}/{one.ip.netmask}")), "gateway": one.ip.gateway or None}
    return {"address": None, "gateway": None}


def assignment(thing: HypervisorNetwork) -> Any:
    """What the engine is told of the hypervisor's own address."""
    methods = types().BootProtocol
    if thing.address is None:
        return types().IpAddressAssignment(assignment_method=methods.NONE)
    if thing.address == "dhcp":
        return types().IpAddressAssignment(assignment_method=methods.DHCP)
    address = thing.address
    gateway = str(thing.gateway) if thing.gateway else None
    ip = types().Ip(address=str(address.ip), netmask=str(address.netmask), gateway=gateway, version=types().IpVersion.V4)
    return types().IpAddressAssignment(assignment_method=methods.STATIC, ip=ip)
