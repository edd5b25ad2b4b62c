"""Site -> groups, machines and role variables, in the shape of `ansible-inventory --list`. Pure: one module per role.

Roles see nothing but these variables; `ansible-inventory -i inventories/SITE/site.yml --host NAME` shows them resolved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.inventory import backup, baseline, git, kubernetes, machines, nas, openstack, ovirt, router
from lab.inventory.common import Variables
from lab.site import Site
from lab.site_fields import GROUPS
from lab.site_machines import KINDS

SPARE = "spare"  # such a machine stands only during a drill, so no playbook for all of the lab is about it

# Machines that run what oVirt is packaged for; all others run Debian.
OTHER_SYSTEMS = ("ovirt_el_hypervisor", "ovirt_el_engine")

# What a machine of a group gets besides what all machines get.
ROLES: Mapping[str, Callable[[Site, Mapping[str, str], str], Variables]] = {
    "backup": backup.server,
    "router": lambda site, secrets, name: router.router(site),
    "git": lambda site, secrets, name: git.git_server(site, secrets),
    "nas": nas.nas,
    "client": lambda site, secrets, name: nas.client(site, name),
}

# What a machine of a group opens besides SSH for administrators; role baseline applies it.
OPENINGS: Mapping[str, Callable[[Site], list[Variables]]] = {
    "backup": backup.firewall,
    "git": git.firewall,
    "nas": nas.firewall,
    "ovirt_engine": ovirt.firewall,
}


def build(site: Site, secrets: Mapping[str, str]) -> dict[str, Any]:
    """The whole inventory.

    Raises InputError naming a secret the site uses that `secrets` does not have.
    """
    names = list(site.machines)
    groups = {group: [name for name in names if group in site.machines[name].groups] for group in GROUPS}
    groups |= {f"platform_{kind}": [name for name in names if site.machines[name].platform.kind == kind] for kind in KINDS}
    groups["backup_client"] = backup.clients(site)
    groups |= ovirt.groups(site) | kubernetes.groups(site) | openstack.groups(site)
    groups["debian"] = [name for name in names if not any(name in groups[group] for group in (SPARE, *OTHER_SYSTEMS))]
    common = baseline.shared(site, secrets)
    hosts = {name: {**common, **machine_variables(site, secrets, name)} for name in names}
    inventory: dict[str, Any] = {group: {"hosts": members} for group, members in groups.items()}
    inventory["lab"] = {"hosts": [name for name in names if name not in groups[SPARE]]}
    inventory["all"] = {"children": ["ungrouped", "lab", *groups]}
    inventory["_meta"] = {"hostvars": hosts}
    return inventory


def machine_variables(site: Site, secrets: Mapping[str, str], name: str) -> Variables:
    """Everything one machine's roles see, but for what all machines share."""
    variables = {**machines.connection(site, name), **machines.machine(site, secrets, name), **baseline.baseline(site, name)}
    for group in site.machines[name].groups:
        if group in ROLES:
            variables |= ROLES[group](site, secrets, name)
        if group in OPENINGS:
            variables["baseline_firewall_rules"] = variables["baseline_firewall_rules"] + OPENINGS[group](site)
    for section in (kubernetes, openstack):
        variables["baseline_firewall_rules"] = variables["baseline_firewall_rules"] + section.firewall(site, name)
    for section in (ovirt, kubernetes, openstack):
        variables |= section.variables(site, secrets, name)
    return variables | backup.client(site, secrets, name)
