"""Mounts an NFS export and writes to it as 36:36, as vdsm does before it takes it for a storage domain: `guest.export ADDRESS PATH`.

Without a kernel's NFS client, which containers of a restricted controller do not have. Prints one line of JSON: `{available, used}` in
bytes, or `{step, errno, said}` of what was refused.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from typing import Any

UID = GID = 36  # vdsm:kvm on every hypervisor
PROBE = "__DIRECT_IO_TEST__"  # vdsm's name for it; it stays there, as vdsm's does
CONTENT = b"written by the oVirt engine simulator as 36:36\n"
SECONDS = 15


class Refused(Exception):
    """The server or the library said no: at which step, with which errno, in which words."""

    def __init__(self, step: str, number: int, said: str) -> None:
        super().__init__(step, number, said)
        self.step, self.number, self.said = step, number, said


class Stat(ctypes.Structure):
    """struct nfs_stat_64."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("dev", "ino", "mode", "nlink", "uid", "gid", "rdev", "size", "blksize", "blocks")] + [
        ("rest", ctypes.c_uint64 * 8)
    ]


class Room(ctypes.Structure):
    """struct nfs_statvfs_64."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("bsize", "frsize", "blocks", "bfree", "bavail")] + [("rest", ctypes.c_uint64 * 6)]


class Export:
    """A mounted export."""

    def __init__(self, address: str, path: str) -> None:
        """Mounts it as 36:36 over NFSv4."""
        self._nfs = ctypes.CDLL("libnfs.so.14")
        self._nfs.nfs_init_context.restype = ctypes.c_void_p
        self._nfs.nfs_get_error.restype = ctypes.c_char_p
        self._context = ctypes.c_void_p(self._nfs.nfs_init_context())
        self._nfs.nfs_set_version(self._context, 4)
        self._nfs.nfs_set_timeout(self._context, SECONDS * 1000)
        self._nfs.nfs_set_uid(self._context, UID)
        self._nfs.nfs_set_gid(self._context, GID)
        self._call("mount", "nfs_mount", address.encode(), path.encode())

    def write(self) -> tuple[int, int]:
        """Writes the probe, anew where there is one: whoever may not remove it may not make others; returns whose it is then."""
        handle, name, stat = ctypes.c_void_p(), f"/{PROBE}".encode(), Stat()
        try:
            self._call("write", "nfs_unlink", name)
        except Refused as refused:
            if refused.number != errno.ENOENT:
                raise
        self._call("write", "nfs_open2", name, os.O_CREAT | os.O_RDWR, 0o660, ctypes.byref(handle))
        self._call("write", "nfs_write", handle, ctypes.c_uint64(len(CONTENT)), CONTENT)
        self._call("write", "nfs_fsync", handle)
        self._call("write", "nfs_fstat64", handle, ctypes.byref(stat))
        self._call("write", "nfs_close", handle)
        return int(stat.uid), int(stat.gid)

    def room(self) -> dict[str, int]:
        """What is left and what is used, in bytes."""
        found = Room()
        self._call("ask for the room of", "nfs_statvfs64", b"/", ctypes.byref(found))
        block = found.frsize or found.bsize
        return {"available": found.bavail * block, "used": (found.blocks - found.bfree) * block}

    def _call(self, step: str, function: str, *words: Any) -> None:
        code = getattr(self._nfs, function)(self._context, *words)
        if code < 0:
            raise Refused(step, -code, (self._nfs.nfs_get_error(self._context) or b"").decode(errors="replace"))


def main(address: str, path: str) -> None:
    """Prints what was found."""
    try:
        export = Export(address, path)
        owner = export.write()
        if owner != (UID, GID):
            raise Refused("own", errno.EPERM, f"what 36:36 wrote belongs to {owner[0]}:{owner[1]}")
        print(json.dumps(export.room()))
    except Refused as refused:
        print(json.dumps({"step": refused.step, "errno": errno.errorcode.get(refused.number, "?"), "said": refused.said}))


if __name__ == "__main__":
    main(*sys.argv[1:])
