"""Takes a site down: its machines and networks go, and the ledger forgets its stages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab import consent, find, ledger, lock, platforms, restore, sandbox, stages
from lab import site as sites
from lab.inventory.kubernetes import kubeconfig
from lab.run import name_of
from lab.simulators.ovirt import site_engine


def down(site_path: Path, *, yes: bool = False, say: Callable[[str], None] = print, ask: Callable[[str], str] = input) -> int:
    """Removes what the site's platforms made, stages in reverse order; asks first unless `yes`."""
    site = sites.load(site_path)
    name = name_of(site_path)
    machines = [machine for machine, data in site.machines.items() if data.platform.kind != "metal"]
    kept = [machine for machine, data in site.machines.items() if data.platform.kind == "metal"]
    say(f"down removes for good, with all their data: {', '.join(machines) or 'no machine'}")
    if kept:
        say(f"machines on metal are not touched: {', '.join(kept)}")
    if not yes and not consent.given("down", name, ask):
        say("nothing was removed")
        return 1
    with lock.held(site.artifacts, say):
        book = ledger.Ledger(site.artifacts / "ledger.json", say)
        # Forgotten first: a `down` that is cut off leaves stages to build, never stages that look up.
        for stage in reversed(stages.order()):
            if book.get(stage.name):
                book.drop([stage.name])
                say(f"{stage.name}: is down")
        inventory = find.inventory(site)
        if options := site_engine.of_inventory(inventory):
            end_engine(options, say)
            shutil.rmtree(site.artifacts / "ssh" / "hosts", ignore_errors=True)  # host keys of its VMs
        changes = platforms.remove_all(left_to_remove(inventory), say)
        lock.end_connections(site.artifacts)
        restore.forget(site)
        forget(site)
    sandbox.give_back(site.directory)
    count = sum(change.changed for change in changes)
    say(f"{name}: {count} machines removed" if count else f"{name}: there was nothing to remove")
    return 0


def forget(site: sites.Site) -> None:
    """Facts of machines, and the way into a cluster, that are gone."""
    for folder in (site.artifacts / "facts", kubeconfig(site).parent):
        shutil.rmtree(folder, ignore_errors=True)


def end_engine(options: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Ends the simulated engine of the site, with all that it keeps: its VMs go with it."""
    change = site_engine.remove(options)
    if change.changed:
        say(f"{change.what}: removed, with its machines")


def left_to_remove(inventory: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The machines that go one by one: on a real engine also its VMs, of a simulated one they are gone already."""
    simulated = bool(inventory["ovirt_simulator"]["hosts"])
    hosts: Mapping[str, Mapping[str, Any]] = inventory["_meta"]["hostvars"]
    return {name: variables for name, variables in hosts.items() if not (simulated and variables["machine_platform"] == "ovirt")}
