"""What fails in the deployment of a self-hosted engine, on the hypervisor it starts from."""

from __future__ import annotations

import ipaddress
import re

from lab.ovirt.prechecks import hypervisor
from lab.ovirt.prechecks.engine import password
from lab.ovirt.prechecks.facts import Options, Problem, Problems

MEMORY_MIB = 4096
RESERVED_MIB = 512  # the role keeps so much for the hypervisor
GRACE_MIB = 200
DISK_GIB = 50
APPLIANCE_GIB = 8
PREFIX = "192.168.222.0/24"  # where the engine's first VM is, behind NAT, until it moves to the storage


def check(facts: Options, wanted: Options) -> Problems:
    """`wanted`: what hypervisor.check wants, and engine_address, prefix, gateway, resolvers, storage {server, path}, domains (exports of
    data domains, `server:path`), memory_mib, vcpus, disk_gib, mac, data_center, cluster, password, appliance_password.
    """
    yield from hypervisor.check(facts, wanted)
    yield from size(facts, wanted)
    yield from addresses(facts, wanted)
    yield from names(wanted)
    yield from password(wanted["password"], "admin_password")
    yield from password(wanted["appliance_password"], "appliance_password")
    export = f"{wanted['storage']['server']}:{wanted['storage']['path']}"
    if export in wanted["domains"]:
        yield Problem(f"{export} is to hold the engine and VMs", "give the engine a dataset of its own")


def size(facts: Options, wanted: Options) -> Problems:
    """Memory, processors and disk of the engine's VM."""
    free = facts["available_mib"] - RESERVED_MIB + GRACE_MIB
    if wanted["memory_mib"] < MEMORY_MIB:
        yield Problem(f"the engine is to have {wanted['memory_mib']} MiB memory, and needs {MEMORY_MIB}", "give it more in the site")
    elif wanted["memory_mib"] > free:
        yield Problem(f"the engine is to have {wanted['memory_mib']} MiB memory, and {free} are free", "stop what uses it, or give it less")
    if wanted["vcpus"] > facts["cpu"]["count"]:
        yield Problem(f"the engine is to have {wanted['vcpus']} processors, and there are {facts['cpu']['count']}", "give it fewer")
    if wanted["disk_gib"] < DISK_GIB:
        yield Problem(f"the engine's disk is to have {wanted['disk_gib']} GiB, and needs {DISK_GIB}", "give it more in the site")
    free_gib = facts["space"][hypervisor.WORK]["free_gib"]
    if hypervisor.SPACE[hypervisor.WORK] <= free_gib < APPLIANCE_GIB:  # less was said already
        yield Problem(f"{hypervisor.WORK} has {free_gib:.1f} GiB free, and unpacking the appliance needs {APPLIANCE_GIB}", "free some")


def addresses(facts: Options, wanted: Options) -> Problems:
    """Where the engine's VM will be, and where it is at first."""
    address, network = wanted["engine_address"], ipaddress.ip_network(f"{wanted['address']}/{wanted['prefix']}", strict=False)
    if ipaddress.ip_address(address) not in network:
        yield Problem(f"the engine's address {address} is outside {network}, where the hypervisor is", "give it one inside")
    if wanted["gateway"] not in facts["gateways"]:
        yield Problem(
            f"its default gateway is {', '.join(facts['gateways']) or 'none'}, and the engine's is to be {wanted['gateway']}",
            "make both the gateway of the management subnet",
        )
    found = facts["names"].get(wanted["engine_fqdn"], [])
    if found and found != [address]:
        yield Problem(f"{wanted['engine_fqdn']} leads to {', '.join(found)}, and the engine is to have {address}", "correct its record")
    if wanted["engine_fqdn"] not in facts["reverse"].get(address, []):
        yield Problem(f"{address} does not lead back to {wanted['engine_fqdn']}", "correct its record")
    first = ipaddress.ip_network(PREFIX)
    near = [own for own in sorted(hypervisor.own_addresses(facts)) if ipaddress.ip_address(own) in first]
    if near:
        yield Problem(f"its address {near[0]} is in {PREFIX}, where the engine's first VM is put", "renumber that network")
    if (mac := wanted.get("mac") or "") and not re.fullmatch(r"[0-9a-f][02468ace](:[0-9a-f]{2}){5}", mac.lower()):
        yield Problem(f"the engine's MAC {mac} is none of a single card", "the first byte has to be even: 52:54:00:...")


def names(wanted: Options) -> Problems:
    """Data center and cluster as the role takes them."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", wanted["data_center"]):
        yield Problem(f"data center {wanted['data_center']} has a name that setup refuses", "use letters, digits, - and _")
    if wanted["data_center"] != "Default" and wanted["cluster"] == "Default":
        yield Problem("cluster Default is reserved for data center Default", "give the cluster another name")
