"""Documents, without a server."""

from __future__ import annotations

import pytest

from lab.simulators.ovirt import schema, xml
from lab.simulators.ovirt.errors import Fault


def test_the_model_is_that_of_the_api() -> None:
    found = schema.load()
    assert len(found.types) > 200
    assert found.types["Vm"]["cluster"] == schema.Field("one", "Cluster", False, "cluster")
    assert found.types["Network"]["usages"] == schema.Field("enum", "NetworkUsage", True, "usage")
    assert found.types["Initialization"]["nic_configurations"].item == "nic_configuration"
    assert "wait_for_launch" in found.words["VmStatus"]
    assert (found.roots["vms"], found.roots["vm"], found.plurals["Vm"]) == (("Vm", True), ("Vm", False), "vms")


def test_what_the_sdk_writes_is_read() -> None:
    from ovirtsdk4 import types as t  # type: ignore[import-untyped]
    from ovirtsdk4.writer import Writer  # type: ignore[import-untyped]

    boot = t.OperatingSystem(boot=t.Boot(devices=[t.BootDevice.HD]))
    card = t.NicConfiguration(name="eth0", on_boot=True, ip=t.Ip(address="10.0.0.9"))
    vm = t.Vm(name="<a & b>", memory=1, os=boot, initialization=t.Initialization(nic_configurations=[card]), cluster=t.Cluster(id="x"))
    assert xml.read(Writer.write(vm, indent=True).encode(), "Vm") == {
        "name": "<a & b>",
        "memory": 1,
        "os": {"boot": {"devices": ["hd"]}},
        "initialization": {"nic_configurations": [{"name": "eth0", "on_boot": True, "ip": {"address": "10.0.0.9"}}]},
        "cluster": {"id": "x"},
    }


@pytest.mark.parametrize(
    ("body", "reason", "said"),
    [
        (b"<vm><nam>x</nam></vm>", "Request syntactically incorrect.", "Element 'nam' is not part of 'vm'; did you mean name?"),
        (b"<vm><cpu><core/></cpu></vm>", "Request syntactically incorrect.", "Element 'core' is not part of 'cpu'"),
        (b"<vm><type>servr</type></vm>", "Invalid value", "servr is not a member of VmType; did you mean server?"),
        (b"<vm><memory>1g</memory></vm>", "Request syntactically incorrect.", "'1g' is not a value for 'memory', which takes a integer"),
        (b"<vm><stateless>maybe</stateless></vm>", "Request syntactically incorrect.", "'maybe' is not a value for 'stateless'"),
        (b"<vm><creation_time>today</creation_time></vm>", "Request syntactically incorrect.", "'today' is not a value"),
        (b"<host/>", "Request syntactically incorrect.", "The body is a document 'host', and this address takes 'vm'"),
        (b"<vms><vm/></vms>", "Request syntactically incorrect.", "The body is a document 'vms'"),
        (b"<vm><nics><disk/></nics></vm>", "Request syntactically incorrect.", "Element 'disk' is in a list of 'nic'"),
        (b"name: x", "Request syntactically incorrect.", "The body is not XML"),
        (b"", "Request syntactically incorrect.", "The body is not XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><vm/>', "Request syntactically incorrect.", "A document type is not accepted"),
    ],
)
def test_a_body_the_api_does_not_have_is_refused(body: bytes, reason: str, said: str) -> None:
    with pytest.raises(Fault) as refused:
        xml.read(body, "Vm")
    assert (refused.value.status, refused.value.reason) == (400, reason)
    assert said in refused.value.detail


def test_an_empty_text_is_never_written_as_an_empty_element() -> None:
    text = xml.write("vm", "Vm", {"id": "1", "description": "", "_secret": "x", "comment": None}).decode()
    assert "<description></description>" in text
    assert "secret" not in text and "comment" not in text
    assert text.startswith('<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<vm id="1">\n    <description>')


def test_an_element_the_api_does_not_have_cannot_be_written() -> None:
    with pytest.raises(KeyError):
        xml.write("vm", "Vm", {"colour": "red"})


def test_what_is_written_the_sdk_reads() -> None:
    from ovirtsdk4.reader import Reader  # type: ignore[import-untyped]

    body = {"id": "1", "href": "/x/1", "name": "a<b", "cpu": {"topology": {"cores": 2}}, "links": [("nics", "/x/1/nics")]}
    vm = Reader.read(xml.write("vm", "Vm", body).decode())
    assert (vm.id, vm.href, vm.name, vm.cpu.topology.cores, vm.nics.href) == ("1", "/x/1", "a<b", 2, "/x/1/nics")
    assert [each.id for each in Reader.read(xml.write_list("vms", "vm", "Vm", [body, body]).decode())] == ["1", "1"]
    assert Reader.read(xml.write_list("vms", "vm", "Vm", []).decode()) == []
