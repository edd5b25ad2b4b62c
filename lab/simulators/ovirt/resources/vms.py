"""Virtual machines: made from a template with disks of their own. Their status, host and addresses are those of what runs."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from lab.simulators.ovirt import cloud_init, events, images
from lab.simulators.ovirt.collection import Collection, merged, name_of, own
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.errors import conflict, incomplete, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import backups, devices, disks, machines, power, snapshots
from lab.simulators.ovirt.store import Body

ADMIN = "admin@internal-authz"
BLANK = "00000000-0000-0000-0000-000000000000"
# Changed at once also while the machine runs; everything else waits for its next start.
LIVE = frozenset({"name", "description", "comment", "delete_protected", "high_availability", "placement_policy", "cpu_shares"})
TAKEN = "Cannot {action} VM. The VM name is already in use, please choose a unique name and try again."


class Vms(Collection):
    """Virtual machines."""

    kind = "vm"
    type_name = "Vm"
    rel = "vms"
    title = "Vm"
    stored = machines.STORED | {"numa_tune_mode", "use_latest_template_version", "disk_attachments"}
    ignored = frozenset({"quota", "status"})
    references: ClassVar = {"cluster": "cluster", "template": "template"}
    required = ("name", "cluster", "template")
    unique_name = TAKEN
    actions = ("export", "migrate", "reboot", "shutdown", "start", "stop")
    heeded: ClassVar = {
        "export": ("discard_snapshots", "exclusive", "storage_domain"),
        "migrate": ("cluster", "force", "host"),
        "reboot": ("force",),
        "shutdown": ("force",),
        "start": ("use_cloud_init", "use_initialization", "vm"),
        "stop": ("force",),
    }
    more_actions: ClassVar[tuple[str, ...]] = (
        "cancelmigration",
        "clone",
        "commitsnapshot",
        "detach",
        "freezefilesystems",
        "logon",
        "maintenance",
        "previewsnapshot",
    )
    more_actions += ("reordermacaddresses", "suspend", "thawfilesystems", "ticket", "undosnapshot")
    empty = ("affinitylabels", "applications", "hostdevices", "katelloerrata", "numanodes", "sessions", "tags", "watchdogs")
    more_links = ("permissions", "statistics")
    children: ClassVar = {
        "backups": backups.Backups(),
        "cdroms": devices.Cdroms(),
        "diskattachments": devices.DiskAttachments(),
        "graphicsconsoles": devices.GraphicsConsoles(),
        "nics": devices.Nics(),
        "reporteddevices": devices.ReportedDevices(),
        "snapshots": snapshots.Snapshots(),
    }

    def view(self, call: Call, raw: Body) -> Body:
        """What is kept, and what was seen of the machine just now; with `next_run` what it will be when started anew."""
        shown = merged(raw, raw["_next_run"]) if call.flag("next_run") and raw.get("_next_run") else dict(raw)
        seen = raw.get("_seen", {})
        shown["next_run_configuration_exists"] = bool(raw.get("_next_run"))
        if seen.get("fqdn"):
            shown["fqdn"] = seen["fqdn"]
        if guest := seen.get("guest"):
            shown["guest_operating_system"] = _guest(guest)
        if "initialization" in shown:
            shown["initialization"] = {name: value for name, value in shown["initialization"].items() if name != "root_password"}
        shown["placement_policy"] = dict(shown["placement_policy"])
        return {name: value for name, value in shown.items() if value is not None}

    def create(self, call: Call, body: Body) -> Body:
        """Locked until its disks are there."""
        template = call.need("template", body["template"]["id"])
        if template["status"] != "ok":
            raise conflict("Cannot add VM. Template's Image is locked (temporarily).")
        cluster = call.need("cluster", body["cluster"]["id"])
        if template.get("cluster") and call.need("cluster", template["cluster"]["id"]).get("data_center") != cluster.get("data_center"):
            raise refused("Cannot add VM. The Template is not in the Data Center of the Cluster.")
        if "initialization" in body:
            cloud_init.check(body["initialization"])
        attachments = body.pop("disk_attachments", [])
        raw = machines.describe(call, template, body)
        raw |= {"status": "image_locked", "numa_tune_mode": body.get("numa_tune_mode", "interleave"), "quota": {"id": _quota(cluster)}}
        raw |= {"original_template": body["template"], "stop_time": raw["creation_time"]}
        raw = call.store.insert(self.kind, raw)
        devices.copy_all(call, template["id"], raw["id"], cluster)
        if not call.store.all("graphics_console", raw["id"]):
            call.store.insert("graphics_console", {"protocol": "vnc"}, raw["id"])
        copies = self._copy_disks(call, raw, template, attachments)
        snapshots.add_active(call, raw)
        call.event(Code.VM_ADD_STARTED, f"VM {raw['name']} creation was initiated by {ADMIN}.", vm=raw["id"], cluster=cluster["id"])
        job = f"Creating VM {raw['name']} from Template {template['name']} in Cluster {cluster['name']}"
        call.later("vm.create", "vm", job, vm=raw["id"], copies=copies, clone=call.flag("clone") or raw["type"] == "high_performance")
        return raw

    def add(self, call: Call, body: Body) -> Body:
        """From a template, not from a snapshot."""
        if not body.get("snapshots"):
            body = {name: value for name, value in body.items() if name != "snapshots"}
        return super().add(call, body)

    def _copy_disks(self, call: Call, raw: Body, template: Body, attachments: list[Body]) -> list[list[str]]:
        copies = []
        for each in call.store.all("disk_attachment", template["id"]):
            source = call.need("disk", each["id"])
            wanted = machines.wanted_disk(attachments, source["id"])
            domain = disks.find_domain(call, (wanted.get("storage_domains") or source["storage_domains"])[0])
            described = {name: value for name, value in source.items() if name != "id"}
            described |= {"format": wanted.get("format", "cow"), "name": wanted.get("name") or source["name"]}
            described |= {"alias": described["name"], "sparse": wanted.get("sparse", True) or wanted.get("format", "cow") == "cow"}
            disk = call.store.insert("disk", disks.described(described, domain))
            kept = {name: value for name, value in each.items() if name != "id"}
            call.store.insert("disk_attachment", devices.attachment(disk["id"], kept), raw["id"])
            copies.append([source["id"], disk["id"]])
        return copies

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """At once, or at the next start where the machine runs."""
        if raw["status"] == "image_locked":
            raise conflict("Cannot edit VM: VM is locked. Please try again in a few minutes.")
        if "initialization" in body:
            cloud_init.check(body["initialization"])
            body["initialization"] = raw.get("initialization", {}) | body["initialization"]
        if "cluster" in body and body["cluster"] != raw["cluster"] and raw["status"] != "down":
            raise conflict("Cannot edit VM. VM's cluster can be changed only when it is down.")
        memory = int((raw | body)["memory"])
        if int(body.get("memory_policy", {}).get("guaranteed", 0)) > memory:
            raise refused("Cannot edit VM. Physical Memory Guaranteed cannot exceed Memory Size.")
        if memory < int(raw["memory_policy"]["guaranteed"]) and "guaranteed" not in body.get("memory_policy", {}):
            body["memory_policy"] = body.get("memory_policy", {}) | {"guaranteed": memory}
        if int(raw["memory_policy"]["max"]) < memory and "max" not in body.get("memory_policy", {}):
            body["memory_policy"] = body.get("memory_policy", {}) | {"max": memory * 4}
        now = body if raw["status"] == "down" else {name: value for name, value in body.items() if name in LIVE or raw.get(name) == value}
        later = {name: value for name, value in body.items() if name not in now}
        call.event(Code.VM_UPDATED, f"VM {raw['name']} configuration was updated by {ADMIN}.", vm=raw["id"])
        return call.store.save(self.kind, merged(raw, now) | ({"_next_run": merged(raw.get("_next_run", {}), later)} if later else {}))

    def accept(self, call: Call, body: Body, raw: Body | None) -> Body:
        """The template is what it was made from."""
        kept = super().accept(call, body, raw)
        if raw:
            kept.pop("template", None)
            kept.pop("disk_attachments", None)
        policy = kept.get("placement_policy", {})
        if policy.get("hosts"):
            found = [_host(call, each) for each in policy["hosts"]]
            kept["placement_policy"] = policy | {"hosts": [{"id": each["id"]} for each in found]}
        return kept

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """With its disks and snapshots, unless only it is to go."""
        if raw["status"] == "image_locked":
            raise conflict("Cannot remove VM: VM is locked. Please try again in a few minutes.")
        if raw["status"] != "down":
            raise conflict("Cannot remove VM. VM is running.")
        if raw["delete_protected"]:
            said = "Cannot remove VM. Delete protection is enabled. In order to delete, first disable Delete protection."
            raise refused(said)
        for each in snapshots.of(call, raw):
            snapshots.forget(call, raw, each)
        for each in call.store.all("disk_attachment", raw["id"]):
            disk = call.need("disk", each["id"])
            call.store.delete("disk_attachment", each["id"], raw["id"])
            if not call.flag("detach_only") and not call.store.parents("disk_attachment", disk["id"]):
                disks.remove(call, disk)
        for group in call.store.all("affinity_group", None):
            if raw["id"] in group["_vms"]:
                group["_vms"] = [id for id in group["_vms"] if id != raw["id"]]
                call.store.save("affinity_group", group, group["cluster"]["id"])
        super().remove(call, raw, body)
        power.forget(call, raw)
        call.event(Code.VM_REMOVED, f"VM {raw['name']} was successfully removed by {ADMIN}.", cluster=raw["cluster"]["id"])

    def act_start(self, call: Call, raw: Body, action: Body) -> None:
        """Run it."""
        power.start(call, raw, action)

    def act_stop(self, call: Call, raw: Body, action: Body) -> None:
        """Pull the plug."""
        power.stop(call, raw, is_graceful=False)

    def act_shutdown(self, call: Call, raw: Body, action: Body) -> None:
        """Ask the guest to end."""
        power.stop(call, raw, is_graceful=True)

    def act_reboot(self, call: Call, raw: Body, action: Body) -> None:
        """Ask the guest to start anew."""
        power.reboot(call, raw)

    def act_migrate(self, call: Call, raw: Body, action: Body) -> None:
        """To another hypervisor."""
        power.migrate(call, raw, action.get("host"))

    def act_export(self, call: Call, raw: Body, action: Body) -> None:
        """To an export domain."""
        if raw["status"] != "down":
            raise conflict("Cannot export VM. VM is running.")
        if not action.get("storage_domain"):
            raise incomplete("Action", "storageDomain.id|name", "export")
        domain = next((each for each in call.store.all("storage_domain") if _is(each, action["storage_domain"])), None)
        if domain is None or domain["type"] != "export":
            raise refused("Cannot export VM. The selected Storage Domain is not an export domain.")
        if call.store.get("exported_vm", raw["id"], domain["id"]) and not action.get("exclusive"):
            said = "Cannot export VM. The export candidate already exists in the specified path."
            raise conflict(f"{said}\n- Use the 'Force Override' option to override the existing file.")
        call.store.save(self.kind, raw | {"status": "image_locked"})
        call.event(Code.VM_EXPORT_STARTED, f"Starting export Vm {raw['name']} to {domain['name']}", vm=raw["id"])
        call.later(
            "vm.export", "export", f"Exporting VM {raw['name']} to Export Domain {domain['name']}", vm=raw["id"], domain=domain["id"]
        )


def _is(found: Body, named: Body) -> bool:
    return named.get("id") in (None, found["id"]) and named.get("name") in (None, found["name"])


def _host(call: Call, named: Body) -> Body:
    found = next((host for host in call.store.all("host") if _is(host, named)), None)
    if found is None:
        raise refused("The provided Host does not exist.")
    return found


def _quota(cluster: Body) -> str:
    """The default quota every data center has; quotas themselves are not simulated."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, cluster.get("data_center", {}).get("id", "")))


def _guest(guest: Body) -> Body:
    return {name: value for name, value in guest.items() if name in ("architecture", "codename", "distribution", "family")}


def _make_disks(engine: Engine, args: Body) -> None:
    for source, target in args["copies"]:
        old, old_file = disks.file_of(engine, source)
        new, new_file = disks.file_of(engine, target)
        if args["clone"] or new["format"] == "raw":
            images.copy(old_file, new_file, old["format"], new["format"])
        else:
            images.overlay(old_file, old["format"], new_file)


def _not_made(call: Call, args: Body, said: Any) -> None:
    raw = call.store.get("vm", args["vm"])
    if raw is None:
        return
    for _, target in args["copies"]:
        call.store.delete("disk_attachment", target, raw["id"])
        disks.forget(call, call.need("disk", target))
    call.store.delete("vm", raw["id"])
    call.store.delete_children(raw["id"])
    call.event(Code.VM_ADD_FAILED, f"Failed to complete VM {raw['name']} creation. {said}")


@task("vm.create", work=_make_disks, failed=_not_made)
def made(call: Call, args: Body, result: None) -> None:
    """Its disks are there."""
    for source, target in args["copies"]:
        disk = disks.settle(call, target)
        if not args["clone"] and disk["format"] == "cow":
            call.store.save("disk", disk | {"_base": source})
    raw = call.need("vm", args["vm"])
    call.store.save("vm", raw | {"status": "down"})
    call.event(Code.VM_ADD_FINISHED, f"VM {raw['name']} creation has been completed.", vm=raw["id"], cluster=raw["cluster"]["id"])


@task("vm.export")
def exported(call: Call, args: Body, result: None) -> None:
    """It is on the export domain, as it is now."""
    raw, domain = call.need("vm", args["vm"]), call.need("storage_domain", args["domain"])
    raw = call.store.save("vm", raw | {"status": "down"})
    copy = {name: value for name, value in raw.items() if not name.startswith("_") and name != "host"}
    if call.store.get("exported_vm", raw["id"], domain["id"]):
        call.store.save("exported_vm", copy, domain["id"])
    else:
        call.store.insert("exported_vm", copy | {"creation_time": events.now()}, domain["id"])
    call.event(Code.VM_EXPORTED, f"Vm {raw['name']} was exported successfully to {domain['name']}", vm=raw["id"])


def _ips(call: Call, raw: Body) -> list[Any]:
    return [ip["address"] for device in raw.get("_seen", {}).get("devices", []) for ip in device.get("ips", ())]


def _data_center(call: Call, raw: Body) -> Any:
    return name_of("data_center", "data_center")(call, call.need("cluster", raw["cluster"]["id"]))


def _domains(call: Call, raw: Body) -> list[Any]:
    found = [call.need("disk", each["id"]) for each in call.store.all("disk_attachment", raw["id"])]
    return [call.need("storage_domain", each["id"])["name"] for disk in found for each in disk["storage_domains"]]


Vms.keys = {
    "id": own("id"),
    "name": own("name"),
    "comment": own("comment"),
    "description": own("description"),
    "status": own("status"),
    "on_host": name_of("host", "host"),
    "host": name_of("host", "host"),
    "host.name": name_of("host", "host"),
    "hosts.name": name_of("host", "host"),
    "ip": _ips,
    "fqdn": own("_seen", "fqdn"),
    "os": own("os", "type"),
    "creationdate": own("creation_time"),
    "memory": lambda call, raw: int(raw["memory"]) // machines.MIB,
    "guaranteed_memory": lambda call, raw: int(raw["memory_policy"]["guaranteed"]) // machines.MIB,
    "cluster": name_of("cluster", "cluster"),
    "cluster.name": name_of("cluster", "cluster"),
    "datacenter": _data_center,
    "type": own("type"),
    "architecture": own("cpu", "architecture"),
    "template.name": name_of("template", "template"),
    "templates.name": name_of("template", "template"),
    "storage.name": _domains,
    "next_run_config_exists": lambda call, raw: bool(raw.get("_next_run")),
}
