"""The site file: what is accepted and what becomes of it, what is refused and with which words."""

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from pydantic import ValidationError

from lab import site_checks, site_yaml
from lab.errors import InputError, Problem, SiteError, suggest
from lab.site import GROUPS, Site, load, schema_text

SITES = Path(__file__).parent / "sites"
ROOT = Path(__file__).parents[2]
SHIPPED = sorted(ROOT.glob("inventories/*/site.yml"))
VALID = [*sorted((SITES / "valid").glob("*.yml")), *SHIPPED]
INVALID = sorted((SITES / "invalid").glob("*.yml"))


def expected(file: Path) -> list[str]:
    """The messages in the first lines of a fixture."""
    lines = file.read_text().splitlines()
    return [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]


def name_of(file: Path) -> str:
    return file.parent.name if file.name == "site.yml" else file.stem


@pytest.mark.parametrize("file", INVALID, ids=name_of)
def test_an_invalid_site_is_refused_with_exactly_the_messages_in_its_first_lines(file: Path) -> None:
    with pytest.raises(SiteError) as refused:
        load(file)
    said = [str(problem).replace(f"{file.parent}/", "").removeprefix(f"{file.name}:") for problem in refused.value.problems]
    assert said == expected(file)


@pytest.mark.parametrize("file", VALID, ids=name_of)
def test_a_valid_site_loads_with_every_derived_value_filled_in(file: Path) -> None:
    site = load(file)
    assert site.path == file
    assert site.artifacts == file.parent / "artifacts"
    for name, subnet in site.network.subnets.items():
        assert subnet.name == name
        assert isinstance(subnet.cidr, IPv4Network)
        assert subnet.gateway in subnet.cidr
        assert subnet.dhcp is None or (subnet.dhcp.from_ in subnet.cidr and subnet.dhcp.to in subnet.cidr)
    for name, machine in site.machines.items():
        assert machine.name == name
        assert isinstance(machine.address, IPv4Address)
        for other, interface in machine.interfaces.items():
            assert interface.subnet == other
            assert interface.address in site.network.subnets[other].cidr
            assert machine.platform.kind == "metal" or (interface.mac and interface.interface)
    assert site.network.uplink.resolvers
    assert all(isinstance(record.address, IPv4Address) for record in site.network.records)
    assert all(isinstance(reservation.address, IPv4Address) for reservation in site.network.reservations)


def test_every_check_has_a_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a check, some invalid fixture has to get other messages than with it."""
    checks = site_checks.every()
    found: dict[str, int] = dict.fromkeys((check.__name__ for check in checks), 0)

    def counting(site: Site) -> list[site_checks.Finding]:
        for check in checks:
            found[check.__name__] += len(list(check(site)))
        return []

    monkeypatch.setattr(site_checks, "run", counting)
    for file in INVALID:
        try:
            load(file)
        except SiteError:
            continue
    assert [name for name, count in found.items() if not count] == []


def test_both_shipped_sites_have_the_same_groups() -> None:
    groups = {file.parent.name: {group for machine in load(file).machines.values() for group in machine.groups} for file in SHIPPED}
    assert groups["rehearsal"] == groups["production"] == set(GROUPS)


def test_the_rehearsal_has_a_client_in_every_subnet() -> None:
    site = load(ROOT / "inventories/rehearsal/site.yml")
    assert {subnet for machine in site.machines.values() for subnet in machine.interfaces} == set(site.network.subnets)


@pytest.mark.parametrize("file", SHIPPED, ids=name_of)
def test_shipped_sites_tell_editors_where_their_schema_is(file: Path) -> None:
    assert file.read_text().splitlines()[0] == "# yaml-language-server: $schema=../../site.schema.json"
    assert (file.parent / "../../site.schema.json").exists()


def test_the_shipped_schema_is_current() -> None:
    assert (ROOT / "site.schema.json").read_text() == schema_text(), "site.schema.json is old; run ./inv docs"


@pytest.mark.parametrize("file", VALID, ids=name_of)
def test_the_schema_accepts_what_load_accepts(file: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(json.dumps(site_yaml.read(file).data)), json.loads(schema_text()))


def test_a_site_is_frozen() -> None:
    site = load(SITES / "valid/small.yml")
    with pytest.raises(ValidationError, match="frozen"):
        site.name = "other"  # type: ignore[misc]


def test_an_unquoted_mac_address_is_text_though_yaml_reads_a_number() -> None:
    site = load(SITES / "valid/metal.yml")
    assert [item.mac for item in site.network.reservations] == ["52:54:00:00:00:01", "52:54:00:10:00:11"]


def test_who_is_reached_where() -> None:
    """A router in a container at its uplink, metal where its platform says, all others at their first interface."""
    small, metal = load(SITES / "valid/small.yml"), load(SITES / "valid/metal.yml")
    assert str(small.machines["gate"].address) == "10.91.0.2"
    assert str(small.machines["admin"].address) == "10.64.10.11"
    assert str(metal.machines["gate"].address) == "192.0.2.5"
    assert str(metal.machines["admin"].address) == "172.16.0.2"
    assert str(metal.machines["disk"].address) == "192.0.2.6"


def test_records_of_every_kind_have_an_address() -> None:
    site = load(SITES / "valid/metal.yml")
    assert {item.name: str(item.address) for item in site.network.records} == {
        "files": "172.16.4.2",
        "router": "172.16.0.1",
        "engine": "172.16.4.52",
        "elsewhere": "203.0.113.9",
    }


def test_a_missing_site_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"site.yml:1: there is no such file") as refused:
        load(tmp_path / "site.yml")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"name: \x00", b"[" * 100_000, b"&a [*a]", b"- " * 5000, b"!!python/object:os.system {}", b"? [a]\n: b"]
)
def test_what_is_no_site_at_all_is_refused_without_a_traceback(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_bytes(content)
    with pytest.raises(SiteError):
        load(tmp_path / "site.yml")


def test_problems_are_in_file_order_and_say_where_what_and_how() -> None:
    problems = [Problem(Path("site.yml"), 9, "b", "is wrong"), Problem(Path("site.yml"), 2, "a", "is bad", "mend it")]
    assert str(SiteError(problems)) == "site.yml:2: a: is bad; fix: mend it\nsite.yml:9: b: is wrong"


def test_a_suggestion_is_the_nearest_word_or_all_of_them() -> None:
    assert suggest("stroage", ["storage", "public"]) == "did you mean storage?"
    assert suggest("xyz", ["storage", "public"]) == "one of: public, storage"
    assert suggest("xyz", []) == ""
