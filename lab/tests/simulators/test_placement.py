"""Where machines run: affinity groups, migrations, hypervisors that do not answer; with the unmodified SDK over HTTPS."""

from __future__ import annotations

from typing import Any

from lab.simulators.ovirt import Served
from lab.simulators.ovirt.backend import Seen
from lab.tests.simulators.test_resources import refused
from lab.tests.simulators.test_vms import backend, lab_with_template
from lab.tests.simulators.world import add_vm, admin, start, types, until


def group_of(system: Any, vms: list[Any], *, is_enforced: bool) -> Any:
    t = types()
    rule = t.AffinityRule(enabled=True, enforcing=is_enforced, positive=False)
    groups = system.clusters_service().cluster_service(vms[0].cluster.id).affinity_groups_service()
    return groups, groups.add(t.AffinityGroup(name="apart", vms_rule=rule, vms=[t.Vm(name=vm.name) for vm in vms]))


def test_machines_that_are_to_be_apart_run_apart_or_not_at_all(system: Any) -> None:
    lab_with_template(system, ("hv1", "hv2"))
    vms = [add_vm(system, name, "debian") for name in ("one", "two", "three")]
    group_of(system, vms, is_enforced=True)
    hosts = {start(system, vm).host.id for vm in vms[:2]}
    assert len(hosts) == 2
    third = system.vms_service().vm_service(vms[2].id)
    said = "The host hv1 did not satisfy internal filter VmAffinityGroups because it matched negative affinity rules apart."
    refused(409, said, third.start)
    refused(409, "negative affinity rules apart", system.vms_service().vm_service(vms[0].id).migrate)


def test_a_wish_to_be_apart_can_be_broken_is_told_and_repaired_by_a_migration(system: Any) -> None:
    t = types()
    lab_with_template(system, ("hv1", "hv2"))
    vms = [add_vm(system, name, "debian") for name in ("one", "two")]
    groups, group = group_of(system, vms, is_enforced=False)
    first, second = (start(system, vm) for vm in vms)
    assert not groups.group_service(group.id).get().broken
    service = system.vms_service().vm_service(vms[1].id)
    service.migrate(host=t.Host(id=first.host.id))
    until("together", service.get, lambda seen: str(seen.status) == "up" and seen.host.id == first.host.id)
    assert groups.group_service(group.id).get().broken
    service.migrate()
    until("apart", service.get, lambda seen: str(seen.status) == "up" and seen.host.id == second.host.id)
    assert not groups.group_service(group.id).get().broken


def test_members_of_a_group_come_and_go(system: Any) -> None:
    t = types()
    lab_with_template(system)
    vms = [add_vm(system, name, "debian") for name in ("one", "two")]
    groups, group = group_of(system, vms[:1], is_enforced=True)
    members = groups.group_service(group.id).vms_service()
    members.add(t.Vm(id=vms[1].id))
    found = groups.group_service(group.id).get()
    assert [vm.id for vm in found.vms] == [vm.id for vm in vms] and found.hosts == []
    assert (found.positive, found.enforcing, found.hosts_rule.enabled) == (False, True, False)
    members.vm_service(vms[0].id).remove()
    assert [vm.name for vm in members.list()] == ["two"]
    refused(404, "Entity not found: Vm: name=none", groups.add, t.AffinityGroup(name="x", vms=[t.Vm(name="none")]))
    refused(409, "Affinity Group name already exists", groups.add, t.AffinityGroup(name="apart"))


def test_a_migration_that_fails_leaves_the_machine_where_it_was(simulator: Served, system: Any) -> None:
    lab_with_template(system, ("hv1", "hv2"))
    vm = start(system, add_vm(system, "one", "debian"))
    backend(simulator).refuse("migrate", "the wire is cut")
    service = system.vms_service().vm_service(vm.id)
    service.migrate()
    said = until("an event", lambda: system.events_service().list(search="type=65"), bool)[0].description
    assert "the wire is cut" in said
    assert (str(service.get().status), service.get().host.id) == ("up", vm.host.id)


def test_machines_on_a_host_that_does_not_answer_are_unknown_until_it_does(simulator: Served, system: Any) -> None:
    lab_with_template(system)
    vm = start(system, add_vm(system, "one", "debian"))
    service = system.vms_service().vm_service(vm.id)
    admin(simulator, "POST", "/hosts/hv1", {"status": "non_responsive"})
    assert str(service.get().status) == "unknown"
    admin(simulator, "POST", "/hosts/hv1", {"status": "up"})
    assert str(service.get().status) == "up"


def test_a_hypervisor_that_goes_down_takes_its_machines_along_and_serves_again_when_it_is_back(simulator: Served, system: Any) -> None:
    lab_with_template(system)
    vm = start(system, add_vm(system, "one", "debian"))
    host, service = system.hosts_service().host_service(vm.host.id), system.vms_service().vm_service(vm.id)
    backend(simulator).refuse("is_reachable", "its machine is off")
    until("gone", host.get, lambda seen: str(seen.status) == "non_responsive")
    assert str(service.get().status) == "unknown"
    backend(simulator).report(vm.id, Seen("gone", detail="its hypervisor hv1 went down"))
    backend(simulator).refuse("is_reachable", "")
    until("back", host.get, lambda seen: str(seen.status) == "up")
    until("lost", service.get, lambda seen: str(seen.status) == "down")
    said = [event.description for event in system.events_service().list(max=20)]
    assert "VM one is down with error. Exit message: its hypervisor hv1 went down." in said
    assert "Host hv1 is non responsive." in said


def test_a_network_that_cannot_be_set_up_is_refused_and_stays_off_the_card(simulator: Served, system: Any) -> None:
    t = types()
    lab_with_template(system)
    host = system.hosts_service().host_service(system.hosts_service().list()[0].id)
    before = [attachment.id for attachment in host.network_attachments_service().list()]
    network = system.networks_service().add(t.Network(name="extra", data_center=t.DataCenter(name="Default")))
    cluster = system.clusters_service().list()[0]
    system.clusters_service().cluster_service(cluster.id).networks_service().add(t.Network(id=network.id))
    backend(simulator).refuse("add_hypervisor", "the card is not there")
    wanted = t.NetworkAttachment(network=t.Network(id=network.id), host_nic=t.HostNic(name="eth1"))
    refused(400, "Cannot setup Networks. the card is not there", lambda: host.setup_networks(modified_network_attachments=[wanted]))
    assert [attachment.id for attachment in host.network_attachments_service().list()] == before
