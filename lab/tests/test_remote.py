import io
import os
import shlex
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab import child, remote
from lab.errors import LabError
from lab.inventory.machines import ALIVE

ROOT_LOGIN = {"ansible_host": "10.64.30.20", "ansible_user": "root", "ansible_ssh_common_args": "-o StrictHostKeyChecking=yes"}
PLAIN_LOGIN = ROOT_LOGIN | {"ansible_user": "debian"}


def test_a_machine_under_a_restore_may_be_silent_for_a_minute_whatever_its_inventory_says() -> None:
    login = ROOT_LOGIN | {"ansible_ssh_common_args": f"-o StrictHostKeyChecking=yes {ALIVE}"}
    program, *words = remote.command(login, "true")
    effective = subprocess.run([program, "-G", *words], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"serveraliveinterval 10", "serveralivecountmax 6", "batchmode yes"} <= set(effective)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for programs that stand before the real ones; an ssh among them that runs its last word here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder / "ssh", '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def backup(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A backup machine whose snapshot is this archive, and what restic says and how it ends."""

    def make(files: Any, *, cut: int | None = None, says: str = "", code: int = 0) -> remote.Streams:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.uid, member.gid = len(text), 0o640, os.getuid(), os.getgid()
                tar.addfile(member, io.BytesIO(text.encode()))
        data = tmp_path / "archive"
        data.write_bytes(archive.getvalue()[:cut])
        restic = programs / "backup-restic"
        program(restic, f"#!/bin/sh\necho $* >> {tmp_path}/asked\ncat {data}\n[ -z {says!r} ] || echo {says!r} >&2\nexit {code}\n")
        monkeypatch.setattr(remote, "RESTIC", str(restic))
        return remote.Streams("vault", ROOT_LOGIN, child.Children(), tmp_path / "artifacts" / "restore")

    return make


@pytest.mark.parametrize(
    ("login", "last"), [(ROOT_LOGIN, "systemctl stop 'a b'"), (PLAIN_LOGIN, "sudo --non-interactive -- systemctl stop 'a b'")]
)
def test_a_command_runs_as_root_however_one_logs_in(login: Any, last: str) -> None:
    argv = remote.command(login, "systemctl", "stop", "a b")
    assert (argv[0], argv[-2], argv[-1]) == ("ssh", "10.64.30.20", last)
    assert "ControlPath=none" in argv and "BatchMode=yes" in argv


def test_what_a_command_prints_comes_back(programs: Path) -> None:
    assert remote.run("forge", ROOT_LOGIN, "cat", given="hello") == "hello"


def test_a_command_that_fails_is_named_with_its_machine_and_its_words(programs: Path) -> None:
    with pytest.raises(LabError, match=r"machine forge: `ls /no/such` ended with code 2: .*No such file"):
        remote.run("forge", ROOT_LOGIN, "ls", "/no/such")


def test_a_machine_that_lets_nobody_in_says_why(programs: Path) -> None:
    program(programs / "ssh", "#!/bin/sh\necho 'No route to host' >&2\nexit 255\n")
    assert "machine forge: does not let us in at 10.64.30.20: No route to host" in remote.answers("forge", ROOT_LOGIN)


def test_a_machine_that_hangs_does_not_hang_us(programs: Path) -> None:
    with pytest.raises(remote.NoAnswer, match=r"did not end within 0\.2 s"):
        remote.run("forge", ROOT_LOGIN, "sleep", "30", limit=0.2)


def test_a_snapshot_is_unpacked_with_its_modes(backup: Any, tmp_path: Path) -> None:
    streams = backup({"/srv/git/one": "first", "/srv/git/two": "second"})
    target = tmp_path / "target"
    target.mkdir()
    streams.unpack("forge", "1a2b3c4d5e6f", "lifeboat", ROOT_LOGIN, str(target))
    assert (target / "srv/git/two").read_text() == "second"
    assert stat.S_IMODE((target / "srv/git/two").stat().st_mode) == 0o640
    assert (tmp_path / "asked").read_text() == "forge dump --no-lock --archive tar 1a2b3c4d5e6f /\n"
    streams.compare("forge", "1a2b3c4d5e6f", "lifeboat", ROOT_LOGIN, str(target))


@pytest.mark.parametrize("spoil", ["content", "mode", "missing"])
def test_a_difference_to_the_snapshot_is_found(backup: Any, tmp_path: Path, spoil: str) -> None:
    streams, target = backup({"/one": "first"}), tmp_path / "target"
    target.mkdir()
    streams.unpack("forge", "1a2b", "lifeboat", ROOT_LOGIN, str(target))
    if spoil == "content":
        (target / "one").write_text("FIRST")
    elif spoil == "mode":
        (target / "one").chmod(0o600)
    else:
        (target / "one").unlink()
    with pytest.raises(LabError, match="machine lifeboat: compare with"):
        streams.compare("forge", "1a2b", "lifeboat", ROOT_LOGIN, str(target))


def test_a_corrupt_pack_fails_loudly_though_the_archive_up_to_there_is_fine(backup: Any, tmp_path: Path) -> None:
    streams = backup({"/one": "first"}, says="Fatal: ciphertext verification failed", code=1)
    with pytest.raises(
        LabError, match=r"machine vault: the backup of forge cannot be read.*ciphertext verification failed.*check --read-data"
    ):
        streams.unpack("forge", "1a2b", "lifeboat", ROOT_LOGIN, str(tmp_path))


def test_half_an_archive_is_blamed_on_its_writer(backup: Any, tmp_path: Path) -> None:
    streams = backup({"/one": "first" * 1000}, cut=1024, says="pack 77: invalid data returned", code=1)
    with pytest.raises(LabError, match=r"machine vault: .*invalid data returned"):
        streams.unpack("forge", "1a2b", "lifeboat", ROOT_LOGIN, str(tmp_path))


def test_half_an_archive_is_seen_even_where_its_writer_says_all_is_well(backup: Any, tmp_path: Path) -> None:
    streams = backup({"/one": "first" * 1000}, cut=1024)
    with pytest.raises(LabError, match=r"machine lifeboat: unpack .*Unexpected EOF"):
        streams.unpack("forge", "1a2b", "lifeboat", ROOT_LOGIN, str(tmp_path))


@pytest.mark.parametrize(
    ("left", "right", "said", "done", "blamed"),
    [
        (141, 2, "", "tar: /x: Cannot write: No space left on device", "machine lifeboat: .*fix: make room on lifeboat"),
        (1, 2, "write: broken pipe", "tar: /x: Disk quota exceeded", "machine lifeboat: .*make room"),
        (1, 2, "Fatal: pack is damaged", "tar: Unexpected EOF in archive", "machine vault: the backup of forge cannot be read"),
        (255, 2, "Connection closed", "tar: Unexpected EOF in archive", "machine vault: .*the connection ended"),
        (-13, 255, "", "ssh: connect: No route to host", "machine lifeboat: .*No route to host"),
        (1, 0, "Fatal: no snapshot", "", "machine vault: the backup of forge cannot be read"),
    ],
)
def test_the_end_that_failed_by_itself_is_blamed(tmp_path: Path, left: int, right: int, said: str, done: str, blamed: str) -> None:
    logs = tmp_path / "left", tmp_path / "right"
    logs[0].write_text(said)
    logs[1].write_text(done)
    with pytest.raises(LabError, match=blamed):
        remote.raise_for(left, right, "vault", "lifeboat", "unpack", logs, "forge")


def test_reading_a_snapshot_keeps_nothing(backup: Any, tmp_path: Path) -> None:
    backup({"/one": "first"}).read("forge", "1a2b")
    with pytest.raises(LabError, match="the backup of forge cannot be read"):
        backup({"/one": "first"}, says="Fatal", code=1).read("forge", "1a2b")


def test_no_secret_could_be_in_a_command_line() -> None:
    assert "password" not in shlex.join(remote.dump("forge", "1a2b"))


def test_a_host_key_that_came_back_replaces_the_one_of_that_address_only(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("10.0.0.2 ssh-ed25519 OLD\n10.0.0.20 ssh-ed25519 OTHER\n")
    remote.remember_host_key(file, "10.0.0.2", "ssh-ed25519 NEW root@forge\n")
    assert file.read_text() == "10.0.0.20 ssh-ed25519 OTHER\n10.0.0.2 ssh-ed25519 NEW\n"
    remote.remember_host_key(tmp_path / "none", "10.0.0.2", "ssh-ed25519 NEW")
    assert (tmp_path / "none").read_text() == "10.0.0.2 ssh-ed25519 NEW\n"


@pytest.mark.parametrize("command", [remote.dump("forge", "1a2b"), remote.listing("forge", "1a2b")])
def test_a_restore_reads_past_a_lock_that_a_lost_client_left(command: list[str]) -> None:
    assert "--no-lock" in command
