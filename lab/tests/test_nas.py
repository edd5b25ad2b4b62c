"""Storage of the NAS without any: what is refused, what a plan says, which snapshots stay, and what the inventory publishes."""

import importlib.util
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab import inventory, secrets
from lab import site as sites
from lab.stages import ROOT

ROLE = ROOT / "roles" / "nas"
NAS = Path(__file__).parent / "sites" / "valid" / "nas.yml"
DATASET = {"name": "people", "pool": "tank", "size_mib": 64, "owner": 0, "group": 0, "mode": "0755"}


@cache
def module(file: str) -> ModuleType:
    """A file of the role, as the machine loads it."""
    if str(ROLE / "module_utils") not in sys.path:
        sys.path.insert(0, str(ROLE / "module_utils"))
    spec = importlib.util.spec_from_file_location(Path(file).stem, ROLE / file)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, loaded)
    spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


@cache
def pools() -> ModuleType:
    return module("module_utils/nas_pools.py")


def layout_module() -> ModuleType:
    pools()
    module("module_utils/nas_filesystems.py")
    return module("module_utils/nas_layout.py")


def layout(tmp_path: Path, kind: str = "folder", path: str = "", **changes: Any) -> dict[str, Any]:
    dataset = {**DATASET, "path": str(tmp_path / "people"), **changes}
    return {"pools": [{"name": "tank", "kind": kind, "path": path or str(tmp_path / "tank")}], "datasets": [dataset]}


def plan(data: dict[str, Any]) -> list[str]:
    work = pools().Work(is_plan=True)
    layout_module().carry_out("build", data, work)
    steps: list[str] = work.steps
    return steps


def refusal(data: dict[str, Any], command: str = "build") -> str:
    with pytest.raises(pools().Refusal) as refused:
        layout_module().carry_out(command, data, pools().Work(is_plan=True))
    return str(refused.value)


def test_a_plan_names_every_step_and_takes_none(tmp_path: Path) -> None:
    said = plan(layout(tmp_path))
    assert said == [
        f"folder {tmp_path}/tank",
        "file for people",
        f"format {tmp_path}/tank/people.img as ext4",
        f"mount {tmp_path}/people",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_missing_is_named_with_its_pool(tmp_path: Path) -> None:
    said = refusal(layout(tmp_path, "lvm", "/dev/nowhere"))
    assert said == "pool tank (/dev/nowhere): there is no such device; fix: plug the disk in, or name another one in the site"


def test_a_file_is_no_device(tmp_path: Path) -> None:
    (tmp_path / "disk").touch()
    assert "is not a block device; fix: " in refusal(layout(tmp_path, "xfs", str(tmp_path / "disk")))


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ({"TYPE": "ext4", "LABEL": "photos"}, "holds ext4 named photos that is not of this NAS"),
        ({"PTTYPE": "gpt"}, "holds a partition table (gpt) that is not of this NAS"),
        ({"TYPE": "xfs", "LABEL": "nas-other"}, "holds xfs named nas-other that is not of this NAS"),
        ({"TYPE": "several signatures"}, "holds several signatures that is not of this NAS"),
    ],
)
def test_what_is_on_a_disk_already_is_never_formatted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: dict[str, str], named: str
) -> None:
    layout_module()
    monkeypatch.setattr(pools().stat, "S_ISBLK", lambda _: True)
    monkeypatch.setattr(pools(), "probe", lambda _: found)
    said = refusal(layout(tmp_path, "xfs", "/dev/null"))
    assert named in said
    assert "fix: name another disk, or, if its data may go, run `wipefs --all /dev/null`" in said


def test_a_pool_too_small_for_its_datasets_is_a_full_disk_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout_module()
    monkeypatch.setattr(pools().stat, "S_ISBLK", lambda _: True)
    monkeypatch.setattr(pools(), "probe", lambda _: {})
    monkeypatch.setattr(pools(), "device_bytes", lambda _: 64 * 2**20)
    said = refusal(layout(tmp_path, "btrfs", "/dev/null"))
    assert said.startswith("pool tank (/dev/null): disk full: its datasets ask for 64 MiB, it has room for 62 MiB; nothing was created")
    assert said.endswith("; fix: take 2 MiB off their sizes, or a larger disk")


def test_a_folder_on_a_full_disk_says_so(tmp_path: Path) -> None:
    said = refusal(layout(tmp_path, size_mib=2**30))
    assert "disk full: its datasets ask for 1073741824 MiB more" in said
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_is_never_shrunk(tmp_path: Path) -> None:
    (tmp_path / "tank").mkdir()
    with (tmp_path / "tank" / "people.img").open("wb") as file:
        file.truncate(128 * 2**20)
    said = refusal(layout(tmp_path))
    assert said == "dataset people: has 128 MiB, the site says 64: it is never shrunk; fix: size_gib: 0.125, or a new dataset"


def test_nothing_is_mounted_over_files(tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "letter").touch()
    assert "is not mounted, and the folder below has files; fix: move them away" in refusal(layout(tmp_path))


def test_owners_are_not_set_where_nothing_is_mounted(tmp_path: Path) -> None:
    assert "is not mounted; fix: look at `systemctl status nas-storage`" in refusal(layout(tmp_path), "owners")


def test_every_pool_is_looked_at_before_one_is_refused(tmp_path: Path) -> None:
    data = layout(tmp_path, "lvm", "/dev/nowhere")
    data["pools"].append({"name": "more", "kind": "xfs", "path": "/dev/elsewhere"})
    assert [line.split(":")[0] for line in refusal(data).splitlines()] == ["pool tank (/dev/nowhere)", "pool more (/dev/elsewhere)"]


@pytest.mark.parametrize(
    "said", ["write failed: No space left on device", "Insufficient free space: 5 extents needed", "Disk quota exceeded"]
)
def test_a_tool_that_finds_no_space_is_a_full_disk(said: str) -> None:
    with pytest.raises(pools().Refusal, match=r"making it: disk full: .*; fix: a larger disk"):
        pools().run(["sh", "-c", 'echo "$1" >&2; exit 1', "sh", said], "making it")


def test_a_boot_does_not_format_a_blank_disk(tmp_path: Path) -> None:
    said = refusal(layout(tmp_path), "mount")
    assert "is blank; fix: ./inv up --only nas makes it anew, ./inv restore brings its data back" in said


STAMPS = [
    "20261101T000000Z",
    "20261108T120000Z",
    "20261119T230000Z",
    "20261120T010000Z",
    "20261120T230000Z",
    "20261121T100000Z",
    "20261121T103000Z",
]


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ({}, [6]),  # the newest always
        ({"hourly": 1}, [6]),
        ({"hourly": 2}, [4, 6]),  # two of one hour count once, the later one stays
        ({"daily": 3}, [2, 4, 6]),
        ({"weekly": 2}, [1, 6]),
        ({"weekly": 9}, [0, 1, 6]),
        ({"daily": 2, "weekly": 2}, [1, 4, 6]),
    ],
)
def test_of_each_period_the_newest_snapshot_is_kept(counts: dict[str, int], kept: list[int]) -> None:
    found = module("files/nas_snapshot.py").kept(STAMPS, counts)
    assert sorted(found) == [STAMPS[index] for index in kept]


@pytest.mark.parametrize("file", ["nas_snapshot.py", "nas_storage.py"])
def test_a_wrong_command_line_shows_the_right_ones(file: str) -> None:
    path = f"import sys; sys.path.insert(0, {str(ROLE / 'module_utils')!r}); sys.argv = ['x', 'nonsense']; "
    done = subprocess.run(
        [sys.executable, "-c", path + f"exec(open({str(ROLE / 'files' / file)!r}).read())"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "mount|owners" in done.stderr or "nas-snapshot open DATASET SNAPSHOT" in done.stderr


def published(name: str) -> Any:
    site = sites.load(NAS)
    return inventory.build(site, dict.fromkeys(secrets.references(site), "a secret"))["_meta"]["hostvars"][name]


def test_pools_are_published_with_the_device_of_their_disk() -> None:
    assert {pool["name"]: (pool["kind"], pool["path"]) for pool in published("store")["nas_pools"]} == {
        "tank": ("lvm", "/dev/lab/disk1"),
        "more": ("btrfs", "/dev/lab/disk2"),
        "old": ("xfs", "/dev/disk/by-id/wwn-0x5000"),
        "rest": ("folder", "/srv/pools/rest"),
    }


def test_datasets_are_published_with_numbers_and_ranges() -> None:
    datasets = {dataset["name"]: dataset for dataset in published("store")["nas_datasets"]}
    assert [datasets["vmstore"][key] for key in ("owner", "group", "size_mib", "path")] == [36, 36, 2048, "/srv/nas/vmstore"]
    assert datasets["vmstore"]["exports"] == [{"clients": ["10.64.20.0/24"], "squash": "root", "read_only": False}]
    assert datasets["people"]["owner"] == 3001
    assert datasets["people"]["share"]["group"] == "nas-people"
    assert datasets["media"]["owner"] == 65534
    assert datasets["media"]["share"]["group"] == ""  # everyone may read it
    assert datasets["notes"]["mode"] == "0700"


def test_the_firewall_opens_to_clients_and_names_no_address_twice() -> None:
    assert [(rule["ports"], rule["sources"]) for rule in published("store")["baseline_firewall_rules"]] == [
        ([2049], ["10.64.10.0/24", "10.64.20.0/24"]),
        ([445], ["10.64.10.0/24"]),
    ]
    assert published("host")["baseline_firewall_rules"] == []


def test_a_machine_mounts_what_the_site_says() -> None:
    wanted = {"server": "store.files.internal", "export": "/srv/nas/media", "path": "/mnt/media", "read_only": False}
    assert published("host")["nas_client_mounts"] == [wanted]
    assert published("desk")["nas_client_mounts"] == []


def test_passwords_are_given_to_the_nas_alone() -> None:
    assert "a secret" in json.dumps(published("store")) and "a secret" not in json.dumps(published("desk"))
