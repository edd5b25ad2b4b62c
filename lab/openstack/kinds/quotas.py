"""Quotas: three services keep a part of them each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.openstack.kinds.base import said
from lab.openstack.kinds.identity import in_domain
from lab.openstack.model_identity import LIMITS, Quota
from lab.openstack.state import State
from lab.things.thing import Seen, Step


class Quotas:
    """Limits of projects; only services that the model names are asked."""

    touches: tuple[str, ...] = ()

    def observe(self, state: State, things: Sequence[Quota]) -> dict[str, Seen]:
        """By domain and project, for the wanted ones: a quota is an answer for each project and service."""
        projects = {in_domain(state, item): str(item.id) for item in state.objects("projects")} if things else {}
        return {
            thing.key: Seen(projects[thing.key], limits(state, thing, projects[thing.key])) for thing in things if thing.key in projects
        }

    def create(self, state: State, thing: Quota) -> None:
        """A project has a quota from its beginning; this is its first change."""
        seen = self.observe(state, [thing])[thing.key]
        different = {key: value for key, value in thing.limits.items() if seen.values[key] != value}
        self.change(state, thing, seen.id, different)

    def update(self, state: State, thing: Quota, seen: Seen, step: Step) -> None:
        """What differs, by service."""
        self.change(state, thing, seen.id, step.changes)

    def change(self, state: State, thing: Quota, project: str, limits_: Mapping[str, int]) -> None:
        """One request per service."""
        cloud = state.cloud.connection
        orders: dict[str, Callable[[dict[str, int]], Any]] = {
            "compute": lambda body: cloud.compute.update_quota_set(project, **body),
            "volume": lambda body: cloud.block_storage.update_quota_set(project, **body),
            "network": lambda body: cloud.network.update_quota(project, **body),
        }
        for service, order in orders.items():
            body = {LIMITS[key][1]: value for key, value in limits_.items() if LIMITS[key][0] == service}
            if body:
                state.cloud.tell(said(thing, f"change limits of {service}"), lambda: order(body))  # noqa: B023 - called at once

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Back to what every project has, where the model named limits: a cloud need not have volumes."""
        cloud = state.cloud.connection
        orders: dict[str, Callable[[], Any]] = {
            "compute": lambda: cloud.compute.revert_quota_set(seen.id),
            "volume": lambda: cloud.block_storage.revert_quota_set(seen.id),
            "network": lambda: cloud.network.delete_quota(seen.id),
        }
        for service in sorted({LIMITS[name][0] for name in seen.values}):
            state.cloud.tell(f"quota {key}: reset", orders[service])


def limits(state: State, thing: Quota, project: str) -> dict[str, Any]:
    """Of the services whose limits are named."""
    cloud = state.cloud.connection
    questions = {
        "compute": lambda: cloud.compute.get_quota_set(project),
        "volume": lambda: cloud.block_storage.get_quota_set(project),
        "network": lambda: cloud.network.get_quota(project),
    }
    named = {LIMITS[key][0] for key in thing.limits}
    answers = {service: state.cloud.ask(said(thing, service), questions[service]) for service in sorted(named)}
    return {key: getattr(answers[LIMITS[key][0]], LIMITS[key][1]) for key in thing.limits}
