"""What role kubernetes_node promises: all that a kubelet needs is there before there is a cluster, images too."""

import json

import pytest

from lab.kubernetes import live
from lab.together import each

SETTINGS = {"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1", "vm.overcommit_memory": "1"}


@pytest.fixture(scope="module")
def machines(played, lab, variables):
    found = [(name, lab(name), variables(name)) for name in played("kubernetes_node")]
    assert found, "role kubernetes_node is played on no machine, so nothing can be checked"
    return found


def test_programs_are_of_the_wanted_release(machines):
    def check(machine):
        name, host, known = machine
        version = f"v{known['kubernetes_node_artifacts']['version']}"
        assert version in host.check_output("kubelet --version"), name
        assert version in host.check_output("kubeadm version --output short"), name

    each(check, machines)


def test_the_kernel_forwards_and_sees_what_crosses_its_bridges(machines):
    def check(machine):
        name, host, _ = machine
        for key, value in SETTINGS.items():
            assert host.check_output("sysctl --values %s", key) == value, f"{name}: {key}"

    each(check, machines)


def test_nothing_is_swapped(machines):
    for name, host, _ in machines:
        assert host.check_output("tail --lines=+2 /proc/swaps") == "", name


def test_the_speed_of_the_processor_is_known(machines):
    """Without it a kubelet ends as it starts."""
    for name, host, _ in machines:
        known = host.run("grep --quiet '^cpu MHz' /proc/cpuinfo || test -e /sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
        assert known.rc == 0, name


def test_names_of_nodes_lead_to_them(machines):
    def check(machine):
        name, host, known = machine
        for other, address in known.get("kubernetes_node_names", {}).items():
            found = {line.split()[0] for line in host.check_output("getent ahostsv4 %s", other).splitlines()}
            assert address in found, f"{name}: {other} is {found}"

    each(check, machines)


def test_every_image_is_there_as_it_was_built_and_stays(machines):
    def check(machine):
        name, host, known = machine
        wanted = [one for one in live.parts(known).images if one.role in known["kubernetes_node_images"]]
        assert wanted, f"{name}: needs no image at all, so nothing is proven"
        listed = host.check_output("ctr --namespace k8s.io images list")
        missing = [one.reference for one in wanted if not any(one.reference in line and one.digest in line for line in listed.splitlines())]
        assert missing == [], f"{name}: {missing}"
        pinned = {
            tag
            for one in json.loads(host.check_output("crictl images --output json"))["images"]
            if one.get("pinned")
            for tag in one["repoTags"]
        }
        assert {one.reference for one in wanted} <= pinned, f"{name}: {pinned}"

    each(check, machines)


def test_no_archive_of_an_image_is_left(machines):
    for name, host, _ in machines:
        assert host.check_output("find /var/lib/strata -name '*.tar'") == "", name
