import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from lab import find, inventory, secrets, site_warnings, ssh
from lab import site as sites
from lab.errors import InputError
from lab.site_fields import MachineName
from lab.stages import ROOT

SMALL = Path(__file__).parent / "sites" / "valid" / "small.yml"
METAL = Path(__file__).parent / "sites" / "valid" / "metal.yml"
COPIES = SMALL.with_name("backup.yml")
REHEARSAL, PRODUCTION = (ROOT / "inventories" / name / "site.yml" for name in ("rehearsal", "production"))
PROGRAMS = Path(sys.executable).parent


@cache
def built(file: Path) -> Any:
    site = sites.load(file)
    return inventory.build(site, dict.fromkeys(secrets.references(site), "a secret"))


def variables(file: Path, name: str) -> Any:
    return built(file)["_meta"]["hostvars"][name]


def leg(file: Path, name: str) -> Any:
    return next(leg for leg in variables(file, "gate")["router_legs"] if leg["name"] == name)


@pytest.mark.parametrize(
    ("file", "name", "expected"),
    [
        (
            SMALL,
            "management",
            {"interface": "management", "address": "10.64.10.1", "mtu": 1500, "pool_from": "10.64.10.100", "manage": True},
        ),
        (SMALL, "storage", {"cidr": "10.64.20.0/24", "prefix": 24, "mtu": 9000, "pool_from": "", "pool_to": "", "internet": False}),
        (METAL, "management", {"prefix": 30, "vlan": 2, "reach": ["storage"]}),
        (METAL, "storage", {"address": "172.16.7.254", "pool_from": "172.16.5.0", "pool_to": "172.16.5.255", "mtu": 9216}),
        (METAL, "guests", {"vlan": 4094, "prefix": 20, "internet": True, "mtu": 1280}),
    ],
)
def test_a_leg_says_what_its_subnet_is(file: Path, name: str, expected: Any) -> None:
    assert {key: leg(file, name)[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("file", "tags"), [(METAL, [2, 3, 4094]), (SMALL, [0, 0]), (PRODUCTION, [10, 20, 30, 60, 40]), (REHEARSAL, [0] * 6)]
)
def test_tags_are_published_where_a_trunk_carries_them(file: Path, tags: Any) -> None:
    assert [leg["vlan"] for leg in variables(file, "gate")["router_legs"]] == tags


def test_every_subnet_has_one_leg_with_an_interface_of_its_own() -> None:
    for file in (SMALL, METAL, REHEARSAL, PRODUCTION):
        legs = variables(file, "gate")["router_legs"]
        assert [leg["name"] for leg in legs] == list(sites.load(file).network.subnets)
        assert len({leg["interface"] for leg in legs}) == len(legs)


def test_reservations_are_machines_with_a_mac_and_other_devices() -> None:
    found = {item["name"]: (item["mac"], item["address"]) for item in variables(METAL, "gate")["router_reservations"]}
    assert found == {
        "disk": ("52:54:00:00:00:ab", "172.16.4.2"),
        "printer": ("52:54:00:00:00:01", "172.16.4.50"),
        "camera": ("52:54:00:10:00:11", "172.16.4.51"),
    }


def test_names_without_a_reservation_are_records() -> None:
    site = sites.load(METAL)
    found = [(item["name"], item["address"]) for item in variables(METAL, "gate")["router_records"]]
    assert found == [
        ("gate", "172.16.0.1"),
        ("admin", "172.16.0.2"),
        ("disk-guests", str(site.machines["disk"].interfaces["guests"].address)),
        ("files", "172.16.4.2"),
        ("router", "172.16.0.1"),
        ("engine", "172.16.4.52"),
        ("elsewhere", "203.0.113.9"),
    ]


def test_the_router_opens_its_services_on_its_legs_only() -> None:
    rules = variables(SMALL, "gate")["baseline_firewall_rules"]
    opened = [(rule["protocol"], rule["ports"], rule["sources"]) for rule in rules]
    cidrs = ["10.64.10.0/24", "10.64.20.0/24"]
    assert opened == [("udp", [53], cidrs), ("tcp", [53], cidrs), ("udp", [67], []), ("udp", [123], cidrs)]
    assert all(rule["interfaces"] == ["management", "storage"] for rule in rules)
    assert variables(SMALL, "admin")["baseline_firewall_rules"] == []


def test_machines_take_their_time_from_the_router_and_it_from_outside() -> None:
    assert variables(SMALL, "disk")["baseline_ntp_servers"] == ["10.64.20.1"]
    assert variables(SMALL, "gate")["baseline_ntp_serve_to"] == ["10.64.10.0/24", "10.64.20.0/24"]
    assert variables(SMALL, "gate")["baseline_ntp_local_stratum"] == 10
    assert variables(METAL, "gate")["baseline_ntp_servers"] == ["0.pool.example.org", "192.0.2.1"]


@pytest.mark.parametrize(
    ("file", "proxy", "services"),
    [
        (SMALL, "", []),
        (REHEARSAL, "http://10.91.0.254:3142", ["10.91.0.254"]),
        (METAL, "http://192.0.2.10:3142", []),
        (PRODUCTION, "", []),
    ],
)
def test_packages_come_through_the_cache_where_there_is_one(file: Path, proxy: str, services: Any) -> None:
    assert {values["baseline_apt_proxy"] for values in built(file)["_meta"]["hostvars"].values()} == {proxy}
    assert [service["address"] for service in variables(file, "gate")["router_shared_services"]] == services


@pytest.mark.parametrize(
    ("file", "name", "address", "user", "checking"),
    [
        (REHEARSAL, "gate", "10.91.0.2", "root", "yes"),
        (REHEARSAL, "admin", "10.64.10.11", "root", "yes"),
        (REHEARSAL, "nas-client", "10.64.20.11", "root", "yes"),
        (REHEARSAL, "web", "10.64.30.11", "root", "yes"),
        (PRODUCTION, "gate", "192.168.1.2", "root", "accept-new"),
        (PRODUCTION, "store", "10.20.10.11", "root", "accept-new"),
        (PRODUCTION, "hypervisor", "10.20.10.12", "root", "accept-new"),
        (METAL, "gate", "192.0.2.5", "installer", "accept-new"),
        (METAL, "admin", "172.16.0.2", "installer", "accept-new"),
        (METAL, "disk", "192.0.2.6", "installer", "accept-new"),
    ],
)
def test_every_machine_is_reached_where_the_site_says(file: Path, name: str, address: str, user: str, checking: str) -> None:
    found = variables(file, name)
    assert (found["ansible_host"], found["ansible_user"], found["ansible_connection"]) == (address, user, "ssh")
    assert f"StrictHostKeyChecking={checking} " in found["ansible_ssh_common_args"]
    assert Path(found["ansible_ssh_private_key_file"]).is_relative_to(file.parent)


def test_ssh_gives_up_on_a_machine_that_went_down_without_a_word() -> None:
    effective = subprocess.run(["ssh", "-G", *ssh.command(variables(REHEARSAL, "store"))[1:]], capture_output=True, text=True, check=True)
    options = dict(line.partition(" ")[::2] for line in effective.stdout.splitlines())
    assert 0 < int(options["serveraliveinterval"]) * int(options["serveralivecountmax"]) <= 60


def test_a_container_router_has_its_uplink_addressed_by_the_platform() -> None:
    found = variables(SMALL, "gate")
    assert (found["router_uplink_managed"], found["router_uplink_address"]) == (False, "10.91.0.2/24")
    assert found["machine_spec"]["uplink"]["routes"] == ["10.64.10.0/24", "10.64.20.0/24"]
    assert [cable["network"] for cable in found["machine_spec"]["cables"]] == ["small-management", "small-storage"]
    metal = variables(METAL, "gate")
    assert (metal["router_uplink_managed"], metal["router_uplink_address"], metal["router_uplink_gateway"]) == (True, "dhcp", "")


def test_only_the_router_sees_what_the_router_is_for() -> None:
    for file in (SMALL, METAL, REHEARSAL, PRODUCTION):
        seers = {name for name, values in built(file)["_meta"]["hostvars"].items() if any(key.startswith("router_") for key in values)}
        assert seers == set(built(file)["router"]["hosts"]) == {"gate"}


def test_no_two_cables_have_the_same_mac() -> None:
    specs = [values["machine_spec"] for values in built(REHEARSAL)["_meta"]["hostvars"].values()]
    macs = [cable["mac"] for spec in specs for cable in spec.get("cables", spec.get("nics"))]
    assert len(set(macs)) == len(macs)


def test_a_missing_secret_names_file_and_key(tmp_path: Path) -> None:
    site = sites.load(METAL)
    with pytest.raises(InputError, match=r"sites/valid/secrets\.yml: operator_password is missing; fix: \./inv up makes it") as caught:
        inventory.build(site, {})
    assert caught.value.exit_code == 2


def test_everything_published_is_plain_data() -> None:
    for file in (SMALL, METAL, REHEARSAL, PRODUCTION):
        assert json.loads(json.dumps(built(file))) == built(file)


def ansible(program: str, *words: str) -> Any:
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "1000"}
    env["ANSIBLE_CACHE_PLUGIN"] = "memory"  # facts of earlier runs are shown among the variables
    env["STRATA_LOOK_ONLY"] = "1"  # nobody has made the secrets of the example
    return subprocess.run([PROGRAMS / program, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def untagged(value: Any) -> Any:
    """Values without the mark that Ansible puts on what it must not template."""
    if isinstance(value, dict):
        return untagged(value["__ansible_unsafe"]) if set(value) == {"__ansible_unsafe"} else {k: untagged(v) for k, v in value.items()}
    return [untagged(item) for item in value] if isinstance(value, list) else value


def test_plain_ansible_sees_what_we_build() -> None:
    done = ansible("ansible-inventory", "-i", str(PRODUCTION), "--list")
    assert done.returncode == 0, done.stderr
    seen, ours = untagged(json.loads(done.stdout)), find.inventory(sites.load(PRODUCTION))
    for found in seen["_meta"]["hostvars"].values():
        found.pop("ansible_local", None)  # Ansible adds it by itself, empty
    assert seen["_meta"]["hostvars"] == ours["_meta"]["hostvars"]
    filled = {name: set(group["hosts"]) for name, group in ours.items() if group.get("hosts")}
    assert {name: set(group["hosts"]) for name, group in seen.items() if group.get("hosts")} == filled


def test_a_refused_site_ends_plain_ansible_with_our_message(tmp_path: Path) -> None:
    site, play, ran = tmp_path / "site.yml", tmp_path / "play.yml", tmp_path / "ran"
    site.write_text(SMALL.read_text().replace("domain: small.internal", "domian: small.internal"))
    play.write_text(f"- hosts: all:localhost\n  connection: local\n  gather_facts: false\n  tasks: [{{command: touch {ran}}}]\n")
    done = ansible("ansible-playbook", "-i", str(site), str(play))
    assert done.returncode != 0
    assert f"{site}:3: domian: " in done.stdout + done.stderr
    assert not ran.exists()


def test_clients_of_the_backup_are_let_in_and_nobody_else() -> None:
    rules = variables(COPIES, "vault")["baseline_firewall_rules"]
    assert rules == [{"comment": "backups", "protocol": "tcp", "ports": [22], "sources": ["10.64.10.11"], "interfaces": []}]
    assert variables(SMALL, "admin")["baseline_firewall_rules"] == []


def test_a_machine_copies_what_the_site_says_and_the_backup_machine_the_authority() -> None:
    assert built(COPIES)["backup_client"] == {"hosts": ["admin", "vault"]}
    assert [source["name"] for source in variables(COPIES, "admin")["backup_client_sources"]] == ["settings", "database"]
    assert variables(COPIES, "admin")["backup_client_copies"] == []
    own = variables(COPIES, "vault")
    assert own["backup_client_copies"] == [
        {"from": str(COPIES.parent / "artifacts" / "ca"), "to": own["backup_client_sources"][0]["paths"][0]}
    ]
    expected = [("vault", "authority"), ("admin", "settings"), ("admin", "database")]
    assert [(one["machine"], one["source"]) for one in own["backup_server_sources"]] == expected
    assert "backup_client_sources" not in variables(COPIES, "gate")


def test_the_git_server_and_datasets_marked_for_it_are_copied() -> None:
    names = {one["source"] for one in variables(REHEARSAL, "vault")["backup_server_sources"]}
    assert {"git", "nas-people", "authority"} <= names and "nas-media" not in names
    dataset = variables(REHEARSAL, "store")["backup_client_sources"][0]
    assert dataset["paths"] == ["/srv/nas/people"]
    stopped = next(one for one in variables(REHEARSAL, "forge")["backup_client_sources"] if one["name"] == "git")["stop_for_restore"]
    assert "nginx.service" in stopped


def test_a_site_without_the_section_copies_nothing() -> None:
    assert built(SMALL)["backup_client"] == {"hosts": []}
    assert not [key for known in built(SMALL)["_meta"]["hostvars"].values() for key in known if key.startswith("backup")]


def test_only_a_copy_beside_its_original_is_warned_of() -> None:
    said = [str(warning).partition(": ")[2] for warning in site_warnings.of(sites.load(COPIES))]
    assert said == [
        "machines.vault.platform.kind: warning: vault keeps the copies of admin on the same platform (container): one broken computer"
        " takes both; fix: keep copies on a machine of metal"
    ]
    assert [site_warnings.of(sites.load(file)) for file in (SMALL, REHEARSAL, PRODUCTION)] == [[], [], []]


def test_no_machine_may_be_called_as_a_group() -> None:
    """Ansible would take one for the other, and reads such an inventory not at all."""
    groups = {group for file in (REHEARSAL, PRODUCTION) for group in built(file) if group != "_meta"}
    for group in groups:
        with pytest.raises(ValidationError):
            TypeAdapter(MachineName).validate_python(group)
