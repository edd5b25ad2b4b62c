"""The real ovirt-imageio daemon, run beside the simulator; it serves the bytes of image transfers."""

from __future__ import annotations

from pathlib import Path


class TransferDaemon:
    """One daemon of this simulator."""

    def __init__(self, folder: Path) -> None:
        """Not started yet."""
        self.folder = folder
