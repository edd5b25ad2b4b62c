"""Failures that were met before: how they look in a log, what causes them, what mends them.

The first that matches counts, so what is special stands before what is general. Each has a fixture `tests/logs/<name>.log`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Signature:
    """One known failure; `{machine}` in its fix is the machine's name."""

    name: str
    pattern: str
    cause: str
    fix: str

    def matches(self, text: str) -> bool:
        """Whether the failure shows in a text."""
        return re.search(self.pattern, text, re.IGNORECASE) is not None


SIGNATURES = (
    Signature(
        "host_key_changed",
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed",
        "the machine shows another SSH host key than the one on record",
        "if {machine} was installed anew, remove its old key: ssh-keygen -R ADDRESS -f KNOWN_HOSTS (both are in the log)"
        "; if not, find out who answers",
    ),
    Signature(
        "permission_denied_publickey",
        r"Permission denied \((publickey|[^)]*publickey)",
        "the machine refuses the key it is offered",
        "put the public half of access.private_key into authorized_keys of access.user on {machine}",
    ),
    Signature(
        "sudo_password",
        r"Missing sudo password|sudo: a password is required|a terminal is required to read the password|Incorrect sudo password",
        "sudo on the machine asks for a password, and nobody is there to type it",
        "allow access.user on {machine} to use sudo without one (NOPASSWD), or set access.user to root",
    ),
    Signature(
        "python_missing",
        r"/usr/bin/python3: (not found|No such file)|python3?: command not found|module interpreter .* was not found",
        "there is no /usr/bin/python3 on the machine",
        "install it once by hand on {machine}: apt-get install python3",
    ),
    Signature(
        "ssh_unreachable",
        r"Connection timed out|No route to host|Connection refused\b.*port 22|port 22: Connection (refused|timed out)|Operation timed out"
        r"|Connection closed by .* port 22|Network is unreachable.*port 22|timed out during banner exchange",
        "the machine does not answer on SSH",
        "is {machine} on, and at that address? ./inv ssh {machine} shows what SSH says"
        "; a rehearsal machine that stopped is started by ./inv up",
    ),
    Signature(
        "apt_lock",
        r"Could not get lock /var/lib/(dpkg|apt)|Unable to (acquire|lock).*(dpkg|apt)|is another process using it",
        "another apt or dpkg is at work on the machine",
        "wait until it ended (unattended-upgrades takes minutes), then continue",
    ),
    Signature(
        "apt_unreachable",
        r"Temporary failure resolving|Could not resolve|Failed to fetch https?://|Could not connect to .*:\d+ \("
        r"|Unable to connect to .*:(http|https|\d+)",
        "the machine cannot reach its package repository",
        "check name resolution and the way out on {machine}, and apt.proxy in site.yml where there is one",
    ),
    Signature(
        "apt_package_not_found",
        r"Unable to locate package|No package matching '[^']+' is available|has no installation candidate",
        "the package is not in the repositories the machine knows",
        "check the spelling, and that the machine runs a Debian suite that has it (apt-cache policy NAME on {machine})",
    ),
    Signature(
        "no_space",
        r"No space left on device|not enough free space|Disk quota exceeded",
        "a disk is full",
        "free space where the log says (df -h; df -i for inodes), or give {machine} a larger disk",
    ),
    Signature(
        "read_only",
        r"Read-only file system",
        "a file system is mounted read-only",
        "on {machine}: findmnt -o TARGET,OPTIONS shows which; the kernel log (dmesg) says why if it went read-only by itself",
    ),
    Signature(
        "dhcp_server",
        r"another DHCP server|DHCPOFFER from|DHCP server .* already (answers|serves)|answers DHCP",
        "another DHCP server answers on that subnet, and two would fight over every device",
        "switch the other server off, or give this subnet no dhcp in site.yml; the evidence names its address",
    ),
    Signature(
        "port_in_use",
        r"Address already in use|failed to create listening socket|port is already allocated",
        "the port belongs to another program",
        "on {machine}: ss -lntup shows which; stop it, or give one of the two another port",
    ),
    Signature(
        "nft_syntax",
        r"nft(ables)?\b.*(syntax error|Error:)|\.nft:\d+:\d+-\d+: Error|Error: (syntax error|Could not process rule)",
        "nftables refuses the rules",
        "the line and column are in the evidence; 'Could not process rule' means the kernel lacks that feature",
    ),
    Signature(
        "cgroup_or_rlimit",
        r"setrlimit|RLIMIT_|cgroup.*(not permitted|permission denied|read-only|no such file|invalid)"
        r"|Failed to (create|mount|allocate).*cgroup",
        "this machine does not allow containers the limits or cgroups they ask for",
        "start it through ./inv, which prepares a place where they may; ./inv doctor shows what it found",
    ),
    Signature(
        "image_missing",
        r"localhost/[\w./-]+: image not known|image not known|no such image|unable to find .* in local storage",
        "the image of the rehearsal's machines is not there",
        "./inv up makes it; if it was removed in between, give the same command again",
    ),
    Signature(
        "argument_specs",
        r"Validation of arguments failed|missing required arguments|value of .* must be one of",
        "a role got a variable its contract (meta/argument_specs.yml) does not allow",
        "ansible-inventory -i SITE.yml --host {machine} shows what it gets; the site's key behind it is wrong, or lab/inventory is",
    ),
    Signature(
        "undefined_variable",
        r"is undefined|object has no attribute|undefined variable",
        "a template or task uses a variable that does not exist",
        "a bug in the role: correct its name, or give it a default and an entry in meta/argument_specs.yml",
    ),
    Signature(
        "systemd_unit",
        r"Unable to (re)?(start|load) service|Job for [\w@.-]+ failed|Failed with result|unit .* (failed|not found)",
        "a service does not start",
        "./inv ssh {machine}, then: systemctl status UNIT; journalctl -eu UNIT",
    ),
)


def match(*texts: str) -> Signature | None:
    """The known failure in the first text that shows one."""
    for text in texts:
        for signature in SIGNATURES:
            if signature.matches(text):
                return signature
    return None
