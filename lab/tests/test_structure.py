"""The conventions of the project, as tests."""

import ast
import configparser
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator  # type: ignore[import-untyped]

from lab import docs, inventory, playbook, secrets, stages
from lab import site as sites
from lab.errors import InputError
from lab.site_fields import GROUPS
from lab.stages import ROOT, STAGES

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
SITES = sorted((ROOT / "inventories").glob("*/site.yml"))
VALID = sorted((ROOT / "lab" / "tests" / "sites" / "valid").glob("*.yml"))  # what shipped sites do not use, as a self-hosted engine
PLAYBOOKS = sorted((ROOT / "playbooks").iterdir())
MODULES = [*sorted(file for folder in ("lab", "molecule", "benchmarks") for file in (ROOT / folder).rglob("*.py")), ROOT / "tasks.py"]
TASKS = sorted((ROOT / "roles").glob("*/tasks/*.yml"))
HANDLERS = sorted((ROOT / "roles").glob("*/handlers/*.yml"))

# Exceptions, each with its reason.
LONG: dict[str, str] = {}
WITHOUT_SCENARIO = {"machine": "makes the machines of every scenario (molecule/shared/create.yml), so each scenario is its test"}
LONGEST_MODULE = 400
LONGEST_TASKS = 150
BLOCKS = ("block", "rescue", "always")


@cache
def parsed(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def options(role: str) -> Any:
    return parsed(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]


def named(contract: Any) -> Any:
    """(name, option) of everything in a contract, however deep."""
    for name, option in contract.items():
        yield name, option
        yield from named(option.get("options", {}))


def flat(tasks: Any) -> Any:
    for task in tasks or []:
        yield task
        for key in BLOCKS:
            yield from flat(task.get(key))


def every_task() -> Any:
    """Every task of roles, handlers and playbooks with the file it stands in."""
    for file in [*TASKS, *HANDLERS]:
        yield from ((file, task) for task in flat(parsed(file)))
    for file in [*PLAYBOOKS, *sorted((ROOT / "molecule").glob("*/*.yml"))]:
        for play in parsed(file) if isinstance(parsed(file), list) else []:
            for key in ("tasks", "pre_tasks", "post_tasks", "handlers"):
                yield from ((file, task) for task in flat(play.get(key)))


def action(task: Any, *names: str) -> Any:
    """The arguments of the task's action, if it is one of these."""
    return next((task[key] for key in task if key.rpartition(".")[2] in names), None)


def where(file: Path, task: Any) -> str:
    return f"{file.relative_to(ROOT)}: {task.get('name')}"


def test_stages_and_playbooks_are_one_to_one() -> None:
    assert [file.name for file in PLAYBOOKS] == sorted(f"{stage.name}.yml" for stage in STAGES)


def test_stages_build_on_known_stages_and_never_on_themselves() -> None:
    assert {need for stage in STAGES for need in stage.needs} <= {stage.name for stage in STAGES}
    assert len(stages.order()) == len(STAGES)  # a cycle raises


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_has_checks(stage: Any) -> None:
    assert any((ROOT / "molecule" / role / f"test_{role}.py").is_file() for role in stages.roles_of(stage))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_all_its_parts(role: str) -> None:
    parts = ["tasks/main.yml", "defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "README.md"]
    assert [part for part in parts if not (ROOT / "roles" / role / part).is_file()] == []


@pytest.mark.parametrize("role", [role for role in ROLES if role not in WITHOUT_SCENARIO])
def test_a_role_is_tested_on_machines(role: str) -> None:
    parts = ["molecule.yml", "inventory.yml", "converge.yml", f"test_{role}.py"]
    assert [part for part in parts if not (ROOT / "molecule" / role / part).is_file()] == []
    assert role in playbook.named_roles(ROOT / "molecule" / role / "converge.yml")


def test_a_role_without_a_scenario_makes_the_machines_of_all_of_them() -> None:
    assert set(WITHOUT_SCENARIO) <= set(playbook.named_roles(ROOT / "molecule" / "shared" / "create.yml"))
    shared = parsed(ROOT / ".config" / "molecule" / "config.yml")
    assert shared["ansible"]["playbooks"]["create"] == "../shared/create.yml"
    assert "create" in shared["scenario"]["test_sequence"]
    own = [file for file in (ROOT / "molecule").glob("*/create.yml") if file.parent.name != "shared"]
    assert own == []


def test_no_two_scenarios_share_a_machine_or_a_network() -> None:
    """They run side by side, and names of containers and networks are the computer's."""
    owners: dict[str, set[str]] = {}
    for file in sorted((ROOT / "molecule").glob("*/inventory.yml")):
        for name in re.findall(r"\b(?:container|network): ([\w-]+)", file.read_text()):
            owners.setdefault(name, set()).add(file.parent.name)
    assert {name: found for name, found in owners.items() if len(found) > 1} == {}


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_the_optional_variables_of_the_contract(role: str) -> None:
    contract = options(role)
    optional = {name: option["default"] for name, option in contract.items() if not option.get("required")}
    assert parsed(ROOT / "roles" / role / "defaults" / "main.yml") == optional
    assert [name for name, option in contract.items() if option.get("required") and "default" in option] == []


@pytest.mark.parametrize("role", ROLES)
def test_variables_of_a_role_have_its_name_in_front(role: str) -> None:
    internal = ROOT / "roles" / role / "vars" / "main.yml"
    names = [*options(role), *(parsed(internal) if internal.is_file() else {})]
    for file, task in every_task():
        if file.is_relative_to(ROOT / "roles" / role):
            names += [task["register"]] if "register" in task else []
            names += list(action(task, "set_fact") or {})
    assert [name for name in names if not name.startswith((f"{role}_", f"_{role}_"))] == []


@cache
@pytest.mark.parametrize("role", ROLES)
def test_passwords_stay_out_of_the_log(role: str) -> None:
    assert [name for name, option in named(options(role)) if "password" in name and not option.get("no_log")] == []


def built(file: Path) -> Any:
    site = sites.load(file)
    return inventory.build(site, dict.fromkeys(secrets.references(site), "placeholder"))


def members(hosts: str, groups: Any) -> set[str]:
    """The machines a play's `hosts` means, as far as our playbooks use patterns: groups, left out with `!`, required with `&`."""
    found: set[str] = set()
    for part in hosts.split(":"):
        chosen = set(groups[part.lstrip("!&")]["hosts"])
        found = found - chosen if part.startswith("!") else found & chosen if part.startswith("&") else found | chosen
    return found


def contracts() -> Any:
    for file in [*SITES, *VALID]:
        for stage in STAGES:
            for play in parsed(stage.playbook):
                for role in play.get("roles", []):
                    yield file, role if isinstance(role, str) else role["role"], play["hosts"]


def site_id(value: Any) -> Any:
    return (value.parent.name if value.name == "site.yml" else value.stem) if isinstance(value, Path) else value


@pytest.mark.parametrize(("file", "role", "hosts"), list(contracts()), ids=site_id)
def test_every_site_keeps_every_contract(file: Path, role: str, hosts: str) -> None:
    validator = ArgumentSpecValidator(options(role))
    problems = {}
    for name in members(hosts, built(file)):
        own = {key: value for key, value in built(file)["_meta"]["hostvars"][name].items() if key in options(role)}
        problems[name] = validator.validate(own).error_messages
    assert {name: said for name, said in problems.items() if said} == {}


def test_every_play_has_machines_in_some_site() -> None:
    """Not in every one: an engine is simulated or real, and a stage is optional."""
    plays = {(stage.name, play["hosts"]) for stage in STAGES for play in parsed(stage.playbook)}
    assert {(stage, hosts) for stage, hosts in plays if not any(members(hosts, built(file)) for file in [*SITES, *VALID])} == set()


@pytest.mark.parametrize("file", SITES, ids=lambda file: file.parent.name)
def test_a_site_publishes_no_variable_that_no_role_knows(file: Path) -> None:
    known = {name for role in ROLES for name in options(role)}
    published = {key for variables in built(file)["_meta"]["hostvars"].values() for key in variables}
    assert {key for key in published - known if not key.startswith("ansible_")} == set()


def test_the_rehearsal_has_the_groups_of_production() -> None:
    filled = [
        {group for group, value in built(ROOT / "inventories" / name / "site.yml").items() if value.get("hosts")}
        for name in ("rehearsal", "production")
    ]
    # Groups that a site file names: others follow from platforms, and from whether the engine is a simulator.
    rehearsal, production = ({group for group in groups if group in GROUPS} for groups in filled)
    assert rehearsal == production


def test_steps_of_ours_run_on_the_controller() -> None:
    ours = [(file, task) for file, task in every_task() if any(re.match(r"lab_\w+$", key) for key in task)]
    assert ours
    assert [where(file, task) for file, task in ours if task.get("delegate_to") != "localhost"] == []


def test_nothing_waits_for_a_handler() -> None:
    """A run that is cut off forgets what was notified; module `applied` does not."""
    assert HANDLERS == []
    assert [where(file, task) for file, task in every_task() if "notify" in task] == []


def test_every_command_says_when_it_changed_something() -> None:
    commands = [(file, task) for file, task in every_task() if action(task, "command", "shell", "raw", "script") is not None]
    assert [where(file, task) for file, task in commands if "changed_when" not in task] == []


def test_every_assertion_says_what_to_do() -> None:
    assertions = [(file, task, action(task, "assert")) for file, task in every_task() if action(task, "assert") is not None]
    assert [where(file, task) for file, task, arguments in assertions if "fail_msg" not in arguments] == []


def test_no_role_mentions_another() -> None:
    """Neither by including it, nor by reading its variables."""
    mentions = []
    for role in ROLES:
        others = "|".join(other for other in ROLES if other != role)
        for file in sorted((ROOT / "roles" / role).rglob("*")):
            if file.suffix in (".yml", ".j2") and file.parent.name != "meta":
                code = re.sub(r"(?m)^\s*#.*$", "", file.read_text())
                found = re.findall(rf"\b(?:{others})_[a-z]\w*", code)
                # Of two roles one of whose names begins with the other's, the longer one may say its own.
                mentions += [f"{file.relative_to(ROOT)}: {name}" for name in found if not f"{name}_".startswith(f"{role}_")]
        for file, task in every_task():
            included = (action(task, "include_role", "import_role") or {}).get("name", "")
            # Roles of a collection are programs like others: `owner.collection.role`.
            if file.is_relative_to(ROOT / "roles" / role) and included and included.count(".") != 2:
                mentions.append(where(file, task))
        mentions += [f"{role}: dependency {other}" for other in parsed(ROOT / "roles" / role / "meta" / "main.yml").get("dependencies", [])]
    assert mentions == []


def test_ansible_reads_our_sites_and_nothing_else() -> None:
    config = configparser.ConfigParser(inline_comment_prefixes=("#",))
    config.read(ROOT / "ansible.cfg")
    section = config["inventory"]
    assert section["enable_plugins"] == "strata"
    assert section.getboolean("unparsed_is_failed") and section.getboolean("any_unparsed_is_failed")


def test_generated_documentation_is_current() -> None:
    assert docs.stale() == [], "fix: ./inv docs"


def test_files_stay_short() -> None:
    limits = {**dict.fromkeys(MODULES, LONGEST_MODULE), **dict.fromkeys(TASKS, LONGEST_TASKS)}
    long = {str(file.relative_to(ROOT)) for file, limit in limits.items() if len(file.read_text().splitlines()) > limit}
    assert long == set(LONG)


def test_plugins_are_thin_adapters() -> None:
    plugins = sorted((ROOT / "lab" / "plugins").rglob("*.py"))
    assert [file.name for file in plugins if len(file.read_text().splitlines()) >= 100] == []


def test_no_assertion_is_a_tuple_that_always_holds() -> None:
    trees = {file: ast.parse(file.read_text()) for file in MODULES if file.name.startswith("test_")}
    always = [
        file for file, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple)
    ]
    assert always == []


def test_continuous_integration_runs_the_one_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"(?m)^[^#]*\./inv test --without kubernetes --without openstack\s*$", script.read_text())


README = "# Project\n<!-- stages -->\nold\n<!-- /stages -->\ntext\n<!-- verbs --><!-- /verbs -->\n"


def test_tables_are_filled_in_between_their_markers(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(README)
    text = docs.readme(file)
    assert "old" not in text and "\ntext\n" in text
    assert all(f"| `{stage.name}` | {stage.summary} |" in text for stage in STAGES)
    assert "| `./inv ssh MACHINE` | Log in to MACHINE | `--site` |" in text
    file.write_text(text)
    assert docs.readme(file) == text


@pytest.mark.parametrize("marker", ["<!-- stages -->", "<!-- /stages -->", "<!-- verbs -->", "<!-- /verbs -->"])
def test_a_missing_marker_is_named(tmp_path: Path, marker: str) -> None:
    file = tmp_path / "README.md"
    file.write_text(README.replace(marker, ""))
    with pytest.raises(InputError, match=f"README.md: the marker {marker} is missing; fix: "):
        docs.readme(file)


def test_the_readme_of_a_role_shows_nested_variables_and_choices() -> None:
    rules = {"type": "list", "elements": "dict", "default": [], "description": "Ports.", "options": {}}
    rules["options"] = {"protocol": {"type": "str", "required": True, "choices": ["tcp", "udp"], "description": "a|b."}}
    specs = {"argument_specs": {"main": {"short_description": "Opens ports", "options": {"x_rules": rules}}}}
    text = docs.role_readme("x", specs)
    assert "| `x_rules` | list of dict | `[]` | Ports. |" in text
    assert "| `x_rules[].protocol` | str | **required** | a\\|b. One of `tcp`, `udp`. |" in text
