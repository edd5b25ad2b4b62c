"""What the controller's kernel allows all containers together."""

from __future__ import annotations

import contextlib
from pathlib import Path

WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
# One count for all of a user's processes, and every systemd takes about six. With the kernel's 128, some twenty machines are too many, and
# the next one ends as soon as it starts.
ENOUGH_WATCHERS = 1024


def watchers(file: Path = WATCHERS) -> int:
    """How many things may be watched at a time; enough where the kernel does not say."""
    return int(file.read_text(encoding="utf-8")) if file.is_file() else ENOUGH_WATCHERS


def allow_watchers(file: Path = WATCHERS) -> None:
    """Raises what the kernel allows until its next boot; where that is not permitted, a few machines fit all the same (./inv doctor)."""
    if watchers(file) < ENOUGH_WATCHERS:
        with contextlib.suppress(OSError):
            file.write_text(f"{ENOUGH_WATCHERS}\n", encoding="utf-8")
