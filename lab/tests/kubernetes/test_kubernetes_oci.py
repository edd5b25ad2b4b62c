"""OCI archives: the same bytes from the same files, and what a container engine reads in them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab.kubernetes import oci
from lab.kubernetes.oci import File, Folder, Link, Member, Settings

REFERENCE = "registry.k8s.io/pause:3.10.2"
SETTINGS = Settings(entrypoint=["/bin/tool"], user="65532:65532")


def members(folder: Path) -> list[Member]:
    program = folder / "program"
    program.write_bytes(b"\x7fELF" + bytes(5000))
    return [Link("/bin/sh", "/bin/tool"), File("/bin/tool", program), Folder("/tmp", 0o1777), File("/etc/motd", b"hello\n", 0o644)]


def write(folder: Path, name: str = "image.tar", found: list[Member] | None = None) -> tuple[Path, str]:
    archive = folder / name
    return archive, oci.write(archive, REFERENCE, found or members(folder), SETTINGS)


def content(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


def blob(archive: Path, digest: str) -> bytes:
    return content(archive, f"blobs/sha256/{digest.removeprefix('sha256:')}")


def manifest(archive: Path) -> Any:
    [found] = json.loads(content(archive, "index.json"))["manifests"]
    return json.loads(blob(archive, found["digest"]))


def layer(archive: Path) -> tarfile.TarFile:
    [found] = manifest(archive)["layers"]
    return tarfile.open(fileobj=io.BytesIO(blob(archive, found["digest"])))


def test_the_same_files_make_the_same_bytes_whenever_and_in_whatever_order(tmp_path: Path) -> None:
    first, digest = write(tmp_path, "first.tar")
    again = list(reversed(members(tmp_path)))
    os.utime(tmp_path / "program", (1, 1))
    (tmp_path / "program").chmod(0o600)
    second, other = write(tmp_path, "second.tar", again)
    assert first.read_bytes() == second.read_bytes()
    assert digest == other


def test_another_byte_is_another_image(tmp_path: Path) -> None:
    _, digest = write(tmp_path)
    _, other = write(tmp_path, "other.tar", [*members(tmp_path), File("/etc/more", b"")])
    assert digest != other


def test_every_blob_has_the_digest_and_size_it_is_called_by(tmp_path: Path) -> None:
    archive, digest = write(tmp_path)
    with tarfile.open(archive) as tar:
        blobs = [entry.name for entry in tar if entry.name.startswith("blobs/")]
    assert len(blobs) == 3
    assert [name for name in blobs if hashlib.sha256(content(archive, name)).hexdigest() != name.rpartition("/")[2]] == []
    [listed] = json.loads(content(archive, "index.json"))["manifests"]
    assert (listed["digest"], listed["size"]) == (digest, len(blob(archive, digest)))
    for part in (manifest(archive)["config"], *manifest(archive)["layers"]):
        assert len(blob(archive, part["digest"])) == part["size"]
    assert oci.digest_of(archive) == digest


def test_engines_find_the_name_of_the_image(tmp_path: Path) -> None:
    archive, _ = write(tmp_path)
    [listed] = json.loads(content(archive, "index.json"))["manifests"]
    assert listed["annotations"] == {"io.containerd.image.name": REFERENCE, "org.opencontainers.image.ref.name": REFERENCE}
    assert json.loads(content(archive, "oci-layout")) == {"imageLayoutVersion": "1.0.0"}


def test_the_settings_and_the_layer_are_in_the_configuration(tmp_path: Path) -> None:
    archive, _ = write(tmp_path)
    config = json.loads(blob(archive, manifest(archive)["config"]["digest"]))
    assert (config["architecture"], config["os"]) == ("amd64", "linux")
    assert (config["config"]["Entrypoint"], config["config"]["User"]) == (["/bin/tool"], "65532:65532")
    assert any(word.startswith("PATH=/usr/local/sbin:") for word in config["config"]["Env"])
    [found] = manifest(archive)["layers"]
    assert found["mediaType"].endswith(".tar+gzip")
    plain = hashlib.sha256(gzip.decompress(blob(archive, found["digest"]))).hexdigest()
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{plain}"]}


def test_a_layer_has_files_of_root_after_their_folders(tmp_path: Path) -> None:
    archive, _ = write(tmp_path)
    with layer(archive) as found:
        entries = {entry.name: entry for entry in found}
        file = found.extractfile("bin/tool")
        assert file is not None
        assert file.read() == (tmp_path / "program").read_bytes()
    assert list(entries) == ["bin", "bin/sh", "bin/tool", "etc", "etc/motd", "tmp"]
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}
    assert entries["bin/sh"].linkname == "/bin/tool"
    modes = {name: entries[name].mode for name in ("bin", "bin/tool", "etc/motd", "tmp")}
    assert modes == {"bin": 0o755, "bin/tool": 0o755, "etc/motd": 0o644, "tmp": 0o1777}


@pytest.mark.parametrize("path", ["bin/tool", "/bin/../tool", "/bin//tool", "/bin/tool/"])
def test_a_path_that_is_not_absolute_and_plain_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="is not an absolute path in its shortest form"):
        oci.write(tmp_path / "image.tar", REFERENCE, [File(path, b"")], SETTINGS)


def test_a_path_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="/etc/motd: is given twice"):
        oci.write(tmp_path / "image.tar", REFERENCE, [File("/etc/motd", b""), Link("/etc/motd", "x")], SETTINGS)


@pytest.mark.parametrize("part", ["config", "layers"])
def test_an_archive_with_another_byte_in_it_is_noticed(tmp_path: Path, part: str) -> None:
    archive, _ = write(tmp_path)
    found = manifest(archive)[part]
    wanted = blob(archive, (found[0] if part == "layers" else found)["digest"])
    archive.write_bytes(archive.read_bytes().replace(wanted, wanted[:-1] + bytes([wanted[-1] ^ 1])))
    with pytest.raises(ValueError, match="has other content than its name says"):
        oci.digest_of(archive)


@pytest.mark.parametrize("found", [b"", b"no tar"])
def test_what_is_no_archive_is_said_so(tmp_path: Path, found: bytes) -> None:
    (tmp_path / "image.tar").write_bytes(found)
    with pytest.raises(ValueError, match="is no OCI archive"):
        oci.digest_of(tmp_path / "image.tar")
