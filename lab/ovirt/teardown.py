"""Removing a model from an engine, in the order in which it lets go of things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.change import Change
from lab.ovirt.engine import Engine
from lab.ovirt.kinds import KINDS
from lab.ovirt.kinds.storage_domains import StorageDomains, erase
from lab.ovirt.plan import Found, Seen
from lab.ovirt.state import State
from lab.ovirt.steps import look
from lab.ovirt.thing import Ref, Thing

# Data centers go before networks and hypervisors: only a hypervisor that is up can take storage away, and the last domain of a data
# center is only free when the data center is gone. Networks and profiles go with their data center.
ORDER = (
    "affinity_group",
    "vm",
    "template",
    "vnic_profile",
    "storage_domain",
    "master_domain",
    "data_center",
    "freed_domain",
    "hypervisor_network",
    "hypervisor",
    "network",
    "cluster",
    "mac_pool",
)


def to_remove(things: Iterable[Thing], found: Found) -> list[Ref]:
    """What of a model is there, in the order in which it goes.

    The master domain of a data center that goes is there twice: into maintenance before it (`master_domain`), away after (`freed_domain`).
    """
    there = [thing.ref for thing in things if thing.key in found.get(thing.kind, {})]
    going = {ref.key for ref in there if ref.kind == "data_center"}
    refs = []
    for ref in there:
        center = ref.key.partition("/")[0]
        if ref.kind in ("network", "vnic_profile") and center in going:
            continue  # goes with its data center
        if ref.kind == "hypervisor_network" and Ref("hypervisor", center) in there:
            continue  # goes with its hypervisor
        domain = found["storage_domain"][ref.key] if ref.kind == "storage_domain" else None
        if domain and domain.notes.get("master") and domain.values["data_center"] in going:
            refs += [Ref("master_domain", ref.key), Ref("freed_domain", ref.key)]
        else:
            refs.append(ref)
    return sorted(refs, key=lambda ref: (ORDER.index(ref.kind), -there.index(ref) if ref in there else 0))


def teardown(engine: Engine, things: Iterable[Thing]) -> list[Change]:
    """Removes what is there of a model, and nothing else. Run again after a kill it goes on."""
    things = list(things)
    state = State(engine)
    found: Mapping[str, Mapping[str, Seen]] = look(state, things)
    changes = []
    for ref in to_remove(things, found):
        if not engine.check:
            one(state, ref, found)
            state.forget()
        if ref.kind != "master_domain":
            before = found["storage_domain" if ref.kind == "freed_domain" else ref.kind][ref.key].values
            changes.append(Change(str(ref), True, before, {}))
    return changes


def one(state: State, ref: Ref, found: Mapping[str, Mapping[str, Seen]]) -> None:
    """Removes one thing of the order."""
    if ref.kind == "master_domain":
        StorageDomains().retire(state, ref.key, found["storage_domain"][ref.key])
    elif ref.kind == "freed_domain":
        erase(state, ref.key, found["storage_domain"][ref.key].id)
    else:
        KINDS[ref.kind].remove(state, ref.key, found[ref.kind][ref.key])
