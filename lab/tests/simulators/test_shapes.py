"""Every kind of answer against recordings of real engines: what is always there is there, and what never was is not."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from lab.simulators.ovirt import Served
from lab.tests.simulators.shapes import SHAPES, compare
from lab.tests.simulators.world import add_domain, add_host, add_template, add_vm, basic, request, start, types


@pytest.fixture
def lab(system: Any) -> Any:
    """A lab with one object of every recorded kind at least."""
    t = types()
    add_host(system)
    domain = add_domain(system)
    system.networks_service().add(t.Network(name="storage", data_center=t.DataCenter(name="Default"), vlan=t.Vlan(id=30), mtu=9000))
    add_template(system)
    vm = start(system, add_vm(system, "one", "debian"))
    system.vms_service().vm_service(vm.id).snapshots_service().add(t.Snapshot(description="before"))
    center = system.data_centers_service().list()[0]
    return {"vm": vm.id, "domain": domain.id, "center": center.id}


ADDRESSES = {
    "cluster": ("clusters", "datacenters/{center}/clusters"),
    "data_center": ("datacenters",),
    "host": ("hosts",),
    "network": ("networks", "datacenters/{center}/networks"),
    "storage_domain": ("storagedomains",),
    "template": ("templates", "storagedomains/{domain}/templates"),
    "vm": ("vms",),
    "vnic_profile": ("vnicprofiles",),
    "disk_attachment": ("vms/{vm}/diskattachments",),
    "snapshot": ("vms/{vm}/snapshots",),
}


def shown(served: Served, path: str) -> list[ElementTree.Element]:
    status, headers, body = request(served, "GET", f"/ovirt-engine/api/{path}", headers=basic(served))
    assert (status, headers.get_content_type()) == (200, "application/xml")
    return list(ElementTree.fromstring(body))


def test_every_kind_of_answer_is_as_it_was_recorded(simulator: Served, lab: Any) -> None:
    problems = []
    for kind, paths in ADDRESSES.items():
        for path in paths:
            found = shown(simulator, path.format(**lab))
            assert found, path
            for element in found:
                problems += list(compare(kind, element))
    assert not problems, "\n".join(problems)
    assert set(ADDRESSES) == set(SHAPES)


@pytest.mark.parametrize("path", ["clusters", "datacenters", "hosts", "networks", "storagedomains", "templates", "vms"])
def test_what_is_sent_begins_as_the_engines_documents_do(simulator: Served, path: str) -> None:
    body = request(simulator, "GET", f"/ovirt-engine/api/{path}", headers=basic(simulator))[2].decode()
    assert body.startswith('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<')


def test_a_difference_is_told() -> None:
    other = ElementTree.fromstring("<vnic_profile href='x' id='1'><name>a</name><colour/><network id='2' name='b'/></vnic_profile>")
    assert list(compare("vnic_profile", other)) == [
        "vnic_profile a: pass_through is missing",
        "vnic_profile a: port_mirroring is missing",
        "vnic_profile a: colour was never recorded",
        "vnic_profile a: links ['permissions'] differ",
        "vnic_profile a: network has ['@name'], which was never recorded",
    ]
