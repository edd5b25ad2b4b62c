"""Machines as VMs on an oVirt engine, made by the same steps whether the engine is real or simulated.

A spec is `{engine: {url, user, password, ca_file}, data_center, cluster, template, address, hostname, vcpus, memory_mib, disk_gib,
nics: [{name, network, mac}], addresses: [{interface, address, gateway}], dns_servers, dns_search, public_key_file, host_key_file}`.
The guest's SSH host key is made here and given to its first boot, so that nobody has to take it from the wire.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.change import Change
from lab.errors import LabError
from lab.ovirt import steps, task
from lab.ovirt.address import wait_for_address
from lab.ovirt.engine import Engine, connect
from lab.ovirt.kinds import KINDS
from lab.ovirt.model_vms import Vm
from lab.ovirt.state import State

BOOT_SECONDS = 600  # 20 to 40 s; the first boot also sets the guest up, and a loaded CI machine takes its time
OWNER = "made by Strata for"  # in the description; a VM of that name that somebody else made is not ours to change


class Ovirt:
    """VMs of one engine."""

    def ensure(self, name: str, spec: Mapping[str, Any], *, check: bool = False) -> Change:
        """Makes the VM run, and waits until its guest reports its address.

        Raises LabError where the engine refuses, where a VM of that name is not the site's, and where the guest does not come up.
        """
        if check and not Path(spec["engine"]["ca_file"]).is_file():  # an engine that is not there yet has no VM either
            return Change(f"machine {name}", True, {}, {"state": "running"}, self.facts(name, spec))
        with connect(task.login(spec["engine"]), check=check) as engine:
            there = KINDS["vm"].observe(State(engine, only_vm=name)).get(name)
            refuse_foreign(engine, name, spec, there.values if there else {})
            # What it was made from is decided once: a newer template is for new machines.
            template = str(there.values["template"]) if there else spec["template"]
            made = steps.ensure(engine, wanted(name, spec, template, key_pair(Path(spec["host_key_file"]), name, check=check)))
            if not check:
                wait_for_address(engine, name, wanted=spec["address"], limit_seconds=BOOT_SECONDS)
        return Change(f"machine {name}", made.changed, made.before, made.after, self.facts(name, spec))

    def remove(self, name: str, spec: Mapping[str, Any], *, check: bool = False) -> Change:
        """Powers the VM off and removes it with its disk. Where no engine was ever reached, there is none."""
        key = Path(spec["host_key_file"])
        if not Path(spec["engine"]["ca_file"]).is_file():
            return Change(f"machine {name}", False)
        with connect(task.login(spec["engine"]), check=check) as engine:
            there = KINDS["vm"].observe(State(engine, only_vm=name)).get(name)
            refuse_foreign(engine, name, spec, there.values if there else {})
            gone = steps.remove(engine, "vm", name)
        if not check:
            for file in (key, key.with_name(f"{key.name}.pub")):
                file.unlink(missing_ok=True)
        return Change(f"machine {name}", gone.changed, gone.before, {})

    def address(self, name: str, spec: Mapping[str, Any]) -> str:
        """As the site says."""
        return str(spec["address"])

    def backend(self) -> str:
        """What machines run on; what is under a simulated one, its simulator says (lab/simulators/ovirt)."""
        return "VM on oVirt"

    def facts(self, name: str, spec: Mapping[str, Any]) -> dict[str, str]:
        """Where the machine is and how to know it again."""
        public = Path(spec["host_key_file"]).with_name(f"{Path(spec['host_key_file']).name}.pub")
        key = " ".join(public.read_text(encoding="utf-8").split()[:2]) if public.is_file() else ""
        return {"address": self.address(name, spec), "host_key": key, "backend": self.backend()}


def wanted(name: str, spec: Mapping[str, Any], template: str, host_key: tuple[str, str]) -> Vm:
    """The VM as the steps want it."""
    boot = {
        "hostname": spec["hostname"],
        "addresses": [{key: value for key, value in one.items() if value} for one in spec["addresses"]],
        "dns_servers": spec["dns_servers"],
        "dns_search": spec["dns_search"],
        "user": "root",
        "authorized_keys": [public_key(Path(spec["public_key_file"]))],
        "script": host_key_script(*host_key),
    }
    values = {key: spec[key] for key in ("data_center", "cluster", "vcpus", "memory_mib", "disk_gib", "nics")}
    return Vm.model_validate(
        {"name": name, "template": template, "description": description(spec), "state": "running", "cloud_init": boot, **values}
    )


def description(spec: Mapping[str, Any]) -> str:
    """What people read in the engine, and what tells our VMs from others of the same name."""
    return f"{OWNER} {spec['hostname']}.{spec['dns_search'][0]}"


def refuse_foreign(engine: Engine, name: str, spec: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    """An engine may have VMs that are nobody's business here, also of the name of a machine."""
    if there and there["description"] != description(spec):
        said = f"described as {there['description']!r}" if there["description"] else "without a description"
        raise LabError(
            f"{engine.login.url}: machine {name}: the engine has a VM of that name that this site did not make ({said})"
            f"; fix: rename or remove it there, or give the machine another name; is it ours, describe it as {description(spec)!r}"
        )


def host_key_script(private: str, public: str) -> str:
    """The guest's own SSH host key, as cloud-init takes it."""
    lines = "".join(f"    {line}\n" for line in private.strip().splitlines())
    return f"ssh_keys:\n  ed25519_private: |\n{lines}  ed25519_public: {public}\n"


def key_pair(file: Path, name: str, *, check: bool) -> tuple[str, str]:
    """The host key a guest shall have: (private, public), made where it is missing. In check mode, where it is missing, a word for it.

    Raises LabError where it cannot be made.
    """
    public = file.with_name(f"{file.name}.pub")
    if not (file.is_file() and public.is_file()):
        if check:
            return "(not made yet)", "(not made yet)"
        for half in (file, public):
            half.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise LabError("ssh-keygen: is not installed; fix: apt-get install openssh-client") from None
        except subprocess.CalledProcessError as error:
            raise LabError(f"{file}: cannot be made: {error.stderr.strip()}; fix: see that its folder can be written") from error
    return file.read_text(encoding="utf-8"), public.read_text(encoding="utf-8").strip()


def public_key(file: Path) -> str:
    """The controller's key, which may log in as root."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise LabError(f"{file}: is missing, so no machine could let the controller in; fix: ./inv up makes it") from None
