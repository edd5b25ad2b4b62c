"""What checks of an engine need: its things as the site wants them, machines to disturb it with, and what a wire knows."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

from lab.ovirt import steps, task
from lab.ovirt.engine import connect
from lab.ovirt.kinds import KINDS
from lab.ovirt.model import thing
from lab.ovirt.state import State

ROLE = "ovirt_resources_"
PROBE = "strata-check"  # a machine that a check makes and removes; no machine of a site is called so, as it stands in no site
PROBE_MIB = 512


@dataclass(frozen=True)
class Site:
    """The engine and what role ovirt_resources was told to make there."""

    given: dict

    def engine(self, *, write=False):
        """A connection; without `write` it refuses to change anything."""
        return connect(task.login(self.given["engine"]), check=not write)

    def seen(self, kind):
        """Everything of a kind, by its key."""
        with self.engine() as engine:
            return KINDS[kind].observe(State(engine))

    def ensure(self, kind, **values):
        """A thing is made so."""
        with self.engine(write=True) as engine:
            return steps.ensure(engine, thing(kind, values))

    def remove(self, kind, key):
        """A thing is made absent."""
        with self.engine(write=True) as engine:
            return steps.remove(engine, kind, key)

    def hypervisor(self, name):
        """The options of a hypervisor, as the role gives them to the engine."""
        found = next(one for one in self.given["hypervisors"] if one["name"] == name)
        return {"cluster": self.given["cluster"]["name"], **found, "password": self.given["hypervisor_password"]}

    def things(self):
        """(kind, options) of all that the role makes, but for the template, whose image is long to read."""
        center, cluster = self.given["data_center"], self.given["cluster"]
        yield "data_center", {"name": center}
        yield "cluster", {"name": cluster["name"], "data_center": center} | filled({"cpu_type": cluster["cpu_type"]})
        for one in self.given["networks"]:
            yield "network", {"data_center": center, "clusters": [cluster["name"]], **filled(one)}
        for one in self.given["hypervisors"]:
            yield "hypervisor", self.hypervisor(one["name"])
        for one in self.given["attachments"]:
            yield "hypervisor_network", {"data_center": center, **filled(one)}
        for one in self.given["storage_domains"]:
            yield "storage_domain", {"data_center": center, **one}


def site(variables):
    """The site whose resources a machine's variables describe."""
    return Site({"affinity": []} | {key.removeprefix(ROLE): value for key, value in variables.items() if key.startswith(ROLE)})


def filled(values):
    """Without what is empty, which stands for left out."""
    return {key: value for key, value in values.items() if value not in ("", 0)}


@contextlib.contextmanager
def probe(here):
    """A machine from the site's template that runs meanwhile, plugged into nothing."""
    center, cluster = here.given["data_center"], here.given["cluster"]["name"]
    hardware = {"template": here.given["template"]["name"], "memory_mib": PROBE_MIB, "vcpus": 1}
    try:
        here.ensure("vm", name=PROBE, data_center=center, cluster=cluster, description="made and removed by a check", **hardware)
        yield PROBE
    finally:
        here.remove("vm", PROBE)


def ports_of(host, mac):
    """The interfaces of a hypervisor behind which its bridges have seen a MAC address."""
    return {entry["ifname"] for entry in json.loads(host.check_output("bridge -json fdb show")) if entry["mac"] == mac}
