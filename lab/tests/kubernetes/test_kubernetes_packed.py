"""Programs as nodes get them."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.kubernetes import packed
from lab.kubernetes.manifest import Artifacts


def artifacts(folder: Path, content: bytes = b"program") -> Artifacts:
    file = folder / "kubelet"
    file.write_bytes(content)
    return Artifacts("1.36.4", folder, {"kubelet": file}, (), {}, {}, {"binaries/kubelet": hashlib.sha256(content).hexdigest()})


def test_a_program_is_packed_once_under_its_checksum(tmp_path: Path) -> None:
    found = artifacts(tmp_path)
    archive = packed.ensure(found, tmp_path)["kubelet"]
    assert gzip.decompress(archive.read_bytes()) == b"program"
    assert archive.name == f"{found.checksums['binaries/kubelet']}.gz"
    before = archive.stat().st_mtime_ns
    assert packed.ensure(found, tmp_path) == {"kubelet": archive}
    assert archive.stat().st_mtime_ns == before


def test_looking_packs_nothing(tmp_path: Path) -> None:
    assert not packed.place(artifacts(tmp_path), tmp_path)["kubelet"].exists()


def test_a_disk_that_is_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = artifacts(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed.shutil, "copyfileobj", full)
    with pytest.raises(LabError, match=r"cannot be written \(No space left on device\); fix: make room"):
        packed.ensure(found, tmp_path)
