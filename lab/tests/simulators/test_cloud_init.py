"""The config-2 drive's files, without a server; the engine's own adapter is the measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.simulators.ovirt import cloud_init
from lab.simulators.ovirt.errors import Fault

IP = {"address": "10.0.0.9", "netmask": "255.255.255.0"}
STATIC: dict[str, Any] = {"name": "eth0", "on_boot": True, "boot_protocol": "static", "ip": IP}
LINK = {"id": "eth0", "name": "eth0", "type": "vif"}
NETWORK = {"id": "eth0", "link": "eth0", "type": "ipv4", "ip_address": "10.0.0.9", "netmask": "255.255.255.0"}


def test_meta_data_has_the_name_twice_and_the_keys_as_a_list() -> None:
    data = cloud_init.meta_data({"host_name": "git", "authorized_ssh_keys": "ssh-ed25519 A\r\n\nssh-rsa B\n"})
    assert len(data.pop("uuid")) == 36
    assert data == {
        "hostname": "git",
        "name": "git",
        "public_keys": ["ssh-ed25519 A", "ssh-rsa B"],
        "meta": {"dsmode": "local", "essential": "false", "role": "server"},
        "launch_index": "0",
        "availability_zone": "nova",
    }


def test_every_start_has_a_uuid_of_its_own_and_nothing_given_is_nothing_written() -> None:
    first, second = cloud_init.meta_data({}), cloud_init.meta_data({})
    assert first["uuid"] != second["uuid"]
    assert set(first) == {"uuid", "meta", "launch_index", "availability_zone"}


def test_user_data_has_what_the_engine_always_puts_in() -> None:
    text = cloud_init.user_data({})
    assert text.startswith("#cloud-config\n")
    data = yaml.safe_load(text)
    assert len(data.pop("runcmd")) == 1
    assert data == {
        "disable_root": False,
        "output": {"all": ">> /var/log/cloud-init-output.log"},
        "chpasswd": {"expire": False},
        "ssh_pwauth": True,
    }


@pytest.mark.parametrize(
    ("given", "key", "value"),
    [
        ({"regenerate_ssh_keys": True}, "ssh_deletekeys", True),
        ({"timezone": "Etc/UTC"}, "timezone", "Etc/UTC"),
        ({"root_password": "x"}, "password", "x"),
        ({"user_name": "debian"}, "user", "debian"),
    ],
)
def test_user_data_has_what_was_given(given: Any, key: str, value: Any) -> None:
    assert yaml.safe_load(cloud_init.user_data(given))[key] == value


def test_a_custom_script_is_appended_as_text_so_that_its_own_runcmd_is_there_twice_and_counts() -> None:
    text = cloud_init.user_data({"custom_script": "runcmd: [reboot]\n"})
    assert text.endswith("ssh_pwauth: true\nruncmd: [reboot]\n")
    assert text.count("runcmd:") == 2
    assert yaml.safe_load(text)["runcmd"] == ["reboot"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"nic_configurations": [STATIC]}, {"links": [LINK], "networks": [NETWORK]}),
        (
            {"nic_configurations": [{"name": "eth0", "on_boot": True, "boot_protocol": "dhcp"}]},
            {"links": [LINK], "networks": [{"id": "eth0", "link": "eth0", "type": "ipv4_dhcp"}]},
        ),
        (
            {
                "nic_configurations": [STATIC | {"ip": STATIC["ip"] | {"gateway": "10.0.0.1"}}],
                "dns_servers": "10.0.0.2 10.0.0.3",
                "dns_search": "lab",
            },
            {
                "links": [LINK],
                "networks": [NETWORK | {"gateway": "10.0.0.1", "dns_nameservers": ["10.0.0.2", "10.0.0.3"], "dns_search": ["lab"]}],
                "services": [{"type": "dns", "address": "10.0.0.2"}, {"type": "dns", "address": "10.0.0.3"}],
            },
        ),
        ({"dns_servers": "10.0.0.2"}, {"services": [{"type": "dns", "address": "10.0.0.2"}]}),
        ({"nic_configurations": [{"name": "eth0", "on_boot": True, "boot_protocol": "none"}]}, {}),
        (
            {
                "nic_configurations": [
                    {"name": "eth0", "on_boot": True, "ipv6_boot_protocol": "static", "ipv6": {"address": "fd00::9", "netmask": "64"}}
                ]
            },
            {"links": [LINK], "networks": [{"id": "eth0", "link": "eth0", "type": "ipv6", "ip_address": "fd00::9", "netmask": "64"}]},
        ),
    ],
)
def test_network_data_is_that_of_the_engine_without_any_mac(given: Any, expected: Any) -> None:
    assert cloud_init.network_data(given) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"on_boot": False}, "'Start on boot' must be true"),
        ({"ip": {}}, "IPv4 address must be supplied for a static IPv4 configuration"),
        ({"ipv6_boot_protocol": "static"}, "IPv6 address must be supplied"),
        ({"ipv6_boot_protocol": "autoconf"}, "'Stateless address autoconfiguration' (auto conf) is not supported"),
    ],
)
def test_what_the_engine_refuses_is_refused(change: Any, said: str) -> None:
    with pytest.raises(Fault) as refused:
        cloud_init.check({"nic_configurations": [STATIC | change]})
    assert refused.value.status == 400 and said in refused.value.detail


def test_the_drive_is_written_whole_and_replaces_the_one_before(tmp_path: Path) -> None:
    drive = cloud_init.write(tmp_path / "drive", {"nic_configurations": [STATIC]})
    latest = drive / "openstack" / "latest"
    assert sorted(file.name for file in latest.iterdir()) == ["meta_data.json", "network_data.json", "user_data"]
    assert json.loads((latest / "network_data.json").read_text())["links"] == [LINK]
    cloud_init.write(tmp_path / "drive", {"host_name": "git"})
    assert sorted(file.name for file in latest.iterdir()) == ["meta_data.json", "user_data"]
    assert [file.name for file in tmp_path.iterdir()] == ["drive"]
