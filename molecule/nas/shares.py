"""How checks use a NAS as its clients do: NFS and SMB from user space, without mounts."""

import ipaddress
import json
import shlex
import subprocess
from dataclasses import dataclass

from lab.platforms.podman import entering

NOBODY = 65534

# argv: URL of a file to make, MiB to write. nfs-cp says that a write failed, but not why; the library it is made of does.
WRITE = """
import ctypes, errno, os, sys
library = ctypes.CDLL("libnfs.so.14")
for name in ("nfs_init_context", "nfs_parse_url_full"):
    getattr(library, name).restype = ctypes.c_void_p
library.nfs_get_error.restype = ctypes.c_char_p
class Place(ctypes.Structure):
    _fields_ = [("server", ctypes.c_char_p), ("path", ctypes.c_char_p), ("file", ctypes.c_char_p)]
nfs = ctypes.c_void_p(library.nfs_init_context())
place = Place.from_address(library.nfs_parse_url_full(nfs, sys.argv[1].encode()))
file = ctypes.c_void_p()
def call(name, *words):
    code = getattr(library, name)(nfs, *words)
    if code < 0:
        print(errno.errorcode.get(-code, code), library.nfs_get_error(nfs).decode(errors="replace"), flush=True)
        os._exit(0)  # the library would wait for what it could not write
if library.nfs_mount(nfs, place.server, place.path):
    sys.exit(library.nfs_get_error(nfs))
call("nfs_open2", place.file, os.O_WRONLY | os.O_CREAT, 0o644, ctypes.byref(file))
piece = bytes(65536)
for _ in range(16 * int(sys.argv[2])):
    call("nfs_write", file, ctypes.c_uint64(len(piece)), piece)
call("nfs_close", file)
print("written")
"""


@dataclass(frozen=True)
class Store:
    """A NAS and what the inventory says about it."""

    name: str
    host: object
    known: dict

    @property
    def address(self):
        """Where its clients find it."""
        return address(self.known)

    @property
    def datasets(self):
        """What it keeps."""
        return self.known["nas_datasets"]

    @property
    def users(self):
        """People, by name."""
        return {user["name"]: user for user in self.known["nas_users"]}

    def put(self, dataset, name, text, mode="0644"):
        """A file of root's, made on the NAS itself."""
        path = f"{dataset['path']}/{name}"
        self.host.check_output("printf %%s %s > %s && chmod %s %s", text, path, mode, path)

    def owner(self, dataset, name):
        """(user, group) of a file as numbers; None where there is no such file."""
        done = self.host.run("stat -c %s %s", "%u:%g", f"{dataset['path']}/{name}")
        return tuple(map(int, done.stdout.split(":"))) if done.rc == 0 else None

    def clean(self, pattern):
        """Removes what checks left."""
        for dataset in self.datasets:
            self.host.run(f"rm -f {shlex.quote(dataset['path'])}/{pattern}")


@dataclass(frozen=True)
class Client:
    """A machine of group client, and the address it comes from."""

    name: str
    host: object
    known: dict
    source: str

    def may_use(self, clients):
        """Whether it is one of these."""
        return any(ipaddress.ip_address(self.source) in ipaddress.ip_network(cidr) for cidr in clients)

    def export(self, dataset):
        """What the dataset's exports say about this client; None where it is no client of any."""
        return next((export for export in dataset["exports"] if self.may_use(export["clients"])), None)

    def nfs_write(self, store, dataset, name, uid, gid, source="/etc/hostname"):
        """Copies a file of the client into a dataset, as a user given by numbers."""
        return self.host.run("timeout 30 nfs-cp %s %s", source, url(store, dataset, name, uid, gid))

    def nfs_read(self, store, dataset, name, uid, gid):
        """Prints a file of a dataset, as a user given by numbers."""
        return self.host.run("timeout 30 nfs-cat %s", url(store, dataset, name, uid, gid))

    def smb(self, store, dataset, commands, login=None):
        """Runs commands of smbclient; the password goes through stdin, never through arguments."""
        words = ["timeout", "20", "smbclient", f"//{store.address}/{dataset['name']}", "--command", commands]
        if login is None:
            return pipe(self.known, [*words, "--no-pass"], "")
        name, password = login
        return pipe(self.known, [*words, "--authentication-file=/dev/stdin"], f"username = {name}\npassword = {password}\n")


def address(known):
    """Where a machine is reached by its neighbours."""
    uplink = (known.get("machine_spec") or {}).get("uplink") or {}
    return uplink.get("address") or known["ansible_host"]


def source(host, target):
    """The address a machine comes from when it speaks to another."""
    return json.loads(host.check_output("ip -json route get %s", target))[0]["prefsrc"]


def url(store, dataset, name, uid, gid):
    """As libnfs wants it."""
    return f"nfs://{store.address}{dataset['path']}/{name}?version=4&uid={uid}&gid={gid}"


def pipe(known, words, text):
    """Runs a program on a machine with text on stdin."""
    if known["ansible_connection"].endswith("podman"):
        argv = [*entering(known["ansible_host"]), *words]
    else:
        options = [*shlex.split(known["ansible_ssh_common_args"]), "-o", "BatchMode=yes", "-i", known["ansible_ssh_private_key_file"]]
        argv = ["ssh", *options, f"{known['ansible_user']}@{known['ansible_host']}", shlex.join(words)]
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False)


def effective(dataset, export, uid, gid):
    """Who a client's user is to the server."""
    if export["squash"] == "all":
        return dataset["owner"], dataset["group"]
    if export["squash"] == "root" and uid == 0:
        return NOBODY, NOBODY
    return uid, gid


def may_write(dataset, export, uid, gid):
    """Whether the rules let a user make a file in the root of a dataset."""
    user, group = effective(dataset, export, uid, gid)
    bits = int(dataset["mode"], 8)
    allowed = bits >> 6 if user == dataset["owner"] else bits >> 3 if group == dataset["group"] else bits
    return not export["read_only"] and (user == 0 or allowed & 0o3 == 0o3)


def write_until(store, client, dataset, name, uid, gid, count):
    """What comes of writing so many MiB over NFS: "written", or the error by its names."""
    done = client.host.run("timeout 60 python3 -c %s %s %s", WRITE, url(store, dataset, name, uid, gid), str(count))
    if done.rc:
        raise AssertionError(f"{client.name}: {done.stderr}")
    return done.stdout.strip()
