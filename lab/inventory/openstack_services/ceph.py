"""Ceph: where volumes are kept that no machine can mount. One monitor, one manager, and one store in a file of the control machine.

It asks nothing of the kernel: librbd in Cinder and QEMU speaks to it. There is one copy of everything, as on one disk.
"""

from __future__ import annotations

import base64
import struct
import uuid
from collections.abc import Mapping

from lab.inventory.openstack_services.service import Because, Cloud, Command, File, Service, ini

NAME = "lab"  # of the one monitor and the one manager
USER, POOL = "cinder", "volumes"
GROUPS = 16  # of placement: one store needs few
FIRST_PORT, PORTS = 6800, 32  # of store and manager, eight each, and others after a restart
MONITORS = (3300, 6789)
MIB, GIB = 1024**2, 1024**3
STORE_MIB = 896  # the least that Ceph lets a store have, mostly as a cache
MONITOR_FOLDER, STORE_FOLDER = f"/var/lib/ceph/mon/ceph-{NAME}", "/var/lib/ceph/osd/ceph-0"
ANSWER_SECONDS = 120
RIGHTS: Mapping[str, Mapping[str, str]] = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "mgr": "allow *", "osd": "allow *"},
    f"mgr.{NAME}": {"mon": "allow profile mgr", "osd": "allow *", "mds": "allow *"},
    "osd.0": {"mon": "allow profile osd", "mgr": "allow profile osd", "osd": "allow *"},
    f"client.{USER}": {"mon": "profile rbd", "mgr": f"profile rbd pool={POOL}", "osd": f"profile rbd pool={POOL}"},
}


def ports() -> list[int]:
    """Where computes reach it."""
    return [*MONITORS, *range(FIRST_PORT, FIRST_PORT + PORTS)]


def key(cloud: Cloud, entity: str) -> str:
    """The key of one of RIGHTS as Ceph writes it: kind AES, a time of making, a length, and sixteen bytes."""
    secret = cloud.key(f"ceph/{entity}")[:16]
    return base64.b64encode(struct.pack("<HIIH", 1, 0, 0, len(secret)) + secret).decode()


def identity_of(cloud: Cloud, what: str) -> str:
    """A UUID that stays the same: of the cluster, of its store, or of the secret that libvirt keeps."""
    return str(uuid.UUID(bytes=cloud.key(f"ceph/{what}")[:16], version=4))


def keyring(cloud: Cloud, *entities: str) -> str:
    """A file with keys; the monitor's first one has the rights, too, which it takes over when it is made."""
    parts = []
    for entity in entities:
        rights = [f'    caps {daemon} = "{right}"' for daemon, right in RIGHTS[entity].items()] if len(entities) > 1 else []
        parts.append("\n".join([f"[{entity}]", f"    key = {key(cloud, entity)}", *rights, ""]))
    return "\n".join(parts)


def configuration(cloud: Cloud) -> File:
    """Of daemons and clients on the control machine."""
    sections = {
        "global": (
            Because("Which cluster, and where its monitor is.", {"fsid": identity_of(cloud, "cluster"), "mon_host": cloud.control_address}),
            Because("A machine has several addresses; computes come to this one.", {"public_addr": cloud.control_address}),
            Because(
                "There is one store, so there is one copy.",
                {
                    "osd_pool_default_size": 1,
                    "osd_pool_default_min_size": 1,
                    "mon_allow_pool_size_one": True,
                    "mon_warn_on_pool_no_redundancy": False,
                },
            ),
            Because("Who asks to keep a session has to prove who they are.", {"auth_allow_insecure_global_id_reclaim": False}),
            Because("The disk is the whole machine's.", {"mon_data_avail_warn": 5, "mon_data_avail_crit": 2}),
            Because(
                "As many as the firewall lets computes reach.",
                {"ms_bind_port_min": FIRST_PORT, "ms_bind_port_max": FIRST_PORT + PORTS - 1},
            ),
        ),
        f"mgr.{NAME}": (Because("Beside the others.", {"keyring": f"/etc/ceph/ceph.mgr.{NAME}.keyring"}),),
        "osd": (
            Because("Beside the others.", {"keyring": "/etc/ceph/ceph.osd.0.keyring"}),
            Because("A file: no disk is given away.", {"bluestore_block_create": True, "bluestore_block_size": cloud.volumes_gib * GIB}),
            Because(
                "The machine's memory is for services.",
                {"osd_memory_target": STORE_MIB * MIB, "osd_memory_cache_min": 64 * MIB, "osd_op_num_shards": 2},
            ),
        ),
    }
    return File("/etc/ceph/ceph.conf", ini(sections), mode="0644")


def monitor(cloud: Cloud) -> Service:
    """Monitor and manager. A monitor whose making was cut off is made again: nothing is in it before its last word."""
    make = (
        f"test -e {MONITOR_FOLDER}/made && exit; rm -rf {MONITOR_FOLDER}; "
        f"ceph-mon --mkfs --id {NAME} --keyring /etc/ceph/lab.mon.keyring --setuser ceph --setgroup ceph; touch {MONITOR_FOLDER}/made"
    )
    return Service(
        name="ceph-monitor",
        packages=("ceph-mon", "ceph-mgr", "ceph-osd"),
        files=(
            configuration(cloud),
            File("/etc/ceph/lab.mon.keyring", keyring(cloud, *RIGHTS), "ceph"),
            File("/etc/ceph/ceph.client.admin.keyring", keyring(cloud, "client.admin"), mode="0600"),
            File(f"/etc/ceph/ceph.mgr.{NAME}.keyring", keyring(cloud, f"mgr.{NAME}"), "ceph"),
            File("/etc/ceph/ceph.osd.0.keyring", keyring(cloud, "osd.0"), "ceph"),
        ),
        commands=(Command("its first map", ("sh", "-ec", make)),),
        units=(f"ceph-mon@{NAME}", f"ceph-mgr@{NAME}"),
    )


def store(cloud: Cloud) -> Service:
    """The store; the monitor has to run, for it says that the store is number 0."""
    which = identity_of(cloud, "store")
    ask = f"ceph --connect-timeout {ANSWER_SECONDS}"
    make = (
        f"test -e {STORE_FOLDER}/ready && exit; {ask} osd new {which}; install -d -o ceph -g ceph {STORE_FOLDER}; "
        f"ceph-osd --mkfs --id 0 --osd-uuid {which} --setuser ceph --setgroup ceph"
    )
    return Service(
        name="ceph-store",
        packages=("ceph-osd",),
        files=(configuration(cloud),),
        commands=(Command("the file it keeps everything in", ("sh", "-ec", make)),),
        units=("ceph-osd@0",),
    )


def pool(cloud: Cloud) -> Service:
    """Where volumes are, and what Cinder has to know to make them."""
    ask = ("ceph", "--connect-timeout", str(ANSWER_SECONDS))
    return Service(
        name="ceph-pool",
        packages=("ceph-common",),
        files=(File(f"/etc/ceph/ceph.client.{USER}.keyring", keyring(cloud, f"client.{USER}"), "cinder"),),
        commands=(
            Command("a pool", (*ask, "osd", "pool", "create", POOL, str(GROUPS))),
            Command("what it is for", (*ask, "osd", "pool", "application", "enable", POOL, "rbd")),
        ),
    )


def on_computes(cloud: Cloud) -> tuple[File, ...]:
    """What libvirt tells QEMU, so that the key is in no list of processes; it reads these when it starts."""
    which = identity_of(cloud, "secret")
    described = (
        "<secret ephemeral='no' private='yes'>\n"
        f"  <uuid>{which}</uuid>\n"
        f"  <usage type='ceph'>\n    <name>client.{USER}</name>\n  </usage>\n"
        "</secret>\n"
    )
    return (
        File(f"/etc/libvirt/secrets/{which}.xml", described, mode="0600", folder="0700"),
        File(f"/etc/libvirt/secrets/{which}.base64", key(cloud, f"client.{USER}"), mode="0600", folder="0700"),
    )
