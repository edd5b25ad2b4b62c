"""Hypervisors: the network namespaces of their machines' containers, with a bridge for every logical network on one of their cards.

The bridges are systemd-networkd's, so that a hypervisor that reboots has them again, and a lease that is renewed stays where it is. Frames
carry no tags: in a rehearsal every subnet has a wire of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.platforms.podman import first_process, podman
from lab.simulators.ovirt.backend import Attachment, BackendError, Hypervisor, HypervisorFacts
from lab.simulators.ovirt.machines import namespaces, networkd
from lab.simulators.ovirt.machines.spec import Spec
from lab.wait import wait_for

FOLDER = "/etc/systemd/network"
PREFIX = "04-ovirt"  # before the files that machines have for their legs
PORT = "vnet"  # what the ends of machines' cables in a hypervisor begin with
LONGEST_NAME = 15
SET_UP_SECONDS = 30


class Hypervisors:
    """Those of one site, by the addresses the engine is given."""

    def __init__(self, spec: Spec) -> None:
        """`spec` says which container has which address."""
        self.spec = spec
        self._resolved: dict[str, str] = {}

    def container(self, hypervisor: Hypervisor) -> str:
        """The container of a hypervisor; raises BackendError as `address` does."""
        return self.spec.hypervisors[self.address(hypervisor)]

    def address(self, hypervisor: Hypervisor) -> str:
        """The address of a hypervisor; its name is asked of the engine's own resolver.

        Raises BackendError for an address no hypervisor of the site has.
        """
        known = self.spec.hypervisors
        address = self._resolved.get(hypervisor.address, hypervisor.address)
        if address not in known:
            try:
                said = podman("exec", self.spec.engine_container, "getent", "ahostsv4", address)
            except LabError:
                said = ""
            address = next(iter(said.split()), "")
        if address not in known:
            where = f"{hypervisor.address}, which is {address or 'nothing the engine can resolve'}"
            raise BackendError(
                f"no hypervisor of this rehearsal has the address {where if address != hypervisor.address else address}"
                f"; fix: use one of {', '.join(sorted(known))}, or a name that resolves to one on {self.spec.engine_container}"
            )
        self._resolved[hypervisor.address] = address
        return address

    def pid(self, container: str) -> int:
        """The first process of a hypervisor's container; raises BackendError where it does not run."""
        if not (pid := first_process(container)):
            raise BackendError(f"the machine of hypervisor {container} does not run; fix: ./inv up starts it")
        return pid

    def set_up(self, hypervisor: Hypervisor) -> HypervisorFacts:
        """Gives it the bridges of its networks, takes away those it had before, and says what it is."""
        container = self.container(hypervisor)
        pid = self.pid(container)
        before = {link["ifname"]: link for link in namespaces.links(pid)}
        self._make(container, pid, self._files(container, pid, hypervisor), before)
        self._wait(hypervisor, pid, before)
        _keep_firewall_off_bridges(pid)
        return self._facts(container, pid, hypervisor)

    def tear_down(self, hypervisor: Hypervisor) -> None:
        """Its cards have their own addresses again; nothing is done where its machine is gone."""
        container = self.container(hypervisor)
        if pid := first_process(container):
            self._make(container, pid, {}, {link["ifname"]: link for link in namespaces.links(pid)})

    def bridge(self, pid: int, network: str, container: str) -> str:
        """The bridge of a logical network; raises BackendError where the hypervisor has none."""
        name = bridge_name(network)
        if not any(link["ifname"] == name for link in namespaces.links(pid)):
            raise BackendError(
                f"network {network} is not on hypervisor {container}; fix: attach it to one of its cards (lab_ovirt_hypervisor_network)"
            )
        return name

    def _files(self, container: str, pid: int, hypervisor: Hypervisor) -> dict[str, str]:
        """Networkd's files, by name."""
        if not hypervisor.attachments:
            return {}
        macs = {link["ifname"]: link["address"] for link in namespaces.links(pid)}
        ports = f"# Ends of virtual machines' cables.\n[Match]\nName={PORT}*\n\n[Link]\nUnmanaged=yes\n"
        files = {f"{PREFIX}-ports.network": ports}
        for each in hypervisor.attachments:
            if each.nic not in macs:
                raise BackendError(f"hypervisor {container} has no card {each.nic}; fix: use one of {', '.join(sorted(macs))}")
            bridge = bridge_name(each.network)
            kind = f"[NetDev]\nName={bridge}\nKind=bridge\nMACAddress={macs[each.nic]}\n\n[Bridge]\nSTP=no\nMulticastSnooping=no\n"
            files[f"{PREFIX}-{bridge}.netdev"] = kind
            files[f"{PREFIX}-{bridge}-card.network"] = f"[Match]\nName={each.nic}\n\n[Network]\nBridge={bridge}\nLinkLocalAddressing=no\n"
            files[f"{PREFIX}-{bridge}.network"] = f"[Match]\nName={bridge}\n\n{self._addresses(container, pid, each, bridge)}"
        return files

    def _addresses(self, container: str, pid: int, wanted: Attachment, bridge: str) -> str:
        """As the engine assigned them; else as the card gets them, kept from before where that is in the bridge already."""
        before = podman("exec", container, "sh", "-c", f"cat {FOLDER}/{PREFIX}-{bridge}.network 2>/dev/null || true")
        if before and not wanted.method:
            return before.partition("\n\n")[2]
        status: dict[str, Any] = json.loads(
            podman("exec", container, "networkctl", "--json=short", "status", bridge if before else wanted.nic)
        )
        if wanted.method:
            return networkd.as_told(wanted, networkd.resolver(status, before))
        file = status.get("NetworkFile", "")
        text = podman("exec", container, "cat", file) if file and PREFIX not in file else ""
        if text and "Unmanaged=yes" not in text:
            return networkd.without_match(text)
        return networkd.as_it_is(
            next(link for link in namespaces.links(pid) if link["ifname"] == wanted.nic), self._routes(pid, wanted.nic)
        )

    def _make(self, container: str, pid: int, files: dict[str, str], before: dict[str, dict[str, Any]]) -> None:
        """Networkd has these files of ours and no others, and no bridge without one; nothing is done where it is so already."""
        script = f"cd {FOLDER} && for file in {PREFIX}-*; do if [ -e $file ]; then sha256sum $file; fi; done"
        have = {line.split()[1]: line.split()[0] for line in podman("exec", container, "sh", "-c", script).splitlines()}
        if have == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}:
            return
        gone = sorted(set(have) - set(files))
        bridges = [name.removeprefix(f"{PREFIX}-").removesuffix(".netdev") for name in gone if name.endswith(".netdev")]
        own = {bridge: networkd.as_it_is(before[bridge], self._routes(pid, bridge)) for bridge in bridges if bridge in before}
        commands = [f"mkdir -p {FOLDER}", f"cd {FOLDER}", *(f"rm -f {name}" for name in gone)]
        commands += [f"cat > {name}.new <<'END'\n{text}END\nmv {name}.new {name}" for name, text in files.items()]
        commands += [f"networkctl delete {bridge}" for bridge in own]
        podman("exec", "--interactive", container, "sh", "-e", stdin="\n".join([*commands, "networkctl reload"]).encode())
        for card in (link for link in before.values() if link.get("master") in own and not link["ifname"].startswith(PORT)):
            self._give_back(container, pid, card["ifname"], own[card["master"]])

    def _give_back(self, container: str, pid: int, nic: str, had: str) -> None:
        """A card that networkd does not look after has the addresses again that others gave it."""
        if json.loads(podman("exec", container, "networkctl", "--json=short", "status", nic)).get("AdministrativeState") != "unmanaged":
            return
        found = [line.partition("=") for line in had.splitlines()]
        commands = [f"link set dev {nic} up", *(f"address replace {value} dev {nic}" for key, _, value in found if key == "Address")]
        targets = [value for key, _, value in found if key == "Destination"]
        gateways = [value for key, _, value in found if key == "Gateway"]
        commands += [f"route replace {target} via {by} dev {nic}" for target, by in zip(targets, gateways, strict=True)]
        namespaces.batch(pid, commands)

    def _routes(self, pid: int, interface: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(namespaces.inside(pid, "ip", "-4", "-json", "route", "show", "dev", interface))
        return found

    def _wait(self, hypervisor: Hypervisor, pid: int, before: dict[str, dict[str, Any]]) -> None:
        """Until the cards are in their bridges, and every bridge that is to have an address has one."""
        wanted = {each.nic: bridge_name(each.network) for each in hypervisor.attachments}
        with_address = set()
        for each in hypervisor.attachments:
            had = any(before.get(name, {}).get("addr_info") for name in (each.nic, wanted[each.nic]))
            if each.method in ("static", "dhcp") or (not each.method and had):
                with_address.add(wanted[each.nic])

        def missing() -> list[str]:
            found = {link["ifname"]: link for link in namespaces.links(pid)}
            left = [f"{nic} in {bridge}" for nic, bridge in wanted.items() if found.get(nic, {}).get("master") != bridge]
            return left + [f"an address on {bridge}" for bridge in sorted(with_address) if not found.get(bridge, {}).get("addr_info")]

        wait_for(f"hypervisor {hypervisor.name} has what its networks need", missing, lambda left: not left, SET_UP_SECONDS)

    def _facts(self, container: str, pid: int, hypervisor: Hypervisor) -> HypervisorFacts:
        release = podman("exec", container, "sh", "-c", ". /etc/os-release && echo $NAME && echo $VERSION_ID").splitlines()
        return HypervisorFacts(
            memory=_memory() // max(1, len(self.spec.hypervisors)),
            cores=os.cpu_count() or 1,
            cpu_name=_cpu(),
            os_name=release[0] if release else "",
            os_version=release[1] if len(release) > 1 else "",
            kernel_cmdline="",
            nics=tuple(cards(namespaces.links(pid), self.address(hypervisor))),
        )


def bridge_name(network: str) -> str:
    """A logical network's bridge: its own name where an interface can have it, else one made of it, as vdsm does."""
    if len(network) <= LONGEST_NAME and re.fullmatch(r"[A-Za-z0-9_-]+", network):
        return network
    return "on" + hashlib.sha256(network.encode()).hexdigest()[: LONGEST_NAME - 2]


def cards(links: list[dict[str, Any]], address: str) -> list[dict[str, Any]]:
    """A hypervisor's cards of what `ip` shows of it; first the one that `address` is on. A card in a bridge shows the bridge's address."""
    by_name = {link["ifname"]: link for link in links}
    found = []
    for link in links:
        kind = link.get("linkinfo", {}).get("info_kind", "")
        if link.get("link_type") != "ether" or kind not in ("veth", "", "vlan") or link["ifname"].startswith((PORT, "podman")):
            continue
        holder = by_name.get(link.get("master", ""), link)
        card = {
            "name": link["ifname"],
            "mac": link["address"],
            "mtu": link["mtu"],
            "status": "up" if "LOWER_UP" in link["flags"] else "down",
        }
        for info in holder.get("addr_info", [])[:1]:
            card |= {
                "address": info["local"],
                "netmask": _netmask(info["prefixlen"]),
                "boot_protocol": "dhcp" if info.get("dynamic") else "static",
            }
        found.append(card)
    return sorted(found, key=lambda card: (card.get("address") != address, card["name"]))


def _netmask(prefix: int) -> str:
    bits = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    return ".".join(str(bits >> shift & 0xFF) for shift in (24, 16, 8, 0))


def _keep_firewall_off_bridges(pid: int) -> None:
    """Where the kernel hands bridged frames to the firewall (Docker loads that), a hypervisor's own rules would drop machines' frames."""
    for name in ("iptables", "ip6tables", "arptables"):
        file = f"/proc/sys/net/bridge/bridge-nf-call-{name}"
        if Path(file).exists():
            namespaces.inside(pid, "sh", "-c", f"echo 0 > {file}")


def _memory() -> int:
    words = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in words if line.startswith("MemTotal:"))


def _cpu() -> str:
    words = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in words if line.startswith("model name")), "")
