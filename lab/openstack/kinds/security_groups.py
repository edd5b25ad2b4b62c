"""Neutron: security groups with their rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.openstack.kinds.base import removed, said
from lab.openstack.model_network import Rule, SecurityGroup, sentence
from lab.openstack.sdk import text
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step


class SecurityGroups:
    """Groups of the project."""

    touches = ("security_groups",)

    def observe(self, state: State, things: Sequence[SecurityGroup]) -> dict[str, Seen]:
        """By name, with rules as sentences; the ids behind those are notes."""
        pairs = []
        for item in state.objects("security_groups"):
            rules = {str(rule["id"]): (rule["direction"], rule_words(state, rule)) for rule in item.security_group_rules or ()}
            values = {
                "description": text(item.description),
                "rules": {way: sorted(words for side, words in rules.values() if side == way) for way in ("egress", "ingress")},
            }
            pairs.append((str(item.name), Seen(str(item.id), values, {"rules": rules})))
        return keyed(pairs)

    def create(self, state: State, thing: SecurityGroup) -> None:
        """Neutron lets a new group's servers reach everything; that is kept where no egress rule is wanted."""
        proxy = state.cloud.connection.network
        made = state.cloud.tell(said(thing, "create"), lambda: proxy.create_security_group(name=thing.name, description=thing.description))
        rules = {str(rule["id"]): (rule["direction"], rule_words(state, rule)) for rule in made.security_group_rules or ()}
        self.rewrite(state, thing, str(made.id), rules)

    def update(self, state: State, thing: SecurityGroup, seen: Seen, step: Step) -> None:
        """What differs."""
        proxy = state.cloud.connection.network
        if "description" in step.changes:
            state.cloud.tell(said(thing, "change"), lambda: proxy.update_security_group(seen.id, description=thing.description))
        if "rules" in step.changes:
            self.rewrite(state, thing, seen.id, seen.notes["rules"])

    def rewrite(self, state: State, thing: SecurityGroup, ident: str, there: Mapping[str, tuple[str, str]]) -> None:
        """Rules cannot be changed: new ones come first, so that no wanted traffic stops meanwhile."""
        proxy = state.cloud.connection.network
        wanted = {str(rule): rule for rule in thing.rules}
        words = {sentence_ for _, sentence_ in there.values()}
        for name, rule in wanted.items():
            if name not in words:
                body = rule_body(state, thing, ident, rule)
                state.cloud.tell(said(thing, f"allow {name}"), lambda: proxy.create_security_group_rule(**body))  # noqa: B023 - called at once
        for rule_id, (side, name) in there.items():
            if side in thing.directions and name not in wanted:
                state.cloud.tell(
                    said(thing, f"forbid {name}"),
                    lambda: proxy.delete_security_group_rule(rule_id, ignore_missing=False),  # noqa: B023
                )

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Refused by Neutron while a port is in it."""
        proxy = state.cloud.connection.network
        removed(state, f"security group {key}", lambda: proxy.delete_security_group(seen.id, ignore_missing=False))


def rule_words(state: State, rule: Mapping[str, Any]) -> str:
    """A rule of Neutron as a sentence."""
    first, last = rule.get("port_range_min"), rule.get("port_range_max")
    ports = None if first is None else (int(first), int(last if last is not None else first))
    group = rule.get("remote_group_id")
    name = (state.name("security_groups", group) or group) if group else None
    return sentence(rule["direction"], str(rule["ethertype"]).lower(), rule.get("protocol"), ports, rule.get("remote_ip_prefix"), name)


def rule_body(state: State, thing: SecurityGroup, ident: str, rule: Rule) -> dict[str, Any]:
    """What Neutron is told; a group may name itself."""
    body: dict[str, Any] = {"security_group_id": ident, "direction": rule.direction, "ether_type": rule.family.replace("ipv", "IPv")}
    if rule.protocol:
        body["protocol"] = rule.protocol
    if rule.ports:
        body["port_range_min"], body["port_range_max"] = rule.range
    if rule.remote:
        body["remote_ip_prefix"] = rule.remote
    if rule.group:
        own = rule.group == thing.name
        body["remote_group_id"] = ident if own else state.id("security_groups", rule.group, said(thing, f"allow {rule}"))
    return body
