"""Glance: images, uploaded from files of the controller."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import InputError
from lab.openstack.kinds.base import removed, said
from lab.openstack.model_compute import Image
from lab.openstack.state import State, keyed
from lab.things.thing import Seen, Step

CHUNK = 1024**2
ACTIVE_SECONDS = 600
FAILED = ("killed", "deleted", "pending_delete")
# What a file of a format has in it: at which byte (from the end where negative), and what.
MARKS = {
    "qcow2": ((0, b"QFI\xfb"),),
    "vmdk": ((0, b"KDMV"), (0, b"# Disk DescriptorFile")),
    "iso": ((0x8001, b"CD001"),),
    "vhd": ((-512, b"conectix"),),
    "raw": ((510, b"\x55\xaa"),),
}


class Images:
    """Images that the project may use."""

    touches = ("images",)

    def observe(self, state: State, things: Sequence[Image]) -> dict[str, Seen]:
        """By name."""
        pairs = []
        for item in state.objects("images"):
            values = {
                "format": item.disk_format,
                "visibility": item.visibility,
                "min_disk_gib": item.min_disk or 0,
                "min_memory_mib": item.min_ram or 0,
                "status": item.status,
                "sha512": item.hash_value if item.hash_algo == "sha512" else None,
                "properties": properties_of(item),
            }
            pairs.append((str(item.name), Seen(str(item.id), values)))
        return keyed(pairs)

    def create(self, state: State, thing: Image) -> None:
        """Sends the file; where that fails, the SDK removes what was begun."""
        check_file(thing)
        proxy = state.cloud.connection.image

        def upload() -> object:
            return proxy.create_image(
                thing.name,
                filename=str(thing.file),
                disk_format=thing.format,
                container_format="bare",
                visibility=thing.visibility,
                min_disk=thing.min_disk_gib,
                min_ram=thing.min_memory_mib,
                allow_duplicates=True,  # what is there was looked at
                meta=dict(thing.properties),
            )

        made = state.cloud.tell(said(thing, "upload"), upload)
        ident = getattr(made, "id", "")
        state.cloud.wait(
            f"{thing.ref} can be used",
            lambda: str(proxy.get_image(ident).status),
            lambda status: status == "active",
            ACTIVE_SECONDS,
            lambda status: status in FAILED,
            lambda: "fix: read glance-api's journal; is its store full (df), is the file whole?",
        )

    def update(self, state: State, thing: Image, seen: Seen, step: Step) -> None:
        """What is only half there, or has another content (and `replace`), is made anew; else its words are changed."""
        if {"sha512", "status", "format"} & set(step.changes):
            self.remove(state, thing.key, seen)
            self.create(state, thing)
            return
        words = {"visibility": "visibility", "min_disk_gib": "min_disk", "min_memory_mib": "min_ram"}
        body = {words[key]: value for key, value in step.changes.items() if key in words}
        body |= thing.properties if "properties" in step.changes else {}
        state.cloud.tell(said(thing, "change"), lambda: state.cloud.connection.image.update_image(seen.id, **body))

    def remove(self, state: State, key: str, seen: Seen) -> None:
        """Servers that were made from it keep their disks."""
        proxy = state.cloud.connection.image
        removed(state, f"image {key}", lambda: proxy.delete_image(seen.id, ignore_missing=False))


def properties_of(item: Any) -> dict[str, str]:
    """Words about an image; the SDK keeps those that it knows apart from the others."""
    known = item.to_dict(headers=False, computed=False, ignore_none=True, original_names=True)
    words = {key: str(value) for key, value in known.items() if isinstance(value, str | bool | int)}
    return words | {key: str(value) for key, value in (item.properties or {}).items()}


def is_of(file: Path, format_: str) -> bool:
    """Whether a file is what its format says, by its marks."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        for place, mark in MARKS[format_]:
            opened.seek(place if place >= 0 else max(size + place, 0))
            if opened.read(len(mark)) == mark:
                return True
    return False


def check_file(thing: Image) -> None:
    """Refuses a file that no server would boot; raises InputError."""
    if not thing.file.is_file():
        raise InputError(f"{thing.ref}: {thing.file} is not there; fix: build it first, or give the right path")
    if not is_of(thing.file, thing.format):
        real = next((name for name in MARKS if is_of(thing.file, name)), None)
        fix = f"write format: {real}" if real else "is it compressed, or a page that was saved instead of the image? get it again"
        raise InputError(f"{thing.ref}: {thing.file} is no {thing.format} image; fix: {fix}")


def sha512(file: Path) -> str:
    """Of a file's content, as Glance computes it."""
    stat = file.stat()
    return _sha512(file, stat.st_size, stat.st_mtime_ns)


@cache
def _sha512(file: Path, size: int, changed: int) -> str:
    digest = hashlib.sha512()
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
