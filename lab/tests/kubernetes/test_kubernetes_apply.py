"""Objects of a cluster: what is compared, applied and said, with a kubectl that writes down how it is called."""

import json
from pathlib import Path

import pytest

from lab.errors import InputError, LabError
from lab.kubernetes import apply

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}\n"
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: apps}\ndata: {colour: blue}\n"
# Answers `diff` with the code of the file beside it, and writes down its words and what it was given.
KUBECTL = """#!/bin/sh
folder=$(dirname "$0")
given=$(cat)
words=$(printf '%s ' "$@")
printf '{"words": "%s", "kinds": "%s"}\\n' "$words" "$(echo "$given" | sed -n 's/^kind: //p' | tr '\\n' ' ')" >> "$folder/calls"
case "$words" in
  *' diff '*) echo '-  colour: red'; exit "$(cat "$folder/differs")" ;;
  *' rollout '*) echo 'timed out waiting for the condition' >&2; exit "$(cat "$folder/rollout" 2> /dev/null || echo 0)" ;;
  *' get '*) echo 'web-1 0/1 ErrImageNeverPull' ;;
esac
"""


@pytest.fixture
def cluster(tmp_path: Path) -> apply.Cluster:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "admin.conf").write_text("")
    (tmp_path / "differs").write_text("1")
    return apply.Cluster(tmp_path / "kubectl", tmp_path / "admin.conf")


def calls(cluster: apply.Cluster) -> list[tuple[str, str]]:
    """(verb, kinds) of every call so far."""
    file = cluster.kubectl.parent / "calls"
    found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [(next(word for word in call["words"].split() if not word.startswith("-")), call["kinds"].strip()) for call in found]


def test_namespaces_come_before_what_is_in_them(cluster: apply.Cluster) -> None:
    change = apply.apply(cluster, [SETTINGS, NAMESPACE])
    assert change.changed and "colour: red" in change.after["difference"]
    assert calls(cluster) == [("diff", "Namespace"), ("apply", "Namespace"), ("diff", "ConfigMap"), ("apply", "ConfigMap")]


def test_what_does_not_differ_is_not_written(cluster: apply.Cluster) -> None:
    (cluster.kubectl.parent / "differs").write_text("0")
    assert not apply.apply(cluster, [NAMESPACE, SETTINGS]).changed
    assert calls(cluster) == [("diff", "Namespace"), ("diff", "ConfigMap")]


def test_a_dry_run_only_compares_and_says_what_it_could_not(cluster: apply.Cluster) -> None:
    change = apply.apply(cluster, [NAMESPACE, SETTINGS], check=True)
    assert change.changed and change.after["not compared, for want of these"] == ["configmap/settings"]
    assert calls(cluster) == [("diff", "Namespace")]


def test_a_dry_run_before_there_is_a_cluster_asks_nobody(cluster: apply.Cluster) -> None:
    cluster.kubeconfig.unlink()
    assert apply.apply(cluster, [SETTINGS], check=True).after == {"configmap/settings": "is made"}
    assert calls(cluster) == []


def test_a_cluster_that_refuses_is_quoted_with_a_fix(cluster: apply.Cluster) -> None:
    (cluster.kubectl.parent / "differs").write_text("2")
    with pytest.raises(LabError, match=r"kubectl diff \(.*admin.conf\): .*; fix: "):
        apply.apply(cluster, [SETTINGS])


def test_a_workload_that_does_not_come_up_is_shown_with_its_pods(cluster: apply.Cluster) -> None:
    (cluster.kubectl.parent / "rollout").write_text("1")
    with pytest.raises(LabError, match=r"apps/deployment/web is not ready after 5 s; its namespace has:\nweb-1 0/1 ErrImageNeverPull"):
        apply.ready(cluster, ["apps/deployment/web"], 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: [", "is no YAML"),
        ("just words", "is no object"),
        ("kind: Namespace\nmetadata: {name: x}", "is no object"),
        (f"{NAMESPACE}---\n{NAMESPACE}", "have namespace/apps twice"),
    ],
)
def test_a_manifest_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=f"{said}.*; fix: "):
        apply.parse([text])
