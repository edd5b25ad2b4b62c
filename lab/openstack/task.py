"""What each lab_openstack_* module calls: plain options in, a Change out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.change import Change
from lab.errors import InputError
from lab.openstack import address, steps
from lab.openstack.cloud import Cloud, Login, connect
from lab.openstack.errors import NotAnswered
from lab.openstack.flavors import Named, Size, recommend
from lab.openstack.model import BY_KIND, parse, thing
from lab.openstack.model_identity import DEFAULT
from lab.openstack.state import State
from lab.things.model import SECRETS

Options = Mapping[str, Any]


def run(name: str, options: Options, *, check: bool) -> Change:
    """One task: `name` is a kind of thing, or one of TASKS.

    Raises LabError with what an operator can do.
    """
    values = {key: value for key, value in options.items() if value is not None and key not in ("cloud", "project_folder")}
    ca_file = options["cloud"].get("ca_file")
    if check and ca_file and not Path(ca_file).is_file():
        return unbuilt(name, options["cloud"]["auth_url"], values)
    with connect(login(options["cloud"]), check=check, patience_seconds=0 if check else 120) as cloud:
        try:
            return TASKS[name](cloud, values) if name in TASKS else one_thing(cloud, name, values)
        except NotAnswered:
            if not check:
                raise
    return unbuilt(name, options["cloud"]["auth_url"], values)


def unbuilt(name: str, auth_url: str, values: dict[str, Any]) -> Change:
    """In check mode, on a cloud that an earlier step would make and that does not answer yet: all of it would be made."""
    what = f"{name.replace('_', ' ')} {values.get('name') or values.get('server', '')}".strip()
    if name in ("address", "flavor_choice") or values.get("state") == "absent":
        return Change(what, False)
    shown = {key: value for key, value in values.items() if key not in (*SECRETS, "model", "passwords")}
    return Change(what, True, {}, shown, {"does_not_exist_yet": [auth_url]})


def login(cloud: Options) -> Login:
    """Who speaks to what; everything else is left to its default."""
    known = {key: value for key, value in cloud.items() if value is not None}
    if "ca_file" in known:
        known["ca_file"] = Path(known["ca_file"])
    return Login(**known)


def one_thing(cloud: Cloud, kind: str, values: dict[str, Any]) -> Change:
    """A thing becomes as wanted, or absent. Where a kind has no states of its own, `present` is not part of it."""
    if values.get("state") == "absent":
        return steps.remove(cloud, kind, BY_KIND[kind].model_construct(**values).key)
    if "state" not in BY_KIND[kind].model_fields:
        values.pop("state", None)
    return steps.ensure(cloud, thing(kind, values))


def whole_model(cloud: Cloud, values: dict[str, Any]) -> Change:
    """Everything of a model, planned before anything is written; or all of it away. Users' passwords come beside it: a model is logged."""
    things = parse(with_passwords(values["model"], values.get("passwords", {})))
    present = values.get("state", "present") == "present"
    changes = steps.ensure_all(cloud, things) if present else steps.teardown(cloud, things)
    changed = [change for change in changes if change.changed]
    return Change(
        f"{len(things)} things",
        bool(changed),
        {change.what: change.before for change in changed if change.before},
        {change.what: change.after for change in changed if change.after},
        {"changed": [change.what for change in changed], "requests": cloud.requests, "project_id": cloud.project_id},
    )


def with_passwords(model: Mapping[str, Any], passwords: Mapping[str, str]) -> dict[str, Any]:
    """The model with the passwords of its users, which are given by `domain/name`.

    Raises InputError for one that no user of the model has.
    """
    users = [dict(user) for user in model.get("user", [])]
    left = dict(passwords)
    for user in users:
        key = f"{user.get('domain', DEFAULT)}/{user.get('name')}"
        if key in left:
            user["password"] = left.pop(key)
    if left:
        known = sorted(f"{user.get('domain', DEFAULT)}/{user.get('name')}" for user in users)
        raise InputError(f"passwords: {', '.join(sorted(left))}: no such user is in the model; fix: one of {', '.join(known) or 'none'}")
    return dict(model) | ({"user": users} if users else {})


def server_address(cloud: Cloud, values: dict[str, Any]) -> Change:
    """A server has an address. In check mode there is nothing to wait for: an earlier step would have started it."""
    what = f"address of server {values['server']}"
    if cloud.check:
        return Change(what, False)
    limits = {"limit_seconds": values["timeout_seconds"]} if "timeout_seconds" in values else {}
    found = address.wait_for_address(cloud, values["server"], network=values.get("network", ""), **limits)
    return Change(what, False, facts={"address": found})


def flavor_choice(cloud: Cloud, values: dict[str, Any]) -> Change:
    """The flavor for a wish, with the reason."""
    known = [Named(str(item.name), Size(item.vcpus, item.ram, item.disk)) for item in State(cloud).objects("flavors")]
    name, reason = recommend(Size(values["vcpus"], values["memory_mib"], values.get("disk_gib", 0)), known)
    return Change(f"flavor {name}", False, facts={"flavor": name, "reason": reason})


TASKS: Mapping[str, Callable[[Cloud, dict[str, Any]], Change]] = {
    "model": whole_model,
    "address": server_address,
    "flavor_choice": flavor_choice,
}
