"""The lab's certificate authority: what it makes, when it signs again, what it refuses."""

import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab import ca
from lab.errors import LabError

NAMES = ["git.lab.internal", "forge.lab.internal", "10.64.30.20"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ca.ensure(tmp_path / "ca", "test")
    return tmp_path / "ca"


def request(key: ec.EllipticCurvePrivateKey | None = None) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def test_the_authority_is_made_once_and_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    assert ca.ensure(folder, "test")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert not ca.ensure(folder, "test")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(before) == {"ca.key", "ca.crt"}
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    left = ca.read(folder).certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=3640) < left < timedelta(days=3651)


@pytest.mark.parametrize("gone", ["ca.key", "ca.crt"])
def test_half_an_authority_is_not_made_whole_by_force(folder: Path, gone: str) -> None:
    (folder / gone).unlink()
    with pytest.raises(LabError, match=rf"{gone}: is missing though .* fix: restore it from a backup"):
        ca.ensure(folder, "test")


def test_a_certificate_is_good_for_exactly_its_names_and_verified_by_openssl(folder: Path, tmp_path: Path) -> None:
    issued = ca.issue(folder, request(), NAMES)
    leaf = x509.load_pem_x509_certificate(issued.text.encode())
    assert (issued.changed, issued.reason) == (True, "there is none")
    assert ca.names_of(leaf) == NAMES
    assert issued.text.endswith((folder / "ca.crt").read_text())
    assert timedelta(days=396) < leaf.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=397)
    file = tmp_path / "leaf.crt"
    file.write_text(issued.text)
    words = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", NAMES[0]]
    done = subprocess.run([*words, "-CAfile", folder / "ca.crt", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_certificate_that_serves_is_left_alone(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    first = ca.issue(folder, request(key), NAMES)
    again = ca.issue(folder, request(key), NAMES[::-1], first.text)
    assert (again.changed, again.text) == (False, first.text)


def test_a_certificate_is_renewed_when_names_key_or_authority_changed(folder: Path, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    first = ca.issue(folder, request(key), NAMES).text
    assert ca.issue(folder, request(key), NAMES[:1], first).reason == "the names changed"
    assert ca.issue(folder, request(), NAMES, first).reason == "the key changed"
    assert ca.issue(folder, request(key), NAMES, "rubbish").reason == "it is damaged"
    ca.ensure(tmp_path / "other", "test")
    assert ca.issue(tmp_path / "other", request(key), NAMES, first).reason == "the authority changed"


def test_a_certificate_is_renewed_before_it_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    monkeypatch.setattr(ca, "LEAF_DAYS", 31)
    first = ca.issue(folder, request(key), NAMES).text
    assert not ca.issue(folder, request(key), NAMES, first).changed
    monkeypatch.setattr(ca, "RENEW_DAYS", 32)
    assert ca.issue(folder, request(key), NAMES, first).reason == "30 days are left"


def test_nothing_outlives_the_authority_that_signed_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ca, "AUTHORITY_DAYS", 60)
    ca.ensure(tmp_path / "ca", "test")
    leaf = x509.load_pem_x509_certificate(ca.issue(tmp_path / "ca", request(), NAMES).text.encode())
    assert leaf.not_valid_after_utc == ca.read(tmp_path / "ca").certificate.not_valid_after_utc


def test_an_authority_that_cannot_sign_says_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"there is no certificate authority; fix: \./inv up makes it"):
        ca.read(tmp_path / "nowhere")
    (folder / "ca.key").chmod(0o644)
    with pytest.raises(LabError, match=r"ca\.key: others may read it; fix: chmod 600"):
        ca.read(folder)
    (folder / "ca.key").chmod(0o600)
    ca.ensure(tmp_path / "other", "test")
    (folder / "ca.crt").write_bytes((tmp_path / "other" / "ca.crt").read_bytes())
    with pytest.raises(LabError, match=r"ca\.key is not the key of ca\.crt; fix: "):
        ca.read(folder)
    (folder / "ca.crt").write_text("rubbish")
    with pytest.raises(LabError, match=r"is damaged; fix: restore"):
        ca.read(folder)


def test_a_damaged_request_is_refused(folder: Path) -> None:
    with pytest.raises(LabError, match=r"signing request for git\.lab\.internal, .* is damaged; fix: "):
        ca.issue(folder, "rubbish", NAMES)
