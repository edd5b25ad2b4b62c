"""What fails when an engine adds a hypervisor."""

from __future__ import annotations

from lab.ovirt.prechecks import machine
from lab.ovirt.prechecks.cpus import MARKS, lacking
from lab.ovirt.prechecks.facts import Options, Problem, Problems

# GiB that have to be free: logs and images of hosted engine, packages. Layouts of oVirt Node ask for 64 GiB in all.
WORK = "/var/tmp"  # noqa: S108 - oVirt's own choice
SPACE = {WORK: 5, "/var/log": 2, "/": 5}
MEMORY_MIB = 2048
BONDS = ("active-backup", "balance-xor", "broadcast", "802.3ad")
# Whoever listens before vdsm and libvirt are installed stands in their way.
PORTS = {2223: "the server of serial consoles", 54321: "vdsm", 16514: "libvirt's migrations", 54322: "ovirt-imageio"}


def check(facts: Options, wanted: Options) -> Problems:
    """`wanted`: fqdn, address, interface (of its management leg), engine_fqdn, cpu_type (or "")."""
    yield from machine.check(facts, {**wanted, "space": SPACE})
    yield from processor(facts, wanted["cpu_type"])
    if facts["memory_mib"] < MEMORY_MIB:
        yield Problem(f"has {facts['memory_mib']} MiB memory, and oVirt itself takes {MEMORY_MIB}", "give it more")
    yield from management(facts, wanted["interface"], wanted["address"])
    yield from profiles(facts)
    yield from storage_identity(facts)
    if "ovirt-engine" in facts["packages"]:
        yield Problem("has an engine installed (package ovirt-engine), which cannot be its own hypervisor", "take another machine")
    if "vdsm" not in facts["packages"]:
        for port in sorted(set(PORTS) & set(facts["listening"])):
            yield Problem(f"something listens on port {port}, which {PORTS[port]} needs", f"ss -ltnp 'sport = :{port}' names it; stop it")
    elsewhere = facts["names"].get(wanted["engine_fqdn"], [])
    if not elsewhere:
        yield Problem(f"cannot resolve the engine's name {wanted['engine_fqdn']}", "add a record for it to the site")
    elif set(elsewhere) & own_addresses(facts):
        yield Problem(
            f"the engine's name {wanted['engine_fqdn']} leads to the hypervisor itself", "give the engine an address of its own in the site"
        )


def own_addresses(facts: Options) -> set[str]:
    """Every address the machine has."""
    return {address for interface in facts["interfaces"].values() for address in interface["addresses"]}


def processor(facts: Options, cpu_type: str) -> Problems:
    """Virtualization, and what the cluster's VMs count on."""
    cpu = facts["cpu"]
    flags = set(cpu["flags"])
    if not flags & {"vmx", "svm"}:
        yield Problem(f"its processor ({cpu['model']}) shows neither vmx nor svm", "turn VT-x or AMD-V on in its firmware")
    elif not facts["has_kvm"]:
        yield Problem("/dev/kvm is missing though its processor virtualizes", "modprobe kvm_intel or kvm_amd; `dmesg` says what forbids it")
    if "nx" not in flags:
        yield Problem(f"its processor ({cpu['model']}) shows no nx", "turn `execute disable` or `NX` on in its firmware")
    if cpu_type and cpu_type.removeprefix("Secure ") not in MARKS:
        yield Problem(f"CPU type {cpu_type} of its cluster is none of those known", f"one of: {', '.join(MARKS)}")
    elif cpu_type and (missing := lacking(cpu_type, cpu["vendor"], flags)):
        yield Problem(
            f"its processor ({cpu['model']}) is no {cpu_type}, which its cluster counts on: it lacks {', '.join(missing)}",
            "give the cluster an older CPU type, or the machine a cluster of its own",
        )


def management(facts: Options, name: str, address: str) -> Problems:
    """The interface that becomes a part of bridge ovirtmgmt; once it is, the bridge has the address."""
    known = facts["interfaces"]
    bridge = known.get("ovirtmgmt")
    if bridge is not None and address in bridge["addresses"]:
        return
    if name not in known:
        yield Problem(f"has no interface {name}", f"say the right one in the site: it has {', '.join(sorted(set(known) - {'lo'}))}")
        return
    if address not in known[name]["addresses"]:
        has = ", ".join(known[name]["addresses"]) or "no address"
        yield Problem(f"{name} has {has}, and not {address}", "correct interface or address in the site, or the profile on the machine")
    yield from kinds(known, name)


def kinds(known: Options, name: str) -> Problems:
    """An interface, and what is below it, are of kinds that vdsm takes."""
    interface = known[name]
    if interface["kind"] == "team":
        yield Problem(f"{name} is a team, which oVirt does not take", "make it a bond: teams are gone from EL10 too")
    if interface["kind"] == "bond":
        if interface["mode"] not in BONDS:
            yield Problem(f"bond {name} is in mode {interface['mode']}, and VMs need another", f"one of: {', '.join(BONDS)}")
        if not (name.startswith("bond") and name[4:].isdigit()):
            yield Problem(f"bond {name} has a name that setup does not look at", "call it bond0, bond1, ...")
    if interface["kind"] == "vlan":
        parent, wanted = interface["parent"], f"{interface['parent']}.{interface['vlan']}"
        if name != wanted:
            yield Problem(f"VLAN interface {name} has a name that setup does not take", f"call it {wanted}")
        if parent in known:
            yield from kinds(known, parent)


def profiles(facts: Options) -> Problems:
    """NetworkManager's files: EL10 reads only keyfiles, and vdsm takes over what NetworkManager knows."""
    if facts["services"].get("NetworkManager", {}).get("active") != "active":
        yield Problem("NetworkManager does not run, and vdsm sets up networks through it", "systemctl enable --now NetworkManager")
    for interface, file in facts["profiles"].items():
        if "/ifcfg-" in file:
            yield Problem(f"{interface} has its profile in {file}, which EL10 no longer reads", "nmcli connection migrate")


def storage_identity(facts: Options) -> Problems:
    """User and group 36 own every storage domain."""
    for number, name, allowed in (("user", facts["storage_user"], ("", "vdsm")), ("group", facts["storage_group"], ("", "kvm"))):
        if name not in allowed:
            yield Problem(f"{number} 36 is {name}, and has to be free for {allowed[1]}", f"give {number} {name} another number")
