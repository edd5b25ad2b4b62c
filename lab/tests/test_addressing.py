"""Addresses from names and numbers."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from lab import addressing

SUPERNET = IPv4Network("10.64.0.0/16")


@pytest.mark.parametrize(
    ("supernet", "size", "name", "wanted"),
    [
        ("10.64.0.0/16", 24, "isolated", "10.64.216.0/24"),
        ("10.64.0.0/16", 24, "camera", "10.64.148.0/24"),
        ("10.64.0.0/16", 24, "wifi", "10.64.148.0/24"),
        ("10.20.0.0/16", 24, "backup", "10.20.248.0/24"),
        ("10.64.0.0/16", 16, "whatever", "10.64.0.0/16"),
        ("10.64.0.0/16", 8, "too-large", "10.64.0.0/16"),
    ],
)
def test_a_range_follows_from_its_name_alone(supernet: str, size: int, name: str, wanted: str) -> None:
    """These values must never change: machines in the field have them."""
    assert addressing.carve(IPv4Network(supernet), size, name) == IPv4Network(wanted)


@pytest.mark.parametrize(
    ("size", "taken", "wanted"),
    [
        (24, [], "10.64.0.0/24"),
        (24, ["10.64.0.0/24"], "10.64.1.0/24"),
        (24, ["10.64.0.128/25"], "10.64.1.0/24"),
        (24, ["10.64.1.0/24", "10.64.0.0/24"], "10.64.2.0/24"),
        (24, ["10.64.1.0/24"], "10.64.0.0/24"),
        (24, ["10.64.0.0/24", "10.64.0.64/26"], "10.64.1.0/24"),
        (20, ["10.64.0.0/24", "10.64.16.0/24"], "10.64.32.0/20"),
        (24, ["10.0.0.0/8"], None),
        (17, ["10.64.0.0/24", "10.64.255.0/24"], None),
        (24, ["10.63.0.0/16", "10.65.0.0/16"], "10.64.0.0/24"),
        (8, [], None),
    ],
)
def test_the_next_free_range_meets_none_of_the_taken_ones(size: int, taken: list[str], wanted: str | None) -> None:
    free = addressing.next_free(SUPERNET, size, map(IPv4Network, taken))
    assert free == (IPv4Network(wanted) if wanted else None)


@pytest.mark.parametrize(
    ("network", "value", "wanted"),
    [
        ("10.64.10.0/24", "0.0.0.11", "10.64.10.11"),
        ("10.64.10.0/24", "0.0.1.44", "10.64.11.44"),
        ("10.64.8.0/22", "0.0.2.0", "10.64.10.0"),
        ("10.64.10.0/24", "10.64.20.1", "10.64.20.1"),
        ("255.255.255.0/24", "0.0.255.255", "255.255.255.255"),
    ],
)
def test_a_host_number_counts_from_the_start_of_its_network(network: str, value: str, wanted: str) -> None:
    assert addressing.placed(IPv4Network(network), IPv4Address(value)) == IPv4Address(wanted)


@pytest.mark.parametrize(
    ("address", "usable"),
    [("10.64.10.0", False), ("10.64.10.1", True), ("10.64.10.254", True), ("10.64.10.255", False), ("10.64.11.1", False)],
)
def test_a_machine_can_have_what_is_neither_the_network_nor_its_broadcast(address: str, usable: bool) -> None:
    assert addressing.is_usable(IPv4Network("10.64.10.0/24"), IPv4Address(address)) is usable


@pytest.mark.parametrize(
    ("taken", "pool", "wanted"),
    [
        ([], None, 1),
        ([1, 2], None, 3),
        ([1], (2, 4), 5),
        ([1, 5], (2, 4), 6),
        ([1, 2, 3, 4, 5, 6], None, None),
        ([1], (2, 6), None),
    ],
)
def test_the_free_address_is_nobodys_and_in_no_pool(taken: list[int], pool: tuple[int, int] | None, wanted: int | None) -> None:
    network = IPv4Network("10.64.10.0/29")
    first = network.network_address
    ends = (first + pool[0], first + pool[1]) if pool else None
    assert addressing.free_address(network, {first + number for number in taken}, ends) == (first + wanted if wanted else None)


def test_a_mac_address_follows_from_its_names() -> None:
    mac = addressing.derived_mac((), "rehearsal", "admin", "management")
    assert mac == "52:54:00:ba:5b:2a"
    assert mac == addressing.derived_mac(set(), "rehearsal", "admin", "management")


def test_a_mac_address_that_is_taken_is_not_given_again() -> None:
    first = addressing.derived_mac((), "site", "a", "b")
    assert addressing.derived_mac({first}, "site", "a", "b") not in {first}
