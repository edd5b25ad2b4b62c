"""The lab's own certificate authority: made once, signs what the machines ask for, and never sees their keys.

`python -m lab.ca FOLDER NAME` makes one by hand, as tests do; `up` does it for a site.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import private_file
from lab.errors import LabError

KEY, CERTIFICATE = "ca.key", "ca.crt"
AUTHORITY_DAYS = 3650
LEAF_DAYS = 397  # more is refused by browsers
RENEW_DAYS = 30
CLOCK_SKEW = timedelta(minutes=5)  # a machine whose clock is a little behind must not find a certificate of the future


@dataclass(frozen=True)
class Issued:
    """A certificate with its chain; `reason` says why it had to be made, and is empty where the one at hand is good."""

    text: str
    reason: str

    @property
    def changed(self) -> bool:
        """Whether this is another certificate than the one at hand."""
        return bool(self.reason)


@dataclass(frozen=True)
class Authority:
    """The certificate and the key that sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure(folder: Path, name: str) -> bool:
    """Makes the authority of a site where there is none; returns whether it did. One that is there is never replaced.

    Raises LabError where only half of it is there, because whatever trusts the other half would be lost.
    """
    key, certificate = folder / KEY, folder / CERTIFICATE
    if key.exists() and certificate.exists():
        return False
    if key.exists() or certificate.exists():
        here, gone = (key, certificate) if key.exists() else (certificate, key)
        raise LabError(
            f"{gone}: is missing though {here.name} is there; fix: restore it from a backup, or remove {here} to begin"
            " with a new authority, which every machine then has to learn (./inv up)"
        )
    secret = ec.generate_private_key(ec.SECP256R1())
    private_file.write(key, _private_text(secret), 0o600)
    private_file.write(certificate, _self_signed(secret, name).public_bytes(serialization.Encoding.PEM), 0o644)
    return True


def read(folder: Path) -> Authority:
    """The authority of a folder.

    Raises LabError where it is missing, damaged, readable by others, or of no more use.
    """
    key, certificate = folder / KEY, folder / CERTIFICATE
    try:
        if key.stat().st_mode & 0o077:
            raise LabError(f"{key}: others may read it; fix: chmod 600 {key}")
        secret = serialization.load_pem_private_key(key.read_bytes(), None)
        public = x509.load_pem_x509_certificate(certificate.read_bytes())
    except FileNotFoundError as error:
        raise LabError(f"{error.filename}: there is no certificate authority; fix: ./inv up makes it") from None
    except (ValueError, TypeError):
        raise LabError(f"{folder}: {KEY} or {CERTIFICATE} is damaged; fix: restore both from a backup") from None
    if not isinstance(secret, ec.EllipticCurvePrivateKey) or secret.public_key() != public.public_key():
        raise LabError(f"{folder}: {KEY} is not the key of {CERTIFICATE}; fix: restore both from one backup")
    if public.not_valid_after_utc < datetime.now(UTC):
        raise LabError(
            f"{certificate}: ended on {public.not_valid_after_utc:%Y-%m-%d}; fix: move the folder away, ./inv up makes a new one"
        )
    return Authority(public, secret)


def issue(folder: Path, csr: str, names: list[str], current: str = "") -> Issued:
    """A certificate for the key of a signing request, good for exactly these names; the one at hand where it still serves.

    Names are ours and not those of the request: a machine must not choose them.
    """
    authority = read(folder)
    try:
        request = x509.load_pem_x509_csr(csr.encode())
    except ValueError:
        raise LabError(f"the signing request for {', '.join(names)} is damaged; fix: remove the machine's key, it makes another") from None
    if not request.is_signature_valid:
        raise LabError(f"the signing request for {', '.join(names)} is not signed by its own key; fix: remove the key, another is made")
    reason = why_renew(authority, request, names, current)
    return Issued(_leaf(authority, request, names), reason) if reason else Issued(current, "")


def why_renew(authority: Authority, request: x509.CertificateSigningRequest, names: list[str], current: str) -> str:
    """Why the certificate at hand no longer serves; empty where it does."""
    try:
        found = x509.load_pem_x509_certificate(current.encode())
    except ValueError:
        return "there is none" if not current.strip() else "it is damaged"
    if found.public_key() != request.public_key():
        return "the key changed"
    try:
        found.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return "the authority changed"
    if sorted(names_of(found)) != sorted(names):
        return "the names changed"
    left = found.not_valid_after_utc - datetime.now(UTC)
    return f"{max(left.days, 0)} days are left" if left < timedelta(days=RENEW_DAYS) else ""


def names_of(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses a certificate is good for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Strata {name}"[:64])])
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # signs certificates and revocation lists
    public = key.public_key()
    return (
        _builder(subject, subject, AUTHORITY_DAYS)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _leaf(authority: Authority, request: x509.CertificateSigningRequest, names: list[str]) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) <= 64 else [])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)  # signs handshakes
    public, signer = request.public_key(), authority.certificate
    signer_id = signer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(subject, signer.subject, LEAF_DAYS, signer.not_valid_after_utc)
        .public_key(public)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer_id), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in (certificate, signer))


def _builder(subject: x509.Name, issuer: x509.Name, days: int, limit: datetime | None = None) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - CLOCK_SKEW
    end = start + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(min(end, limit) if limit else end)  # nothing outlives what signed it
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _private_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


if __name__ == "__main__":
    if ensure(Path(sys.argv[1]), sys.argv[2]):
        print(f"made the authority of {sys.argv[2]}")
