"""Objects of a cluster, applied by kubectl: on the server's side, so that fields others set stay theirs, and only where something differs.

Namespaces and kinds come first: without them, what is in them or of them cannot even be compared.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.change import Change
from lab.errors import InputError, LabError

MANAGER = "strata"
FIRST = ("Namespace", "CustomResourceDefinition")
DIFFERENT = 1  # kubectl diff: 0 nothing differs, 1 something does, more: it could not compare
ESTABLISHED_SECONDS = 60
UNREACHABLE = ("connection refused", "no route to host", "i/o timeout", "was refused", "context deadline exceeded")

Object = dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """How the cluster is reached: kubectl, and the kubeconfig it logs in with."""

    kubectl: Path
    kubeconfig: Path

    def run(self, *words: str, given: str = "", good: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """Runs kubectl.

        Raises LabError with what it said.
        """
        argv = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", "--request-timeout=60s", *words]
        try:
            done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise LabError(f"{self.kubectl}: is not there; fix: ./inv up makes it") from None
        if done.returncode not in good:
            said = done.stderr.strip() or done.stdout.strip() or f"ended with code {done.returncode}"
            verb = next(word for word in words if not word.startswith("-"))
            raise LabError(f"kubectl {verb} ({self.kubeconfig}): {said}; fix: {_fix(said)}")
        return done


def apply(cluster: Cluster, manifests: Iterable[str], *, check: bool = False) -> Change:
    """Makes the objects of all manifests what they say; with `check` only compares. `after` of the change is kubectl's own comparison.

    Raises InputError for a manifest that is none, LabError where the cluster refuses or does not answer.
    """
    found = parse(manifests)
    names = [name(one) for one in found]
    what = f"{len(found)} objects of the cluster"
    if check and not cluster.kubeconfig.is_file():  # a cluster that is not there yet has no object either
        return Change(what, True, {}, dict.fromkeys(names, "is made"))
    early = [one for one in found if one["kind"] in FIRST]
    late = [one for one in found if one["kind"] not in FIRST]
    first = _bring(cluster, early, check=check)
    if first and check:
        return Change(what, True, {}, {"difference": first, "not compared, for want of these": [name(one) for one in late]})
    if first and (kinds := [name(one) for one in early if one["kind"] == "CustomResourceDefinition"]):
        cluster.run("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_SECONDS}s", *kinds)
    second = _bring(cluster, late, check=check)
    difference = "\n".join(part for part in (first, second) if part)
    return Change(what, bool(difference), {}, {"difference": difference} if difference else {})


def ready(cluster: Cluster, workloads: Iterable[str], limit_seconds: int) -> None:
    """Waits until workloads, written as `NAMESPACE/KIND/NAME`, run as their newest description says.

    Raises LabError naming the workload, with its pods as they are then.
    """
    for workload in workloads:
        namespace, _, rest = workload.partition("/")
        try:
            cluster.run(f"--namespace={namespace}", "rollout", "status", rest, f"--timeout={limit_seconds}s")
        except LabError as error:
            pods = cluster.run(f"--namespace={namespace}", "get", "pods", "--output=wide").stdout.strip() or "(no pod)"
            raise LabError(f"{error}\n{workload} is not ready after {limit_seconds} s; its namespace has:\n{pods}") from None


def parse(manifests: Iterable[str]) -> list[Object]:
    """Every object of some YAML texts, in their order.

    Raises InputError where a document is no object, or an object stands there twice.
    """
    found: list[Object] = []
    for text in manifests:
        try:
            documents = [one for one in yaml.safe_load_all(text) if one is not None]
        except yaml.YAMLError as error:
            raise InputError(f"a manifest is no YAML: {' '.join(str(error).split())}; fix: correct the template it is made of") from None
        for one in documents:
            if not isinstance(one, dict) or not one.get("kind") or not one.get("apiVersion") or not (one.get("metadata") or {}).get("name"):
                raise InputError(f"a manifest is no object with apiVersion, kind and name: {str(one)[:80]}; fix: correct its template")
            found.append(one)
    names = [(one["apiVersion"], one["metadata"].get("namespace", ""), name(one)) for one in found]
    if twice := {entry for entry in names if names.count(entry) > 1}:
        raise InputError(f"manifests have {', '.join(entry[2] for entry in sorted(twice))} twice; fix: remove one of the two")
    return found


def name(one: Object) -> str:
    """An object as kubectl names it: kind/name."""
    return f"{one['kind'].lower()}/{one['metadata']['name']}"


def _bring(cluster: Cluster, objects: list[Object], *, check: bool) -> str:
    """What differed; it no longer does, unless this only looks."""
    if not objects:
        return ""
    text = yaml.safe_dump_all(objects, sort_keys=False)
    ours = ("--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "--filename=-")
    compared = cluster.run("diff", *ours, given=text, good=(0, DIFFERENT))
    if compared.returncode != DIFFERENT:
        return ""
    if not check:
        cluster.run("apply", *ours, given=text)
    return compared.stdout.strip() or "something differs"


def _fix(said: str) -> str:
    if any(words in said.lower() for words in UNREACHABLE):
        return "does the API answer? ./inv verify kubernetes says what of the cluster does not work"
    if "no such file" in said:
        return "./inv up --only kubernetes --force fetches the kubeconfig"
    if "Unauthorized" in said or "certificate" in said:
        return "the kubeconfig is of another cluster, or has run out: ./inv up --only kubernetes --force fetches it anew"
    return "kubectl's own words are above"
