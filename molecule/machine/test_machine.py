"""What a platform promises of every machine it makes. Every expectation comes from the machine's own specification."""

import contextlib
import json
from dataclasses import dataclass

import pytest

from lab.together import each
from lab.wait import wait_for

BOOT_SECONDS = 180
# Frame, address and echo headers: what of an MTU is not a ping's own data.
PING_HEADERS = 28
GIB = 1024**3


@dataclass(frozen=True)
class Machine:
    """A machine and what the inventory says about it."""

    name: str
    host: object
    known: dict

    @property
    def spec(self):
        """What its platform was asked for."""
        return self.known["machine_spec"]

    @property
    def cables(self):
        """(interface, MAC, MTU) of its plugs. An engine does not tell a guest of the MTU, so there it is whatever the guest takes."""
        if self.known["machine_platform"] == "ovirt":
            return [(nic["name"], nic["mac"], None) for nic in self.spec["nics"]]
        return [(cable["interface"], cable["mac"], cable["bridge_mtu"]) for cable in self.spec["cables"]]


@pytest.fixture(scope="module")
def made(played, lab, variables):
    """Machines that a platform made; metal is as people put it up."""
    found = [Machine(name, lab(name), variables(name)) for name in played("machine")]
    return [machine for machine in found if machine.known["machine_platform"] != "metal"]


@pytest.fixture(scope="module")
def vms(made):
    return [machine for machine in made if machine.known["machine_platform"] == "vm"]


def test_everything_that_should_run_runs(made):
    def check(machine):
        state = wait_for(
            f"{machine.name} has started everything",
            lambda: machine.host.run("systemctl is-system-running").stdout.strip(),
            lambda seen: seen in ("running", "degraded"),
            BOOT_SECONDS,
        )
        assert state == "running", f"{machine.name}: {machine.host.run('systemctl --failed --no-legend').stdout}"

    each(check, made)


def test_cables_are_plugged_in_as_the_site_says(made):
    def check(machine):
        links = {link["ifname"]: link for link in json.loads(machine.host.check_output("ip -json link show"))}
        for interface, mac, mtu in machine.cables:
            link = links[interface]
            assert (link["address"], link["mtu"]) == (mac, mtu or link["mtu"]), f"{machine.name} {interface}"

    each(check, made)


def test_a_leg_with_jumbo_frames_carries_them_to_its_gateway(made):
    def check(machine):
        for interface, _, mtu in machine.cables:
            routes = json.loads(machine.host.check_output("ip -json route show default dev %s", interface))
            if routes and mtu:
                size, gateway = mtu - PING_HEADERS, routes[0]["gateway"]
                sent = machine.host.run("ping -c 1 -W 5 -M do -s %s %s", str(size), gateway)
                assert sent.rc == 0, f"{machine.name} {interface}: {sent.stdout}"

    each(check, made)


def test_a_vm_has_a_kernel_of_its_own(vms):
    def check(machine):
        assert machine.host.run("systemd-detect-virt --quiet --container").rc != 0, machine.name
        assert machine.host.check_output("stat -f -c %T /sys/fs/cgroup") == "cgroup2fs", machine.name
        controllers = machine.host.check_output("cat /sys/fs/cgroup/cgroup.controllers").split()
        assert {"cpu", "io", "memory", "pids"} <= set(controllers), machine.name
        for module in ("nfsd", "nfs", "dm_thin_pool", "dm_snapshot", "xfs", "btrfs", "8021q", "vxlan", "bridge", "overlay", "nf_nat"):
            assert machine.host.run("modprobe %s", module).rc == 0, f"{machine.name}: its kernel has no {module}"

    each(check, vms)


def test_a_vm_filters_and_translates_by_nftables(vms):
    rules = 'table inet probe { chain nat { type nat hook postrouting priority 100; ct state new oifname "none" masquerade; }; }'

    def check(machine):
        done = machine.host.run("echo %s | nft -f - && nft delete table inet probe", rules)
        assert done.rc == 0, f"{machine.name}: {done.stderr}"

    each(check, vms)


def test_a_vm_has_its_further_disks_under_their_names(vms):
    def check(machine):
        for number, disk in enumerate(machine.spec["disks"], 1):
            size = machine.host.check_output("blockdev --getsize64 /dev/lab/disk%s", str(number))
            assert int(size) == round(disk["size_gib"] * GIB), f"{machine.name} {disk['name']}"

    each(check, vms)


def identity(machine):
    """Its boot and its host key; nothing while nobody answers."""
    try:
        return machine.host.run("cat /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub").stdout.splitlines()
    except RuntimeError:  # ssh finds nobody there
        return []


@pytest.mark.disruptive
def test_a_vm_comes_back_from_a_reboot_as_the_same_machine(vms):
    def check(machine):
        boot, key = identity(machine)
        with contextlib.suppress(RuntimeError):  # the connection may go down with the machine
            machine.host.run("systemctl --no-block reboot")
        again = wait_for(
            f"{machine.name} answers after its reboot",
            lambda: identity(machine),
            lambda seen: len(seen) == 2 and seen[0] != boot,
            BOOT_SECONDS,
        )
        assert again[1] == key, machine.name

    each(check, vms)
