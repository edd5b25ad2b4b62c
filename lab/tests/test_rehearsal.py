"""The whole-stack test itself, as far as it can be seen without a machine; `./inv test.rehearsal` is the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab import find, rehearsal, stages
from lab import site as sites
from lab.errors import LabError


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with every verb that is run, in place of running it."""
    seen = tmp_path / "verbs"
    write = f"import sys; open({str(seen)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')"
    monkeypatch.setattr(rehearsal, "_command", lambda *words: [sys.executable, "-c", write, *words])
    return seen


def podman_that_lists(names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "podman"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\necho {names}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_what_a_killed_test_left_is_taken_down_before_the_next_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verbs: Path) -> None:
    podman_that_lists("rehearsal-test-gate another", tmp_path, monkeypatch)
    path = rehearsal.twin(find.site(), tmp_path)
    rehearsal.remove_leftovers(path)
    assert verbs.read_text() == f"down --site {path} --yes\n"


def test_what_a_killed_test_knew_is_forgotten_also_where_its_machines_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verbs: Path
) -> None:
    podman_that_lists("another", tmp_path, monkeypatch)
    path = rehearsal.twin(find.site(), tmp_path)
    ledger = sites.load(path).artifacts / "ledger.json"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("{}")
    rehearsal.remove_leftovers(path)
    assert verbs.read_text() == f"down --site {path} --yes\n"
    assert not ledger.parent.exists()


def test_nothing_is_taken_down_where_nothing_is_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verbs: Path) -> None:
    podman_that_lists("rehearsal-gate", tmp_path, monkeypatch)
    rehearsal.remove_leftovers(rehearsal.twin(find.site(), tmp_path))
    assert not verbs.exists()


def test_what_other_sites_do_meanwhile_is_no_trace_of_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = sites.load(rehearsal.twin(find.site(), tmp_path))
    podman_that_lists("rehearsal-gate mo-x", tmp_path, monkeypatch)
    found = rehearsal.traces(site)
    assert (found["containers"], found["networks"]) == (set(), set())
    podman_that_lists("rehearsal-gate rehearsal-test-web", tmp_path, monkeypatch)
    assert rehearsal.traces(site)["containers"] == {"rehearsal-test-web"}


def test_mounts_of_other_containers_are_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    podman_that_lists("/proc /nowhere", tmp_path, monkeypatch)  # what it says of a container: where that has mounts
    assert "/proc" in rehearsal._mounts_besides(set())
    assert "/proc" not in rehearsal._mounts_besides({"another"})


def test_leftovers_that_cannot_be_removed_end_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    podman_that_lists("rehearsal-test-web", tmp_path, monkeypatch)
    monkeypatch.setattr(rehearsal, "_command", lambda *words: ["false"])
    with pytest.raises(LabError, match="ended with code 1"):
        rehearsal.remove_leftovers(rehearsal.twin(find.site(), tmp_path))


def test_a_site_with_backups_is_drilled_and_loses_a_machine_before_it_is_taken_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "traces", lambda site: {})
    test = rehearsal.Rehearsal(rehearsal.twin(find.site(), tmp_path))
    names = [name for name, _ in test.phases()]
    assert ("a drill restores every source" in names) == (test.site.backup is not None)
    if test.site.backup:
        assert names.index("a lost machine comes back with its data") < names.index("down removes the site")
        assert test.machine_to_lose() in ("forge", "store")


def test_a_stage_that_is_left_out_takes_its_machines_and_their_names_with_it(tmp_path: Path) -> None:
    left_out = [stages.get("git"), stages.get("backup")]
    site = sites.load(rehearsal.twin(find.site(), tmp_path, left_out))
    whole = sites.load(rehearsal.twin(find.site(), tmp_path))
    assert (site.git, site.backup) == (None, None)
    assert set(whole.machines) - set(site.machines) == {"forge", "vault"}
    assert {record.name for record in whole.network.records} - {record.name for record in site.network.records} == {"git"}
    assert [stage.name for stage in stages.of(site)] == [stage.name for stage in stages.of(whole) if stage not in left_out]


def test_machines_of_other_stages_stay_where_one_is_left_out(tmp_path: Path) -> None:
    machines = sites.load(rehearsal.twin(find.site(), tmp_path, [stages.get("backup")])).machines
    assert {"gate", "store", "forge", "admin"} <= set(machines)  # also though they are backed up
