"""Templates: /templates, made from image files by `upload`."""

from __future__ import annotations

from lab.ovirt.images import examine
from lab.ovirt.kinds.base import removed
from lab.ovirt.model_vms import Template
from lab.ovirt.plan import Seen, Step
from lab.ovirt.state import State
from lab.ovirt.upload import MADE, MAKING, make_template, marked


class Templates:
    """Templates by name; of several versions of one, the first."""

    def observe(self, state: State) -> dict[str, Seen]:
        """One that is still being made counts as not there: creating it goes on where it stopped."""
        found: dict[str, Seen] = {}
        for item in sorted(state.objects("templates"), key=lambda item: item.version.version_number if item.version else 1):
            checksum = marked(item.description, MADE)
            if not marked(item.description, MAKING):
                values = {"cluster": state.name("clusters", item.cluster) or None, "sha256": checksum or None}
                found.setdefault(item.name, Seen(item.id, values, {"disks": len(item.disk_attachments or ())}))
        return found

    def create(self, state: State, thing: Template) -> None:
        """From the image to the template."""
        make_template(state, thing, examine(thing.image, thing.sha256))

    def update(self, state: State, thing: Template, seen: Seen, step: Step) -> None:
        """Another image: the planner has made sure that no VM hangs on the old one, and that replacing was asked for."""
        image = examine(thing.image, thing.sha256)
        self.remove(state, thing.name, seen)
        make_template(state, thing, image)

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """With its disks."""
        removed(state, f"template {key}", state.service("templates").template_service(seen.id))
