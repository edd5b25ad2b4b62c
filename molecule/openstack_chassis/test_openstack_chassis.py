"""What role openstack_chassis promises: every machine is a part of the cloud's networks, and those carry more than a ping."""

import contextlib
import hashlib
import itertools
import json
import uuid
from types import SimpleNamespace

import pytest

from lab.reboots import reboot
from lab.wait import wait_for

BULK_MB = 20
LARGEST = 1442  # bytes that a tunnel over 1500 leaves
CONNECT_SECONDS, REBOOT_SECONDS = 60, 240
# argv: port. Takes one stream and says its sum.
TAKE = """
import hashlib, socket, sys
server = socket.create_server(("", int(sys.argv[1])))
server.settimeout(60)
link, taken = server.accept()[0], hashlib.sha256()
while part := link.recv(1 << 20):
    taken.update(part)
print(taken.hexdigest())
"""
# argv: address, port, megabytes.
GIVE = """
import socket, sys, time
for _ in range(100):
    try:
        link = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
        break
    except OSError:
        time.sleep(0.1)
for _ in range(int(sys.argv[3])):
    link.sendall(b"strata! " * 131072)
link.close()
"""


@pytest.fixture(scope="module")
def chassis(played):
    return played("openstack_chassis")


@pytest.fixture(scope="module")
def central(lab, members):
    return lab(members("openstack_control")[0])


def addresses(machine, interface):
    found = json.loads(machine.check_output("ip -json -4 address show dev %s", interface))
    return [f"{one['local']}/{one['prefixlen']}" for link in found for one in link.get("addr_info", [])]


def in_user_space(machine):
    return machine.run("systemd-detect-virt --container --quiet").rc == 0


def switches(machine, known):
    """Those of the role's variables that the machine has to have."""
    wanted = list(known["openstack_chassis_switches"])
    tunnels = known["openstack_chassis_tunnels"]
    if in_user_space(machine) and tunnels["leg"] not in [one["leg"] for one in wanted]:
        wanted.append(tunnels)
    return wanted


def test_switches_have_the_addresses_of_their_legs(lab, variables, chassis):
    for name in chassis:
        for one in switches(lab(name), variables(name)):
            assert addresses(lab(name), one["name"]) == [f"{one['address']}/{one['prefix']}"], name
            assert addresses(lab(name), one["leg"]) == [], name
            assert one["leg"] in lab(name).check_output("ovs-vsctl list-ports %s", one["name"]).split(), name


def test_facts_decide_who_forwards(lab, chassis):
    for name in chassis:
        datapath = lab(name).check_output("ovs-vsctl get Bridge br-int datapath_type").strip('"')
        assert datapath == ("netdev" if in_user_space(lab(name)) else "system"), name


def test_every_machine_follows_ovn(lab, chassis):
    for name in chassis:
        said = wait_for(
            "ovn-controller is connected",
            lambda name=name: lab(name).run("ovn-appctl -t ovn-controller connection-status").stdout.strip(),
            lambda seen: seen == "connected",
            CONNECT_SECONDS,
            where=name,
        )
        assert said == "connected"


def test_every_machine_has_a_tunnel_to_every_other(lab, variables, chassis):
    for name in chassis:
        others = {variables(other)["openstack_chassis_tunnels"]["address"] for other in chassis if other != name}
        wait_for(
            "tunnels to all others",
            lambda name=name: lab(name).check_output("ovs-vsctl --bare --columns=options find Interface type=geneve"),
            lambda seen, others=others: all(f"remote_ip={address}" in seen.replace('"', "") for address in others),
            CONNECT_SECONDS,
            where=name,
        )


@pytest.fixture(scope="module")
def network(lab, central, chassis):
    """A network of OVN with a plug in a namespace on every machine; nothing of it is left."""
    mark = f"check-{uuid.uuid4().hex[:6]}"
    plugs = {}
    with contextlib.ExitStack() as undo:
        central.check_output("ovn-nbctl ls-add %s", mark)
        undo.callback(central.run, "ovn-nbctl ls-del %s", mark)
        for number, name in enumerate(chassis, 2):
            plug = SimpleNamespace(name=f"{mark[6:]}-{number}", address=f"192.0.2.{number}", mac=f"52:54:00:fe:00:{number:02x}")
            plugs[name] = plug
            place = f"{plug.mac} {plug.address}"
            central.check_output("ovn-nbctl lsp-add %s %s -- lsp-set-addresses %s %s", mark, plug.name, plug.name, place)
            undo.callback(lab(name).run, "ip netns delete %s", mark)
            undo.callback(lab(name).run, "ovs-vsctl --if-exists del-port br-int %s", plug.name)
            lab(name).check_output(
                "ovs-vsctl add-port br-int %s -- set Interface %s type=internal external_ids:iface-id=%s", plug.name, plug.name, plug.name
            )
            lab(name).check_output("ip netns add %s && ip link set %s netns %s", mark, plug.name, mark)
            lab(name).check_output(f"ip -n {mark} link set {plug.name} address {plug.mac} mtu {LARGEST} up")
            lab(name).check_output(f"ip -n {mark} address add {plug.address}/24 dev {plug.name}")
        yield SimpleNamespace(mark=mark, plugs=plugs)


def pairs(chassis):
    return list(itertools.permutations(chassis, 2))


def test_the_largest_packet_passes_a_tunnel_in_one_piece(lab, chassis, network):
    if len(chassis) < 2:
        pytest.skip("one machine has nobody to have a tunnel to")
    for name, other in pairs(chassis):
        answer(lab(name), name, f"ip netns exec {network.mark} ping -M do -s {LARGEST - 28} -c 1 -W 2 {network.plugs[other].address}")


def answer(machine, name, words):
    wait_for("an answer through the tunnel", lambda: machine.run(words).rc, lambda seen: seen == 0, CONNECT_SECONDS, where=name)


def test_bulk_data_passes_a_tunnel_both_ways(lab, chassis, network):
    """A ping passes with faults that let nothing else through."""
    if len(chassis) < 2:
        pytest.skip("one machine has nobody to have a tunnel to")
    wanted = hashlib.sha256(b"strata! " * 131072 * BULK_MB).hexdigest()
    for number, (name, other) in enumerate(pairs(chassis)):
        seen = carried(lab(name), lab(other), network.mark, network.plugs[other].address, 20000 + number)
        assert seen == wanted, f"{name} to {other}: {seen}"


def carried(sender, taker, mark, address, port):
    """The sum of what one machine got from another."""
    inside, file = f"ip netns exec {mark} timeout 120 python3 -c", f"/run/{mark}-{port}"
    taker.check_output(f"sh -c '{inside} \"$1\" {port} > {file} 2>&1 &' sh %s", TAKE)
    sender.check_output(f"{inside} %s {address} {port} {BULK_MB}", GIVE)
    seen = wait_for("the sum of what came", lambda: taker.check_output(f"cat {file}").strip(), bool, CONNECT_SECONDS)
    taker.check_output(f"rm {file}")
    return seen


@pytest.mark.disruptive
def test_a_reboot_leaves_switches_and_addresses(lab, variables, chassis):
    name = chassis[-1]
    reboot(lab(name), name, REBOOT_SECONDS)
    for one in switches(lab(name), variables(name)):
        wait_for(
            f"{one['name']} has its address",
            lambda one=one: lab(name).run(f"ip -json -4 address show dev {one['name']}").stdout,
            lambda seen, one=one: one["address"] in seen,
            REBOOT_SECONDS,
            where=name,
        )
    test_every_machine_follows_ovn(lab, [name])
