"""Writes container images as OCI archives, without a container engine: one layer, the same bytes from the same files.

`ctr images import`, `podman load` and `skopeo` read them. Layers are compressed: on the way to a node every byte costs encryption at both
ends, several times what unpacking it does. What a layer is called by is the digest of the compressed bytes, which another release of zlib
may write otherwise; what is in it (the configuration's diff_id) is not.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LONG_AGO = "1970-01-01T00:00:00Z"
BLOCK = 1 << 20
LEVEL = 6  # of gzip


@dataclass(frozen=True)
class File:
    """A file of an image: its absolute path there, and a file here or the bytes themselves."""

    path: str
    content: Path | bytes
    mode: int = 0o755


@dataclass(frozen=True)
class Link:
    """A symbolic link of an image."""

    path: str
    target: str


@dataclass(frozen=True)
class Folder:
    """A folder with a mode of its own; those above files are made anyway."""

    path: str
    mode: int = 0o755


Member = File | Link | Folder


@dataclass(frozen=True)
class Settings:
    """How a container of the image starts unless its pod says otherwise."""

    entrypoint: Sequence[str] = ()
    environment: Sequence[str] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    user: str = ""
    working_folder: str = "/"


def write(archive: Path, reference: str, members: Iterable[Member], settings: Settings) -> str:
    """Writes the image as one archive and returns its digest (`sha256:...`), which is what containerd calls the image's target.

    `reference` is the full name with tag. Raises ValueError for a path that is not absolute or given twice, OSError where the archive
    cannot be written. An archive that is cut off is the caller's to remove: write beside the wanted name and rename.
    """
    with tempfile.TemporaryFile(dir=archive.parent) as layer:
        plain_digest = _write_layer(layer, members)
        layer_digest, layer_size = _measure(layer)
        config = _json(_config(plain_digest, settings))
        manifest = _json(_manifest(config, layer_digest, layer_size))
        digest = _sha256(manifest)
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, "blobs/sha256/" + _hex(_sha256(config)), config)
            _add(tar, "blobs/sha256/" + _hex(digest), manifest)
            layer.seek(0)
            tar.addfile(_header("blobs/sha256/" + _hex(layer_digest), 0o644, layer_size), layer)
            _add(tar, "index.json", _json(_index(reference, digest, len(manifest))))
            _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
    return digest


def digest_of(archive: Path) -> str:
    """The digest of the one image in an archive, read and verified: everything the index leads to has the digest it is called by.

    Raises ValueError saying what is wrong with the archive.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            found = json.loads(_blob(tar, "index.json"))["manifests"]
            if len(found) != 1:
                raise ValueError(f"has {len(found)} images, and one is wanted")
            digest = str(found[0]["digest"])
            manifest = json.loads(_checked(tar, digest))
            for part in (manifest["config"], *manifest["layers"]):
                _checked(tar, part["digest"])
            return digest
    except (tarfile.TarError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"is no OCI archive ({error})") from None


class _Measured:
    """Passes bytes on, and knows their digest."""

    def __init__(self, target: Any) -> None:
        self.target, self.digest = target, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        self.target.write(content)
        return len(content)


def _write_layer(layer: Any, members: Iterable[Member]) -> str:
    """Writes the layer and returns the digest of what is compressed."""
    with gzip.GzipFile("", "wb", LEVEL, layer, mtime=0) as compressed:
        plain = _Measured(compressed)
        _write_files(plain, members)
    return f"sha256:{plain.digest.hexdigest()}"


def _write_files(target: Any, members: Iterable[Member]) -> None:
    # As a stream: nothing in it is written twice.
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for member in _with_folders(members):
            name = member.path.lstrip("/")
            if isinstance(member, Folder):
                info = _header(name, member.mode, 0)
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif isinstance(member, Link):
                info = _header(name, 0o777, 0)
                info.type, info.linkname = tarfile.SYMTYPE, member.target
                tar.addfile(info)
            elif isinstance(member.content, bytes):
                _add(tar, name, member.content, member.mode)
            else:
                with member.content.open("rb") as file:
                    tar.addfile(_header(name, member.mode, member.content.stat().st_size), file)


def _with_folders(members: Iterable[Member]) -> list[Member]:
    """Sorted by path, each after the folders it stands in."""
    known: dict[str, Member] = {}
    for member in members:
        path = PurePosixPath(member.path)
        if not path.is_absolute() or str(path) != member.path or ".." in path.parts:
            raise ValueError(f"{member.path}: is not an absolute path in its shortest form")
        if member.path in known:
            raise ValueError(f"{member.path}: is given twice")
        known[member.path] = member
    above = {str(parent) for path in known for parent in PurePosixPath(path).parents} - {"/"}
    for name in above - known.keys():
        known[name] = Folder(name)
    return [known[name] for name in sorted(known, key=lambda name: name.split("/"))]


def _header(name: str, mode: int, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode, info.size, info.mtime = mode, size, 0
    return info


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    tar.addfile(_header(name, mode, len(content)), io.BytesIO(content))


def _config(plain_digest: str, settings: Settings) -> dict[str, Any]:
    started: dict[str, Any] = {"Env": list(settings.environment), "WorkingDir": settings.working_folder}
    if settings.entrypoint:
        started["Entrypoint"] = list(settings.entrypoint)
    if settings.user:
        started["User"] = settings.user
    return {
        "created": LONG_AGO,
        "architecture": "amd64",
        "os": "linux",
        "config": started,
        "rootfs": {"type": "layers", "diff_ids": [plain_digest]},
        "history": [{"created": LONG_AGO, "created_by": "strata"}],
    }


def _manifest(config: bytes, layer_digest: str, layer_size: int) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": _sha256(config), "size": len(config)},
        "layers": [{"mediaType": LAYER, "digest": layer_digest, "size": layer_size}],
    }


def _index(reference: str, digest: str, size: int) -> dict[str, Any]:
    # containerd takes the first annotation for the image's whole name, others the second.
    names = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    platform = {"architecture": "amd64", "os": "linux"}
    found = {"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform, "annotations": names}
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [found]}


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _measure(file: Any) -> tuple[str, int]:
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while block := file.read(BLOCK):
        digest.update(block)
        size += len(block)
    return f"sha256:{digest.hexdigest()}", size


def _blob(tar: tarfile.TarFile, name: str) -> bytes:
    found = tar.extractfile(name)
    if found is None:
        raise ValueError(f"{name} is no file")
    return found.read()


def _checked(tar: tarfile.TarFile, digest: str) -> bytes:
    content = _blob(tar, f"blobs/sha256/{_hex(digest)}")
    if _sha256(content) != digest:
        raise ValueError(f"blob {digest} has other content than its name says")
    return content
