"""The verbs of ./inv. No logic here: each verb calls one function of lab."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.main import program
from invoke.tasks import Task, task

from lab import find
from lab.errors import LabError
from lab.stages import STAGES

FLAGS = frozenset({"--disruptive", "-d", "--yes", "-y"})  # options of `verify` that stand alone
# Nothing is imported here that a verb can import itself: the list of verbs has to come at once.
SITE = {"site": "a site by name, or by the path of its site.yml"}
CHOICE = {
    "to": "up to this stage",
    "only": "this stage alone",
    "from": "this stage and all that build on it",
    "force": "also what did not change",
}


def _call(function: Callable[[], int | None]) -> None:
    """Calls it and leaves with its exit code; what an operator can mend is printed as it is, anything else is a bug."""
    try:
        code = function()
    except LabError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    sys.exit(code or 0)


def _on(site: str, function: Callable[[Path], int | None]) -> None:
    """Calls a function with a site, in the sandbox where the site has containers."""

    def call() -> int | None:
        path = find.site(site)
        find.enter_sandbox(path)
        return function(path)

    _call(call)


def _pure(site: str, function: Callable[[Path], int | None]) -> None:
    """Calls a function that only reads the site."""
    _call(lambda: function(find.site(site)))


@task(help=SITE | CHOICE | {"fail-fast": "stop at the first failure"})
def up(
    _: Context,
    site: str = find.DEFAULT,
    to: str | None = None,
    only: str | None = None,
    from_: str | None = None,
    force: bool = False,
    fail_fast: bool = False,
) -> None:
    """Build what changed, check everything"""
    from lab import run

    _on(site, lambda path: run.up(path, to=to, only=only, from_=from_, force=force, fail_fast=fail_fast))


@task(help=SITE | CHOICE)
def plan(
    _: Context,
    site: str = find.DEFAULT,
    to: str | None = None,
    only: str | None = None,
    from_: str | None = None,
    force: bool = False,
) -> None:
    """Show what up would do and why"""
    from lab import plan as plans

    _on(site, lambda path: plans.plan(path, to=to, only=only, from_=from_, force=force))


@task(
    help=SITE
    | {
        "stage": "this stage alone; may be given as a plain word",
        "disruptive": "also checks that disturb the site, such as a reboot of the router",
        "yes": "do not ask",
    }
)
def verify(_: Context, stage: str | None = None, site: str = find.DEFAULT, disruptive: bool = False, yes: bool = False) -> None:
    """Run the checks [of one STAGE]"""
    from lab import run

    _on(site, lambda path: run.verify(path, stage, disruptive=disruptive, yes=yes))


@task(help=SITE)
def status(_: Context, site: str = find.DEFAULT) -> None:
    """Show stages and machines"""
    from lab import status as states

    _on(site, states.status)


@task(help=SITE)
def validate(_: Context, site: str = find.DEFAULT) -> None:
    """Check the site file"""
    from lab import site_warnings

    _pure(site, site_warnings.validate)


@task
def stages(_: Context) -> None:
    """List the stages in their order"""
    from lab.stages import order

    _call(lambda: print("\n".join(f"{stage.name:<12} {stage.summary}" for stage in order())))


@task(help=SITE | {"yes": "do not ask"})
def down(_: Context, site: str = find.DEFAULT, yes: bool = False) -> None:
    """Remove the site's machines"""
    from lab import down as downs

    _on(site, lambda path: downs.down(path, yes=yes))


@task(help=SITE | {"source": "this source alone; may be given as a plain word"})
def drill(_: Context, source: str | None = None, site: str = find.DEFAULT) -> None:
    """Prove the backups [of one SOURCE]"""
    from lab import drill as drills

    _on(site, lambda path: drills.drill(path, source))


@task(
    positional=["machine"],
    help=SITE | {"machine": "its name in site.yml", "yes": "do not ask", "force": "also a machine that is healthy"},
)
def restore(_: Context, machine: str, site: str = find.DEFAULT, yes: bool = False, force: bool = False) -> None:
    """Bring lost MACHINE back with its data"""
    from lab import restore as restores

    _on(site, lambda path: restores.restore(path, machine, yes=yes, force=force))


@task
def doctor(_: Context) -> None:
    """Say what this computer lacks"""
    from lab import doctor as doctors

    _call(doctors.report)


@task
def docs(_: Context) -> None:
    """Write the generated documentation"""
    from lab import docs as documents

    _call(documents.write)


@task(positional=["machine"], help=SITE | {"machine": "its name in site.yml"})
def ssh(_: Context, machine: str, site: str = find.DEFAULT) -> None:
    """Log in to MACHINE"""
    from lab import ssh as logins

    _on(site, lambda path: logins.login(path, machine))


@task(positional=["target"], help=SITE | {"target": "a folder, made where it is missing"})
def mirror(_: Context, target: str, site: str = find.DEFAULT) -> None:
    """Copy the cluster's binaries and images to TARGET"""
    from lab.kubernetes import carry

    _on(site, lambda path: carry.carry(path, Path(target)))


def _test(name: str, function: str, summary: str) -> Task[Any]:
    def body(_: Context) -> None:
        from lab import testing

        _call(getattr(testing, function))

    body.__doc__ = summary
    return Task(body, name=name)


def _test_on_machines(name: str, function: str, summary: str, *, default: bool = False) -> Task[Any]:
    def body(_: Context, without: list[str] = []) -> None:  # noqa: B006 - Invoke takes the kind of an option from it
        from lab import testing

        _call(lambda: getattr(testing, function)(without))

    body.__doc__ = summary
    return Task(
        body,
        name=name,
        default=default,
        iterable=["without"],
        help={"without": "a stage that is left out, and said to be; may be repeated"},
    )


def _stage(name: str) -> Task[Any]:
    def body(_: Context, site: str = find.DEFAULT, force: bool = False) -> None:
        from lab import run

        _on(site, lambda path: run.up(path, only=name, force=force))

    body.__doc__ = f"Build and check {name} alone"
    return Task(body, name=name, help=SITE | {"force": CHOICE["force"]})


@task(positional=["name"], help={"name": "a folder of molecule/"})
def role(_: Context, name: str) -> None:
    """Test role NAME on its own machines"""
    from lab import testing

    _call(lambda: testing.role(name))


def _take_plain_words(verb: str, option: str) -> None:
    """Lets `verb WORD` mean `verb --option WORD`: Invoke knows plain words for required arguments only."""
    words = getattr(getattr(program, "core", None), "unparsed", [])
    at = words.index(verb) + 1 if verb in words else len(words)
    while at < len(words) and words[at].startswith("-"):
        at += 1 if "=" in words[at] or words[at] in FLAGS else 2  # any other option has a value
    if at < len(words):
        words.insert(at, option)


_take_plain_words("verify", "--stage")
_take_plain_words("drill", "--source")
test = Collection(
    "test",
    _test_on_machines("all", "everything", "Everything below, in turn", default=True),
    _test("lint", "lint", "Read the code"),
    _test("unit", "unit", "Try the Python parts"),
    role,
    _test_on_machines("roles", "roles", "Test every role"),
    _test_on_machines("rehearsal", "rehearsal", "Build, break, continue, remove"),
)
namespace = Collection(up, plan, verify, status, validate, stages, down, drill, restore, doctor, docs, ssh, mirror, test)
namespace.add_collection(Collection("stage", *(_stage(stage.name) for stage in STAGES)))
