"""What holds for every EL machine of oVirt, hypervisor or engine."""

from __future__ import annotations

from lab.ovirt.prechecks.facts import Options, Problem, Problems, is_proxied

RELEASES = ("9", "10")
UNTESTED = {"rocky": "ovirt-provider-ovn and openvswitch of Rocky do not fit together (ovirt-engine issue 847)"}
FAMILY = ("centos", "rhel", "almalinux", "ol")


def check(facts: Options, wanted: Options) -> Problems:
    """`wanted`: fqdn, address, space {path: GiB}, engine_fqdn."""
    yield from system(facts)
    yield from names(facts, wanted["fqdn"], wanted["address"])
    yield from network(facts)
    yield from protection(facts)
    yield from space(facts, wanted["space"])
    yield from proxy(facts, wanted["engine_fqdn"])
    if not facts["is_clock_synchronized"]:
        yield Problem(
            "its clock is not synchronized, and certificates made by a clock that is ahead are not valid yet for the others",
            "dnf install chrony && systemctl enable --now chronyd, then wait until `timedatectl` says synchronized",
        )


def system(facts: Options) -> Problems:
    """What oVirt 4.5 has packages for."""
    found = facts["system"]
    said = found["pretty_name"] or "an unknown system"
    reinstall = "install CentOS Stream 9 or 10, AlmaLinux or RHEL on it"
    if found["id"] in UNTESTED:
        yield Problem(f"runs {said}; {UNTESTED[found['id']]}", reinstall)
    elif found["id"] not in FAMILY or found["version_id"].partition(".")[0] not in RELEASES:
        yield Problem(f"runs {said}, for which there are no packages of oVirt 4.5", reinstall)
    if facts["architecture"] != "x86_64":
        yield Problem(f"is {facts['architecture']}, and packages are made for x86_64", "take another machine")


def names(facts: Options, fqdn: str, address: str) -> Problems:
    """The machine's own name: the engine and certificates go by it, so it has to lead here and back, and nowhere else."""
    record = f"the site's records have to lead {fqdn} to {address} and back; is the router its resolver in /etc/resolv.conf?"
    if facts["fqdn"] != fqdn:
        yield Problem(f"calls itself {facts['fqdn'] or 'nothing'} (`hostname --fqdn`) and not {fqdn}", f"hostnamectl set-hostname {fqdn}")
    found = facts["names"].get(fqdn, [])
    if not found:
        yield Problem(f"{fqdn} has no address there", record)
    elif found != [address]:
        hint = "remove the name from /etc/hosts" if any(other.startswith("127.") for other in found) else record
        yield Problem(f"{fqdn} leads to {', '.join(found)} there, and has to lead to {address} alone", hint)
    backward = facts["reverse"].get(address, [])
    if fqdn not in backward:
        yield Problem(f"{address} leads back to {', '.join(backward) or 'no name'} there, and has to lead to {fqdn}", record)


def network(facts: Options) -> Problems:
    """What every setup takes for granted."""
    if not facts["gateways"]:
        yield Problem(
            "has no default gateway (`ip route show default` is empty)",
            "give the profile of its management interface one: nmcli connection modify PROFILE ipv4.gateway ADDRESS",
        )


def protection(facts: Options) -> Problems:
    """Firewall and SELinux as oVirt sets them up itself."""
    if facts["services"].get("firewalld", {}).get("load") == "masked":
        yield Problem("firewalld is masked, and setup only knows firewalld", "systemctl unmask --now firewalld")
    if facts["selinux"] != "Enforcing":
        yield Problem(
            f"SELinux is {facts['selinux'] or 'not there'}; labels that are missing now break VMs once it is turned on",
            "SELINUX=enforcing in /etc/selinux/config, touch /.autorelabel, reboot",
        )


def space(facts: Options, wanted: Options) -> Problems:
    """Folders with their least free space, in GiB."""
    for path, least in wanted.items():
        free = facts["space"][path]["free_gib"]
        if free < least:
            yield Problem(f"{path} has {free:.1f} GiB free, and needs {least}", f"free some, or give {path} a larger file system")


def proxy(facts: Options, fqdn: str) -> Problems:
    """Programs that talk to the engine read the environment, and a proxy outside does not know the engine."""
    if is_proxied(fqdn, facts["proxies"]):
        through = facts["proxies"]["https_proxy"] or facts["proxies"]["http_proxy"]
        yield Problem(f"sends requests to {fqdn} through the proxy {through}", f"add {fqdn} to no_proxy where the proxy is set")
