"""The config-2 drive as the engine writes it: the same files, keys and omissions, so that a guest's cloud-init meets what it will meet."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.simulators.ovirt.errors import refused

VOLUME = "config-2"
DATASOURCES = (
    "sed -i '/^datasource_list: /d' /etc/cloud/cloud.cfg; "
    """echo 'datasource_list: ["NoCloud", "ConfigDrive"]' >> /etc/cloud/cloud.cfg"""
)
OUTPUT = ">> /var/log/cloud-init-output.log"


def write(folder: Path, initialization: Mapping[str, Any]) -> Path:
    """Makes the drive's files under the folder, all or none; returns the folder."""
    new = folder.with_name(folder.name + ".partial")
    shutil.rmtree(new, ignore_errors=True)
    latest = new / "openstack" / "latest"
    latest.mkdir(parents=True, mode=0o700)
    for name, text in files(initialization).items():
        (latest / name).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    new.replace(folder)
    return folder


def files(initialization: Mapping[str, Any]) -> dict[str, str]:
    """What is under openstack/latest; network_data.json only where there is something in it."""
    found = {"meta_data.json": _json(meta_data(initialization)), "user_data": user_data(initialization)}
    if network := network_data(initialization):
        found["network_data.json"] = _json(network)
    return found


def meta_data(initialization: Mapping[str, Any]) -> dict[str, Any]:
    """Host name and keys; the uuid is another one at every start, as the engine's is."""
    data: dict[str, Any] = {}
    if name := initialization.get("host_name"):
        data |= {"hostname": name, "name": name}
    if keys := initialization.get("authorized_ssh_keys"):
        data["public_keys"] = [key for key in re.split(r"(?:\r?\n|\r)+", keys) if key]
    data["uuid"] = str(uuid.uuid4())
    data["meta"] = {"dsmode": "local", "essential": "false", "role": "server"}
    return data | {"launch_index": "0", "availability_zone": "nova"}


def user_data(initialization: Mapping[str, Any]) -> str:
    """What the engine generates, with the custom script put behind it as text: a key given in both is there twice, and the last counts."""
    data: dict[str, Any] = {}
    if "regenerate_ssh_keys" in initialization:
        data["ssh_deletekeys"] = initialization["regenerate_ssh_keys"]
    if initialization.get("timezone"):
        data["timezone"] = initialization["timezone"]
    if initialization.get("root_password"):
        data["password"] = initialization["root_password"]
    if initialization.get("user_name"):
        data["user"] = initialization["user_name"]
    data |= {"disable_root": False, "output": {"all": OUTPUT}, "runcmd": [DATASOURCES], "chpasswd": {"expire": False}, "ssh_pwauth": True}
    text: str = yaml.safe_dump(data, default_flow_style=False, sort_keys=False, width=10_000)
    return "#cloud-config\n" + text + (initialization.get("custom_script") or "")


def network_data(initialization: Mapping[str, Any]) -> dict[str, Any]:
    """Links by name, without any MAC; an address family without a protocol is left out."""
    links, networks = [], []
    for card in initialization.get("nic_configurations", []):
        found = [each for each in (_ipv4(card), _ipv6(card)) if each]
        for network in found:
            if servers := initialization.get("dns_servers"):
                network["dns_nameservers"] = servers.split(" ")
            if domains := initialization.get("dns_search"):
                network["dns_search"] = domains.split(" ")
        networks += found
        if found:
            links.append({"id": card["name"], "name": card["name"], "type": "vif"})
    services = [{"type": "dns", "address": server} for server in (initialization.get("dns_servers") or "").split(" ") if server]
    data = {"links": links, "networks": networks, "services": services}
    return {name: value for name, value in data.items() if value}


def check(initialization: Mapping[str, Any]) -> None:
    """Raises Fault for what the engine refuses in the configuration of cards."""
    for card in initialization.get("nic_configurations", []):
        if card.get("on_boot") is not True:
            raise refused("Cloud-Init's network configuration: 'Start on boot' must be true.")
        if card.get("boot_protocol") == "static" and not card.get("ip", {}).get("address"):
            raise refused("Cloud-Init's network configuration: IPv4 address must be supplied for a static IPv4 configuration.")
        if card.get("ipv6_boot_protocol") == "static" and not card.get("ipv6", {}).get("address"):
            raise refused("Cloud-Init's network configuration: IPv6 address must be supplied for a static IPv6 configuration.")
        if card.get("ipv6_boot_protocol") in ("autoconf", "poly_dhcp_autoconf"):
            said = "'Stateless address autoconfiguration' (auto conf) is not supported for virtual machines"
            raise refused(f"Cloud-Init's network configuration: {said}.")


def _ipv4(card: Mapping[str, Any]) -> dict[str, Any] | None:
    protocol = card.get("boot_protocol", "none")
    if protocol == "none":
        return None
    network = {"id": card["name"], "link": card["name"], "type": "ipv4_dhcp" if protocol == "dhcp" else "ipv4"}
    return network if protocol == "dhcp" else network | _address(card.get("ip", {}))


def _ipv6(card: Mapping[str, Any]) -> dict[str, Any] | None:
    protocol = card.get("ipv6_boot_protocol", "none")
    if protocol == "none":
        return None
    network = {"id": card["name"], "link": card["name"], "type": "ipv6_dhcp" if protocol == "dhcp" else "ipv6"}
    return network if protocol == "dhcp" else network | _address(card.get("ipv6", {}))


def _address(ip: Mapping[str, Any]) -> dict[str, Any]:
    names = {"address": "ip_address", "netmask": "netmask", "gateway": "gateway"}
    return {ours: ip[name] for name, ours in names.items() if ip.get(name)}


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, separators=(",", " : "))
