"""What role openstack_hypervisor promises: KVM where the processor really runs a machine, and QEMU alone elsewhere."""

import configparser

import pytest

FILE = "/etc/nova/nova-compute.conf"
# Written apart from the role's own probe: a guest's processor runs the firmware for a moment, and QEMU says who ran it.
CAN = """
printf 'info kvm\\nquit\\n' |
timeout 60 qemu-system-$(uname -m) -nodefaults -display none -monitor stdio -accel kvm -cpu host |
grep -q 'kvm support: enabled'
"""


@pytest.fixture(scope="module")
def computes(played):
    return played("openstack_hypervisor")


def settings(machine):
    found = configparser.RawConfigParser(interpolation=None)
    found.read_string(machine.file(FILE).content_string)
    return found


def test_servers_run_as_the_machine_can(lab, computes):
    for name in computes:
        can = lab(name).run("sh -c %s", CAN).rc == 0
        assert settings(lab(name))["libvirt"]["virt_type"] == ("kvm" if can else "qemu"), name
        assert (settings(lab(name))["libvirt"]["cpu_mode"] == "none") is not can, name


def test_the_file_says_why(lab, computes):
    for name in computes:
        assert lab(name).file(FILE).content_string.startswith("# Set by role openstack_hypervisor, from what the machine can do: ")


def test_nova_runs_with_it_where_it_is_installed(lab, computes):
    for name in computes:
        if lab(name).package("nova-compute").is_installed:
            assert lab(name).service("nova-compute").is_running, name
