"""What fails in `engine-setup` on a machine of the engine's own."""

from __future__ import annotations

from lab.ovirt.prechecks import machine
from lab.ovirt.prechecks.facts import Options, Problem, Problems

SPACE = {"/": 10, "/var": 10, "/var/tmp": 5}  # noqa: S108 - oVirt's own folder; PostgreSQL and logs grow below /var
MEMORY_MIB = 4096
GRACE_MIB = 256  # firmware and the kernel keep some of what a machine of 4 GiB has
# What engine-setup binds, with whom; ssh and what is opened for hypervisors later is not listed.
PORTS = {
    80: "the web server",
    443: "the web server",
    2222: "the proxy of serial consoles",
    5432: "PostgreSQL",
    6100: "the console proxy",
    6641: "OVN's northbound database",
    6642: "OVN's southbound database",
    9696: "the OVN provider",
    35357: "the OVN provider's tokens",
    54323: "the image proxy",
}


def check(facts: Options, wanted: Options) -> Problems:
    """`wanted`: fqdn, address, engine_fqdn (the same), password."""
    yield from machine.check(facts, {**wanted, "space": SPACE})
    if facts["memory_mib"] < MEMORY_MIB - GRACE_MIB:
        yield Problem(
            f"has {facts['memory_mib']} MiB memory; an engine with its data warehouse needs {MEMORY_MIB}, and setup is told not to look",
            "give it more",
        )
    yield from password(wanted["password"], "admin_password")
    for port in sorted(set(PORTS) & set(facts["listening"])):
        yield Problem(f"something listens on port {port}, which {PORTS[port]} needs", f"ss -ltnp 'sport = :{port}' names it; stop it")
    if "vdsm" in facts["packages"]:
        yield Problem(
            "is a hypervisor (package vdsm), which cannot have an engine beside it", "take another machine, or a self-hosted engine"
        )


def password(text: str, name: str) -> Problems:
    """Setup reads passwords from lines of a file, without quotes; a problem never shows one."""
    if text != text.strip() or any(not character.isprintable() for character in text):
        yield Problem(
            f"{name} has a line break, an unprintable character or white space at an end, which the answer file would cut off",
            "write another one into secrets.yml",
        )
    elif len(text) < 8:
        yield Problem(f"{name} is shorter than 8 characters, which setup takes without a word", "write another one into secrets.yml")
