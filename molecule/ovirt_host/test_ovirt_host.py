"""What role ovirt_host promises of a machine it let pass. In its scenario the machine is a Debian container dressed as EL."""

import pytest

from lab.together import each


@pytest.fixture(scope="module")
def machines(members, lab, variables):
    names = members("ovirt_el_hypervisor") or members("well")
    if not names:
        pytest.skip("no machine of the site is EL")
    return [(name, lab(name), variables(name)) for name in names]


def test_what_an_engine_would_install_is_there(machines):
    def check(machine):
        name, host, _ = machine
        for package in ("ovirt-host", "vdsm", "nfs-utils", "firewalld"):
            assert host.run("rpm --query %s", package).rc == 0, f"{name}: {package}"

    each(check, machines)


def test_firewall_and_clock_run_also_after_a_reboot(machines):
    for name, host, _ in machines:
        for unit in ("firewalld", "chronyd"):
            assert host.run("systemctl is-active %s", unit).stdout.strip() == "active", f"{name}: {unit}"
            assert host.run("systemctl is-enabled %s", unit).stdout.strip() == "enabled", f"{name}: {unit}"


def test_vms_may_use_disks_on_nfs(machines):
    for name, host, _ in machines:
        assert host.check_output("getsebool virt_use_nfs").endswith(" on"), name


def test_the_probe_left_nothing_behind(machines):
    for name, host, _ in machines:
        assert "lab-nfs-" not in host.check_output("cat /proc/mounts; ls /tmp"), name
        assert ".lab-probe" not in host.run("find /srv/el/exports").stdout, name


def test_a_machine_that_was_refused_was_not_changed(members, lab):
    names = members("unwell")
    if not names:
        pytest.skip("only the scenario has machines that are refused")
    for name in names:
        assert lab(name).run("rpm --query ovirt-host").rc != 0, name
