"""Sets of files: their list, what is noticed of a damaged one, and mirrors in a folder and behind a web server."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InputError, LabError
from lab.kubernetes import manifest, mirror
from lab.kubernetes.manifest import Artifacts, Image

FILES = {
    "binaries/kubeadm": b"kubeadm" * 1000,
    "binaries/cni/bridge": b"bridge",
    "images/pause.tar": b"pause" * 500,
    "manifests/crds.yaml": b"a",
}
REFERENCE = "registry.k8s.io/pause:3.10.2"


def make(folder: Path) -> Path:
    """A set as a build leaves it."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    manifest.write(folder, "v1.36.4", [Image(REFERENCE, folder / "images/pause.tar", "sha256:0", "node")], {"etcd-3.6": "v3.6.8"})
    return folder


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return make(tmp_path / "built")


def damage(file: Path) -> None:
    """Another byte of the same size, as a failing disk makes it."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def listed(folder: Path) -> Any:
    return json.loads((folder / manifest.NAME).read_text())


def relist(folder: Path, change: Callable[[Any], None]) -> None:
    found = listed(folder)
    change(found)
    (folder / manifest.NAME).write_text(json.dumps(found))


def test_a_set_knows_its_files_by_name(built: Path) -> None:
    found = manifest.load(built)
    assert found.kubernetes == "v1.36.4"
    assert dict(found.binaries) == {"kubeadm": built / "binaries/kubeadm", "cni/bridge": built / "binaries/cni/bridge"}
    assert found.images == (Image(REFERENCE, built / "images/pause.tar", "sha256:0", "node"),)
    assert dict(found.manifests) == {"crds": built / "manifests/crds.yaml"}
    assert set(found.checksums) == set(FILES)
    assert found.versions == {"etcd-3.6": "v3.6.8"}


def test_the_same_set_has_the_same_list(built: Path, tmp_path: Path) -> None:
    again = make(tmp_path / "again")
    assert (built / manifest.NAME).read_bytes() == (again / manifest.NAME).read_bytes()


def test_every_damaged_file_is_named_at_once(built: Path) -> None:
    damage(built / "binaries/kubeadm")
    (built / "images/pause.tar").write_bytes(b"short")
    (built / "manifests/crds.yaml").unlink()
    with pytest.raises(LabError) as raised:
        manifest.load(built)
    lines = str(raised.value).splitlines()
    assert [line.partition(": ")[0] for line in lines[:3]] == [
        str(built / name) for name in ("binaries/kubeadm", "images/pause.tar", "manifests/crds.yaml")
    ]
    assert "has SHA-256" in lines[0]
    assert "has 5 bytes, and 2500 are listed" in lines[1]
    assert "is missing" in lines[2]
    assert lines[3].startswith(f"fix: remove {built}")


def test_a_file_that_was_verified_is_read_again_only_when_it_changed(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest.load(built)
    read: list[Path] = []
    real = manifest.sha256

    def spy(file: Path) -> str:
        read.append(file)
        return real(file)

    monkeypatch.setattr(manifest, "sha256", spy)
    manifest.load(built)
    assert read == []
    damage(built / "binaries/kubeadm")
    with pytest.raises(LabError, match="binaries/kubeadm: has SHA-256"):
        manifest.load(built)
    assert read == [built / "binaries/kubeadm"]


def test_a_record_of_what_was_verified_is_a_cache_only(built: Path) -> None:
    manifest.load(built)
    (built / manifest.VERIFIED).write_text("{")
    assert manifest.load(built).kubernetes == "v1.36.4"


@pytest.mark.parametrize("name", ["../etc/passwd", "binaries/../../x", "/binaries/x", "binaries", "binaries//x", "other/x", "binaries/."])
def test_a_list_cannot_lead_out_of_its_folder(built: Path, name: str) -> None:
    relist(built, lambda found: found["files"].update({name: {"sha256": "0" * 64, "size": 1}}))
    with pytest.raises(LabError, match="which is no path in its folder; fix: fill the mirror again"):
        manifest.load(built)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.update(format=2), "has format 2, and this release of Strata reads 1"),
        (lambda found: found.pop("kubernetes"), "is no list of artifacts"),
        (lambda found: found.update(files=[]), "is no list of artifacts"),
        (lambda found: found["files"]["binaries/kubeadm"].update(sha256="abc"), "binaries/kubeadm: has no SHA-256 and size"),
        (lambda found: found["images"][0].update(file="images/none.tar"), "its file 'images/none.tar' is not listed"),
        (lambda found: found["images"][0].pop("digest"), "is no list of artifacts"),
    ],
)
def test_a_list_of_another_shape_is_refused(built: Path, change: Callable[[Any], None], message: str) -> None:
    relist(built, change)
    with pytest.raises(LabError, match=message):
        manifest.load(built)


def test_a_folder_without_a_list_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"manifest.json: cannot be read \(No such file or directory\); fix: name the folder"):
        manifest.load(tmp_path)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A web server that keeps to itself; `cut` is a path of which it sends the half."""

    cut = ""

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path != f"/{type(self).cut}":
            super().do_GET()
            return
        content = FILES[type(self).cut]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])


@pytest.fixture
def web(built: Path) -> Iterator[str]:
    """The URL of the set."""
    Quiet.cut = ""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(built)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["folder", "url"])
def source(request: pytest.FixtureRequest, built: Path, web: str) -> str:
    return web if request.param == "url" else str(built)


def test_a_mirror_brings_the_same_set(source: str, built: Path, tmp_path: Path) -> None:
    mirror.fetch(source, tmp_path / "cache")
    found = manifest.load(tmp_path / "cache")
    assert {name: (tmp_path / "cache" / name).read_bytes() for name in found.checksums} == FILES
    assert (tmp_path / "cache/binaries/kubeadm").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "cache" / manifest.NAME).read_bytes() == (built / manifest.NAME).read_bytes()


def test_a_tampered_file_is_refused_and_leaves_no_set(source: str, built: Path, tmp_path: Path) -> None:
    damage(built / "images/pause.tar")
    with pytest.raises(LabError, match=r"images/pause.tar: has SHA-256 \w+, and the mirror's list says \w+; fix: fill the mirror again"):
        mirror.fetch(source, tmp_path / "cache")
    assert not (tmp_path / "cache" / manifest.NAME).exists()
    assert list((tmp_path / "cache/images").iterdir()) == []


def test_a_file_that_is_gone_is_named_with_its_place(source: str, built: Path, tmp_path: Path) -> None:
    (built / "binaries/kubeadm").unlink()
    with pytest.raises(LabError, match=r"binaries/kubeadm: (is not there|the server answered 404 File not found); fix: is it the folder"):
        mirror.fetch(source, tmp_path / "cache")


def test_a_copy_that_was_cut_off_goes_on_with_what_is_missing(web: str, tmp_path: Path) -> None:
    Quiet.cut = "images/pause.tar"
    with pytest.raises(LabError, match=r"images/pause.tar: (broke off|has SHA-256)"):
        mirror.fetch(web, tmp_path / "cache")
    before = (tmp_path / "cache/binaries/kubeadm").stat()
    Quiet.cut = ""
    mirror.fetch(web, tmp_path / "cache")
    assert (tmp_path / "cache/binaries/kubeadm").stat().st_mtime_ns == before.st_mtime_ns
    assert manifest.load(tmp_path / "cache").images


def test_a_server_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"http://127.0.0.1:9/manifest.json: cannot be fetched \(.*refused.*\); fix: "):
        mirror.fetch("http://127.0.0.1:9", tmp_path / "cache")


def test_another_content_is_another_fingerprint(built: Path) -> None:
    before = mirror.fingerprint(str(built))
    (built / "manifests/crds.yaml").write_bytes(b"b")
    manifest.write(built, "v1.36.4", [], {})
    assert mirror.fingerprint(str(built)) != before


def test_a_mirror_is_filled_again_without_what_is_no_more(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "mirror"
    assert mirror.fill(manifest.load(built), target) == 0  # less than a MiB
    (built / "binaries/cni/bridge").unlink()
    manifest.write(built, "v1.36.5", [], {})
    mirror.fill(manifest.load(built), target)
    assert manifest.load(target).kubernetes == "v1.36.5"
    assert not (target / "binaries/cni/bridge").exists()


def test_a_folder_of_somebody_else_is_left_alone(built: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter").write_text("dear")
    with pytest.raises(InputError, match="home: has other files than a mirror's; fix: name an empty or a new folder"):
        mirror.fill(manifest.load(built), tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["letter"]


def test_machines_that_fetch_for_themselves_leave_nothing_to_mirror(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is nothing here to copy; fix: kind: modules"):
        mirror.fill(Artifacts("v1.36.4", None, {}, (), {}, {}, {}), tmp_path)
