"""An image over the real imageio daemon: whole, compared, continued after a kill, and nothing left behind after a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.ovirt import channel, steps, transfer, upload
from lab.ovirt.engine import Engine, Login
from lab.ovirt.images import BLOCK, Image, examine
from lab.ovirt.model_vms import Template
from lab.ovirt.sdk import word
from lab.ovirt.state import State
from lab.simulators.ovirt import Served
from lab.stages import ROOT
from lab.tests.ovirt.conftest import Admin, build
from lab.wait import wait_for

BLOCKS = 5


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """A qcow2 image of some blocks whose size is no whole number of anything, with content that compresses to nothing."""
    raw, file = tmp_path / "disk.raw", tmp_path / "disk.qcow2"
    raw.write_bytes(bytes(510) + b"\x55\xaa" + os.urandom(BLOCKS * BLOCK - 512))
    os.truncate(raw, (BLOCKS + 64) * BLOCK)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file], check=True)
    with file.open("ab") as opened:
        opened.write(b"\0" * 100)
    return examine(file)


def template(image: Image) -> Template:
    return Template(name="debian", cluster="main", storage_domain="nas", image=image.file, sha256=image.sha256)


def stored(served: Served, disk: str) -> bytes:
    """What is really on the storage."""
    found = list((served.engine.images).glob(f"*{disk}*"))
    assert len(found) == 1
    return found[0].read_bytes()


def disks(engine: Engine) -> list[str]:
    return [disk.name for disk in State(engine).objects("disks") if disk.name.startswith("strata")]


def phases(engine: Engine) -> list[str]:
    return [word(item.phase) for item in engine.system.image_transfers_service().list()]


def test_what_arrives_is_the_image(engine: Engine, served: Served, image: Image) -> None:
    build(engine)
    disk = upload.uploaded(State(engine), template(image), image)
    assert stored(served, disk)[: image.size] == image.file.read_bytes()
    found = engine.system.disks_service().disk_service(disk).get()
    assert (found.description, found.provisioned_size) == (f"strata image sha256:{image.sha256}", image.virtual)
    assert phases(engine) == ["finished_success"]


def test_an_image_that_was_compared_is_not_sent_again(engine: Engine, image: Image, admin: Admin) -> None:
    build(engine)
    disk = upload.uploaded(State(engine), template(image), image)
    admin.forget()
    assert upload.uploaded(State(engine), template(image), image) == disk
    assert admin.writes() == 0


class Killed(BaseException):
    """Stands for kill -9: nothing of ours runs after it."""


def kill_after(monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    """Ends the upload as a kill would: without cancelling anything."""
    put, left = channel.Channel.put, [blocks]

    def dying(self: channel.Channel, start: int, data: bytes) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        put(self, start, data)

    monkeypatch.setattr(channel.Channel, "put", dying)
    monkeypatch.setattr(upload, "abandon", lambda *_: None)


def test_an_upload_that_was_killed_goes_on_where_it_was(
    engine: Engine, served: Served, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(engine)
    with monkeypatch.context() as patch:
        kill_after(patch, 3)
        with pytest.raises(Killed):
            upload.uploaded(State(engine), template(image), image)
    assert phases(engine) == ["transferring"]
    # An engine asks hypervisors how far they are now and then; a run that is started again comes later than that.
    known = lambda: [item.transferred for item in engine.system.image_transfers_service().list()]  # noqa: E731
    wait_for("the engine knows what arrived", known, lambda seen: seen == [3 * BLOCK], 10, pause_seconds=0.05)
    sent: list[int] = []
    put = channel.Channel.put

    def noted(self: channel.Channel, start: int, data: bytes) -> None:
        sent.append(start)
        put(self, start, data)

    monkeypatch.setattr(channel.Channel, "put", noted)
    disk = upload.uploaded(State(engine), template(image), image)
    assert sent[0] == 3 * BLOCK
    assert stored(served, disk)[: image.size] == image.file.read_bytes()
    assert (len(disks(engine)), phases(engine)) == (1, ["finished_success"])


def test_an_upload_that_was_killed_at_its_very_end_is_sent_anew_for_nobody_compared_it(
    engine: Engine, served: Served, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: transfer.Transfer) -> None:
        self.engine.tell("finalize", self.service.finalize)
        raise Killed

    build(engine)
    with monkeypatch.context() as patch:
        patch.setattr(transfer.Transfer, "finish", killed)
        patch.setattr(upload, "abandon", lambda *_: None)
        with pytest.raises(Killed):
            upload.uploaded(State(engine), template(image), image)
    disk = upload.uploaded(State(engine), template(image), image)
    assert stored(served, disk)[: image.size] == image.file.read_bytes()
    assert len(disks(engine)) == 1


def test_an_upload_whose_connection_breaks_goes_on(engine: Engine, served: Served, image: Image, admin: Admin) -> None:
    build(engine)
    admin.fault("broken_upload", bytes=2 * BLOCK + 1000, times=1)
    disk = upload.uploaded(State(engine), template(image), image)
    assert stored(served, disk)[: image.size] == image.file.read_bytes()


def test_an_upload_that_always_breaks_is_cancelled_and_leaves_nothing(
    engine: Engine, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(engine)
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)
    put, tries = channel.Channel.put, []

    def breaking(self: channel.Channel, start: int, data: bytes) -> None:
        if start == BLOCK:
            tries.append(start)
            raise channel.Broken(f"{self.url}: PUT: the connection broke (reset by peer)")
        put(self, start, data)

    monkeypatch.setattr(channel.Channel, "put", breaking)
    with pytest.raises(LabError) as refused:
        upload.uploaded(State(engine), template(image), image)
    said = str(refused.value)
    assert said.startswith(engine.login.url) and "template debian: upload of disk.qcow2" in said
    assert "; fix: look at the network to the hypervisor, then run it again" in said
    assert f"broke {transfer.TRIES} times at byte {BLOCK}" in said and len(tries) == transfer.TRIES
    assert (disks(engine), phases(engine)) == ([], ["finished_cleanup"])


def test_a_hypervisor_that_cannot_be_reached_is_said_with_what_to_open(
    engine: Engine, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise channel.Broken("https://node1:54322/images/1: OPTIONS: the connection broke (timed out)")

    build(engine)
    monkeypatch.setattr(transfer, "reachable", closed)
    with pytest.raises(LabError) as refused:
        upload.uploaded(State(engine), template(image), image)
    said = str(refused.value)
    assert said.startswith(f"{engine.login.url}: template debian: upload of disk.qcow2: no way to the image: https://node1:54322/")
    assert "(timed out); fix: let this computer reach port 54322 of the hypervisor" in said
    assert disks(engine) == []


def test_what_arrives_as_something_else_is_not_kept(engine: Engine, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    build(engine)
    put = channel.Channel.put
    monkeypatch.setattr(
        channel.Channel, "put", lambda self, start, data: put(self, start, data if start != BLOCK else data[:-1] + bytes([data[-1] ^ 1]))
    )
    with pytest.raises(LabError, match=r"what arrived differs from .*disk.qcow2; fix: "):
        upload.uploaded(State(engine), template(image), image)
    assert disks(engine) == []


def test_a_full_disk_is_said_and_nothing_is_left(engine: Engine, image: Image, admin: Admin) -> None:
    build(engine)
    detail = "[Cannot add Virtual Disk. Low disk space on Storage Domain nas.]"
    admin.fault("fault", path="/disks$", method="POST", status=409, reason="Operation Failed", detail=detail)
    with pytest.raises(LabError, match=r"make its disk: .*Low disk space on Storage Domain nas\.; fix: free space on the storage domain"):
        upload.uploaded(State(engine), template(image), image)
    assert disks(engine) == []


def test_check_mode_sends_nothing(engine: Engine, checking: Engine, image: Image, admin: Admin) -> None:
    build(engine)
    admin.forget()
    change = steps.ensure(checking, template(image))
    assert (change.changed, change.after) == (True, {"cluster": "main", "sha256": image.sha256})
    assert admin.writes() == 0
    assert disks(engine) == []


CLIENT = """
import sys
from pathlib import Path
from lab.ovirt import steps
from lab.ovirt.engine import Login, connect
from lab.ovirt.model import thing
url, user, password, ca_file, image, slow = sys.argv[1:]
if slow == "slow":
    import time
    from lab.ovirt.channel import Channel
    put = Channel.put
    Channel.put = lambda self, start, data: (put(self, start, data), print(start, flush=True), time.sleep(0.7))
with connect(Login(url, user, password, Path(ca_file))) as engine:
    template = {"name": "debian", "cluster": "main", "storage_domain": "nas", "image": image}
    print(steps.ensure(engine, thing("template", template)).changed)
"""


def test_a_process_that_was_killed_with_9_in_an_upload_is_followed_by_one_that_ends_it(
    engine: Engine, served: Served, login: Login, image: Image
) -> None:
    build(engine)
    words = [sys.executable, "-c", CLIENT, login.url, login.user, login.password, str(login.ca_file), str(image.file)]
    first = subprocess.Popen([*words, "slow"], stdout=subprocess.PIPE, cwd=ROOT)
    assert first.stdout is not None
    for at in (0, BLOCK):
        assert first.stdout.readline() == f"{at}\n".encode()
    first.kill()
    first.wait()
    first.stdout.close()
    assert phases(engine) == ["transferring"]
    second = subprocess.run([*words, "fast"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (second.returncode, second.stdout) == (0, "True\n"), second.stderr
    third = subprocess.run([*words, "fast"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert third.stdout == "False\n"
    assert phases(engine) == ["finished_success"]
    state = State(engine)
    attached = [one.id for item in state.objects("templates") for one in item.disk_attachments or ()]
    assert [disk.id for disk in state.objects("disks")] == attached
    assert stored(served, attached[0])[: image.size] == image.file.read_bytes()
