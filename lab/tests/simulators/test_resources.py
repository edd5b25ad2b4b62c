"""Data centers, clusters, hypervisors and networks, with the unmodified SDK over HTTPS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.simulators.ovirt import Served, serve
from lab.simulators.ovirt.backend import BackendForTests
from lab.tests.simulators.conftest import NO_DELAYS
from lab.tests.simulators.world import add_domain, add_host, add_template, add_vm, admin, basic, request, start, types, until, until_status


def refused(code: int, said: str, call: Any, *words: Any, **more: Any) -> None:
    """The call fails with this status and text."""
    import ovirtsdk4  # type: ignore[import-untyped]

    with pytest.raises(ovirtsdk4.Error) as error:
        call(*words, **more)
    assert (error.value.code, said in str(error.value)) == (code, True), str(error.value)


def test_a_data_center_comes_with_a_management_network_and_goes_with_it(system: Any) -> None:
    t = types()
    centers = system.data_centers_service()
    center = centers.add(t.DataCenter(name="lab", description="The lab"))
    assert (str(center.status), str(center.quota_mode), center.version.major, center.local) == ("uninitialized", "disabled", 4, False)
    service = centers.data_center_service(center.id)
    assert [network.name for network in service.networks_service().list()] == ["ovirtmgmt"]
    assert service.update(t.DataCenter(description="Changed")).description == "Changed"
    refused(409, "[Cannot add Data Center. The Data Center name is already in use.]", centers.add, t.DataCenter(name="lab"))
    refused(409, "[Cannot edit Data Center. The Data Center name is already in use.]", service.update, t.DataCenter(name="Default"))
    refused(400, "DataCenter [name] required for add", centers.add, t.DataCenter())
    service.remove()
    assert [network.name for network in system.networks_service().list()] == ["ovirtmgmt"]
    assert [profile.name for profile in system.vnic_profiles_service().list()] == ["ovirtmgmt"]


def test_a_cluster_has_what_modules_look_at_and_is_only_removed_empty(system: Any) -> None:
    t = types()
    clusters = system.clusters_service()
    cpu = t.Cpu(type="Intel Nehalem Family")
    cluster = clusters.add(t.Cluster(name="lab", data_center=t.DataCenter(name="Default"), cpu=cpu, ksm=t.Ksm(enabled=False)))
    assert (cluster.cpu.type, str(cluster.cpu.architecture), cluster.ksm.enabled, cluster.ksm.merge_across_nodes) == (
        cpu.type,
        "x86_64",
        False,
        True,
    )
    assert [profile.name for profile in clusters.cluster_service(cluster.id).cpu_profiles_service().list()] == ["lab"]
    assert [network.name for network in clusters.cluster_service(cluster.id).networks_service().list()] == ["ovirtmgmt"]
    refused(
        409,
        "[Cannot add Cluster. Cluster name is already in use.]",
        clusters.add,
        t.Cluster(name="lab", data_center=t.DataCenter(name="Default")),
    )
    refused(404, "Entity not found: DataCenter: name=none", clusters.add, t.Cluster(name="x", data_center=t.DataCenter(name="none")))
    refused(400, "Cluster [dataCenter.name|id] required for add", clusters.add, t.Cluster(name="x"))
    host = add_host(system, "hv1", "lab")
    refused(409, "[Cannot remove Cluster. Cluster contains one or more Hosts]", clusters.cluster_service(cluster.id).remove)
    hosts = system.hosts_service().host_service(host.id)
    hosts.deactivate()
    until_status(hosts, "maintenance")
    hosts.remove()
    clusters.cluster_service(cluster.id).remove()
    assert [each.name for each in clusters.list()] == ["Default"]


def test_a_host_is_installed_then_up_and_is_what_the_backend_found(tmp_path: Path) -> None:
    import ovirtsdk4

    t = types()
    delays = NO_DELAYS | {"host": 0.3}
    with serve(tmp_path, backend=BackendForTests(memory=8 * 1024**3), delays=delays) as served:
        connection = ovirtsdk4.Connection(url=served.url, username=served.user, password=served.password, ca_file=str(served.ca_file))
        hosts = connection.system_service().hosts_service()
        host = hosts.add(t.Host(name="hv1", address="hv1.lab.test", root_password="x"))
        statuses = [str(host.status)]

        def probe() -> str:
            statuses.append(str(hosts.host_service(host.id).get().status))
            return statuses[-1]

        until("up", probe, lambda seen: seen == "up")
        assert list(dict.fromkeys(statuses)) == ["installing", "initializing", "up"]
        found = hosts.host_service(host.id).get()
        assert (found.memory, found.cpu.topology.cores, found.os.custom_kernel_cmdline) == (8 * 1024**3, 8, "")
        assert [nic.name for nic in hosts.host_service(host.id).nics_service().list()] == ["eth0", "eth1"]
        connection.close()


def test_a_host_is_kept_in_maintenance_where_it_is_not_to_be_activated(system: Any) -> None:
    t = types()
    host = system.hosts_service().add(
        t.Host(name="hv1", address="a", ssh=t.Ssh(authentication_method=t.SshAuthenticationMethod.PUBLICKEY)), activate=False
    )
    service = system.hosts_service().host_service(host.id)
    until_status(service, "maintenance")
    service.activate()
    until_status(service, "up")
    refused(409, "[Cannot activate Host. Host in Up status.]", service.activate)


def test_a_host_that_cannot_be_installed_says_why_in_an_event(simulator: Served, system: Any) -> None:
    t = types()
    simulator.engine.backend.refuse("add_hypervisor", "no route to host")  # type: ignore[attr-defined]
    host = system.hosts_service().add(t.Host(name="hv1", address="a", root_password="x"))
    until_status(system.hosts_service().host_service(host.id), "install_failed")
    assert system.events_service().list(search="type=505")[0].description == "Host hv1 installation failed. no route to host."
    jobs = system.jobs_service().list()
    assert [(job.description, str(job.status)) for job in jobs] == [("Adding new Host hv1", "failed")]


def test_hosts_are_refused_as_the_engine_refuses_them(system: Any) -> None:
    t = types()
    hosts = system.hosts_service()
    host = add_host(system)
    service = hosts.host_service(host.id)
    refused(400, "[Cannot install Host with empty password.]", hosts.add, t.Host(name="x", address="x"))
    refused(400, "Host [address] required for add", hosts.add, t.Host(name="x", root_password="x"))
    refused(409, "Host with the same address already exists", hosts.add, t.Host(name="x", address="hv1.lab.test", root_password="x"))
    refused(409, "The Host name is already in use", hosts.add, t.Host(name="hv1", address="x", root_password="x"))
    refused(409, "[Cannot remove Host. Host is operational. Please switch Host to Maintenance mode first.]", service.remove)
    refused(409, "[Cannot install Host. Please move Host to Maintenance mode first.]", service.install, root_password="x")
    refused(409, "Host parameters cannot be modified while Host is operational", service.update, t.Host(address="other"))


def test_passwords_are_nowhere_in_the_state(simulator: Served, system: Any, tmp_path: Path) -> None:
    system.hosts_service().add(types().Host(name="hv1", address="a", root_password="hunter2hunter2"))
    files = [file for file in (tmp_path / "simulator").rglob("*") if file.is_file()]
    assert files and not [file for file in files if b"hunter2hunter2" in file.read_bytes()]


def test_a_network_gets_a_profile_of_its_name_and_its_place_in_a_cluster(system: Any) -> None:
    t = types()
    center = t.DataCenter(name="Default")
    networks = system.networks_service()
    network = networks.add(t.Network(name="storage", data_center=center, vlan=t.Vlan(id=30), mtu=9000, usages=[t.NetworkUsage.VM]))
    assert (network.vlan.id, network.mtu, [str(usage) for usage in network.usages]) == (30, 9000, ["vm"])
    assert [profile.name for profile in networks.network_service(network.id).vnic_profiles_service().list()] == ["storage"]
    cluster = system.clusters_service().list()[0]
    places = system.clusters_service().cluster_service(cluster.id).networks_service()
    place = places.add(t.Network(id=network.id, required=False))
    assert (place.required, place.name, str(place.status)) == (False, "storage", "operational")
    place = places.network_service(network.id).update(t.Network(required=True, usages=[t.NetworkUsage.MIGRATION]))
    assert (place.required, {str(usage) for usage in place.usages}) == (True, {"vm", "migration"})
    refused(409, "Logical Network is already attached to Cluster.", places.add, t.Network(id=network.id))
    other = networks.add(t.Network(name="plain", data_center=center, usages=[]))
    assert other.usages == [] and networks.network_service(other.id).vnic_profiles_service().list() == []
    refused(409, "The specified VLAN ID (30) is already in use.", networks.add, t.Network(name="x", data_center=center, vlan=t.Vlan(id=30)))
    refused(
        400, "VLAN ID must be a number between 0 and 4094.", networks.add, t.Network(name="x", data_center=center, vlan=t.Vlan(id=5000))
    )
    refused(
        409,
        "is already used by an existing logical network in the same data-center",
        networks.add,
        t.Network(name="storage", data_center=center),
    )
    management = networks.list(search="name=ovirtmgmt")[0]
    refused(
        400, "[The Management Network ('ovirtmgmt') is mandatory and cannot be removed.]", networks.network_service(management.id).remove
    )
    networks.network_service(network.id).remove()
    assert [each.name for each in places.list()] == ["ovirtmgmt"]


def test_networks_are_set_up_on_the_cards_of_a_host_all_or_none(system: Any) -> None:
    t = types()
    host = add_host(system)
    service = system.hosts_service().host_service(host.id)
    network = system.networks_service().add(t.Network(name="storage", data_center=t.DataCenter(name="Default"), vlan=t.Vlan(id=30)))
    wanted = t.NetworkAttachment(network=t.Network(name="storage"), host_nic=t.HostNic(name="eth1"))
    setup = service.setup_networks
    refused(400, "The following Logical Networks don't exist in the Host's Cluster: storage.", setup, modified_network_attachments=[wanted])
    cluster = system.clusters_service().cluster_service(host.cluster.id)
    cluster.networks_service().add(t.Network(id=network.id, required=False))
    nowhere = t.NetworkAttachment(network=t.Network(name="storage"), host_nic=t.HostNic(name="eth9"))
    refused(400, "The following Network Interfaces don't exist on the Host: eth9.", setup, modified_network_attachments=[nowhere])
    second = t.NetworkAttachment(network=t.Network(name="ovirtmgmt"), host_nic=t.HostNic(name="eth1"))
    refused(409, "attached to more than one Network Interface: ovirtmgmt", setup, modified_network_attachments=[wanted, second])
    assert len(service.network_attachments_service().list()) == 1  # nothing of the refused request stays
    ip = t.IpAddressAssignment(assignment_method=t.BootProtocol.STATIC, ip=t.Ip(address="10.0.30.11", netmask="255.255.255.0"))
    setup(modified_network_attachments=[t.NetworkAttachment(network=wanted.network, host_nic=wanted.host_nic, ip_address_assignments=[ip])])
    attachment = service.network_attachments_service().list()[1]
    assert (attachment.host_nic.name, attachment.ip_address_assignments[0].ip.address, attachment.in_sync) == ("eth1", "10.0.30.11", True)
    nic = service.nics_service().list()[1]
    assert [each.id for each in service.nics_service().nic_service(nic.id).network_attachments_service().list()] == [attachment.id]
    setup(removed_network_attachments=[t.NetworkAttachment(id=attachment.id)])
    assert len(service.network_attachments_service().list()) == 1


def test_profiles_are_one_of_a_name_per_network_and_not_removed_in_use(system: Any) -> None:
    t = types()
    profiles = system.vnic_profiles_service()
    network = system.networks_service().list()[0]
    filters = system.network_filters_service().list()
    quiet = profiles.add(
        t.VnicProfile(name="quiet", network=t.Network(id=network.id), port_mirroring=True, network_filter=t.NetworkFilter(id=filters[1].id))
    )
    assert (quiet.network_filter.id, quiet.port_mirroring, str(quiet.pass_through.mode)) == (filters[1].id, True, "disabled")
    refused(
        400,
        "is already used by an existing profile for the same network",
        profiles.add,
        t.VnicProfile(name="quiet", network=t.Network(id=network.id)),
    )
    profiles.profile_service(quiet.id).remove()
    add_host(system)
    add_domain(system)
    add_template(system)
    used = profiles.list()[0]
    refused(400, "This VM network interface profile is used by VMs:  nic1, nic1.", profiles.profile_service(used.id).remove)


def test_maintenance_moves_machines_away_and_is_refused_where_they_cannot_go(system: Any) -> None:
    add_host(system)
    add_domain(system)
    add_template(system)
    vm = start(system, add_vm(system, "one", "debian"))
    hosts = system.hosts_service()
    first = hosts.host_service(vm.host.id)
    refused(409, "have running VMs and cannot be switched to maintenance mode: hv1", first.deactivate)
    second = add_host(system, "hv2")
    first.deactivate()
    until_status(first, "maintenance")
    assert system.vms_service().vm_service(vm.id).get().host.id == second.id
    assert {62, 63, 15} <= {event.code for event in system.events_service().list()}


def test_an_object_written_back_as_it_was_read_is_what_it_was(system: Any) -> None:
    add_host(system)
    add_domain(system)
    add_template(system)
    add_vm(system, "one", "debian")
    for services in (
        system.data_centers_service(),
        system.clusters_service(),
        system.hosts_service(),
        system.networks_service(),
        system.vnic_profiles_service(),
        system.storage_domains_service(),
        system.vms_service(),
        system.mac_pools_service(),
    ):
        for found in services.list():
            before = text(found)
            assert text(services.service(found.id).update(found)) == before
            assert text(services.service(found.id).get()) == before


def text(found: Any) -> str:
    """All of an object."""
    from ovirtsdk4.writer import Writer  # type: ignore[import-untyped]

    return str(Writer.write(found, indent=True))


def test_the_making_of_an_object_can_be_asked_after(simulator: Served, system: Any) -> None:
    add_host(system)
    add_domain(system)
    body = b"<disk><name>x</name><format>cow</format><provisioned_size>1048576</provisioned_size><sparse>true</sparse>"
    body += b"<storage_domains><storage_domain><name>data</name></storage_domain></storage_domains></disk>"
    headers = basic(simulator) | {"Content-Type": "application/xml"}
    status, answered, document = request(simulator, "POST", "/ovirt-engine/api/disks", body, headers)
    assert (status, b"<creation_status>pending</creation_status>" in document) == (202, True)
    assert answered["Location"].startswith(f"{simulator.url}/disks/")
    link = next(part.split('"')[0] for part in document.decode().split('href="') if "/creation_status/" in part.split('"')[0])
    until("made", lambda: request(simulator, "GET", link, headers=headers)[2], lambda seen: b"<status>complete</status>" in seen)
    assert request(simulator, "GET", link[:-1] + "x", headers=headers)[0] == 404


def test_a_network_loses_its_tag_by_an_empty_element_and_its_places_with_its_data_center(system: Any) -> None:
    t = types()
    center = system.data_centers_service().add(t.DataCenter(name="lab"))
    cluster = system.clusters_service().add(t.Cluster(name="lab", data_center=t.DataCenter(name="lab")))
    host = add_host(system, "hv1", "lab")
    network = system.networks_service().add(t.Network(name="storage", data_center=t.DataCenter(name="lab"), vlan=t.Vlan(id=30)))
    system.clusters_service().cluster_service(cluster.id).networks_service().add(t.Network(id=network.id))
    card = t.NetworkAttachment(network=t.Network(name="storage"), host_nic=t.HostNic(name="eth1"))
    system.hosts_service().host_service(host.id).setup_networks(modified_network_attachments=[card])
    assert system.networks_service().network_service(network.id).update(t.Network(vlan=t.Vlan())).vlan is None
    system.data_centers_service().data_center_service(center.id).remove()
    assert system.hosts_service().list(follow="nics,network_attachments")[0].network_attachments == []


def test_a_host_that_is_down_does_not_come_up_by_being_activated(simulator: Served, system: Any) -> None:
    service = system.hosts_service().host_service(add_host(system).id)
    admin(simulator, "POST", "/hosts/hv1", {"status": "non_responsive"})
    service.activate()
    until_status(service, "non_responsive")
    admin(simulator, "POST", "/hosts/hv1", {"status": "up"})
    assert str(service.get().status) == "up"
