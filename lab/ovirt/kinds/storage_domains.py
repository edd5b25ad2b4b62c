"""NFS storage domains: /storagedomains, attached at /datacenters/ID/storagedomains."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab.errors import LabError
from lab.ovirt.kinds.base import removed, said
from lab.ovirt.model import StorageDomain
from lab.ovirt.plan import Seen, Step
from lab.ovirt.sdk import text, types, word
from lab.ovirt.state import State

ATTACH_SECONDS = 600  # the first domain makes the data center's storage pool
FIX = "check that the export answers from every hypervisor (showmount, port 2049), belongs to 36:36 and has space"


class StorageDomains:
    """Exports that hold disks. Where one is attached, its status is only told at its data center."""

    def observe(self, state: State) -> dict[str, Seen]:
        """By name."""
        attached = {}
        for center in state.objects("data_centers"):
            for item in center.storage_domains or ():
                attached[item.id] = (center, item)
        data = Counter(center.id for center, item in attached.values() if word(item.type) in ("data", ""))
        found = {}
        for item in state.objects("storage_domains"):
            center, there = attached.get(item.id, (None, item))
            values = domain_values(item) | {"data_center": center.name if center else None, "state": word(there.status) or "unattached"}
            is_last = center is not None and bool(item.master) and data[center.id] == 1
            notes = {"data_center": center.id if center else "", "master": bool(item.master), "last": is_last}
            found[item.name] = Seen(item.id, values, notes)
        return found

    def create(self, state: State, thing: StorageDomain) -> None:
        """Makes it on the export, attaches it, and waits until it is as wanted."""
        storage = types().HostStorage(type=types().StorageType.NFS, address=thing.address, path=thing.path)
        request = types().StorageDomain(
            name=thing.name,
            description=thing.description,
            type=types().StorageDomainType(thing.type),
            host=types().Host(id=state.id("hosts", thing.hypervisor, said(thing, "create"))),
            storage=storage,
        )
        made = state.engine.tell(
            said(thing, f"create on {thing.address}:{thing.path} through {thing.hypervisor}"),
            lambda: state.service("storage_domains").add(request),
        )
        self.attach(state, thing, made.id)

    def attach(self, state: State, thing: StorageDomain, ident: str) -> None:
        """Into its data center, which activates it."""
        center = state.id("data_centers", thing.data_center, said(thing, "attach"))
        domains = state.service("data_centers").data_center_service(center).storage_domains_service()
        state.engine.tell(said(thing, f"attach to {thing.data_center}"), lambda: domains.add(types().StorageDomain(id=ident)))
        self.settle(state, thing.name, domains.storage_domain_service(ident), "active")
        if thing.state == "maintenance":
            self.switch(state, thing.name, domains.storage_domain_service(ident), "maintenance")

    def update(self, state: State, thing: StorageDomain, seen: Seen, step: Step) -> None:
        """Attaches what a killed run left unattached, renames the description, switches between active and maintenance."""
        if "description" in step.changes:
            service = state.service("storage_domains").storage_domain_service(seen.id)
            request = types().StorageDomain(description=thing.description)
            state.engine.tell(said(thing, "change description"), lambda: service.update(request))
        if "data_center" in step.changes:
            self.attach(state, thing, seen.id)
        elif "state" in step.changes:
            domains = state.service("data_centers").data_center_service(seen.notes["data_center"]).storage_domains_service()
            self.switch(state, thing.name, domains.storage_domain_service(seen.id), thing.state, seen.values["state"])

    def switch(self, state: State, name: str, service: Any, wanted: str, status: str = "") -> None:
        """Activate or deactivate; one that is on its way is only waited for."""
        if wanted == "active" and status not in ("locked", "activating"):
            state.engine.tell(f"storage domain {name}: activate", service.activate)
        elif wanted == "maintenance" and status not in ("locked", "preparing_for_maintenance"):
            state.engine.tell(f"storage domain {name}: into maintenance", service.deactivate)
        self.settle(state, name, service, wanted)

    def settle(self, state: State, name: str, service: Any, wanted: str) -> None:
        """Waits at the data center."""
        state.engine.wait(
            f"storage domain {name} is {wanted}",
            lambda: word(service.get().status),
            lambda status: status == wanted,
            ATTACH_SECONDS,
            lambda status: status == "unknown",
            lambda _: FIX,
        )

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Saves what it holds, takes it out of its data center, and removes it with its content.

        Raises LabError for the last domain of a data center, which the engine lets go only with the data center.
        """
        if seen.notes["last"]:
            raise LabError(
                f"{state.engine.login.url}: storage domain {key}: remove: it is the last one of data center {seen.values['data_center']}, "
                "and goes only with it; fix: remove both as one model, or attach another domain first"
            )
        if seen.notes["data_center"]:
            self.retire(state, key, seen)
            domains = state.service("data_centers").data_center_service(seen.notes["data_center"]).storage_domains_service()
            removed(state, f"storage domain {key} in its data center", domains.storage_domain_service(seen.id))
        erase(state, key, seen.id)

    def retire(self, state: State, key: str, seen: Seen) -> None:
        """Into maintenance, after what it holds was written onto it, so that another engine could take it over."""
        if seen.values["state"] != "active":
            return
        whole = state.service("storage_domains").storage_domain_service(seen.id)
        if seen.values["type"] == "data":
            state.engine.tell(f"storage domain {key}: write what it holds onto it", whole.update_ovf_store)
        domains = state.service("data_centers").data_center_service(seen.notes["data_center"]).storage_domains_service()
        self.switch(state, key, domains.storage_domain_service(seen.id), "maintenance")


def erase(state: State, name: str, ident: str) -> None:
    """Removes an unattached domain with what is on it, through a hypervisor that is up."""
    hosts = [item.name for item in state.objects("hosts") if word(item.status) == "up"]
    if not hosts:
        raise LabError(
            f"{state.engine.login.url}: storage domain {name}: remove: no hypervisor is up to do it; "
            "fix: activate one, or destroy the domain in the engine's web page, which leaves its content"
        )
    service = state.service("storage_domains").storage_domain_service(ident)
    removed(state, f"storage domain {name}", service, host=hosts[0], format=True)


def domain_values(item: Any) -> dict[str, Any]:
    """In the words of the model."""
    storage = item.storage
    return {
        "address": storage.address if storage else None,
        "path": storage.path if storage else None,
        "type": word(item.type),
        "description": text(item.description),
    }
