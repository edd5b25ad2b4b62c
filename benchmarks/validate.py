"""How long a large site takes to load and to become an inventory, beside a small one: `python benchmarks/validate.py`."""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

LOAD_LIMIT_SECONDS = 2.0
INVENTORY_LIMIT_SECONDS = 3.0


def site_text(machines: int) -> str:
    """A site of this many machines: a hundred to a subnet, each with two interfaces, and a record for every tenth."""
    subnets = range((machines + 99) // 100 + 1)
    lines = ["name: large", "domain: large.internal", "secrets: generated", "network:", "  supernet: 10.64.0.0/16", "  router: gate"]
    lines += ["  uplink: {address: 10.91.0.2/24, gateway: 10.91.0.1, manage_from: [10.91.0.1/32]}", "  subnets:"]
    for number in subnets:
        reach = "net0" if number else ""
        lines.append(
            f"    net{number}: {{cidr: 10.64.{number * 4}.0/22, vlan: {number + 2}, reach: [{reach}], dhcp: {{from: 512, to: 1000}}}}"
        )
    lines += ["  reservations:"]
    lines += [f'    - {{name: device{number}, subnet: net{number}, mac: "02:00:00:00:00:{number:02x}", host: 500}}' for number in subnets]
    lines += ["  records:", *(f"    - {{name: alias{number}, machine: machine{number}}}" for number in range(0, machines, 10))]
    lines += ["machines:", "  gate: {platform: {kind: container}, groups: [router]}"]
    for number in range(machines):
        here, there = f"net{number // 100}", f"net{number // 100 + 1}"
        lines += [
            f"  machine{number}:",
            "    platform: {kind: container}",
            "    groups: [client]",
            "    vcpus: 2",
            "    memory_gib: 4",
            f"    interfaces: {{{here}: {{host: {number % 100 + 2}}}, {there}: {{host: {number % 100 + 202}}}}}",
        ]
    return "\n".join(lines) + "\n"


def seconds(action: Callable[[], object], repeat: int) -> float:
    """The median time of an action."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(machines: int, repeat: int) -> tuple[float, float | None]:
    """Seconds of load, and of the inventory, for a site of this size."""
    from lab import site

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "site.yml"
        file.write_text(site_text(machines), encoding="utf-8")
        loading = seconds(lambda: site.load(file), repeat)
        loaded = site.load(file)
    try:
        inventory = importlib.import_module("lab.inventory")
    except ModuleNotFoundError:
        return loading, None
    return loading, seconds(lambda: inventory.build(loaded, {}), repeat)


def main() -> int:
    """Print the figures; 1 if the large site is over a limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--small", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    large, small = measure(arguments.machines, arguments.repeat), measure(arguments.small, arguments.repeat)
    over = 0
    print(f"{'':10} {arguments.small:>7} machines {arguments.machines:>7} machines   ratio   limit")
    for name, few, many, limit in zip(("load", "inventory"), small, large, (LOAD_LIMIT_SECONDS, INVENTORY_LIMIT_SECONDS), strict=True):
        if few is None or many is None:
            print(f"{name:10} (lab.inventory is not there)")
            continue
        over += many > limit
        print(f"{name:10} {few:>14.3f} s {many:>14.3f} s {many / few:>7.1f} {limit:>5.1f} s")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
