"""Waiting until a guest is there: its address as the guest itself reports it, never as it was told."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from lab.ovirt.engine import Engine
from lab.ovirt.kinds.vms_observed import reported
from lab.ovirt.sdk import word
from lab.ovirt.state import State

BOOT_SECONDS = 300


def wait_for_address(engine: Engine, vm: str, *, wanted: str = "", within: str = "", limit_seconds: float = BOOT_SECONDS) -> str:
    """The address that a running VM reports: that one, or any within a network, or any at all.

    Raises LabError saying what the guest reports instead, and what the engine saw happen.
    """
    state = State(engine)
    service = state.service("vms").vm_service(state.id("vms", vm, "wait for its address"))
    goal = wanted or (f"one in {within}" if within else "any")

    def look() -> tuple[str, list[str]]:
        found = service.get(follow="reported_devices")
        return word(found.status), reported(found)

    _, addresses = engine.wait(
        f"vm {vm} reports address {goal}",
        look,
        lambda seen: bool(fitting(seen[1], wanted, within)),
        limit_seconds,
        lambda seen: seen[0] in ("down", "paused"),
        lambda seen: diagnosis(seen[0], seen[1], wanted),
    )
    return fitting(addresses, wanted, within)[0]


def fitting(addresses: list[str], wanted: str, within: str) -> list[str]:
    """Those that are meant."""
    if wanted:
        return [address for address in addresses if address == wanted]
    return [address for address in addresses if not within or IPv4Address(address) in IPv4Network(within)]


def diagnosis(status: str, addresses: list[str], wanted: str) -> str:
    """The likely cause, from what was last seen."""
    if status in ("down", "paused"):
        return f"the VM is {status}: start it, or read why it stopped in the events above"
    if addresses and wanted:
        return (
            f"the guest has {', '.join(addresses)} and not {wanted}, so its first boot was not told or not heard: "
            "compare the interface's name in the guest with the one in the model"
        )
    if addresses:
        return f"the guest has {', '.join(addresses)}: look at its network in the engine"
    return "the guest reports nothing: is qemu-guest-agent in the image, and did it boot (look at its console)?"
