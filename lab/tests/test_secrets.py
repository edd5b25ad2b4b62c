"""secrets.yml: made, read, and never shown."""

import stat
from pathlib import Path

import pytest

from lab import secrets
from lab.errors import InputError, SiteError
from lab.site import Site, load

SMALL = (Path(__file__).parent / "sites/valid/small.yml").read_text()
USERS = "users: [{name: operator, password: {secret: operator_password}}, {name: guest, password: {secret: guest_password}}]\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site.yml").write_text(SMALL + USERS)
    return load(tmp_path / "site.yml")


def provided(directory: Path, text: str, mode: int = 0o600) -> Path:
    """A site with `secrets: provided` and a secrets.yml beside it."""
    (directory / "site.yml").write_text(SMALL.replace("generated", "provided") + USERS)
    (directory / "secrets.yml").write_text(text)
    (directory / "secrets.yml").chmod(mode)
    return directory / "site.yml"


def test_what_is_missing_is_made_once_and_readable_by_its_owner_alone(site: Site) -> None:
    assert secrets.generate_missing(site) == ("operator_password", "guest_password")
    made = secrets.read(site.directory)
    assert set(made) == set(secrets.references(site))
    assert len(set(made.values())) == 2
    assert stat.S_IMODE((site.directory / "secrets.yml").stat().st_mode) == 0o600
    assert secrets.generate_missing(site) == ()
    assert secrets.read(site.directory) == made


def test_what_is_there_is_kept_with_its_comments(site: Site) -> None:
    file = site.directory / "secrets.yml"
    file.write_text("# mine\noperator_password: kept")
    file.chmod(0o600)
    assert secrets.generate_missing(site) == ("guest_password",)
    assert file.read_text().startswith("# mine\noperator_password: kept\nguest_password: ")


def test_a_site_without_secrets_needs_no_file(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text(SMALL)
    assert secrets.generate_missing(load(tmp_path / "site.yml")) == ()
    assert not (tmp_path / "secrets.yml").exists()


def test_provided_secrets_are_accepted_when_all_are_there(tmp_path: Path) -> None:
    site = load(provided(tmp_path, "operator_password: one\nguest_password: two\n"))
    assert secrets.read(site.directory) == {"operator_password": "one", "guest_password": "two"}
    assert secrets.generate_missing(site) == ()


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("operator_password: hunter2\n", 0o600, "there is no secret guest_password in"),
        ("operator_password: hunter2\nguest_password: hunter2\n", 0o644, "others may read it .mode 0644.; fix: chmod 600"),
        ("operator_password: 12345\nguest_password: hunter2\n", 0o600, "operator_password: must be text; fix: put it in quotes"),
        ("- hunter2\n", 0o600, "must be a mapping"),
        ("guest_password: hunter2\nguest_password: hunter2\n", 0o600, "key guest_password is there twice"),
        ("guest_password: [hunter2\n", 0o600, "this is not YAML"),
        ("guest_password: *hunter2\n", 0o600, "this is not YAML"),
        ("guest_password: !hunter2 a\n", 0o600, "tags"),
        ("", 0o600, "there is no secret operator_password"),
    ],
)
def test_a_bad_secrets_file_refuses_the_site_without_showing_a_value(text: str, mode: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=message) as refused:
        load(provided(tmp_path, text, mode))
    assert "hunter2" not in str(refused.value)
    assert "12345" not in str(refused.value)


def test_secrets_that_others_may_read_are_not_read(tmp_path: Path) -> None:
    provided(tmp_path, "operator_password: one\n", 0o640)
    with pytest.raises(InputError, match="chmod 600"):
        secrets.read(tmp_path)
