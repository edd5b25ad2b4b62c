"""What every client meets first: who this is, logging in, refusals, and trouble on request; over real HTTPS."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InputError, LabError
from lab.simulators.ovirt import Served, injection, serve, serving
from lab.tests.simulators.world import add_host, admin, basic, request, types, until

API = "/ovirt-engine/api"


def test_it_says_everywhere_that_it_is_a_simulator(
    simulator: Served, system: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    product = system.get().product_info
    assert (product.name, product.vendor) == ("oVirt engine simulator (Strata)", "Strata (simulated, not ovirt.org)")
    assert (product.version.major, product.version.minor, product.version.full_version) == (4, 5, "4.5.7-simulated")
    first = system.events_service().list()[-1]
    assert (first.index, first.description) == (
        1,
        "This is the oVirt engine simulator (Strata), and no oVirt engine; backend: for tests only: nothing boots.",
    )
    assert request(simulator, "GET", API, headers=basic(simulator))[1]["Server"] == "oVirt-engine-simulator"
    assert admin(simulator, "GET")["backend"] == "for tests only: nothing boots"
    with caplog.at_level(logging.WARNING), serve(tmp_path / "other"):
        assert "oVirt engine simulator (Strata) at https://localhost:" in caplog.text


def test_it_refuses_the_port_of_a_real_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "REAL_ENGINE", tmp_path)
    with pytest.raises(InputError, match="a real oVirt engine is installed here"), serve(tmp_path / "simulator", port=443):
        pass


def test_two_simulators_on_one_folder_are_refused(simulator: Served, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="another simulator serves it; fix: end that one"), serve(tmp_path / "simulator"):
        pass


def test_a_wrong_password_is_an_authentication_error_and_an_event(simulator: Served, system: Any) -> None:
    import ovirtsdk4  # type: ignore[import-untyped]

    wrong = ovirtsdk4.Connection(url=simulator.url, username=simulator.user, password="wrong", ca_file=str(simulator.ca_file))
    with pytest.raises(ovirtsdk4.AuthError, match="Cannot authenticate user Invalid user credentials"):
        wrong.test(raise_exception=True)
    assert system.events_service().list(search="type=114")[0].description.startswith("User admin@internal connecting from '127.0.0.1'")


def test_another_authority_is_not_trusted(simulator: Served, tmp_path: Path) -> None:
    import ovirtsdk4

    with serve(tmp_path / "other") as other:
        wrong = ovirtsdk4.Connection(url=simulator.url, username=simulator.user, password=simulator.password, ca_file=str(other.ca_file))
        with pytest.raises(ovirtsdk4.Error, match="certificate"):
            wrong.test(raise_exception=True)


def test_the_authority_is_to_be_had_as_from_an_engine(simulator: Served) -> None:
    path = "/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA"
    assert request(simulator, "GET", path)[2] == simulator.ca_file.read_bytes()


def test_an_expired_token_is_renewed_by_a_client_with_a_password_and_not_by_one_without(simulator: Served, connection: Any) -> None:
    import ovirtsdk4

    token = connection.authenticate()
    without = ovirtsdk4.Connection(url=simulator.url, token=token, ca_file=str(simulator.ca_file))
    assert without.system_service().get()
    assert admin(simulator, "POST", "/tokens", {"expire": True}) == {"expired": 1}
    with pytest.raises(ovirtsdk4.Error):
        without.system_service().get()
    assert connection.system_service().get()
    assert connection.authenticate() != token


def test_tokens_end_by_themselves(simulator: Served, connection: Any) -> None:
    admin(simulator, "POST", "/tokens", {"lifetime_seconds": 2.0})  # long enough for a busy computer to ask once
    token = connection.authenticate()
    headers = {"Authorization": f"Bearer {token}"}
    assert request(simulator, "GET", API, headers=headers)[0] == 200
    _, answered, body = until("its end", lambda: request(simulator, "GET", API, headers=headers), lambda seen: seen[0] == 401)
    assert (answered["WWW-Authenticate"], body) == ('Basic realm="RESTAPI"', b"")


def test_a_token_handed_back_is_worth_nothing(simulator: Served) -> None:
    import ovirtsdk4

    connection = ovirtsdk4.Connection(
        url=simulator.url, username=simulator.user, password=simulator.password, ca_file=str(simulator.ca_file)
    )
    headers = {"Authorization": f"Bearer {connection.authenticate()}"}
    connection.close(logout=True)
    assert request(simulator, "GET", API, headers=headers)[0] == 401


def test_the_correlation_id_comes_back_and_stands_in_events(simulator: Served, system: Any) -> None:
    t = types()
    assert request(simulator, "GET", API, headers=basic(simulator) | {"Correlation-Id": "lab-7"})[1]["Correlation-Id"] == "lab-7"
    assert len(request(simulator, "GET", API, headers=basic(simulator))[1]["Correlation-Id"]) == 36
    system.data_centers_service().add(t.DataCenter(name="lab"), headers={"Correlation-Id": "lab-8"})
    found = system.events_service().list(search="correlation_id=lab-8")
    assert {event.correlation_id for event in found} == {"lab-8"} and 950 in {event.code for event in found}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/colours", 404),
        ("GET", "/vms/nobody", 404),
        ("GET", "/vms/00000000-0000-0000-0000-000000000001", 404),
        ("GET", "/clusters/nobody/networks", 404),
        ("POST", "/vms/nobody/start", 404),
        ("GET", "/../secrets", 404),
        ("PUT", "/vms", 405),
    ],
)
def test_what_is_not_there_is_404_with_an_empty_body(simulator: Served, method: str, path: str, status: int) -> None:
    answer = request(simulator, method, API + path, b"<action/>" if method == "POST" else b"", basic(simulator))
    assert (answer[0], answer[2]) == (status, b"")


def test_outside_of_the_api_there_is_nothing(simulator: Served) -> None:
    assert request(simulator, "GET", "/ovirt-engine/webadmin")[0] == 404


@pytest.mark.parametrize("path", ["/groups", "/vmpools", "/clusters/{cluster}/permissions", "/hosts/{host}/statistics"])
def test_what_the_engine_knows_and_the_simulator_does_not_is_said_and_not_made_up(simulator: Served, system: Any, path: str) -> None:
    host = add_host(system)
    path = path.format(cluster=host.cluster.id, host=host.id)
    status, _, body = request(simulator, "GET", API + path, headers=basic(simulator))
    assert status == 501
    assert f"The engine knows '{path[1:]}'; this simulator does not, and has changed nothing." in body.decode().replace("&#x27;", "'")


def test_an_action_the_simulator_does_not_do_is_refused_as_such(simulator: Served, system: Any) -> None:
    import ovirtsdk4

    host = add_host(system)
    with pytest.raises(ovirtsdk4.Error, match=f"The engine knows 'hosts/{host.id}/fence'") as refused:
        system.hosts_service().host_service(host.id).fence(fence_type="restart")
    assert refused.value.code == 501
    assert request(simulator, "POST", f"{API}/hosts/{host.id}/dance", b"<action/>", basic(simulator))[0] == 404


def test_a_known_element_that_is_not_simulated_is_refused_and_nothing_is_made(system: Any) -> None:
    import ovirtsdk4

    t = types()
    with pytest.raises(ovirtsdk4.Error, match="The engine knows element 'gluster_tuned_profile' of 'cluster'"):
        system.clusters_service().add(t.Cluster(name="lab", data_center=t.DataCenter(name="Default"), gluster_tuned_profile="x"))
    assert [cluster.name for cluster in system.clusters_service().list()] == ["Default"]


def test_a_search_by_an_unknown_key_is_refused(system: Any) -> None:
    import ovirtsdk4

    with pytest.raises(ovirtsdk4.Error, match="There is no key 'colour' to search by") as refused:
        system.vms_service().list(search="colour=red")
    assert refused.value.code == 400


def test_lists_are_paged_and_limited(system: Any) -> None:
    t = types()
    for number in range(5):
        system.data_centers_service().add(t.DataCenter(name=f"dc{number}"))
    centers = system.data_centers_service()
    assert [center.name for center in centers.list(search="sortby name page 2", max=2)] == ["dc2", "dc3"]
    assert [center.name for center in centers.list(max=1)] == ["Default"]
    assert centers.list(max=0) == []
    assert [center.name for center in centers.list(search="name=DC1", case_sensitive=False)] == ["dc1"]
    assert centers.list(search="name=DC1") == []


def test_links_are_followed_on_request_and_in_depth(simulator: Served, system: Any) -> None:
    import ovirtsdk4

    center = system.data_centers_service().list(follow="clusters.networks,mac_pool")[0]
    assert [network.name for network in center.clusters[0].networks] == ["ovirtmgmt"]
    assert center.mac_pool.name == "Default"
    assert not system.data_centers_service().list()[0].clusters
    with pytest.raises(ovirtsdk4.Error, match="There is nothing to follow under 'colours'"):
        system.data_centers_service().list(follow="colours")


def test_events_are_counted_up_and_asked_for_from_a_number(system: Any) -> None:
    t = types()
    last = system.events_service().list(max=1)[0]
    system.data_centers_service().add(t.DataCenter(name="lab"))
    found = system.events_service().list(from_=last.index)
    assert [event.index for event in found] == list(range(last.index + len(found), last.index, -1))
    assert found[0].code == 950 and str(found[0].severity) == "normal"
    assert len(system.events_service().list(search="type=950 or type=809")) == 3


def test_reading_writes_nothing_and_every_write_is_counted(simulator: Served, system: Any) -> None:
    t = types()
    add_host(system)
    admin(simulator, "DELETE", "/requests")
    system.hosts_service().list(follow="nics")
    system.events_service().list()
    assert admin(simulator, "GET")["writes"] == 0
    system.data_centers_service().add(t.DataCenter(name="lab"))
    with pytest.raises(Exception, match="already in use"):
        system.data_centers_service().add(t.DataCenter(name="lab"))
    state = admin(simulator, "GET")
    assert (state["writes"], state["by_method"]) == (2, {"GET": 2, "POST": 2})
    assert admin(simulator, "GET", "/requests")[-1] == f"POST {API}/datacenters"


def test_slow_answers_come_all_the_same(simulator: Served, system: Any) -> None:
    system.get()
    admin(simulator, "POST", "/faults", {"kind": "slow", "seconds": 0.4, "times": 1})
    begin = time.monotonic()
    assert system.get()
    assert time.monotonic() - begin > 0.4
    assert admin(simulator, "GET")["faults"] == []


def test_an_engine_that_starts_answers_503_with_a_page_of_its_proxy_and_then_is_ready(simulator: Served, system: Any) -> None:
    import ovirtsdk4

    system.get()
    admin(simulator, "POST", "/faults", {"kind": "unavailable", "for_seconds": 0.5})
    with pytest.raises(ovirtsdk4.Error, match="'text/html"):
        system.get()
    time.sleep(0.6)
    assert system.get()


def test_trouble_can_be_meant_for_some_requests_only_and_be_taken_back(simulator: Served, system: Any) -> None:
    import ovirtsdk4

    fault = {"kind": "fault", "method": "POST", "path": "/datacenters", "status": 409, "reason": "Operation Failed", "detail": "[Busy]"}
    admin(simulator, "POST", "/faults", fault)
    assert system.data_centers_service().list()
    with pytest.raises(ovirtsdk4.Error, match=r"\[Busy\]"):
        system.data_centers_service().add(types().DataCenter(name="lab"))
    admin(simulator, "DELETE", "/faults")
    assert system.data_centers_service().add(types().DataCenter(name="lab"))


def test_a_connection_can_be_cut(simulator: Served, system: Any) -> None:
    import ovirtsdk4

    system.get()
    admin(simulator, "POST", "/faults", {"kind": "drop"})
    with pytest.raises(ovirtsdk4.Error):
        system.get()
    admin(simulator, "DELETE", "/faults")
    assert system.get()


def test_words_the_admin_endpoint_does_not_know_are_refused(simulator: Served) -> None:
    def refused(method: str, path: str, body: bytes = b"") -> str:
        status, _, text = request(simulator, method, "/simulator" + path, body, basic(simulator))
        assert status in (400, 404)
        return text.decode()

    assert "kind 'fast' does not exist; fix: use one of slow," in refused("POST", "/faults", b'{"kind": "fast"}')
    assert "'colour' means nothing here" in refused("POST", "/faults", b'{"kind": "slow", "colour": 1}')
    assert "there is no delay 'hst'; did you mean host?" in refused("PUT", "/delays", b'{"hst": 1}')
    assert "there is no host 'hv9'" in refused("POST", "/hosts/hv9", b'{"status": "up"}')
    assert "does nothing" in refused("GET", "/colours")
    assert request(simulator, "GET", "/simulator")[0] == 401


def test_a_host_goes_down_and_comes_back(simulator: Served, system: Any) -> None:
    host = add_host(system)
    service = system.hosts_service().host_service(host.id)
    admin(simulator, "POST", "/hosts/hv1", {"status": "non_responsive"})
    assert str(service.get().status) == "non_responsive"
    assert system.events_service().list(search="type=12")[0].description == "Host hv1 is non responsive."
    admin(simulator, "POST", "/hosts/hv1", {"status": "up"})
    assert str(service.get().status) == "up"


def test_the_manual_names_every_kind_of_trouble_and_every_request_for_it() -> None:
    manual = (Path(serving.__file__).parent / "README.md").read_text()
    assert [kind for kind in injection.KINDS if f"`{kind}`" not in manual] == []
    assert [name for name in ("requests", "faults", "tokens", "delays", "hosts") if f" /simulator/{name}" not in manual] == []
