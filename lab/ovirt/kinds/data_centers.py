"""Data centers: /datacenters."""

from __future__ import annotations

from lab.ovirt.kinds.base import removed, said
from lab.ovirt.model import DataCenter
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import text, types, word
from lab.ovirt.state import State


class DataCenters:
    """Data centers with shared storage."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By name; the status is the storage's, so it is no value of the model."""
        return {
            item.name: Seen(item.id, {"description": text(item.description)}, {"status": word(item.status)})
            for item in state.objects("data_centers")
        }

    def create(self, state: State, thing: DataCenter) -> None:
        """One request; it is `uninitialized` until it gets storage."""
        request = types().DataCenter(name=thing.name, description=thing.description, local=False)
        state.engine.tell(said(thing, "create"), lambda: state.service("data_centers").add(request))

    def update(self, state: State, thing: DataCenter, seen: Seen, step: Step) -> None:
        """Only the description can differ."""
        request = types().DataCenter(description=thing.description)
        state.engine.tell(said(thing, "change"), lambda: state.service("data_centers").data_center_service(seen.id).update(request))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Its last storage domain has to be in maintenance."""
        removed(state, f"data center {key}", state.service("data_centers").data_center_service(seen.id))
