"""What each lab_ovirt_* module calls: plain options in, a Change out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.change import Change
from lab.errors import InputError
from lab.ovirt import backup, placement, snapshots, steps
from lab.ovirt.address import wait_for_address
from lab.ovirt.engine import Engine, Login, connect
from lab.ovirt.model import BY_KIND, parse, thing
from lab.ovirt.model_vms import AffinityGroup
from lab.ovirt.teardown import teardown

SECRET = ("password", "token")
Options = Mapping[str, Any]


def run(name: str, options: Options, *, check: bool) -> Change:
    """One task: `name` is a kind of thing, or one of TASKS.

    Raises LabError with what an operator can do.
    """
    values = {key: value for key, value in options.items() if value is not None and key not in ("engine", "project")}
    if check and not Path(options["engine"]["ca_file"]).is_file():
        return unbuilt(name, options["engine"], values)
    with connect(login(options["engine"]), check=check) as engine:
        return TASKS[name](engine, values) if name in TASKS else one_thing(engine, name, values)


def unbuilt(name: str, engine: Options, values: dict[str, Any]) -> Change:
    """In check mode, on an engine that an earlier step would make, and whose CA is therefore not there: all of it would be made."""
    what = f"{name.replace('_', ' ')} {values.get('name') or values.get('vm', '')}".strip()
    if name in ("address", "placement") or values.get("state") == "absent":
        return Change(what, False)
    return Change(
        what, True, {}, {key: value for key, value in values.items() if key not in SECRET}, {"does_not_exist_yet": [engine["url"]]}
    )


def login(engine: Options) -> Login:
    """Who speaks to what."""
    if not engine.get("password") and not engine.get("token"):
        raise InputError(f"{engine['url']}: neither password nor token of {engine['user']} is given; fix: give one of them")
    return Login(engine["url"], engine["user"], engine.get("password") or "", Path(engine["ca_file"]), engine.get("token") or "")


def one_thing(engine: Engine, kind: str, values: dict[str, Any]) -> Change:
    """A thing becomes as wanted, or absent. Where a kind has no states of its own, `present` is not part of it."""
    if values.get("state") == "absent":
        return steps.remove(engine, kind, BY_KIND[kind].model_construct(**values).key)
    if "state" not in BY_KIND[kind].model_fields:
        values.pop("state", None)
    return steps.ensure(engine, thing(kind, values))


def whole_model(engine: Engine, values: dict[str, Any]) -> Change:
    """Everything of a model, planned before anything is written, and VMs where their groups want them; or all of it away."""
    things = parse(values["model"])
    if values.get("state", "present") == "present":
        changes = steps.ensure_all(engine, things)
        grouped = sorted({item.cluster for item in things if isinstance(item, AffinityGroup)})
        changes += [placement.keep(engine, cluster) for cluster in grouped]
    else:
        changes = teardown(engine, things)
    changed = [change for change in changes if change.changed]
    return Change(
        f"{len(things)} things",
        bool(changed),
        {change.what: change.before for change in changed if change.before},
        {change.what: change.after for change in changed if change.after},
        {"changed": [change.what for change in changed], "requests": engine.requests},
    )


def place(engine: Engine, values: dict[str, Any]) -> Change:
    """VMs run where their affinity groups want them."""
    return placement.keep(engine, values["cluster"], fix=values.get("fix", True))


def snapshot(engine: Engine, values: dict[str, Any]) -> Change:
    """One snapshot by its description, or with `keep` no more than that many whose description begins so."""
    if "keep" in values:
        return snapshots.prune(engine, values["vm"], values["description"], values["keep"])
    wanted = values.get("state", "present") == "present"
    return snapshots.ensure(engine, values["vm"], values["description"], memory=values.get("memory", False), wanted=wanted)


def save(engine: Engine, values: dict[str, Any]) -> Change:
    """A backup; with `only_verify` an old one is read again."""
    if only := values.get("only_verify"):
        if problems := backup.verify(Path(only)):
            raise InputError("\n".join(problems))
        return Change(f"backup {only}", False)
    return backup.take(engine, values["vm"], Path(values["folder"]))


def address(engine: Engine, values: dict[str, Any]) -> Change:
    """A guest is there. In check mode there is nothing to wait for: an earlier step would have started it."""
    what = f"address of vm {values['vm']}"
    if engine.check:
        return Change(what, False)
    limits = {"limit_seconds": values["timeout_seconds"]} if "timeout_seconds" in values else {}
    found = wait_for_address(engine, values["vm"], wanted=values.get("address", ""), within=values.get("within", ""), **limits)
    return Change(what, False, facts={"address": found})


TASKS: Mapping[str, Callable[[Engine, dict[str, Any]], Change]] = {
    "model": whole_model,
    "placement": place,
    "snapshot": snapshot,
    "backup": save,
    "address": address,
}
