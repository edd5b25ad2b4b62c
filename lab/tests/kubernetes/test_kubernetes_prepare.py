"""What takes minutes is made before any playbook waits for it: the parts of a cluster too."""

from pathlib import Path
from typing import Any

import pytest

from lab import platforms
from lab import site as sites
from lab.kubernetes import artifacts, packed, releases
from lab.sections import kubernetes

VALID = Path(__file__).parents[1] / "sites" / "valid"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked of lab.kubernetes; kernels and disks are somebody else's tests."""
    found: list[Any] = []
    monkeypatch.setattr(artifacts, "ensure", lambda *words: found.append(words[:3]))
    monkeypatch.setattr(packed, "ensure", lambda *_: {})
    monkeypatch.setattr(platforms.vm_image, "ensure", lambda *words: "")
    return found


def test_the_parts_of_a_cluster_are_made_before_its_stage(asked: list[Any]) -> None:
    platforms.prepare(sites.load(VALID / "kubernetes.yml"), lambda _: None)
    addons = ["checks", "flannel", "local_path", "metrics_server", "metallb", "network_policies", "traefik"]
    assert asked == [(artifacts.Source("modules"), "1.36.4", addons)]
    assert set(addons) <= set(releases.ADDONS)


def test_a_site_without_a_cluster_needs_none(asked: list[Any]) -> None:
    platforms.prepare(sites.load(VALID / "small.yml"), lambda _: None)
    assert asked == []


def test_what_a_site_may_ask_for_is_what_can_be_built() -> None:
    assert set(kubernetes.MINORS) == set(releases.RELEASES)
