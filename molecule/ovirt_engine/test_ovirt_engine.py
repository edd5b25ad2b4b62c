"""What role ovirt_engine promises of an engine. In its scenario the programs of oVirt are stand-ins, which keep what they were told."""

import json
import os
from pathlib import Path

import pytest

SETUP_MARKS = ("/etc/ovirt-engine-setup.conf.d/20-setup-ovirt-post.conf", "/etc/ovirt-hosted-engine/hosted-engine.conf")


@pytest.fixture(scope="module")
def machines(members, lab, variables):
    names = members("ovirt_el_engine") or members("well")
    if not names:
        pytest.skip("no machine of the site is EL")
    return [(name, lab(name), variables(name)) for name in names]


@pytest.fixture(scope="module")
def told(machines):
    """`told(kind, with_backup)`: one machine of the scenario; a live site has an engine that keeps no notes."""
    if not any(name.startswith("mo-oe-") for name, _, _ in machines):
        pytest.skip("only stand-ins keep what they were told")

    def find(kind, with_backup=False):
        for _, host, known in machines:
            if known["ovirt_engine_kind"] == kind and bool(known.get("ovirt_engine_restore_file")) == with_backup:
                return host, known
        raise AssertionError(f"no machine of the scenario is {kind}, with a backup: {with_backup}")

    return find


def test_there_is_an_engine(machines):
    for name, host, _ in machines:
        assert any(host.file(mark).exists for mark in SETUP_MARKS), name


def test_it_is_well(machines):
    for name, host, known in machines:
        page = f"http://{known['ovirt_engine_fqdn']}/ovirt-engine/services/health"
        assert "DB Up" in host.check_output("curl --silent --fail %s || python3 -c %s", page, fetch(page)), name


def fetch(page):
    """A program that prints a page, for machines without curl."""
    return f"import urllib.request; print(urllib.request.urlopen({page!r}).read().decode())"


def test_the_controller_has_its_authority(machines):
    for name, host, known in machines:
        folder = {"standalone": "/etc/pki/ovirt-engine/ca.pem", "self_hosted": "/etc/pki/vdsm/certs/cacert.pem"}
        file = known["ovirt_engine_ca_file"]
        if "{{" in file:  # a scenario's inventory is read without its templates
            file = f"{os.environ['MOLECULE_EPHEMERAL_DIRECTORY']}/{name}.pem"
        assert Path(file).read_text() == host.file(folder[known["ovirt_engine_kind"]]).content_string, name


def test_no_password_is_left_behind(machines):
    for name, host, _ in machines:
        for path in ("/root/lab-hosted-engine", "/root/engine-to-restore.backup"):
            assert not host.file(path).exists, f"{name}: {path}"
        assert host.run("ls /tmp/answerfile-*").rc != 0, name


def test_setup_got_the_answers_of_the_site(told):
    host, known = told("standalone")
    answers = host.file("/root/engine-setup.answers").content_string
    for line in (
        f"OVESETUP_CONFIG/fqdn=str:{known['ovirt_engine_fqdn']}",
        f"OVESETUP_PKI/organization=str:{known['ovirt_engine_organization']}",
        f"OVESETUP_CONFIG/adminPassword=str:{known['ovirt_engine_admin_password']}",
        "OVESETUP_CONFIG/firewallManager=str:firewalld",
        "OVESETUP_CONFIG/keycloakEnable=bool:False",
        "OVESETUP_ENGINE_CORE/enable=bool:True",
    ):
        assert line in answers.splitlines(), line
    assert "--accept-defaults" in host.file("/root/engine-setup.arguments").content_string
    assert not host.file("/root/engine-backup.arguments").exists


def test_a_backup_is_restored_before_setup(told):
    host, _ = told("standalone", with_backup=True)
    arguments = host.file("/root/engine-backup.arguments").content_string.split()
    wanted = {"--mode=restore", "--file=/root/engine-to-restore.backup", "--provision-all-databases", "--restore-permissions"}
    assert wanted <= set(arguments)
    assert any(argument.startswith("--log=") for argument in arguments)
    assert host.run("tar --list --file /root/engine-backup.file ./db/engine_backup.db").rc == 0


def test_a_self_hosted_setup_was_told_what_the_site_says(told):
    host, known = told("self_hosted")
    variables = json.loads(host.file("/root/told/variables.json").content_string)
    wanted = known["ovirt_engine_self_hosted"]
    expected = {
        "he_fqdn": known["ovirt_engine_fqdn"],
        "he_vm_ip_addr": known["ovirt_engine_address"],
        "he_storage_domain_path": wanted["storage"]["path"],
        "he_mem_size_MB": wanted["memory_mib"],
        "he_appliance_password": wanted["appliance_password"],
        "he_enable_keycloak": False,
    }
    assert {name: variables.get(name) for name in expected} == expected
    play = json.loads(host.file("/root/told/playbook.yml").content_string)[0]
    assert play["tasks"][0]["ansible.builtin.import_role"]["name"] == "ovirt.ovirt.hosted_engine_setup"


def test_a_machine_that_was_refused_was_not_changed(members, lab):
    names = members("unwell")
    if not names:
        pytest.skip("only the scenario has machines that are refused")
    for name in names:
        assert lab(name).run("rpm --query ovirt-engine ovirt-hosted-engine-setup").rc == 2, name
