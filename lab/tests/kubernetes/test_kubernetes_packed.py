"""Programs as nodes get them."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.kubernetes import oci, packed
from lab.kubernetes.manifest import Artifacts, Image


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


def test_programs_come_as_one_file_that_is_made_once(tmp_path: Path) -> None:
    found = artifacts(tmp_path)
    file = packed.programs(found, ["kubelet"], tmp_path)
    with tarfile.open(file) as bundle:
        assert bundle.getnames() == [f"{found.checksums['binaries/kubelet']}.gz"]
    before = file.stat().st_mtime_ns
    assert packed.programs(found, ["kubelet"], tmp_path).stat().st_mtime_ns == before


def test_images_come_as_one_archive_with_an_index_of_all(tmp_path: Path) -> None:
    wanted = []
    for name in ("one", "two"):
        archive = tmp_path / f"{name}.tar"
        digest = oci.write(archive, f"example.org/{name}:1", [oci.File("/word", name.encode())], oci.Settings())
        wanted.append(Image(f"example.org/{name}:1", archive, digest, "node"))
    with tarfile.open(packed.images(wanted, tmp_path)) as bundle:
        names = bundle.getnames()
        assert len(names) == len(set(names))
        index = json.load(bundle.extractfile("index.json"))  # type: ignore[arg-type]
        assert [one["digest"] for one in index["manifests"]] == [image.digest for image in wanted]
        assert all(f"blobs/sha256/{image.digest.removeprefix('sha256:')}" in names for image in wanted)
        assert "oci-layout" in names
    assert packed.images(wanted[:1], tmp_path) != packed.images(wanted, tmp_path)


def test_a_disk_that_is_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = artifacts(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(LabError, match=r"cannot be written \(No space left on device\); fix: make room"):
        packed.ensure(found, tmp_path)
