"""Templates: a machine's disks and devices, copied, for others to be made from."""

from __future__ import annotations

from typing import Any, ClassVar

from lab.simulators.ovirt import images
from lab.simulators.ovirt.collection import Collection, name_of, own
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.errors import conflict, entity_not_found, incomplete, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import devices, disks, machines
from lab.simulators.ovirt.root import BLANK_TEMPLATE
from lab.simulators.ovirt.store import Body

ADMIN = "admin@internal-authz"


class Templates(Collection):
    """Templates."""

    kind = "template"
    type_name = "Template"
    rel = "templates"
    title = "Template"
    stored = machines.STORED
    ignored = frozenset({"vm", "storage_domain", "version", "status", "quota", "disk_attachments"})
    references: ClassVar = {"cluster": "cluster"}
    required = ("name", "vm")
    unique_name = "Cannot {action} Template. Template name already exists."
    more_actions = ("export",)
    empty = ("tags", "watchdogs")
    more_links = ("permissions",)
    children: ClassVar = {
        "cdroms": devices.Cdroms(),
        "diskattachments": devices.DiskAttachments(),
        "graphicsconsoles": devices.GraphicsConsoles(),
        "nics": devices.Nics(),
    }

    def view(self, call: Call, raw: Body) -> Body:
        """Without what only a running machine has."""
        version = {"base_template": {"id": raw["id"]}, "version_name": "base version", "version_number": 1}
        return raw | {"version": version}

    def add(self, call: Call, body: Body) -> Body:
        """Of a machine that is down."""
        for name in self.required:
            if not body.get(name):
                raise incomplete(self.title, "vm.id|name" if name == "vm" else name, "add")
        named = body["vm"]
        vm = next((each for each in call.store.all("vm") if _is(each, named)), None)
        if vm is None:
            raise entity_not_found("Vm", f"id={named['id']}" if named.get("id") else f"name={named.get('name', '')}")
        kept = self.accept(call, body, None)
        self.check_name(call, kept, None)
        if vm["status"] != "down":
            raise conflict("Cannot add Template. VM is locked or still running, try again once VM is in the Down state.")
        return self._make(call, body, kept, vm)

    def _make(self, call: Call, body: Body, kept: Body, vm: Body) -> Body:
        raw = machines.describe(call, vm, {"cluster": vm["cluster"], **kept, "description": kept.get("description", "")})
        raw |= {"status": "locked", "_is_template": True, "_seal": call.flag("seal")}
        if "initialization" not in kept:
            raw.pop("initialization", None)
        raw = call.store.insert(self.kind, raw)
        devices.copy_all(call, vm["id"], raw["id"], None)
        copies = []
        for each in call.store.all("disk_attachment", vm["id"]):
            source = call.need("disk", each["id"])
            if source["status"] != "ok":
                raise disks.locked("add Template of", source)
            wanted = machines.wanted_disk(named_attachments(body), source["id"])
            place = wanted.get("storage_domains") or ([body["storage_domain"]] if body.get("storage_domain") else source["storage_domains"])
            domain = disks.find_domain(call, place[0])
            described = {name: value for name, value in source.items() if name != "id"} | {"format": wanted.get("format", source["format"])}
            described["name"] = described["alias"] = wanted.get("name") or source["name"]
            disk = call.store.insert("disk", disks.described(described, domain))
            call.store.save("disk", source | {"status": "locked"})
            call.store.insert("disk_attachment", devices.attachment(disk["id"], {k: v for k, v in each.items() if k != "id"}), raw["id"])
            copies.append([source["id"], disk["id"]])
        call.store.save("vm", vm | {"status": "image_locked"})
        said = f"Creation of Template {raw['name']} from VM {vm['name']} was initiated by {ADMIN}."
        call.event(Code.TEMPLATE_STARTED, said, template=raw["id"], vm=vm["id"])
        job = f"Creating Template {raw['name']} from VM {vm['name']}"
        call.later("template.create", "template", job, template=raw["id"], vm=vm["id"], copies=copies)
        return raw

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """Not the blank one's, nor where it is."""
        if raw["id"] == BLANK_TEMPLATE:
            raise refused("Cannot edit Template. Editing Blank Template is not allowed.")
        if "cluster" in body and body["cluster"] != raw.get("cluster"):
            raw["cluster"] = body["cluster"]
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Not while machines hold only what differs from it."""
        if raw["id"] == BLANK_TEMPLATE:
            raise conflict("Cannot remove Template. Removing Blank Template is not allowed.")
        if raw["status"] == "locked":
            raise conflict("Cannot remove Template. Template's Image is locked (temporarily).")
        own_disks = [each["id"] for each in call.store.all("disk_attachment", raw["id"])]
        users = [vm["name"] for vm in call.store.all("vm") if vm["template"]["id"] == raw["id"] and _depends(call, vm, own_disks)]
        if users:
            raise conflict(f"Cannot delete Template. Template is being used by the following VMs: {', '.join(users)}.")
        for vm in call.store.all("vm"):
            if vm["template"]["id"] == raw["id"]:
                call.store.save("vm", vm | {"template": {"id": BLANK_TEMPLATE}})
        for disk in own_disks:
            call.store.delete("disk_attachment", disk, raw["id"])
            disks.forget(call, call.need("disk", disk))
        super().remove(call, raw, body)
        call.event(Code.TEMPLATE_REMOVED, f"Removal of Template {raw['name']} has been completed.")


class TemplatesOfDomain(Templates):
    """Those with a disk on one storage domain."""

    methods = frozenset({"list", "get"})

    def all(self, call: Call) -> list[Body]:
        """By their disks."""
        return [each for each in call.store.all(self.kind) if self._is_on(call, each)]

    def find(self, call: Call, id: str) -> Body | None:
        """By their disks."""
        return next((each for each in self.all(call) if each["id"] == id), None)

    def _is_on(self, call: Call, raw: Body) -> bool:
        found = [call.need("disk", each["id"]) for each in call.store.all("disk_attachment", raw["id"])]
        return any(domain["id"] == call.parent["id"] for disk in found for domain in disk["storage_domains"])


def named_attachments(body: Body) -> list[Body]:
    """What a body says of the disks, which stands under its machine."""
    found: list[Body] = body.get("vm", {}).get("disk_attachments") or body.get("disk_attachments") or []
    return found


def _is(found: Body, named: Body) -> bool:
    return bool(named) and named.get("id") in (None, found["id"]) and named.get("name") in (None, found["name"])


def _depends(call: Call, vm: Body, disks_of_template: list[str]) -> bool:
    attached = [call.need("disk", each["id"]) for each in call.store.all("disk_attachment", vm["id"])]
    return any(disk.get("_base") in disks_of_template for disk in attached) or vm["status"] == "image_locked"


def _copy(engine: Engine, args: Body) -> None:
    for source, target in args["copies"]:
        old, old_file = disks.file_of(engine, source)
        new, new_file = disks.file_of(engine, target)
        if old.get("_base") and new["format"] == "cow":  # a template holds everything itself
            if not new_file.exists():
                partial = new_file.with_name(new_file.name + images.PARTIAL)
                images.qemu_img("convert", "-f", "qcow2", "-O", "qcow2", str(old_file), str(partial))
                partial.replace(new_file)
        else:
            images.copy(old_file, new_file, old["format"], new["format"])


def _settle(call: Call, args: Body) -> None:
    for source, _ in args["copies"]:
        disks.settle(call, source)
    if vm := call.store.get("vm", args["vm"]):
        call.store.save("vm", vm | {"status": "down"})


def _not_made(call: Call, args: Body, said: Any) -> None:
    _settle(call, args)
    if raw := call.store.get("template", args["template"]):
        for _, target in args["copies"]:
            disks.forget(call, call.need("disk", target))
        call.store.delete("template", raw["id"])
        call.store.delete_children(raw["id"])
        call.event(Code.TEMPLATE_FAILED, f"Failed to complete creation of Template {raw['name']}. {said}")


@task("template.create", work=_copy, failed=_not_made)
def made(call: Call, args: Body, result: None) -> None:
    """Its disks are there."""
    _settle(call, args)
    for _, target in args["copies"]:
        disks.settle(call, target)
    raw, vm = call.need("template", args["template"]), call.need("vm", args["vm"])
    call.store.save("template", raw | {"status": "ok"})
    said = f"Creation of Template {raw['name']} from VM {vm['name']} has been completed."
    call.event(Code.TEMPLATE_FINISHED, said, template=raw["id"])


def _data_center(call: Call, raw: Body) -> Any:
    return name_of("data_center", "data_center")(call, call.need("cluster", raw["cluster"]["id"])) if raw.get("cluster") else None


Templates.keys = {
    "id": own("id"),
    "name": own("name"),
    "comment": own("comment"),
    "description": own("description"),
    "status": own("status"),
    "os": own("os", "type"),
    "cluster": name_of("cluster", "cluster"),
    "cluster.name": name_of("cluster", "cluster"),
    "datacenter": _data_center,
    "vm.name": lambda call, raw: [vm["name"] for vm in call.store.all("vm") if vm["template"]["id"] == raw["id"]],
    "vms.name": lambda call, raw: [vm["name"] for vm in call.store.all("vm") if vm["template"]["id"] == raw["id"]],
}
