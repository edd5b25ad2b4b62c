"""NFS exports for storage domains: really mounted and written to as 36:36, in the network of a hypervisor."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from lab.errors import LabError
from lab.platforms.podman import podman
from lab.simulators.ovirt.backend import BackendError, Room
from lab.simulators.ovirt.machines import image

SECONDS = 60
REFUSED = {"mount": "cannot be mounted", "own": "is written by another user", "write": "is not writable by 36:36"}
FIXES = {
    "EACCES": "on the server: chown 36:36 {path} && chmod 0755 {path} (a dataset with `for: ovirt` is made so)",
    "EPERM": "export it without squashing users, or with anonuid=36,anongid=36",
    "EROFS": "export it read-write to the hypervisors",
    "ENOSPC": "make room on the export, or make its dataset larger",
    "EDQUOT": "make room on the export, or make its dataset larger",
}


def check(hypervisor: str, reference: str, address: str, path: str) -> Room:
    """Writes to the export from the container of a hypervisor, with the programs of that image; returns the room it has.

    Raises BackendError with cause and fix.
    """
    server = _resolved(hypervisor, address)
    words = ["run", "--rm", "--pull=never", "--privileged", "--no-hosts", f"--network=container:{hypervisor}"]
    words += ["--volume", f"{image.FILES}:/usr/lib/lab-ovirt/guest:ro", "--env", "PYTHONPATH=/usr/lib/lab-ovirt", reference]
    words += ["python3", "-m", "guest.export", server, path]
    try:
        done = subprocess.run(["podman", *words], capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise BackendError(refusal(address, path, {"step": "mount", "errno": "ETIMEDOUT", "said": "no answer"})) from None
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.strip().splitlines()
        raise BackendError(
            f"export {address}:{path}: cannot be tried: {said[-1] if said else 'no word of why'}; fix: ./inv doctor"
        ) from None
    if "step" in found:
        raise BackendError(refusal(address, path, found))
    return Room(int(found["available"]), int(found["used"]))


def refusal(address: str, path: str, found: dict[str, Any]) -> str:
    """Cause and fix of what the probe was refused: `{step, errno, said}`."""
    step, number, said = found["step"], found["errno"], (found["said"].strip() or "no word of why").splitlines()[-1]
    fix = FIXES.get(number, "look at the log of the NFS server").format(path=path)
    if step == "mount":
        fix = f"is {address} an NFSv4 server that exports {path} to the hypervisors' addresses? look at `exportfs -v` there"
    return f"export {address}:{path} {REFUSED.get(step, f'refused to {step} it')}: {number}: {said}; fix: {fix}"


def _resolved(hypervisor: str, address: str) -> str:
    """The address of the server as the hypervisor resolves its name."""
    try:
        said = podman("exec", hypervisor, "getent", "ahostsv4", address).split()
    except LabError:
        said = []
    if not said:
        raise BackendError(
            f"export on {address}: the hypervisor {hypervisor} cannot resolve that name"
            "; fix: use an address, or a name the site's resolver has (./inv stage.network)"
        )
    return said[0]
