"""What role container_runtime promises: a runtime of the interface that kubelets speak, whose limits are kept by systemd's groups."""

import json

import pytest

from lab.kubernetes import artifacts
from lab.together import each
from lab.wait import wait_for

UP_SECONDS = 60


@pytest.fixture(scope="module")
def machines(played, lab, variables):
    found = [(name, lab(name), variables(name)) for name in played("container_runtime")]
    assert found, "role container_runtime is played on no machine, so nothing can be checked"
    return found


def status(host):
    return json.loads(host.check_output("crictl info"))


def test_the_runtime_runs_after_a_reboot_too(machines):
    def check(machine):
        name, host, _ = machine
        service = host.service("containerd")
        assert service.is_running and service.is_enabled, name

    each(check, machines)


def test_it_is_the_release_that_was_built(machines):
    def check(machine):
        name, host, known = machine
        wanted = known["container_runtime_artifacts"]
        source = artifacts.Source(wanted["source"], wanted.get("from", ""))
        found = artifacts.find(source, wanted["version"], wanted.get("addons", []))
        assert found, f"{name}: what it was installed from is not on this computer"
        assert found.versions["containerd"].lstrip("v") in host.check_output("containerd --version"), name

    each(check, machines)


def test_kubelets_can_talk_to_it(machines):
    def check(machine):
        name, host, _ = machine
        conditions = {one["type"]: one["status"] for one in status(host)["status"]["conditions"]}
        assert conditions["RuntimeReady"] is True, name

    each(check, machines)


def test_control_groups_are_systemds(machines):
    def check(machine):
        name, host, _ = machine
        options = status(host)["config"]["containerd"]["runtimes"]["runc"]["options"]
        assert options["SystemdCgroup"] is True, name

    each(check, machines)


def test_the_image_below_every_pod_is_kept(machines):
    def check(machine):
        name, host, _ = machine
        with_pause = host.check_output('sed -n "s/^ *sandbox = \'//p" /etc/containerd/config.toml').rstrip("'")
        assert "/pause:" in with_pause, f"{name}: {with_pause}"

    each(check, machines)


@pytest.mark.disruptive
def test_a_runtime_that_dies_comes_back(machines):
    def check(machine):
        name, host, _ = machine
        before = host.check_output("systemctl show containerd --property=MainPID --value")
        host.check_output("kill -9 %s", before)
        wait_for(
            "containerd is another process and answers",
            lambda: (host.check_output("systemctl show containerd --property=MainPID --value"), host.run("crictl version").rc),
            lambda seen: seen[0] not in ("0", before) and seen[1] == 0,
            UP_SECONDS,
            where=name,
        )

    each(check, machines)
