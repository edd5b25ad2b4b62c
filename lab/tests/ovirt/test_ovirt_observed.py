"""What an engine answers, in the words of the model: from XML as engines write it, read by the SDK, without a server."""

from __future__ import annotations

from typing import Any, cast

import pytest

from lab.ovirt.engine import Engine
from lab.ovirt.kinds import KINDS
from lab.ovirt.state import State

pytest.importorskip("ovirtsdk4")

ANSWERS = {
    "mac_pools": """<mac_pools><mac_pool id="p1"><name>Default</name>
        <allow_duplicates>false</allow_duplicates><default_pool>true</default_pool>
        <ranges><range><from>56:6f:00:00:00:00</from><to>56:6f:ff:ff:ff:ff</to></range></ranges></mac_pool></mac_pools>""",
    "data_centers": """<data_centers>
        <data_center id="d1"><name>lab</name><description></description><status>up</status>
          <storage_domains><storage_domain id="s1"><name>nas</name><status>active</status></storage_domain></storage_domains></data_center>
        <data_center id="d2"><name>other</name><description/><status>uninitialized</status></data_center></data_centers>""",
    "clusters": """<clusters><cluster id="c1"><name>main</name><description></description><cpu><type>Intel Nehalem Family</type></cpu>
        <data_center id="d1"/><mac_pool id="p1"/>
        <networks><network id="n1"><name>ovirtmgmt</name><required>true</required></network>
                  <network id="n2"><name>storage</name><required>false</required></network></networks>
        <affinity_groups>
          <affinity_group id="a1"><name>spread</name><description></description>
            <vms_rule><enabled>true</enabled><enforcing>true</enforcing><positive>false</positive></vms_rule>
            <vms><vm id="v1"/><vm id="gone"/></vms></affinity_group>
          <affinity_group id="a2"><name>off</name><vms_rule><enabled>false</enabled></vms_rule></affinity_group>
        </affinity_groups></cluster></clusters>""",
    "networks": """<networks>
        <network id="n1"><name>ovirtmgmt</name><description>m</description><mtu>0</mtu>
          <usages><usage>management</usage><usage>vm</usage></usages>
          <data_center id="d1"/></network>
        <network id="n2"><name>storage</name><description></description><mtu>9000</mtu><vlan id="20"/><usages/><data_center id="d1"/>
          </network>
        </networks>""",
    "vnic_profiles": """<vnic_profiles><vnic_profile id="pr1"><name>ovirtmgmt</name><port_mirroring>false</port_mirroring>
        <network id="n1"/></vnic_profile></vnic_profiles>""",
    "hosts": """<hosts><host id="h1"><name>node1</name><address>10.0.0.11</address><cluster id="c1"/><status>non_responsive</status>
        <nics><host_nic id="i1"><name>eth1</name></host_nic></nics>
        <network_attachments>
          <network_attachment id="t1"><host_nic id="i1"/><network id="n2"/><ip_address_assignments><ip_address_assignment>
            <assignment_method>static</assignment_method><ip><address>10.0.1.11</address><netmask>255.255.255.0</netmask><gateway></gateway>
            <version>v4</version></ip></ip_address_assignment></ip_address_assignments></network_attachment>
          <network_attachment id="t2"><host_nic id="i1"/><network id="n1"/><ip_address_assignments><ip_address_assignment>
            <assignment_method>dhcp</assignment_method></ip_address_assignment></ip_address_assignments></network_attachment>
        </network_attachments></host></hosts>""",
    "storage_domains": """<storage_domains>
        <storage_domain id="s1"><name>nas</name><description></description><type>data</type><master>true</master>
          <storage><type>nfs</type><address>nas.lab</address><path>/srv/vms</path></storage></storage_domain>
        <storage_domain id="s2"><name>loose</name><type>export</type><status>unattached</status>
          <storage><type>nfs</type><address>nas.lab</address><path>/srv/old</path></storage></storage_domain>
        </storage_domains>""",
    "templates": """<templates>
        <template id="00000000-0000-0000-0000-000000000000"><name>Blank</name><status>ok</status>
          <version><version_number>1</version_number></version></template>
        <template id="t9"><name>debian</name><description>strata sha256:abc</description><status>ok</status><cluster id="c1"/>
          <version><version_number>1</version_number></version>
          <disk_attachments><disk_attachment id="k1"/></disk_attachments></template>
        <template id="t10"><name>half</name><description>strata making sha256:def</description><status>locked</status></template>
        </templates>""",
    "vms": """<vms><vm id="v1"><name>web</name><description></description><status>up</status><memory>1073741824</memory>
        <cpu><topology><cores>2</cores><sockets>2</sockets><threads>1</threads></topology></cpu>
        <cluster id="c1"/><template id="t9"/><original_template id="t9"/><host id="h1"/>
        <next_run_configuration_exists>false</next_run_configuration_exists>
        <initialization><host_name>web</host_name><nic_configurations><nic_configuration><boot_protocol>static</boot_protocol>
          <ip><address>10.0.1.50</address><netmask>255.255.255.0</netmask></ip><name>eth0</name></nic_configuration></nic_configurations>
        </initialization>
        <nics><nic id="x1"><name>nic1</name><mac><address>56:6f:00:00:00:01</address></mac><vnic_profile id="pr1"/></nic>
              <nic id="x2"><name>nic2</name></nic></nics>
        <disk_attachments>
          <disk_attachment id="k1"><bootable>true</bootable>
            <disk id="k1"><name>debian</name><provisioned_size>2147483648</provisioned_size></disk></disk_attachment>
          <disk_attachment id="k2"><bootable>false</bootable>
            <disk id="k2"><name>data</name><provisioned_size>10737418240</provisioned_size>
            <storage_domains><storage_domain id="s1"/></storage_domains></disk></disk_attachment></disk_attachments>
        <reported_devices><reported_device id="r1"><ips><ip><address>127.0.0.1</address></ip><ip><address>fe80::1</address></ip>
          <ip><address>10.0.1.50</address></ip></ips></reported_device></reported_devices></vm></vms>""",
}


@pytest.fixture
def state() -> State:
    from ovirtsdk4.reader import Reader  # type: ignore[import-untyped]

    found = State(cast(Engine, None))  # nothing is asked: every collection is there
    found._kept = {collection: list(Reader.read(xml)) for collection, xml in ANSWERS.items()}
    return found


VALUES: dict[str, dict[str, dict[str, Any]]] = {
    "mac_pool": {"Default": {"ranges": ["56:6f:00:00:00:00 to 56:6f:ff:ff:ff:ff"], "allow_duplicates": False}},
    "data_center": {"lab": {"description": ""}, "other": {"description": ""}},
    "cluster": {"main": {"data_center": "lab", "description": "", "cpu_type": "Intel Nehalem Family", "mac_pool": "Default"}},
    "network": {
        "lab/ovirtmgmt": {"vlan": None, "mtu": 1500, "vm_network": True, "description": "m", "clusters": {"main": "required"}},
        "lab/storage": {"vlan": 20, "mtu": 9000, "vm_network": False, "description": "", "clusters": {"main": "optional"}},
    },
    "vnic_profile": {"lab/ovirtmgmt/ovirtmgmt": {"port_mirroring": False, "description": ""}},
    "hypervisor": {"node1": {"address": "10.0.0.11", "cluster": "main", "state": "non_responsive"}},
    "hypervisor_network": {
        "node1/storage": {"interface": "eth1", "address": "10.0.1.11/24", "gateway": None},
        "node1/ovirtmgmt": {"interface": "eth1", "address": "dhcp", "gateway": None},
    },
    "storage_domain": {
        "nas": {"data_center": "lab", "address": "nas.lab", "path": "/srv/vms", "type": "data", "state": "active", "description": ""},
        "loose": {
            "data_center": None,
            "address": "nas.lab",
            "path": "/srv/old",
            "type": "export",
            "state": "unattached",
            "description": "",
        },
    },
    "template": {"Blank": {"cluster": None, "sha256": None}, "debian": {"cluster": "main", "sha256": "abc"}},
    "vm": {
        "web": {
            "cluster": "main",
            "template": "debian",
            "memory_mib": 1024,
            "vcpus": 4,
            "state": "running",
            "description": "",
            "nics": {"nic1": {"plugged": "ovirtmgmt/ovirtmgmt", "mac": "56:6f:00:00:00:01"}, "nic2": {"plugged": "", "mac": None}},
            "disks": {"data": {"size_gib": 10, "storage_domain": "nas"}},
            "disk_gib": 2,
            "hostname": "web",
            "addresses": {"eth0": "10.0.1.50/24"},
        }
    },
    "affinity_group": {
        "main/spread": {"rule": "apart", "enforcing": True, "description": "", "vms": ["gone", "web"]},
        "main/off": {"rule": None, "enforcing": None, "description": "", "vms": []},
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_engine_has_is_told_in_the_words_of_the_model(kind: str, state: State) -> None:
    assert {key: seen.values for key, seen in KINDS[kind].observe(state).items()} == VALUES[kind]


def test_what_only_planners_look_at_comes_along(state: State) -> None:
    vm = KINDS["vm"].observe(state)["web"].notes
    assert (vm["hypervisor"], vm["reported"], vm["status"]) == ("node1", ["10.0.1.50"], "up")
    assert (vm["nics"], vm["disks"]) == ({"nic1": "x1", "nic2": "x2"}, {"debian": "k1", "data": "k2"})
    assert KINDS["template"].observe(state)["debian"].notes == {"disks": 1}
    assert KINDS["storage_domain"].observe(state)["nas"].notes == {"data_center": "d1", "master": True, "last": True}


def test_a_template_that_is_still_being_made_is_not_there_yet(state: State) -> None:
    assert "half" not in KINDS["template"].observe(state)


@pytest.mark.parametrize("status", ["up", "powering_up", "migrating"])
def test_a_vm_on_its_way_up_counts_as_running(status: str, state: State) -> None:
    from ovirtsdk4.types import VmStatus  # type: ignore[import-untyped]

    state.objects("vms")[0].status = VmStatus(status)
    assert KINDS["vm"].observe(state)["web"].values["state"] == "running"


def test_a_vm_that_hangs_is_neither_running_nor_stopped(state: State) -> None:
    from ovirtsdk4.types import VmStatus

    state.objects("vms")[0].status = VmStatus.NOT_RESPONDING
    assert KINDS["vm"].observe(state)["web"].values["state"] == "not_responding"
