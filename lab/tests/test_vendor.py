import zipfile
from pathlib import Path

import pytest

from lab import vendor

WHEEL = (
    "ansible_collections/ansible/posix/MANIFEST.json",
    "ansible_collections/ansible/posix/plugins/modules/authorized_key.py",
    "ansible_collections/ansible/posix/tests/unit/test_it.py",
    "ansible_collections/ansible/posixlike/MANIFEST.json",
    "ansible_collections/community/general/MANIFEST.json",
    "ansible-1.dist-info/METADATA",
)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    file = tmp_path / "ansible-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name in WHEEL:
            archive.writestr(name, name)
    return file


def test_wanted_collections_are_unpacked_without_their_tests_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    vendor.extract(wheel, tmp_path / "collections", ["ansible.posix"])
    files = {str(file.relative_to(tmp_path / "collections")) for file in (tmp_path / "collections").rglob("*") if file.is_file()}
    assert files == set(WHEEL[:2])


def test_a_wheel_without_a_wanted_collection_is_refused_by_name(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"does not carry containers\.podman, ovirt\.ovirt; fix: pin another version in collections\.lock"):
        vendor.extract(wheel, tmp_path / "collections", ["ovirt.ovirt", "ansible.posix", "containers.podman"])


def test_what_is_vendored_is_pinned_by_hash() -> None:
    assert "--hash=sha256:" in (vendor.ROOT / "collections.lock").read_text()
