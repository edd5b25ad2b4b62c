"""Hypervisors: installed, activated, put into maintenance. What they are is what the backend found them to be."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from lab.simulators.ovirt import hosts_down
from lab.simulators.ovirt.backend import Attachment, BackendError, Hypervisor, HypervisorFacts
from lab.simulators.ovirt.collection import Collection, name_of, own
from lab.simulators.ovirt.engine import Call, Engine, task
from lab.simulators.ovirt.errors import conflict, incomplete, refused
from lab.simulators.ovirt.events import Code
from lab.simulators.ovirt.resources import evacuation, host_networks
from lab.simulators.ovirt.store import Body, Store

ADMIN = "admin@internal-authz"
VERSION: Body = {"major": 4, "minor": 50, "build": 6, "revision": 1, "full_version": "vdsm-simulated"}
LIBVIRT: Body = {"major": 0, "minor": 0, "build": 0, "revision": 0, "full_version": "libvirt-simulated"}
# Taken as given and kept, shown to nobody.
SECRETS = ("root_password", "override_iptables")


class Hosts(Collection):
    """Hypervisors."""

    kind = "host"
    type_name = "Host"
    rel = "hosts"
    title = "Host"
    stored = frozenset(
        {"name", "comment", "description", "address", "port", "ssh", "spm", "power_management", "display", "os", "vgpu_placement"}
    )
    ignored = frozenset({*SECRETS, "status"})
    references: ClassVar = {"cluster": "cluster"}
    required = ("name", "address")
    unique_name = "Cannot {action} Host. The Host name is already in use, please choose a unique name and try again."
    actions: ClassVar[tuple[str, ...]] = (
        "activate",
        "commitnetconfig",
        "deactivate",
        "enrollcertificate",
        "install",
        "refresh",
        "setupnetworks",
        "syncallnetworks",
    )
    actions += ("upgrade", "upgradecheck")
    more_actions = ("approve", "fence", "forceselectspm", "iscsidiscover", "iscsilogin", "unregisteredstoragedomainsdiscover")
    heeded: ClassVar = {
        "install": ("activate", "host", "root_password", "ssh"),
        "setupnetworks": (*host_networks.HEEDED, "check_connectivity", "commit_on_success", "connectivity_timeout"),
        "upgrade": ("reboot",),
    }
    children: ClassVar = {"nics": host_networks.HostNics(), "networkattachments": host_networks.NetworkAttachments()}
    empty: ClassVar[tuple[str, ...]] = (
        "affinitylabels",
        "devices",
        "externalnetworkproviderconfigurations",
        "fenceagents",
        "hooks",
        "katelloerrata",
    )
    empty += ("numanodes", "storage", "storageconnectionextensions", "tags", "unmanagednetworks")
    more_links = ("permissions", "statistics")

    def view(self, call: Call, raw: Body) -> Body:
        """What was found when it was installed, and what runs on it now."""
        facts: Body = raw.get("_facts", {})
        memory = int(facts.get("memory", 0))
        vms = [vm for vm in call.store.all("vm") if vm.get("host", {}).get("id") == raw["id"]]
        topology = {"cores": facts.get("cores", 0), "sockets": facts.get("sockets", 0), "threads": facts.get("threads", 0)}
        found: Body = {
            "auto_numa_status": "disable",
            "certificate": {"organization": "simulated", "subject": f"O=simulated,CN={raw['address']}"},
            "cpu": {"name": facts.get("cpu_name", ""), "speed": 0.0, "topology": topology, "type": ""},
            "device_passthrough": {"enabled": False},
            "external_status": "ok",
            "hardware_information": {
                "family": "simulated",
                "manufacturer": "simulated",
                "product_name": call.engine.backend.name,
                "serial_number": "",
                "supported_rng_sources": ["random"],
                "uuid": raw["id"],
                "version": "",
            },
            "iscsi": {"initiator": ""},
            "kdump_status": "disabled",
            "ksm": {"enabled": False},
            "libvirt_version": LIBVIRT,
            "max_scheduling_memory": max(0, memory - sum(int(vm["memory"]) for vm in vms)),
            "memory": memory,
            "numa_supported": False,
            "protocol": "stomp",
            "se_linux": {"mode": "disabled"},
            "summary": {
                "active": len(vms),
                "migrating": sum(vm["status"] == "migrating" for vm in vms),
                "total": len(vms),
            },
            "transparent_hugepages": {"enabled": False},
            "type": "rhel",
            "update_available": False,
            "version": VERSION,
        }
        os = {"custom_kernel_cmdline": "", "reported_kernel_cmdline": facts.get("kernel_cmdline", ""), "type": facts.get("os_name", "")}
        os["version"] = {"full_version": facts.get("os_version", "")}
        shown = raw | found | {"os": os | raw.get("os", {}), "spm": raw["spm"] | {"status": spm_status(call, raw)}}
        return {name: value for name, value in shown.items() if not name.startswith("_")}

    def add(self, call: Call, body: Body) -> Body:
        """The engine wants to log in as root, or its key to be there."""
        ssh = body.get("ssh", {})
        if not body.get("root_password") and ssh.get("authentication_method") != "publickey":
            raise refused("Cannot install Host with empty password.")
        body.setdefault("cluster", {"name": "Default"})
        return super().add(call, body)

    def accept(self, call: Call, body: Body, raw: Body | None) -> Body:
        """How the engine logged in is not kept."""
        kept = super().accept(call, body, raw)
        if "ssh" in kept:
            kept["ssh"] = {name: value for name, value in kept["ssh"].items() if name in ("fingerprint", "port")}
        return kept

    def create(self, call: Call, body: Body) -> Body:
        """Installed in the background."""
        if any(each["address"] == body["address"] for each in call.store.all("host")):
            raise conflict("Cannot add Host. Host with the same address already exists.")
        defaults: Body = {
            "comment": "",
            "port": 54321,
            "power_management": {"automatic_pm_enabled": True, "enabled": False, "kdump_detection": True, "pm_proxies": []},
            "spm": {"priority": 5},
            "vgpu_placement": "consolidated",
            "status": "installing",
        }
        ssh = {"fingerprint": "simulated", "port": 22} | body.get("ssh", {})
        raw = super().create(call, defaults | body | {"ssh": ssh})
        call.event(Code.HOST_ADDED, f"Host {raw['name']} was added by {ADMIN}.", host=raw["id"], cluster=raw["cluster"]["id"])
        activate = call.query.get("activate", "true").lower() != "false"
        call.later("host.install", "host", f"Adding new Host {raw['name']}", host=raw["id"], activate=activate)
        return raw

    def change(self, call: Call, raw: Body, body: Body) -> Body:
        """Another cluster or address only in maintenance."""
        for element in ("cluster", "address"):
            if element in body and body[element] != raw[element] and raw["status"] not in ("maintenance", "install_failed"):
                raise conflict(
                    "Cannot edit Host. Host parameters cannot be modified while Host is operational.\n"
                    "-Please switch Host to Maintenance mode first."
                )
        call.event(Code.HOST_UPDATED, f"Host {raw['name']} configuration was updated by {ADMIN}.", host=raw["id"])
        return super().change(call, raw, body)

    def remove(self, call: Call, raw: Body, body: Body) -> None:
        """Only in maintenance and the like."""
        if raw["status"] not in ("maintenance", "install_failed", "non_operational", "down", "error"):
            raise conflict("Cannot remove Host. Host is operational. Please switch Host to Maintenance mode first.")
        if any(vm.get("host", {}).get("id") == raw["id"] for vm in call.store.all("vm")):
            raise conflict("Cannot remove Host. One or more VMs are still running on this Host.")
        super().remove(call, raw, body)
        call.later("host.remove", "host", host={name: raw[name] for name in ("id", "name", "address")})
        call.event(Code.HOST_REMOVED, f"Host {raw['name']} was removed by {ADMIN}.")

    def act_activate(self, call: Call, raw: Body, action: Body) -> None:
        """Up again."""
        if raw["status"] == "up":
            raise conflict("Cannot activate Host. Host in Up status.")
        if raw["status"] in ("installing", "initializing"):
            raise conflict("Cannot activate Host. Related operation is currently in progress. Please try again later.")
        set_status(call, raw, "unassigned")
        call.event(Code.HOST_ACTIVATION, f"Activation of host {raw['name']} initiated by {ADMIN}.", host=raw["id"])
        call.later("host.up", "host", f"Activating Host {raw['name']}", host=raw["id"])

    def act_deactivate(self, call: Call, raw: Body, action: Body) -> None:
        """Its machines go elsewhere first."""
        if raw["status"] in ("maintenance", "preparing_for_maintenance"):
            raise conflict("Cannot switch Host to Maintenance mode. Host is already in Maintenance mode.")
        evacuation.check(call, raw)
        set_status(call, raw, "preparing_for_maintenance")
        said = f"Host {raw['name']} was switched to Maintenance mode by {ADMIN}."
        call.event(Code.HOST_MAINTENANCE_ASKED, said, host=raw["id"])
        call.later("host.evacuate", "host", f"Moving Host {raw['name']} to Maintenance", host=raw["id"])

    def act_install(self, call: Call, raw: Body, action: Body) -> None:
        """Installed once more."""
        if raw["status"] not in ("maintenance", "install_failed", "non_operational", "non_responsive"):
            raise conflict("Cannot install Host. Please move Host to Maintenance mode first.")
        if not action.get("root_password") and action.get("ssh", {}).get("authentication_method") != "publickey":
            raise refused("Cannot install Host with empty password.")
        set_status(call, raw, "installing")
        call.later("host.install", "host", f"Installing Host {raw['name']}", host=raw["id"], activate=action.get("activate", True))

    def act_upgradecheck(self, call: Call, raw: Body, action: Body) -> None:
        """There never are updates."""
        said = f"Check for available updates on host {raw['name']} was completed successfully with message 'no updates available.'."
        call.event(Code.HOST_UPDATES_CHECKED, said, host=raw["id"])

    def act_upgrade(self, call: Call, raw: Body, action: Body) -> None:
        """There is nothing to upgrade to."""
        raise conflict("Cannot upgrade Host. There are no available updates for the host.")

    def act_refresh(self, call: Call, raw: Body, action: Body) -> None:
        """What it is is read again."""
        call.later("host.refresh", "host", f"Refreshing Host {raw['name']} capabilities", host=raw["id"])

    def act_enrollcertificate(self, call: Call, raw: Body, action: Body) -> None:
        """Only in maintenance; there is no certificate to change."""
        if raw["status"] != "maintenance":
            raise conflict("Cannot enroll certificate. Operation can be performed only when Host status is Maintenance.")

    def act_setupnetworks(self, call: Call, raw: Body, action: Body) -> None:
        """Which networks are on which cards."""
        host_networks.setup(call, raw, action)
        try:
            call.engine.backend.add_hypervisor(described(call.store, raw))
        except BackendError as error:
            raise refused(f"Cannot setup Networks. {error}") from None

    def act_commitnetconfig(self, call: Call, raw: Body, action: Body) -> None:
        """What was set up stays after a reboot; here it always does."""

    def act_syncallnetworks(self, call: Call, raw: Body, action: Body) -> None:
        """Networks on cards are always those of the data center here."""


def described(store: Store, raw: Body) -> Hypervisor:
    """A host for the backend, with the networks on its cards."""
    attachments = []
    for each in store.all("network_attachment", raw["id"]):
        network, nic = store.get("network", each["network"]["id"]), store.get("host_nic", each["host_nic"]["id"], raw["id"])
        if network and nic:
            attachments.append(Attachment(network["name"], nic["name"], **_assigned(each)))
    return Hypervisor(raw["id"], raw["name"], raw["address"], tuple(attachments))


def _assigned(attachment: Body) -> dict[str, str]:
    """The IPv4 address an attachment gives its hypervisor."""
    for each in attachment.get("ip_address_assignments", []):
        ip = each.get("ip", {})
        if ip.get("version", "v4") == "v4":
            return {"method": each.get("assignment_method", "")} | {name: ip.get(name, "") for name in ("address", "netmask", "gateway")}
    return {}


def set_status(call: Call, raw: Body, status: str) -> Body:
    """Keeps a host's status and tells it."""
    raw["status"] = status
    call.store.save("host", raw)
    name = status.replace("_", " ").title().replace(" ", "")
    call.event(Code.HOST_STATUS, f"Status of host {raw['name']} was set to {name}.", host=raw["id"])
    return raw


def spm_status(call: Call, raw: Body) -> str:
    """The first host that is up manages the storage of its data center."""
    home = call.need("cluster", raw["cluster"]["id"]).get("data_center")
    clusters = {each["id"] for each in call.store.all("cluster") if each.get("data_center") == home}
    here = [host for host in call.store.all("host") if host["status"] == "up" and host["cluster"]["id"] in clusters]
    up = sorted(here, key=lambda host: -int(host["spm"]["priority"]))
    return "spm" if raw["status"] == "up" and raw["id"] in [host["id"] for host in up[:1]] else "none"


def _prepare(engine: Engine, args: Body) -> HypervisorFacts:
    raw = engine.store.get("host", args["host"])
    if raw is None:
        raise incomplete("Host", "id", "install")
    return engine.backend.add_hypervisor(described(engine.store, raw))


def _install_failed(call: Call, args: Body, said: Any) -> None:
    if raw := call.store.get("host", args["host"]):
        set_status(call, raw, "install_failed")
        call.event(Code.HOST_INSTALL_FAILED, f"Host {raw['name']} installation failed. {said}.", host=raw["id"])


@task("host.install", work=_prepare, failed=_install_failed)
def installed(call: Call, args: Body, facts: HypervisorFacts) -> None:
    """The hypervisor is there; it goes up unless told otherwise."""
    raw = call.need("host", args["host"])
    raw["_facts"] = asdict(facts)
    host_networks.found(call, raw, facts)
    call.event(Code.HOST_INSTALLED, f"Host {raw['name']} installed", host=raw["id"])
    if args["activate"]:
        set_status(call, raw, "initializing")
        call.later("host.up", "host", host=raw["id"])
    else:
        set_status(call, raw, "maintenance")


def _activation_failed(call: Call, args: Body, said: Any) -> None:
    if raw := call.store.get("host", args["host"]):
        set_status(call, raw, "non_operational")


@task("host.up", work=_prepare, failed=_activation_failed)
def up(call: Call, args: Body, facts: HypervisorFacts) -> None:
    """It is there and serves."""
    raw = call.need("host", args["host"])
    if raw["status"] in ("initializing", "unassigned"):
        raw["_facts"] = asdict(facts)
        if raw.get("_broken"):
            hosts_down.set_status(call, raw["name"], raw["_broken"])
        else:
            set_status(call, raw, "up")


@task("host.refresh", work=_prepare)
def refreshed(call: Call, args: Body, facts: HypervisorFacts) -> None:
    """What it is was read again."""
    raw = call.need("host", args["host"])
    raw["_facts"] = asdict(facts)
    call.store.save("host", raw)


def _take_away(engine: Engine, args: Body) -> None:
    engine.backend.remove_hypervisor(Hypervisor(**args["host"]))


@task("host.remove", work=_take_away)
def removed(call: Call, args: Body, result: None) -> None:
    """Nothing is left to do."""


@task("host.evacuate")
def evacuated(call: Call, args: Body, result: None) -> None:
    """In maintenance as soon as no machine is left on it."""
    raw = call.need("host", args["host"])
    if raw["status"] != "preparing_for_maintenance":
        return
    if evacuation.go_on(call, raw):
        set_status(call, raw, "maintenance")
        call.event(Code.HOST_IN_MAINTENANCE, f"Host {raw['name']} was switched to Maintenance Mode.", host=raw["id"])
    else:
        call.later("host.evacuate", "migration", host=raw["id"])


Hosts.keys = {
    "id": own("id"),
    "name": own("name"),
    "comment": own("comment"),
    "status": own("status"),
    "address": own("address"),
    "hostname": own("address"),
    "cluster": name_of("cluster", "cluster"),
    "memory": own("_facts", "memory"),
    "datacenter": lambda call, raw: name_of("data_center", "data_center")(call, call.need("cluster", raw["cluster"]["id"])),
    "vm.name": lambda call, raw: [vm["name"] for vm in call.store.all("vm") if vm.get("host", {}).get("id") == raw["id"]],
    "vms.name": lambda call, raw: [vm["name"] for vm in call.store.all("vm") if vm.get("host", {}).get("id") == raw["id"]],
}
