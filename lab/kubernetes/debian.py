"""The few programs of images that are not compiled here, out of Debian's packages: nft, which kube-proxy and flannel call, iptables, with
which flannel removes what an older one left, and busybox.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from lab.errors import LabError
from lab.kubernetes.oci import File, Link, Member

SUITE = "trixie"
PACKAGES = ("busybox-static", "iptables", "nftables")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
NFT = "usr/sbin/nft"
IPTABLES = "usr/sbin/xtables-nft-multi"
BUSYBOX = "usr/bin/busybox"
LOADER = "usr/lib64/ld-linux-x86-64.so.2"
# The packages bring nothing but what these need; without what libc has for character sets it is 10 MB.
WANTED = (NFT, IPTABLES, BUSYBOX, LOADER, f"{LIBRARIES}/*.so*")
# As on every Debian: the folders that packages find their files under by older names.
MERGED = (Link("/bin", "usr/bin"), Link("/lib", "usr/lib"), Link("/lib64", "usr/lib64"), Link("/sbin", "usr/sbin"))


def words() -> list[str]:
    """Fetches the packages and unpacks them, which needs no rights: nothing is installed."""
    return ["mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}", "--format=tar", SUITE]


def place(cache: Path) -> Path:
    """The folder of the files, whether they are there or not."""
    digest = hashlib.sha256(repr([words(), WANTED]).encode()).hexdigest()[:12]
    return cache / "programs" / f"debian-{SUITE}-{digest}"


def ensure(cache: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """Fetches the files where they are missing and returns their folder.

    Raises LabError with mmdebstrap's last words.
    """
    wanted = place(cache)
    if wanted.is_dir():
        return wanted
    say(f"{', '.join(PACKAGES)}: fetched from Debian's packages")
    partial = wanted.with_name(f"{wanted.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tar = partial / "packages.tar"
    done = subprocess.run([*words(), str(tar)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " | ".join(done.stderr.strip().splitlines()[-4:])
        raise LabError(f"programs of images ({SUITE}): mmdebstrap failed: {said}; fix: make Debian's mirror reachable, then run again")
    pick(tar, partial)
    tar.unlink()
    partial.replace(wanted)
    return wanted


def pick(tar: Path, folder: Path) -> None:
    """Unpacks what is wanted; links stay links.

    Raises LabError where a program is not in the packages.
    """
    with tarfile.open(tar, "r:") as archive:
        for entry in archive:
            file = folder / entry.name
            if not is_wanted(entry.name.removeprefix("./")):
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            if entry.issym():
                file.symlink_to(entry.linkname)
            elif (content := archive.extractfile(entry)) is not None:
                file.write_bytes(content.read())
                file.chmod(0o755)
    for name in (NFT, IPTABLES, BUSYBOX, LOADER):
        if not (folder / name).exists():
            raise LabError(f"programs of images ({SUITE}): {', '.join(PACKAGES)} have no {name}; fix: tell Strata's authors")


def is_wanted(path: str) -> bool:
    """Whether a path of the packages is one of WANTED; a star does not reach into folders."""
    return any(fnmatch(path, pattern) and path.count("/") == pattern.count("/") for pattern in WANTED)


def nft(folder: Path) -> list[Member]:
    """nft with its libraries, for an image that has nothing else of Debian."""
    members: list[Member] = [*MERGED, File(f"/{NFT}", folder / NFT), _member(folder, folder / LOADER)]
    members += [_member(folder, path) for path in sorted((folder / LIBRARIES).iterdir())]
    return members


def iptables(folder: Path) -> list[Member]:
    """iptables by the two names it is called by here; its libraries are those of nft."""
    return [File(f"/{IPTABLES}", folder / IPTABLES), *(Link(f"/usr/sbin/{name}", f"/{IPTABLES}") for name in ("iptables", "ip6tables"))]


def busybox(folder: Path) -> list[Member]:
    """busybox with all it can be called by."""
    program = folder / BUSYBOX
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    links = [Link(f"/bin/{name}", "/bin/busybox") for name in sorted(set(applets) - {"busybox"})]
    return [File("/bin/busybox", program), *links]


def busybox_version(folder: Path) -> str:
    """As busybox says it, such as 1.37.0."""
    said = subprocess.run([folder / BUSYBOX], capture_output=True, text=True, check=True).stdout
    return said.split()[1].removeprefix("v")


def _member(folder: Path, path: Path) -> Member:
    name = f"/{path.relative_to(folder)}"
    return Link(name, str(path.readlink())) if path.is_symlink() else File(name, path)
