"""Whether VMs really run where their affinity groups want them, and the moves that mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.change import Change
from lab.errors import LabError
from lab.ovirt.engine import Engine
from lab.ovirt.kinds import KINDS
from lab.ovirt.plan import Seen
from lab.ovirt.sdk import types, word
from lab.ovirt.state import State

MIGRATE_SECONDS = 1200


@dataclass(frozen=True)
class Group:
    """One rule and the VMs it is for."""

    name: str
    rule: str
    vms: tuple[str, ...]


@dataclass(frozen=True)
class Move:
    """A VM that has to leave its hypervisor."""

    vm: str
    source: str
    target: str


Places = Mapping[str, str]
"""Running VM -> hypervisor. A VM that is down is nowhere, and breaks no rule."""


def violations(groups: Iterable[Group], places: Places) -> list[str]:
    """Every rule that is not kept, as a sentence."""
    found = []
    for group in groups:
        counted = Counter(places[vm] for vm in group.vms if vm in places)
        if group.rule == "apart":
            for hypervisor, times in sorted(counted.items()):
                if times > 1:
                    same = ", ".join(sorted(vm for vm in group.vms if places.get(vm) == hypervisor))
                    found.append(f"affinity group {group.name}: {same} run together on {hypervisor}")
        elif len(counted) > 1:
            found.append(f"affinity group {group.name}: its VMs run on {', '.join(sorted(counted))} instead of on one hypervisor")
    return found


def moves(groups: Iterable[Group], places: Places, hypervisors: Iterable[str]) -> list[Move]:
    """The fewest moves we see: each VM too many goes to the hypervisor that runs fewest VMs and breaks no rule there.

    Raises LabError where the rules cannot be kept with these hypervisors.
    """
    groups, now, needed = list(groups), dict(places), []
    targets = sorted(hypervisors)
    for group in sorted(groups, key=lambda group: group.rule != "together"):
        for vm in too_many(group, now):
            fit = [target for target in targets if target != now[vm] and fits(vm, target, group, groups, now)]
            if not fit:
                raise LabError(
                    f"affinity group {group.name}: {vm} must leave {now[vm]}, and no hypervisor that is up may take it "
                    f"({', '.join(targets) or 'none is up'}); fix: bring up another hypervisor, or take VMs out of the group"
                )
            best = min(fit, key=lambda target: (Counter(now.values())[target], target))
            needed.append(Move(vm, now[vm], best))
            now[vm] = best
    return needed


def too_many(group: Group, now: Places) -> list[str]:
    """Those that have to go: of VMs that belong apart all but the first, of VMs that belong together all that are in the minority."""
    running = sorted(vm for vm in group.vms if vm in now)
    if group.rule == "apart":
        seen: set[str] = set()
        return [vm for vm in running if now[vm] in seen or seen.add(now[vm])]  # type: ignore[func-returns-value]
    if not running:
        return []
    home = max(sorted({now[vm] for vm in running}), key=lambda place: sum(now[vm] == place for vm in running))
    return [vm for vm in running if now[vm] != home]


def fits(vm: str, target: str, group: Group, groups: Iterable[Group], now: Places) -> bool:
    """Whether a VM on that hypervisor keeps every rule it is under."""
    if group.rule == "together":
        others = {now[other] for other in group.vms if other in now and other != vm}
        counted = Counter(now[other] for other in group.vms if other in now and other != vm)
        if target not in others or counted[target] < max(counted.values()):
            return False
    for rule in groups:
        mates = [other for other in rule.vms if other != vm and other in now]
        if vm in rule.vms and rule.rule == "apart" and any(now[mate] == target for mate in mates):
            return False
        if vm in rule.vms and rule.rule == "together" and rule != group and any(now[mate] != target for mate in mates):
            return False
    return True


def keep(engine: Engine, cluster: str, *, fix: bool = True) -> Change:
    """Looks where the VMs of a cluster's groups really are, and moves those that are wrong.

    Raises LabError where rules are broken and `fix` is off, or moving did not help.
    """
    state = State(engine)
    groups, places = read(state, cluster)
    broken = violations(groups, places)
    what = f"placement in cluster {cluster}"
    if not broken:
        return Change(what, False, dict(places), dict(places))
    if not fix:
        raise LabError(f"{engine.login.url}: {'; '.join(broken)}; fix: run this with fix, which migrates VMs")
    up = [item.name for item in state.objects("hosts") if word(item.status) == "up" and state.name("clusters", item.cluster) == cluster]
    needed = moves(groups, places, up)
    after = dict(places) | {move.vm: move.target for move in needed}
    if not engine.check:
        for move in needed:
            migrate(state, move)
        groups, after = read(State(engine), cluster)
        if still := violations(groups, after):
            raise LabError(
                f"{engine.login.url}: after {len(needed)} migrations still: {'; '.join(still)}; fix: read the engine's events of these VMs"
            )
    return Change(what, True, dict(places), after, {"moves": [f"{move.vm}: {move.source} to {move.target}" for move in needed]})


def read(state: State, cluster: str) -> tuple[list[Group], dict[str, str]]:
    """The groups of a cluster, and where its VMs run."""
    found: Mapping[str, Seen] = KINDS["affinity_group"].observe(state)
    groups = [
        Group(key.partition("/")[2], seen.values["rule"], tuple(seen.values["vms"]))
        for key, seen in sorted(found.items())
        if key.startswith(f"{cluster}/") and seen.values["rule"]
    ]
    places = {key: seen.notes["hypervisor"] for key, seen in KINDS["vm"].observe(state).items() if seen.notes["hypervisor"]}
    return groups, places


def migrate(state: State, move: Move) -> None:
    """Moves one VM, and waits until it runs there: the engine may choose another hypervisor after a failure."""
    what = f"vm {move.vm}: migrate from {move.source} to {move.target}"
    service = state.service("vms").vm_service(state.id("vms", move.vm, what))
    target = state.id("hosts", move.target, what)
    state.engine.tell(what, lambda: service.migrate(host=types().Host(id=target)))

    def look() -> tuple[str, str]:
        vm = service.get()
        return word(vm.status), state.name("hosts", vm.host) if vm.host else ""

    state.engine.wait(
        what,
        look,
        lambda seen: seen == ("up", move.target),
        MIGRATE_SECONDS,
        lambda seen: seen[0] in ("down", "unknown", "not_responding"),
    )
