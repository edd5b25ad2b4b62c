"""What others learned the hard way: flavors, room on nodes, packets, disks that boot."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.errors import InputError
from lab.openstack import mtu
from lab.openstack.diagnosis import fix_of, placement_silent, room
from lab.openstack.flavors import Named, Node, Size, recommend, refusals, stays
from lab.openstack.kinds.images import is_of
from lab.openstack.plan import detach_problem
from lab.things.thing import Seen

FLAVORS = [
    Named("large", Size(4, 8192, 80)),
    Named("tiny", Size(1, 192, 0)),
    Named("small", Size(1, 2048, 20)),
    Named("wide", Size(8, 2048, 20)),
]


@pytest.mark.parametrize(
    ("wish", "name", "reason"),
    [
        (Size(1, 128, 0), "tiny", "it is the smallest there is"),
        (Size(1, 1024, 10), "small", "with 0 vCPU, 1024 MiB, 10 GiB to spare; tiny lacks 832 MiB of memory, 10 GiB of disk"),
        (Size(2, 1024, 10), "wide", "small lacks 1 vCPU"),
        (Size(2, 4096, 10), "large", "wide lacks 2048 MiB of memory"),
    ],
)
def test_the_flavor_with_the_least_to_spare_is_recommended_with_the_reason(wish: Size, name: str, reason: str) -> None:
    chosen, why = recommend(wish, FLAVORS)
    assert chosen == name
    assert reason in why


def test_where_no_flavor_will_do_the_one_that_would_is_named() -> None:
    with pytest.raises(InputError, match=r"no flavor has 16 vCPU, 1024 MiB, 1 GiB; .* lacks .* vCPU; fix: a flavor of 16 vCPU,"):
        recommend(Size(16, 1024, 1), FLAVORS)
    with pytest.raises(InputError, match="there is no flavor at all"):
        recommend(Size(1, 1, 1), [])


def test_every_node_says_why_it_does_not_take_a_server() -> None:
    nodes = [
        Node("gone", Size(8, 8192, 100), Size(8, 8192, 100), "down, enabled"),
        Node("little", Size(2, 1024, 100), Size(2, 1024, 100)),
        Node("full", Size(8, 8192, 100), Size(8, 512, 100)),
        Node("free", Size(8, 8192, 100), Size(8, 8192, 100)),
    ]
    assert refusals(Size(4, 2048, 10), nodes) == [
        "gone: is down, enabled",
        "little: is too small by 2 vCPU, 1024 MiB of memory, even when it is empty",
        "full: lacks 1536 MiB of memory (free: 8 vCPU, 512 MiB, 100 GiB)",
    ]
    assert placement_silent(nodes[3:]) == "free have room, so a filter said no"


def test_a_resize_stays_where_both_sizes_have_room() -> None:
    node = Node("one", Size(8, 8192, 100), Size(2, 2048, 40))
    assert stays(Size(1, 1024, 10), Size(2, 2048, 20), node)[0] is True
    moved, why = stays(Size(1, 1024, 10), Size(2, 4096, 20), node)
    assert (moved, why) == (False, "one lacks 2048 MiB of memory while it holds both sizes, so another node is needed")


def test_a_resize_never_makes_a_disk_smaller() -> None:
    with pytest.raises(InputError, match="the disk has 20 GiB and the new flavor 10 GiB, but disks only grow"):
        stays(Size(1, 1024, 20), Size(2, 2048, 10), FLAVOR_NODE)


FLAVOR_NODE = Node("one", Size(8, 8192, 100), Size(8, 8192, 100))


def test_room_counts_what_is_reserved_and_what_is_promised_twice() -> None:
    inventory = {
        "VCPU": SimpleNamespace(total=2, reserved=0, allocation_ratio=4.0),
        "MEMORY_MB": SimpleNamespace(total=4096, reserved=512, allocation_ratio=1.0),
    }
    total, free = room(inventory, {"VCPU": 3, "MEMORY_MB": 1024})
    assert (total, free) == (Size(8, 3584, 0), Size(5, 2560, 0))


@pytest.mark.parametrize(
    ("underlay", "kind", "ipv6", "left"),
    [
        (1500, "flat", False, 1500),
        (1500, "geneve", False, 1442),
        (1500, "geneve", True, 1422),
        (1500, "vxlan", False, 1450),
        (9000, "vlan", False, 9000),
    ],
)
def test_an_overlay_leaves_less_to_its_guests(underlay: int, kind: str, ipv6: bool, left: int) -> None:
    assert mtu.guest(underlay, kind, ipv6=ipv6) == left
    assert mtu.check(underlay, left, kind, ipv6=ipv6) == ""


def test_an_mtu_that_does_not_fit_below_its_wires_is_named_with_both_fixes() -> None:
    said = mtu.check(1500, 1500, "geneve")
    assert "large packets are lost and small ones pass; fix: mtu: 1442, or wires of 1558" in said
    assert mtu.check(1558, 1500, "geneve") == ""


def test_wires_that_leave_nothing_useful_and_kinds_that_there_are_not_are_refused() -> None:
    with pytest.raises(InputError, match="an MTU of 600 leaves 542 bytes to guests of a geneve network; fix: at least 634 on its wires"):
        mtu.guest(600, "geneve")
    with pytest.raises(InputError, match="stt: is no kind of network; fix: one of flat, geneve"):
        mtu.guest(1500, "stt")


def test_a_ping_of_that_payload_is_exactly_as_large_as_the_mtu() -> None:
    assert mtu.payload(1442) == 1414


def test_the_disk_that_boots_a_server_stays_while_it_lives() -> None:
    server = Seen("1", {"boot_volume": "root", "volumes": ["data"]})
    assert "never taken from a server that lives; fix: remove the server, which leaves the volume" in detach_problem("root", server)
    assert detach_problem("data", server) == ""
    assert detach_problem("root", None) == ""


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("a.qcow2", b"QFI\xfb" + bytes(100), "qcow2"),
        ("a.raw", bytes(510) + b"\x55\xaa" + bytes(512), "raw"),
        ("a.iso", bytes(0x8001) + b"CD001", "iso"),
        ("a.vhd", bytes(1024) + b"conectix" + bytes(504), "vhd"),
        ("a.vmdk", b"KDMV" + bytes(600), "vmdk"),
    ],
)
def test_an_image_is_known_by_its_marks(tmp_path: Path, name: str, content: bytes, format_: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert is_of(tmp_path / name, format_)
    (tmp_path / name).write_bytes(b"<html>")
    assert not is_of(tmp_path / name, format_)


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("No valid host was found. | compute nodes: one: lacks 3 MiB", "remove servers that are not needed"),
        ("one: is too small by 3 vCPU", "a smaller flavor, or a larger compute node"),
        ("MaxRetriesExceeded", "the real cause is only there"),
        ("something new", "read nova-scheduler's and nova-compute's journals of that moment"),
    ],
)
def test_a_story_ends_with_what_to_do(words: str, fix: str) -> None:
    assert fix in fix_of(words)
