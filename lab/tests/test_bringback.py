import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab import bringback
from lab.errors import InputError


@pytest.mark.parametrize(
    ("wanted", "found", "problem"),
    [
        ({"entries": 3, "bytes": 9}, {"entries": 3, "bytes": 9}, ""),
        ({"entries": 3, "bytes": 9, "special": 1}, {"entries": 3, "bytes": 9}, ""),
        ({"entries": 3, "bytes": 9}, {"entries": 2, "bytes": 9}, "the snapshot has 3 entries, restored were 2"),
        ({"entries": 3, "bytes": 9}, {"entries": 3, "bytes": 8}, "the snapshot has 9 bytes, restored were 8"),
        ({}, {"entries": 0, "bytes": 0}, "the snapshot is empty, so nothing is proven"),
    ],
)
def test_what_was_restored_is_counted_against_the_snapshot(wanted: Any, found: Any, problem: str) -> None:
    assert bringback.miscounted(wanted, found) == problem


def script(text: str, *argv: str, given: str = "") -> str:
    return subprocess.run([sys.executable, "-c", text, *argv], input=given, capture_output=True, text=True, check=True).stdout


def test_a_listing_and_a_folder_of_the_same_files_have_the_same_count(tmp_path: Path) -> None:
    (tmp_path / "srv" / "empty").mkdir(parents=True)
    (tmp_path / "srv" / "file").write_text("12345")
    (tmp_path / "srv" / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    nodes = [
        {"struct_type": "snapshot", "id": "1a2b"},
        {"struct_type": "node", "type": "dir", "path": "/srv"},
        {"struct_type": "node", "type": "dir", "path": "/srv/empty"},
        {"struct_type": "node", "type": "file", "path": "/srv/file", "size": 5},
        {"struct_type": "node", "type": "symlink", "path": "/srv/link"},
        {"struct_type": "node", "type": "fifo", "path": "/fifo"},
    ]
    listed = json.loads(script(bringback.COUNT, given="\n".join(map(json.dumps, nodes))))
    (tmp_path / "fifo").unlink()  # an archive has no such thing
    assert listed == {"entries": 4, "bytes": 5, "special": 1}
    assert json.loads(script(bringback.WALK, str(tmp_path))) == {"entries": 4, "bytes": 5}


def test_the_place_of_a_restore_is_emptied_but_stays_and_single_files_stay_until_they_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "git" / "inner").mkdir(parents=True)
    (tmp_path / "git" / "left-over").write_text("old")
    (tmp_path / "git" / "way-out").symlink_to(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kept").write_text("kept")
    (tmp_path / "ssh_host_key").write_text("key")
    script(bringback.EMPTY, str(tmp_path / "git"), str(tmp_path / "ssh_host_*"), str(tmp_path / "absent"))
    assert list((tmp_path / "git").iterdir()) == []
    assert (tmp_path / "other" / "kept").exists() and (tmp_path / "ssh_host_key").exists()


def test_a_site_without_a_backup_machine_says_so() -> None:
    with pytest.raises(InputError, match="the site has no backup machine"):
        bringback.keeper({"backup": {"hosts": []}})
