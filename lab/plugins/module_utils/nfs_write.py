"""Mounts an export, writes to it as user and group 36, and says what is wrong. Python of EL9 (3.9)."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

STORAGE = 36  # user vdsm and group kvm
USUAL = ("lost+found", ".snapshots")  # of file systems and a NAS
# Not for ever: a server that says nothing is a finding here. A domain is mounted hard.
OPTIONS = "soft,timeo=100,retrans=2,lookupcache=none"
CAUSES = {
    "access denied": "export it to this machine's address",
    "Connection refused": "start the NFS server; `systemctl status nfs-server` there",
    "timed out": "let port 2049 through between the two, and start the server",
    "No such file or directory": "correct the path: `exportfs -v` on the server lists what it exports",
    "No such device": "the machine's kernel has no NFS: modprobe nfsv4",
}


def advice(said):
    """The fix for what `mount` says."""
    return next(
        (fix for words, fix in CAUSES.items() if words in said), "`exportfs -v` and `journalctl -u nfs-server` on the server say more"
    )


def write(folder, is_empty):
    """What goes wrong when user 36 looks, makes, reads and removes a file, or nothing. For a process of its own: it changes user."""
    os.setgroups([])
    os.setgid(STORAGE)
    os.setuid(STORAGE)
    file = folder / ".lab-probe"
    try:
        inside = sorted(entry.name for entry in folder.iterdir() if entry.name not in USUAL)
        with file.open("w") as stream:
            stream.write("probe")
            stream.flush()
            os.fsync(stream.fileno())
        owner = file.stat()
        text = file.read_text()
        file.unlink()
    except OSError as error:
        return "user 36 cannot write: " + str(error.strerror)
    if (owner.st_uid, owner.st_gid) != (STORAGE, STORAGE):
        return f"what user 36 writes belongs to {owner.st_uid}:{owner.st_gid}"
    if is_empty and inside:
        return f"has to be empty, and has {', '.join(inside[:3])}"
    return "" if text == "probe" else "a file reads other than it was written"


def as_storage(folder, is_empty):
    """`write` in a child, whose change of user ends with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, write(folder, is_empty).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    code = os.waitpid(child, 0)[1]
    return said or (f"the probe ended with status {code}" if code else "")


def look(folder, least_gib, is_empty):
    """What is wrong with a mounted export, or nothing."""
    found = folder.stat()
    problem = as_storage(folder, is_empty)
    if problem.startswith("has to be empty"):
        return f"{problem}; fix: remove what another engine left, or give this one another dataset"
    if problem:
        has = f"it is {found.st_uid}:{found.st_gid} mode {stat.S_IMODE(found.st_mode):04o}"
        return f"{problem} ({has}); fix: on the server, after NFS started, chown 36:36 and chmod 0755 it, and squash nobody to others"
    free = shutil.disk_usage(folder).free / 2**30
    if free < least_gib:
        return f"{free:.1f} GiB are free, and {least_gib} are needed; fix: give it more"
    return ""


def probe(export, run_command, least_gib, is_empty):
    """What is wrong with `server:path`, or nothing. `run_command` is AnsibleModule's."""
    folder = Path(tempfile.mkdtemp(prefix="lab-nfs-"))
    try:
        code, _, said = run_command(["mount", "-t", "nfs", "-o", OPTIONS, export, str(folder)])
        if code:
            return "cannot be mounted: {}; fix: {}".format(" ".join(said.split()), advice(said))
        try:
            return look(folder, least_gib, is_empty)
        finally:
            run_command(["umount", str(folder)], check_rc=True)
    finally:
        folder.rmdir()
