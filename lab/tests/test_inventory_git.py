"""What the git server's roles see of a site."""

from pathlib import Path
from typing import Any

import pytest

from lab import inventory, secrets
from lab import site as sites

SMALL = Path(__file__).parent / "sites" / "valid" / "small.yml"
KEYS = [
    f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{start} {owner}"
    for start, owner in (
        ("JsH0X6zB2Wv7oY5XqkTn1m9dC4rE8uFhGa0bLpQvSxK", "operator@desk"),
        ("Dq3N5yVb8tKc2RwJmZ6eX1fUhS9aLoP4iGxT7vYnBdM", "operator@sofa"),
    )
]
FORGE = "  forge: {platform: {kind: container}, groups: [git], interfaces: {management: {host: 20}}}\n"
USERS = f"users: [{{name: operator, authorized_keys: ['{KEYS[0]}']}}, {{name: other}}]\n"
RECORDS = "  records: [{name: git, machine: forge}]\nmachines:\n"


def forge(folder: Path, section: str) -> Any:
    """Variables of the git server of the smallest site with this section."""
    path = folder / "site.yml"
    path.write_text(USERS + SMALL.read_text().replace("machines:\n", RECORDS) + FORGE + section)
    site = sites.load(path)
    built = inventory.build(site, {name: f"value of {name}" for name in secrets.references(site)})
    return built["_meta"]["hostvars"]["forge"]


def test_without_a_section_the_machine_has_no_role(tmp_path: Path) -> None:
    assert not [key for key in forge(tmp_path, "") if key.startswith(("git_server_", "certificate_"))]
    assert forge(tmp_path, "")["baseline_firewall_rules"] == []


def test_an_empty_section_serves_this_project_alone_and_privately(tmp_path: Path) -> None:
    found = forge(tmp_path, "git: {}\n")
    assert [(one["name"], one["private"]) for one in found["git_server_repositories"]] == [("strata", True)]
    assert (found["git_server_project"], found["git_server_name"]) == ("strata", "forge.small.internal")
    assert forge(tmp_path, "git: {push_project: false}\n")["git_server_repositories"] == []


def test_the_site_may_say_who_sees_the_project(tmp_path: Path) -> None:
    found = forge(tmp_path, "git: {repositories: {strata: {description: Ours, private: false}}}\n")
    assert [(one["name"], one["description"], one["private"]) for one in found["git_server_repositories"]] == [("strata", "Ours", False)]


def test_the_certificate_is_good_for_every_name_and_first_for_the_one_in_urls(tmp_path: Path) -> None:
    found = forge(tmp_path, "git: {name: git}\n")
    assert found["certificate_names"] == ["git.small.internal", "forge.small.internal", "git", "forge"]
    assert found["certificate_authority"] == str(tmp_path / "artifacts" / "ca")
    assert found["baseline_ca_files"] == [{"name": "small", "file": str(tmp_path / "artifacts" / "ca" / "ca.crt")}]


def test_an_administrator_who_is_a_git_user_too_has_the_keys_of_both(tmp_path: Path) -> None:
    section = f"git: {{administrators: [operator], users: [{{name: operator, keys: ['{KEYS[1]}'], password: {{secret: git_operator}}}}]}}\n"
    found = forge(tmp_path, section)
    assert found["git_server_people"] == [{"name": "operator", "keys": KEYS}]
    assert found["git_server_passwords"] == {"operator": "value of git_operator"}


@pytest.mark.parametrize(
    ("section", "sources"),
    [
        ("git: {}\n", ["10.64.10.0/24", "10.64.20.0/24", "10.91.0.1/32"]),
        ("git: {clients: [storage]}\n", ["10.64.20.0/24", "10.91.0.1/32"]),
    ],
)
def test_those_who_may_come_reach_ssh_and_https(tmp_path: Path, section: str, sources: Any) -> None:
    rules = forge(tmp_path, section)["baseline_firewall_rules"]
    assert [(rule["protocol"], rule["ports"], rule["sources"]) for rule in rules] == [("tcp", [22], sources), ("tcp", [443], sources)]
