"""Image transfers: /imagetransfers of the engine, and the bytes themselves. Started, continued, compared, ended; never left behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.ovirt.channel import Broken, Channel, reachable
from lab.ovirt.engine import Engine
from lab.ovirt.errors import Gone
from lab.ovirt.images import BLOCK, BlockHash, Image, block_hash
from lab.ovirt.sdk import ident, types, word

PHASE_SECONDS = 300
TRIES = 4  # without a byte of progress between them
IDLE_SECONDS = 120
PAUSE_SECONDS = 1.0
RUNNING = ("initializing", "transferring", "resuming", "paused_system", "paused_user")
ENDED = ("finished_success", "finished_failure", "finished_cleanup", "cancelled", "cancelled_system", "cancelled_user", "gone")


class Transfer:
    """One transfer of the engine, by its id."""

    def __init__(self, engine: Engine, ident_: str, what: str) -> None:
        self.engine = engine
        self.what = what
        self.service = engine.system.image_transfers_service().image_transfer_service(ident_)

    def phase(self) -> str:
        """`gone` where the engine no longer has it, which it forgets some minutes after the end."""
        try:
            return word(self.engine.ask(self.what, self.service.get).phase)
        except Gone:
            return "gone"

    def until(self, *wanted: str) -> str:
        """Waits for a phase, and gives up on one that cannot lead there."""
        return self.engine.wait(
            f"{self.what} is {' or '.join(wanted)}",
            self.phase,
            lambda phase: phase in wanted,
            PHASE_SECONDS,
            lambda phase: phase in ENDED,
            lambda _: "run the same command again: what was sent is continued or sent anew",
        )

    def open(self) -> Channel:
        """The way to the image, after a pause was ended. Two kinds of pause happen by themselves: inactivity, and a lost hypervisor."""
        if self.phase().startswith("paused"):
            self.engine.tell(f"{self.what}: resume", self.service.resume)
        self.until("transferring")
        found = self.engine.ask(self.what, self.service.get)
        assert self.engine.login.ca_file is not None  # noqa: S101 - connect() refuses to go without
        try:
            return reachable([found.transfer_url, found.proxy_url], self.engine.login.ca_file)[0]
        except Broken as error:
            fix = "let this computer reach port 54322 of the hypervisor, or 54323 of the engine, by the names in these URLs"
            raise Broken(f"{self.engine.login.url}: {self.what}: no way to the image: {error}; fix: {fix}") from None

    def sent(self) -> int:
        """How many bytes the hypervisor has, as far as the engine knows; never more than there are."""
        return int(self.engine.ask(self.what, self.service.get).transferred or 0)

    def finish(self) -> None:
        """Ends it well: the engine looks at the image once more before it lets anyone use it."""
        self.engine.tell(f"{self.what}: finalize", self.service.finalize)
        self.until("finished_success", "gone")

    def cancel(self) -> None:
        """Ends it, whatever state it is in, and waits until it lets go of the disk."""
        if self.phase() in ENDED:
            return
        try:
            self.engine.tell(f"{self.what}: cancel", self.service.cancel)
        except Gone:
            return
        self.engine.wait(f"{self.what} is cancelled", self.phase, lambda phase: phase in ENDED, PHASE_SECONDS)


def start(engine: Engine, what: str, direction: str, **of: Any) -> Transfer:
    """A new transfer of `disk=` (up or down), or of a disk in a `backup=`."""
    request = types().ImageTransfer(direction=types().ImageTransferDirection(direction), inactivity_timeout=IDLE_SECONDS, **of)
    made = engine.tell(f"{what}: start", lambda: engine.system.image_transfers_service().add(request))
    return Transfer(engine, made.id, what)


def running(engine: Engine, disk: str, what: str) -> Transfer | None:
    """The transfer that an earlier, killed run left on a disk."""
    for item in engine.ask(what, lambda: engine.system.image_transfers_service().list()):
        if disk in (ident(item.disk), ident(item.image)) and word(item.phase) in RUNNING:
            return Transfer(engine, item.id, what)
    return None


def upload(transfer: Transfer, image: Image, begin: int = 0) -> None:
    """Sends an image from a byte on, over broken connections, and compares what arrived.

    Raises LabError where it does not arrive, or arrives as something else.
    """
    at = begin - begin % BLOCK
    channel = transfer.open()

    def send(channel: Channel) -> None:
        nonlocal at
        for block in image.blocks(at):
            channel.put(at, block)
            at += len(block)
        channel.flush()

    try:
        channel = stubborn(transfer, channel, send, lambda: at)
        if not same(channel, image):
            raise LabError(
                f"{channel.url}: {transfer.what}: what arrived differs from {image.file}; "
                "fix: look for errors of the storage, then run it again"
            )
    finally:
        channel.close()


def stubborn(transfer: Transfer, channel: Channel, work: Callable[[Channel], None], progress: Callable[[], int]) -> Channel:
    """Does the work again after every broken connection, until that stops helping; returns the channel that lived to the end."""
    reached, failures, open_channel = progress(), 0, True
    while True:
        try:
            if not open_channel:
                channel, open_channel = transfer.open(), True
            work(channel)
            return channel
        except Broken as error:
            failures = 1 if progress() > reached else failures + 1
            reached = progress()
            if failures >= TRIES:
                fix = "" if "; fix: " in str(error) else "; fix: look at the network to the hypervisor, then run it again"
                raise LabError(
                    f"{transfer.engine.login.url}: {transfer.what}: broke {TRIES} times at byte {reached}: {error}{fix}"
                ) from None
            channel.close()
            open_channel = False
            time.sleep(PAUSE_SECONDS)  # there is nothing to ask meanwhile: the daemon is restarting, or the way to it is


def same(channel: Channel, image: Image) -> bool:
    """Compares by a checksum computed at the storage; where that says no, or there is none, by reading everything back.

    The second look is for storage that is longer than the image, which is no fault.
    """
    ours = block_hash(image.blocks())
    if "checksum" in channel.features() and channel.checksum(BlockHash.ALGORITHM, BLOCK) == ours:
        return True
    there = BlockHash()
    for at in range(0, image.sent, BLOCK):
        there.update(channel.get(at, min(BLOCK, image.sent - at)))
    return there.hexdigest() == ours


def download(transfer: Transfer, file: Path) -> str:
    """Reads an image into a file, and compares with the checksum computed at the storage.

    Returns that checksum. Raises LabError where the two differ, leaving the file for a look.
    """
    channel = transfer.open()
    parts = channel.extents()
    size = sum(length for _, length, _ in parts)
    at = 0

    def receive(channel: Channel) -> None:
        nonlocal at
        with file.open("r+b") as opened:
            opened.truncate(size)  # what is nothing there is not sent, and takes no room here
            for start, length, is_nothing in parts:
                while not is_nothing and max(at, start) < start + length:
                    at = max(at, start)
                    data = channel.get(at, min(BLOCK, start + length - at))
                    opened.seek(at)
                    opened.write(data)
                    at += len(data)

    file.touch()
    try:
        channel = stubborn(transfer, channel, receive, lambda: at)
        there = channel.checksum(BlockHash.ALGORITHM, BLOCK)
    finally:
        channel.close()
    ours = file_hash(file)
    if ours != there:
        raise LabError(
            f"{channel.url}: {transfer.what}: {file} differs from what is stored there; fix: run it again; read the disk's health"
        )
    return there


def file_hash(file: Path) -> str:
    """The block hash of a file as it is on this computer."""

    def blocks() -> Any:
        with file.open("rb") as opened:
            while data := opened.read(BLOCK):
                yield data

    return block_hash(blocks())
