"""Stand-ins for packages of EL and oVirt, in repositories the real dnf installs from: `packages.py SOURCES TARGET`.

SOURCES has a folder per package, with what it installs. Nothing here is a program of oVirt; each says so where it speaks.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

# Repository -> package -> what it requires.
REPOSITORIES = {
    "base": {
        "centos-release-ovirt45": [],
        "firewalld": [],
        "nfs-utils": [],
        "chrony": [],
        "dnf-plugins-core": [],
        "ansible-core": [],
        "sshpass": [],
    },
    "crb": {},
    "ovirt": {
        "vdsm": [],
        "ovirt-host": ["vdsm"],
        "ovirt-engine": [],
        "ovirt-ansible-collection": ["ansible-core"],
        "ovirt-hosted-engine-setup": ["ovirt-ansible-collection"],
    },
}
SPEC = """Name: {name}
Version: 4.5.99
Release: 1.standin
Summary: A stand-in for {name}, for tests
License: Apache-2.0
BuildArch: noarch
AutoReqProv: no
{requires}
%description
A stand-in for {name}, for tests.
%install
mkdir -p %{{buildroot}}
cp -a {files}/. %{{buildroot}}/
%files
{listed}
"""


def spec(name: str, requires: list[str], files: Path) -> str:
    """The spec of a package that installs what is below `files`."""
    listed = "\n".join(f"/{path.relative_to(files)}" for path in sorted(files.rglob("*")) if path.is_file())
    return SPEC.format(name=name, requires="".join(f"Requires: {other}\n" for other in requires), files=files, listed=listed)


def build(sources: Path, target: Path) -> None:
    """All repositories; they appear below `target` when they are complete."""
    with tempfile.TemporaryDirectory() as work:
        for repository, packages in REPOSITORIES.items():
            folder = target / repository
            folder.mkdir(parents=True)
            for name, requires in packages.items():
                files = Path(work) / name
                files.mkdir()
                if (sources / name).is_dir():
                    subprocess.run(["cp", "-a", f"{sources / name}/.", files], check=True)
                file = Path(work) / f"{name}.spec"
                file.write_text(spec(name, requires, files))
                options = ["--quiet", "-bb", "--define", f"_rpmdir {folder}", "--define", f"_topdir {work}/build"]
                subprocess.run(["rpmbuild", *options, file], check=True)
            subprocess.run(["createrepo_c", "--quiet", folder], check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
