"""The lab_ovirt_* modules take what the model takes, and say so in one place."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.ovirt.model import BY_KIND
from lab.ovirt.task import TASKS
from lab.stages import ROOT

PLUGINS = ROOT / "lab" / "plugins"
WITHOUT_ENGINE = ("precheck", "simulator")  # come before there is an engine, so that they speak to none
NAMED = {path.stem.removeprefix("lab_ovirt_"): path for path in sorted((PLUGINS / "modules").glob("lab_ovirt_*.py"))}
MODULES = {name: path for name, path in NAMED.items() if name not in WITHOUT_ENGINE}


def load(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documented(file: Path) -> Any:
    text = file.read_text().split('r"""', 1)[1].split('"""')[0]
    return yaml.safe_load(text)


def test_there_is_a_module_for_every_kind_and_every_task() -> None:
    assert set(MODULES) == set(BY_KIND) | set(TASKS)


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_module_takes_what_the_model_takes(kind: str) -> None:
    options = documented(MODULES[kind])["options"]
    assert set(options) == set(BY_KIND[kind].model_fields) | {"state"}
    assert options["state"]["choices"][-1] == "absent"
    own = BY_KIND[kind].model_fields.get("state")
    if own is not None:
        assert options["state"]["default"] == own.default


@pytest.mark.parametrize("kind", BY_KIND)
def test_what_names_a_thing_is_always_asked_for(kind: str) -> None:
    options = documented(MODULES[kind])["options"]
    required: dict[str, Any] = {name: "x" for name, option in options.items() if option.get("required")}
    assert BY_KIND[kind].model_construct(**required).key


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_named_in_its_file(name: str) -> None:
    assert documented(MODULES[name])["module"] == MODULES[name].stem
    assert f'run("{name}", DOCUMENTATION)' in MODULES[name].read_text()


def test_secrets_are_kept_out_of_logs() -> None:
    shared = load(PLUGINS / "module_utils" / "lab_ovirt.py")
    assert shared.arguments(MODULES["hypervisor"].read_text().split('r"""', 1)[1].split('"""')[0])["password"]["no_log"] is True
    assert all(shared.SHARED["engine"]["options"][name]["no_log"] for name in shared.SECRET)


def test_what_all_modules_take_is_documented_as_it_is() -> None:
    shared = load(PLUGINS / "module_utils" / "lab_ovirt.py").SHARED
    fragment = documented(PLUGINS / "doc_fragments" / "lab_ovirt.py")["options"]
    assert set(fragment) == set(shared)
    assert set(fragment["engine"]["suboptions"]) == set(shared["engine"]["options"])
