"""What stands behind the simulator in a rehearsal, as far as it needs no machines: what is read, named, said and remembered."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InputError, LabError
from lab.simulators.ovirt import service
from lab.simulators.ovirt.backend import Attachment, BackendError, Hypervisor
from lab.simulators.ovirt.machines import announce, backends, cables, exports, hypervisors, image, namespaces, networkd, spec, uml
from lab.simulators.ovirt.machines.hypervisors import Hypervisors
from lab.simulators.ovirt.machines.uml import Running, UmlMachines

LEASE = {"local": "10.66.10.11", "prefixlen": 24, "dynamic": True}
VETH = {"link_type": "ether", "linkinfo": {"info_kind": "veth"}, "flags": ["UP", "LOWER_UP"], "mtu": 1500, "addr_info": []}


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """What a playbook gives for a site."""
    (tmp_path / "password").write_text("secret\n")
    return {
        "folder": str(tmp_path / "ovirt"),
        "site": "lab",
        "project": "/key.pub",
        "engine": {"container": "lab-engine", "address": "10.66.10.5", "fqdn": "engine.lab.internal"},
        "hypervisors": {"10.66.10.11": "lab-hv1", "10.66.10.12": "lab-hv2"},
        "backend": "auto",
        "suite": "trixie",
        "password_file": str(tmp_path / "password"),
    }


@pytest.fixture
def no_containers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Podman has nothing; what it is told is kept."""
    told: list[tuple[str, ...]] = []

    def podman(*words: str, stdin: bytes | None = None) -> str:
        told.append(words)
        return ""

    for module in (uml, hypervisors):
        monkeypatch.setattr(module, "podman", podman)
    for module in (uml, backends):
        monkeypatch.setattr(module, "remove_container", lambda name: told.append(("rm", name)))
    monkeypatch.setattr(hypervisors, "first_process", lambda name: 0)
    monkeypatch.setattr(service, "first_process", lambda name: 0)
    monkeypatch.setattr(image, "reference", lambda suite: f"localhost/vm:{suite}")
    return told


def test_a_spec_is_refused_with_all_that_is_wrong_with_it(given: dict[str, Any]) -> None:
    wrong = given | {"backend": "vmm", "suit": "trixie", "engine": {"container": "lab-engine", "address": "10.66.10.5"}}
    del wrong["site"]
    with pytest.raises(InputError) as raised:
        spec.read(wrong)
    said = str(raised.value)
    assert "site is missing" in said
    assert "suit is unknown (did you mean suite?)" in said
    assert "engine.fqdn is missing" in said
    assert "backend 'vmm' does not exist (did you mean vm?)" in said


def test_every_other_content_of_a_spec_has_another_digest(given: dict[str, Any]) -> None:
    others = [given, given | {"suite": "bookworm"}, given | {"hypervisors": {"10.66.10.11": "lab-hv1"}}, given | {"site": "other"}]
    assert len({spec.read(each).digest for each in others}) == len(others)
    assert spec.read(given).digest == spec.read(json.loads(json.dumps(given))).digest


def test_a_network_whose_name_no_interface_can_have_gets_one_made_of_it() -> None:
    assert hypervisors.bridge_name("public") == "public"
    assert hypervisors.bridge_name("fifteen-letters") == "fifteen-letters"
    long = hypervisors.bridge_name("sixteen-letters-")
    assert long.startswith("on") and len(long) == 15
    assert long != hypervisors.bridge_name("another network")


def test_a_bridge_gets_its_address_as_its_card_got_it() -> None:
    file = "# Set by hand.\n[Match]\nName=!lo\n# not a tap\nType=ether\n\n[Network]\nDHCP=ipv4\n\n[DHCPv4]\nUseMTU=yes\n"
    assert networkd.without_match(file) == "[Network]\nDHCP=ipv4\n\n[DHCPv4]\nUseMTU=yes\n"


def test_a_bridge_gets_the_address_that_others_gave_its_card() -> None:
    link = {
        "addr_info": [{"family": "inet", "local": "10.92.44.21", "prefixlen": 24}, {"family": "inet6", "local": "fe80::1", "prefixlen": 64}]
    }
    routes = [{"dst": "default", "gateway": "10.92.44.1"}, {"dst": "10.92.44.0/24", "prefsrc": "10.92.44.21"}]
    assert networkd.as_it_is(link, routes) == (
        "[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nAddress=10.92.44.21/24\n\n[Route]\nDestination=0.0.0.0/0\nGateway=10.92.44.1\n"
    )


def test_a_bridge_gets_the_address_the_engine_assigned_and_the_gateway_of_the_management_network_alone() -> None:
    told = Attachment("ovirtmgmt", "eth0", "static", "10.64.10.22", "255.255.255.0", "10.64.10.1")
    lines = networkd.as_told(told, ["DNS=10.64.10.1"]).splitlines()
    assert lines[3:] == ["Address=10.64.10.22/24", "Gateway=10.64.10.1", "DNS=10.64.10.1"]
    assert "Gateway" not in networkd.as_told(replace(told, network="storage"), [])
    assert "UseGateway=yes" in networkd.as_told(replace(told, method="dhcp"), [])
    assert "UseGateway=no" in networkd.as_told(replace(told, method="dhcp", network="storage"), [])
    assert networkd.as_told(replace(told, method="none"), ["DNS=10.64.10.1"]).splitlines() == networkd.NO_OTHERS


def test_a_bridge_keeps_the_resolver_that_its_card_had() -> None:
    status = {
        "DNS": [{"Family": 2, "Address": [10, 64, 10, 1]}, {"Family": 10, "Address": [0] * 16}],
        "SearchDomains": [{"Domain": "lab.internal"}, {"Domain": "lab.internal"}],
    }
    assert networkd.resolver(status, "") == ["DNS=10.64.10.1", "Domains=lab.internal"]
    assert networkd.resolver({}, "[Network]\nDHCP=ipv4\nDNS=10.64.10.2\n") == ["DNS=10.64.10.2"]


def test_a_card_in_a_bridge_shows_the_address_of_the_bridge_and_the_one_the_engine_uses_is_first() -> None:
    links = [
        {"ifname": "lo", "link_type": "loopback", "flags": ["UP", "LOWER_UP"], "mtu": 65536, "addr_info": []},
        VETH | {"ifname": "eth0", "address": "52:54:00:00:00:01"},
        VETH | {"ifname": "eth1", "address": "52:54:00:00:00:02", "master": "ovirtmgmt"},
        VETH | {"ifname": "ovirtmgmt", "address": "52:54:00:00:00:02", "linkinfo": {"info_kind": "bridge"}, "addr_info": [LEASE]},
        VETH | {"ifname": "vnet0000000001", "address": "fe:54:00:00:00:02", "master": "ovirtmgmt"},
    ]
    found = hypervisors.cards(links, "10.66.10.11")
    assert [card["name"] for card in found] == ["eth1", "eth0"]
    assert found[0] | {"mtu": 0} == {
        "name": "eth1",
        "mac": "52:54:00:00:00:02",
        "mtu": 0,
        "status": "up",
        "address": "10.66.10.11",
        "netmask": "255.255.255.0",
        "boot_protocol": "dhcp",
    }
    assert "address" not in found[1]


def test_an_address_that_no_hypervisor_has_is_refused_with_those_there_are(given: dict[str, Any], no_containers: list[Any]) -> None:
    found = Hypervisors(spec.read(given))
    assert found.container(Hypervisor("1", "hv1", "10.66.10.11")) == "lab-hv1"
    with pytest.raises(BackendError, match=r"has the address hv9\.lab\.internal, which is nothing .*; fix: use one of 10\.66\.10\.11, 10"):
        found.container(Hypervisor("9", "hv9", "hv9.lab.internal"))


def test_a_hypervisor_whose_machine_does_not_run_is_not_reachable(given: dict[str, Any], no_containers: list[Any]) -> None:
    assert not UmlMachines(spec.read(given)).is_reachable(Hypervisor("1", "hv1", "10.66.10.11"))


def test_ends_of_cables_have_names_an_interface_can_have_and_no_two_cards_share() -> None:
    names = {cables.port_name(f"56:6f:00:0{number}:00:0a") for number in range(10)}
    assert len(names) == 10
    assert all(len(name) <= hypervisors.LONGEST_NAME and name.startswith(hypervisors.PORT) for name in names)


def test_a_bridge_says_whether_it_hands_on_what_a_cable_brings() -> None:
    taken_up = {
        "ifname": "vnet1",
        "linkinfo": {"info_kind": "veth", "info_slave_kind": "bridge", "info_slave_data": {"state": "forwarding"}},
    }
    links: list[dict[str, Any]] = [taken_up, {"ifname": "vnet2", "linkinfo": {"info_kind": "veth"}}, {"ifname": "eth0"}]
    assert [cables.port_state(links, name) for name in ("vnet1", "vnet2", "eth0", "none")] == ["forwarding", "", "", ""]


def test_what_tells_switches_of_a_move_is_a_reverse_arp_from_the_card_to_all() -> None:
    frame = announce.frame("56:6f:00:00:00:01")
    assert len(frame) == 60
    assert frame[:14] == b"\xff" * 6 + bytes.fromhex("566f00000001") + b"\x80\x35"
    assert frame[20:22] == b"\x00\x03"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            {"step": "write", "errno": "EACCES", "said": "NFS4ERR_ACCESS"},
            "not writable by 36:36: EACCES: NFS4ERR_ACCESS; fix: on the server: chown 36",
        ),
        ({"step": "write", "errno": "EROFS", "said": "x"}, "is not writable by 36:36: EROFS: x; fix: export it read-write"),
        ({"step": "write", "errno": "ENOSPC", "said": "x"}, "fix: make room on the export"),
        (
            {"step": "own", "errno": "EPERM", "said": "belongs to 65534:65534"},
            "is written by another user: EPERM: belongs to 65534:65534; fix: export",
        ),
        (
            {"step": "mount", "errno": "EACCES", "said": "x"},
            "cannot be mounted: EACCES: x; fix: is nas an NFSv4 server that exports /srv/vm to",
        ),
        (
            {"step": "ask for the room of", "errno": "?", "said": ""},
            "refused to ask for the room of it: ?: no word of why; fix: look at the log",
        ),
    ],
)
def test_a_refused_export_is_said_with_cause_and_fix(found: dict[str, str], said: str) -> None:
    whole = exports.refusal("nas", "/srv/vm", found)
    assert whole.startswith("export nas:/srv/vm ")
    assert said in whole


def remembered(machines: UmlMachines, **more: Any) -> Running:
    """A machine that this very process stands for."""
    own: dict[str, Any] = {"pid": os.getpid(), "began": namespaces.began(os.getpid()), "namespace": namespaces.identity(os.getpid())}
    fields: dict[str, Any] = {"container": "lab-vm", "since": 0.0, "hypervisor": "lab-hv1", "nics": []}
    running = Running(**fields | own | more)
    machines._keep("id", running)
    machines._pids["lab-hv1"] = os.getpid()
    return running


def test_a_machine_is_what_its_agent_says_of_it(given: dict[str, Any], no_containers: list[Any]) -> None:
    machines = UmlMachines(spec.read(given))
    folder = Path(given["folder"]) / "machines" / "id"
    remembered(machines)
    assert machines.see("id").state == "running"  # an engine takes it for up after a minute without an agent
    said = {"name": "tenant", "devices": [{"name": "eth0", "mac": "", "ips": []}], "guest": {"family": "Linux"}}
    (folder / "seen.json").write_text(json.dumps(said))
    seen = machines.see("id")
    assert (seen.state, seen.fqdn, seen.devices, seen.guest) == ("running", "tenant", tuple(said["devices"]), said["guest"])


def test_a_machine_whose_process_ended_is_gone_with_what_it_said_last(given: dict[str, Any], no_containers: list[Any]) -> None:
    machines = UmlMachines(spec.read(given))
    folder = Path(given["folder"]) / "machines" / "id"
    remembered(machines, began="another process of its number")
    (folder / "ended.json").write_text(json.dumps({"why": "the guest's kernel ended: panic"}))
    assert machines.see("id").detail == "the guest's kernel ended: panic"
    assert machines.see("id").state == "gone"
    assert not (folder / "running.json").exists()


def test_a_machine_is_lost_with_the_namespace_of_its_hypervisor(given: dict[str, Any], no_containers: list[Any]) -> None:
    machines = UmlMachines(spec.read(given))
    remembered(machines, namespace=1)
    seen = machines.see("id")
    assert (seen.state, seen.detail) == ("gone", "its hypervisor lab-hv1 went down")
    assert machines.see("id") == seen  # also when it is asked again


def test_nothing_is_left_of_a_machine_that_the_engine_has_no_more(given: dict[str, Any], no_containers: list[Any]) -> None:
    machines = UmlMachines(spec.read(given))
    remembered(machines)
    machines.forget("id")
    assert list((Path(given["folder"]) / "machines").iterdir()) == []
    machines.forget("id")


def test_a_guest_whose_agent_is_silent_is_not_asked_to_shut_down(given: dict[str, Any], no_containers: list[Any]) -> None:
    machines = UmlMachines(spec.read(given))
    remembered(machines)
    with pytest.raises(BackendError, match=r"does not answer, so nobody in it can be asked to shut down; fix: wait until it has booted"):
        machines.stop("id", is_graceful=True)


def test_a_simulator_is_not_started_where_the_engine_has_no_machine(given: dict[str, Any], no_containers: list[Any]) -> None:
    change = service.ensure(given, check=True)
    assert change.changed and change.after == {"state": "running"}
    assert not Path(given["folder"]).exists()
    with pytest.raises(LabError, match=r"container lab-engine does not run, .*; fix: \./inv up makes and starts it"):
        service.ensure(given)


def test_what_was_served_by_a_process_that_is_gone_is_dead_and_removed_with_its_folder(
    given: dict[str, Any], no_containers: list[Any]
) -> None:
    folder = Path(given["folder"])
    folder.mkdir()
    password = folder / "password"
    password.write_text("secret\n")
    given["password_file"] = str(password)
    process = {"pid": os.getpid(), "began": "another", "serves": "x", "what": "an older one kept"}
    (folder / "process.json").write_text(json.dumps(process))
    assert not service.is_running(given)
    assert service.remove(given, check=True).before["state"] == "dead"
    assert service.remove(given).changed
    assert [file.name for file in folder.iterdir()] == ["password"]
    assert not service.remove(given).changed
