"""Heat: stacks, with what went wrong in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.openstack.cloud import NotReached
from lab.openstack.kinds.base import removed, said
from lab.openstack.model_compute import Stack, canonical
from lab.openstack.sdk import text
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step

STACK_SECONDS = 1800
EVENTS_SHOWN = 5
PARTS = ("heat_template_version", "parameter_groups", "parameters", "resources", "outputs", "conditions")


class Stacks:
    """Stacks of the project."""

    touches = ("stacks",)

    def observe(self, state: State, things: Sequence[Stack]) -> dict[str, Seen]:
        """By name; of the wanted ones also what Heat was told, which costs two requests each."""
        wanted = {thing.name for thing in things}
        pairs = []
        for item in state.objects("stacks"):
            values: dict[str, Any] = {"state": state_of(str(item.status))}
            if item.name in wanted:
                proxy, ident = state.cloud.connection.orchestration, str(item.id)
                whole = state.cloud.ask(f"stack {item.name}", lambda: proxy.get_stack(ident))  # noqa: B023 - called at once
                told = state.cloud.ask(f"template of stack {item.name}", lambda: proxy.get_stack_template(whole))  # noqa: B023
                values |= {"template": canonical({part: getattr(told, part) for part in PARTS}), "parameters": dict(whole.parameters or {})}
            pairs.append((str(item.name), Seen(str(item.id), values, {"reason": text(item.status_reason)})))
        return keyed(pairs)

    def create(self, state: State, thing: Stack) -> None:
        """What fails is taken away again, after it was asked why: Heat removes what it had made."""
        proxy = state.cloud.connection.orchestration
        body = {"name": thing.name, "template": thing.template, "parameters": thing.parameters, "is_rollback_disabled": True}
        made = state.cloud.tell(said(thing, "create"), lambda: proxy.create_stack(**body))
        try:
            self.until_complete(state, thing, str(made.id))
        except NotReached:
            self.remove(state, thing.key, Seen(str(made.id), {}))
            raise

    def update(self, state: State, thing: Stack, seen: Seen, step: Step) -> None:
        """One that is still being made by a run that was killed is waited for; one that failed is told anew, which mends it."""
        proxy = state.cloud.connection.orchestration
        if seen.values["state"] == "in progress":
            self.until_complete(state, thing, seen.id)
        if set(step.changes) - {"state"} or seen.values["state"] == "failed":
            body = {"template": thing.template, "parameters": thing.parameters}
            state.cloud.tell(said(thing, "change"), lambda: proxy.update_stack(seen.id, **body))
            self.until_complete(state, thing, seen.id)

    def until_complete(self, state: State, thing: Stack, ident: str) -> None:
        """Until Heat is done; a failure is told by the resources that failed, each with its reason."""
        proxy = state.cloud.connection.orchestration

        def why() -> str:
            found = state.cloud.ask("events of the stack", lambda: list(proxy.stack_events(ident)))
            failed = [event for event in found if str(event.resource_status).endswith("FAILED")]
            words = [f"{event.resource_name}: {text(event.resource_status_reason)}" for event in failed[-EVENTS_SHOWN:]]
            return f"what failed: {' | '.join(words) or 'no resource did'}; fix: mend the first of them; heat-engine's journal knows more"

        state.cloud.wait(
            f"{thing.ref} is complete",
            lambda: state_of(str(proxy.get_stack(ident).status)),
            lambda now: now == "complete",
            STACK_SECONDS,
            lambda now: now == "failed",
            why,
        )

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """With everything it made; Heat shows a stack for a while after it is gone."""
        proxy = state.cloud.connection.orchestration
        removed(
            state,
            f"stack {key}",
            lambda: proxy.delete_stack(seen.id, ignore_missing=False),
            lambda: proxy.get_stack(seen.id),
            lambda status: status == "DELETE_FAILED",
        )


def state_of(status: str) -> str:
    """`CREATE_COMPLETE` and its kin, without what was done."""
    return status.partition("_")[2].replace("_", " ").lower()
