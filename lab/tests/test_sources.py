import json
from typing import Any

import pytest

from lab import sources
from lab.errors import InputError, LabError

GIT = {
    "name": "git",
    "paths": ["/srv/git", "/etc/ssh/ssh_host_*"],
    "exclude": ["*.tmp"],
    "stop_for_restore": ["nginx.service"],
    "after_restore": [["systemctl", "reload", "ssh"]],
}
INVENTORY: dict[str, Any] = {
    "git": {"hosts": ["forge"]},
    "nas": {"hosts": ["store"]},
    "backup": {"hosts": ["vault"]},
    "all": {"children": ["git"]},
    "_meta": {
        "hostvars": {
            "forge": {"backup_client_sources": [GIT]},
            "store": {"backup_client_sources": [{"name": "nas-homes", "paths": ["/srv/homes"]}]},
            "cloud": {"backup_client_sources": [{"name": "openstack-databases", "paths": ["/var/backups/openstack"]}]},
            "vault": {"backup_client_sources": [{"name": "authority", "paths": ["/srv/controller/authority"]}]},
            "web": {},
        }
    },
}
ROW = {"machine": "forge", "source": "git", "snapshot": "1a2b3c4d", "time": "2026-11-21T16:00:00+00:00", "age_seconds": 60, "size_bytes": 7}


def test_sources_are_what_machines_publish() -> None:
    found = sources.published(INVENTORY)
    assert list(found) == ["git", "nas-homes", "openstack-databases", "authority"]
    assert found["git"] == sources.Source(
        "git", "forge", ("/srv/git", "/etc/ssh/ssh_host_*"), ("nginx.service",), (("systemctl", "reload", "ssh"),)
    )
    assert found["nas-homes"].stop == () == found["nas-homes"].after


@pytest.mark.parametrize(
    ("name", "proof"), [("git", "service"), ("nas-homes", "files"), ("authority", "authority"), ("openstack-databases", "databases")]
)
def test_a_service_is_proven_by_its_checks_and_files_by_their_bytes(name: str, proof: str) -> None:
    assert sources.proof(sources.published(INVENTORY)[name], INVENTORY) == proof


def test_an_unknown_source_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"source nas-home: .*did you mean nas-homes\?"):
        sources.get("nas-home", sources.published(INVENTORY))


def test_a_site_without_backups_says_how_to_have_some() -> None:
    with pytest.raises(InputError, match="the site backs nothing up; fix: write the section `backup:`"):
        sources.get("git", {})


def test_the_report_is_read_by_source() -> None:
    found = sources.report(json.dumps([ROW]))
    assert found["git"].snapshot == "1a2b3c4d"
    assert found["git"].taken.year == 2026


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no such file",
        "{}x",
        "[1]",
        '[{"machine": "forge"}]',
        json.dumps([ROW | {"time": "yesterday"}]),
        json.dumps([ROW | {"time": "2026-11-21T16:00:00"}]),
    ],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="printed what is no report"):
        sources.report(text)


@pytest.mark.parametrize("rows", [[], [ROW | {"snapshot": None, "time": None, "problems": ["no snapshot of it"]}]])
def test_a_source_without_a_backup_says_how_to_take_one(rows: Any) -> None:
    git = sources.published(INVENTORY)["git"]
    with pytest.raises(LabError, match=r"source git: there is no backup of it.*on forge: systemctl start backup@git\.service"):
        sources.newest(git, sources.report(json.dumps(rows)))
