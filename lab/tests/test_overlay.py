import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import child, find, overlay
from lab import inventory as inventories
from lab import site as sites
from lab.errors import InputError
from lab.stages import ROOT


class AnySecret(dict[str, str]):
    """Every secret there could be."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return "placeholder"


@pytest.fixture(scope="module")
def rehearsal() -> Any:
    return inventories.build(sites.load(find.site()), AnySecret())


@pytest.fixture(scope="module")
def played(rehearsal: Any) -> Any:
    return overlay.apply(rehearsal, "forge", "lifeboat")


def test_the_machine_keeps_its_name_its_groups_and_its_roles_variables(rehearsal: Any, played: Any) -> None:
    before, after = (found["_meta"]["hostvars"]["forge"] for found in (rehearsal, played))
    same = {key for key in before if not overlay._is_of_the_stand_in(key)}
    assert same and {key: after[key] for key in same} == {key: before[key] for key in same}
    assert played["git"]["hosts"] == ["forge"]
    assert "forge" in played["lab"]["hosts"]


def test_its_roles_are_told_that_it_is_a_drill(rehearsal: Any, played: Any) -> None:
    assert played["_meta"]["hostvars"]["forge"]["git_server_is_drill"] is True
    assert "git_server_is_drill" not in overlay.apply(rehearsal, "store", "lifeboat")["_meta"]["hostvars"]["store"]
    assert "git_server_is_drill" not in rehearsal["_meta"]["hostvars"]["forge"]


def test_it_is_reached_and_made_as_its_stand_in(rehearsal: Any, played: Any) -> None:
    stand_in, machine = rehearsal["_meta"]["hostvars"]["lifeboat"], played["_meta"]["hostvars"]["forge"]
    for key in ("ansible_host", "machine_name", "machine_platform", "machine_spec", "baseline_hostname", "baseline_ntp_servers"):
        assert machine[key] == stand_in[key], key


def test_nothing_of_the_lost_machine_is_touched_in_a_drill(rehearsal: Any, played: Any) -> None:
    address = rehearsal["_meta"]["hostvars"]["forge"]["ansible_host"]
    container = rehearsal["_meta"]["hostvars"]["forge"]["machine_spec"]["container"]
    assert address not in [variables["ansible_host"] for variables in played["_meta"]["hostvars"].values()]
    assert container not in [variables["machine_spec"].get("container") for variables in played["_meta"]["hostvars"].values()]


def test_the_stand_in_has_no_name_of_its_own_any_more(played: Any) -> None:
    assert "lifeboat" not in played["_meta"]["hostvars"]
    assert all("lifeboat" not in data.get("hosts", []) for group, data in played.items() if group != "_meta")


def test_everyone_else_stays_as_he_is(rehearsal: Any, played: Any) -> None:
    others = set(rehearsal["_meta"]["hostvars"]) - {"forge", "lifeboat"}
    assert {name: played["_meta"]["hostvars"][name] for name in others} == {name: rehearsal["_meta"]["hostvars"][name] for name in others}


def test_the_inventory_it_is_made_from_is_not_changed(rehearsal: Any) -> None:
    before = json.dumps(rehearsal, sort_keys=True, default=str)
    overlay.apply(rehearsal, "forge", "lifeboat")
    assert json.dumps(rehearsal, sort_keys=True, default=str) == before


@pytest.mark.parametrize(("machine", "by"), [("forgery", "lifeboat"), ("forge", "lifebelt")])
def test_a_machine_the_site_does_not_have_is_refused(rehearsal: Any, machine: str, by: str) -> None:
    with pytest.raises(InputError, match="the site has no such machine; fix: one of"):
        overlay.apply(rehearsal, machine, by)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    told = overlay.StandIn(tmp_path / "site.yml", "forge", "lifeboat")
    path = overlay.write(overlay.path_of(tmp_path, "forge"), told)
    assert overlay.is_one(path)
    assert overlay.read(path) == told


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"site": "x"}', "name: forge"])
def test_a_file_that_does_not_say_who_plays_whom_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / f"x{overlay.ENDING}"
    path.write_text(text)
    with pytest.raises(InputError, match="does not say which machine is played by which"):
        overlay.read(path)


def test_a_site_is_never_taken_for_one() -> None:
    assert not overlay.is_one(find.site())


def listed(path: Path) -> Any:
    env = child.environment(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), STRATA_LOOK_ONLY="1")
    out = subprocess.run(["ansible-inventory", "-i", str(path), "--list"], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout, object_hook=lambda found: found.get("__ansible_unsafe", found))


def test_ansible_sees_the_stand_in_through_its_file_and_the_site_through_the_site(tmp_path: Path) -> None:
    path = overlay.write(overlay.path_of(tmp_path, "forge"), overlay.StandIn(find.site(), "forge", "lifeboat"))
    site, drill = (listed(file)["_meta"]["hostvars"] for file in (find.site(), path))
    assert drill["forge"]["ansible_host"] == site["lifeboat"]["ansible_host"]
    assert site["forge"]["ansible_host"] != site["lifeboat"]["ansible_host"]
