"""The lab_openstack_* modules take what the model takes, and say so in one place."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.openstack.model import BY_KIND
from lab.openstack.task import TASKS
from lab.stages import ROOT

PLUGINS = ROOT / "lab" / "plugins"
NAMED = {path.stem.removeprefix("lab_openstack_"): path for path in sorted((PLUGINS / "modules").glob("lab_openstack_*.py"))}
MODULES = {name: path for name, path in NAMED.items() if name in {*BY_KIND, *TASKS}}


def load(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documented(file: Path) -> Any:
    return yaml.safe_load(file.read_text().split('r"""', 1)[1].split('"""')[0])


def test_there_is_a_module_for_every_kind_and_every_task() -> None:
    assert set(MODULES) == set(BY_KIND) | set(TASKS)


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_module_takes_what_the_model_takes(kind: str) -> None:
    options = documented(MODULES[kind])["options"]
    assert set(options) == set(BY_KIND[kind].model_fields) | {"state"}
    assert options["state"]["choices"][-1] == "absent"
    given = {name: option["default"] for name, option in options.items() if "default" in option and name in BY_KIND[kind].model_fields}
    assert {name: BY_KIND[kind].model_fields[name].default for name in given} == given


@pytest.mark.parametrize("kind", BY_KIND)
def test_what_names_a_thing_is_always_asked_for(kind: str) -> None:
    options = documented(MODULES[kind])["options"]
    required: dict[str, Any] = {name: "x" for name, option in options.items() if option.get("required")}
    assert BY_KIND[kind].model_construct(**required).key


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_named_in_its_file(name: str) -> None:
    assert documented(MODULES[name])["module"] == MODULES[name].stem
    assert f'run("{name}", DOCUMENTATION)' in MODULES[name].read_text()


@pytest.mark.parametrize(("name", "option"), [("user", "password"), ("server", "user_data"), ("model", "passwords")])
def test_secrets_are_kept_out_of_logs(name: str, option: str) -> None:
    shared = load(PLUGINS / "module_utils" / "lab_openstack.py")
    arguments = shared.arguments(MODULES[name].read_text().split('r"""', 1)[1].split('"""')[0])
    assert arguments[option]["no_log"] is True
    assert shared.SHARED["cloud"]["options"]["password"]["no_log"] is True


def test_what_all_modules_take_is_documented_as_it_is() -> None:
    shared = load(PLUGINS / "module_utils" / "lab_openstack.py").SHARED
    fragment = documented(PLUGINS / "doc_fragments" / "lab_openstack.py")["options"]
    assert set(fragment) == set(shared)
    assert set(fragment["cloud"]["suboptions"]) == set(shared["cloud"]["options"])
