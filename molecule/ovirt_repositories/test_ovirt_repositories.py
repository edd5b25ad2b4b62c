"""What role ovirt_repositories promises: packages of oVirt can be had. In its scenario they are stand-ins."""

import pytest


@pytest.fixture(scope="module")
def machines(members, lab, variables):
    names = dict.fromkeys([*members("ovirt_el_hypervisor"), *members("ovirt_el_engine")]) or members("well")
    if not names:
        pytest.skip("no machine of the site is EL")
    return [(name, lab(name), variables(name)) for name in names]


def test_packages_can_be_had(machines):
    for name, host, known in machines:
        for package in known.get("ovirt_repositories_wanted", ["ovirt-host"]):
            found = host.check_output("dnf --quiet repoquery --queryformat '%%{name}\\n' %s", package)
            assert package in found.split(), f"{name}: {package}"


def test_what_has_to_be_on_is_on(machines):
    for name, host, known in machines:
        found = host.check_output("dnf --quiet repolist --enabled")
        for repository in known.get("ovirt_repositories_enabled", []):
            assert repository in found.split(), f"{name}: {repository}"


def test_a_machine_that_was_refused_was_not_changed(members, lab):
    names = members("unwell")
    if not names:
        pytest.skip("only the scenario has machines that are refused")
    for name in names:
        assert not lab(name).file("/etc/yum.repos.d/ovirt-45.repo").exists, name
