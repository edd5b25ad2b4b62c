"""Machines as systemd containers: up in a second, for what needs no kernel of its own.

A spec is `{container, hostname, image_suite, address?, public_key_file?, cables: [{network, interface, mac, bridge_mtu}],
uplink: null | {network, interface, cidr, address, gateway, supernet?, routes?: [cidr], apt_cache?: {container, address, port}}}`.
Lab networks are bridges without any address: the router the network stage built addresses them, as on real wires.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.change import Change
from lab.errors import LabError
from lab.platforms import apt_cache, bridges, image, limits
from lab.platforms.podman import exists, inspect, podman, remove_container
from lab.wait import wait_for

BOOT_SECONDS = 120  # a container is up in 1 to 3 s; a loaded CI machine took 25
FURTHER_LEG_METRIC = 2048  # of a default route by DHCP it is 1024
HARDWARE = "strata.hardware"
OWNER = "strata.owner"  # the file of the key that may log in: of two clones with one site each, only one has the machines


class Container:
    """Machines of one podman store. What runs inside is the machine's own affair: Vm overrides those parts."""

    def ensure(self, name: str, spec: Mapping[str, Any], *, check: bool = False) -> Change:
        """Makes networks, container and the controller's routes; starts what stopped.

        Raises LabError where the container exists with other cables, for that cannot be changed without losing the machine, and where
        it belongs to another copy of the site.
        """
        container = spec["container"]
        wanted = self.hardware(spec)
        before = state(container)
        after = {"state": "running", "hardware": wanted, "owner": owner(spec)}
        refuse_foreign(name, spec, before)
        if before.get("hardware", wanted) != wanted:
            raise LabError(
                f"machine {name}: container {container} was made with other cables or another image than the site asks for"
                "; fix: ./inv down (removes the machines), then ./inv up"
            )
        missing_routes = routes_missing(spec)
        cache = (spec.get("uplink") or {}).get("apt_cache")
        changed = (
            before != after
            or bool(missing_routes)
            or bool(self.further_legs(spec))
            or bool(cache and not apt_cache.is_running(cache["container"]))
        )
        if changed and not check:
            if not before:
                self.create(spec, wanted)
            elif before["state"] != "running":
                podman("start", container)
            if cache:
                apt_cache.ensure(cache, spec["uplink"]["network"], spec["image_suite"])
            set_routes(spec, missing_routes)
            self.wait_until_booted(container)
            for file, text in self.further_legs(spec).items():
                script = f"cat > {file}.new && mv {file}.new {file} && networkctl reload"
                podman("exec", "--interactive", container, "sh", "-ec", script, stdin=text.encode())
        facts = {"address": self.address(name, spec), "host_key": "", "backend": self.backend()}
        if exists("container", container):
            facts["host_key"] = self.host_key(container)
        return Change(f"machine {name}", changed, before, after, facts)

    def remove(self, name: str, spec: Mapping[str, Any], *, check: bool = False) -> Change:
        """Removes container, the routes through it, and networks that nothing is plugged into any more."""
        container = spec["container"]
        before = state(container)
        if not check:
            if before:
                remove_container(container)
            drop_routes(spec)
            if cache := (spec.get("uplink") or {}).get("apt_cache"):
                apt_cache.remove(cache)
            bridges.remove_unused(networks(spec))
        return Change(f"machine {name}", bool(before), before, {})

    def address(self, name: str, spec: Mapping[str, Any]) -> str:
        """The uplink address where the machine has one, else what the site says."""
        return str((spec.get("uplink") or spec).get("address", spec["container"]))

    def backend(self) -> str:
        """What the machines run on, for facts and status."""
        return "systemd container"

    def hardware(self, spec: Mapping[str, Any]) -> str:
        """A hash of what a running machine cannot change."""
        return hardware(spec)

    def create(self, spec: Mapping[str, Any], wanted: str) -> None:
        """Networks, then the container with its cables and the controller's key."""
        reference = image.ensure(spec["image_suite"])
        plugs = plug_in(spec, with_macs=True)
        resolver = ["--dns", spec["uplink"]["gateway"]] if spec.get("uplink") else []
        run(spec, wanted, "--systemd=always", *resolver, *plugs, reference, "/sbin/init")
        if public_key := spec.get("public_key_file"):
            script = "umask 077; mkdir -p /root/.ssh; cat > /root/.ssh/authorized_keys"
            podman("exec", "--interactive", spec["container"], "sh", "-c", script, stdin=read_key(Path(public_key)))

    def wait_until_booted(self, container: str) -> None:
        """Until systemd says that all it wanted is started."""
        words = ["podman", "exec", container, "systemctl", "is-system-running"]
        wait_for(
            f"machine in container {container} has booted",
            lambda: subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip(),
            lambda seen: seen in ("running", "degraded"),
            BOOT_SECONDS,
        )

    def further_legs(self, spec: Mapping[str, Any]) -> dict[str, str]:
        """Networkd's files that a running machine still lacks to go out by its first leg, path -> text.

        Every leg is offered a default route, and of equal ones chance would take the first. A router is told by its role, and an uplink
        is the way out anyway.
        """
        if spec.get("uplink") or len(spec["cables"]) < 2 or state(spec["container"]).get("state") != "running":
            return {}
        wanted = {f"/etc/systemd/network/80-{name}.network": further_leg(name) for name in (one["interface"] for one in spec["cables"][1:])}
        script = "for file; do cat $file 2>/dev/null || true; printf '\\0'; done"
        have = podman("exec", spec["container"], "sh", "-c", script, "sh", *wanted).split("\0")
        return {file: text for (file, text), found in zip(wanted.items(), have, strict=False) if found != text}

    def host_key(self, container: str) -> str:
        """The machine's own SSH host key; empty where there is none yet."""
        return host_key(container, "/etc/ssh/ssh_host_ed25519_key.pub")


def further_leg(interface: str) -> str:
    """Networkd's file for a leg that is not the first: as for all legs of the image, and its default route counts less."""
    common = (Path(__file__).parent / "image" / "90-lab.network").read_text(encoding="utf-8")
    rest = common[common.index("[Network]") :]
    return (
        f"# Not the first leg of this machine, by which it goes out.\n[Match]\nName={interface}\n\n{rest}RouteMetric={FURTHER_LEG_METRIC}\n"
    )


def networks(spec: Mapping[str, Any]) -> list[str]:
    """Every network the machine is plugged into."""
    uplink = [spec["uplink"]["network"]] if spec.get("uplink") else []
    return uplink + [cable["network"] for cable in spec["cables"]]


def hardware(spec: Mapping[str, Any]) -> str:
    """A hash of what a running container cannot change; routes, keys and the image's build are not part of it."""
    uplink = spec.get("uplink") or {}
    plug = [uplink.get(key) for key in ("network", "interface", "cidr", "address")]
    fixed = [spec["image_suite"], spec["hostname"], spec["cables"], plug]
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()[:12]


def state(container: str) -> dict[str, Any]:
    """Read from podman; empty where there is no such container."""
    if not exists("container", container):
        return {}
    found = inspect(container)
    labels = found["Config"]["Labels"]
    return {"state": found["State"]["Status"], "hardware": labels.get(HARDWARE, "unknown"), "owner": labels.get(OWNER, "")}


def owner(spec: Mapping[str, Any]) -> str:
    """Whose machine it is: the key file of its site; empty in a scenario, which is alone with its machines."""
    return str(spec.get("public_key_file") or "")


def refuse_foreign(name: str, spec: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Two clones of the project have sites of the same name; the second one's key would not even let it in."""
    if before and before["owner"] != owner(spec):
        raise LabError(
            f"machine {name}: container {spec['container']} belongs to another copy of this site, whose key is {before['owner'] or 'none'}"
            "; fix: ./inv down removes it with its data, here or there; or give one of the sites another name and other ranges"
        )


def plug_in(spec: Mapping[str, Any], *, with_macs: bool) -> list[str]:
    """Makes the networks that are missing; returns podman's words for the machine's plugs in them."""
    words = []
    for cable in spec["cables"]:
        bridges.ensure(cable["network"], cable["bridge_mtu"])
        mac = f",mac={cable['mac']}" if with_macs else ""
        words += ["--network", f"{cable['network']}:interface_name={cable['interface']}{mac}"]
    if uplink := spec.get("uplink"):
        bridges.ensure_uplink(uplink["network"], uplink["cidr"], uplink["gateway"])
        words += ["--network", f"{uplink['network']}:interface_name={uplink['interface']},ip={uplink['address']}"]
    return words or ["--network=none"]


def run(spec: Mapping[str, Any], wanted: str, *words: str) -> None:
    """Starts a container that stands for a machine."""
    # Privileged: a machine mounts, sets sysctls and firewalls; and a restricted controller cannot hand on smaller limits.
    # Restart: `reboot` inside ends the container, and power comes back, as on a machine.
    common = [
        "--privileged",
        "--restart=always",
        "--no-hosts",
        "--label",
        f"{HARDWARE}={wanted}",
        "--label",
        f"{OWNER}={owner(spec)}",
        "--hostname",
        spec["hostname"],
    ]
    limits.allow_watchers()
    podman("run", "--detach", "--name", spec["container"], *common, *words)


def read_key(file: Path) -> bytes:
    """The controller's public key."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise LabError(f"{file}: is missing, so no machine could let the controller in; fix: ./inv up makes it") from None


def host_key(container: str, file: str) -> str:
    """An SSH host key as its machine wrote it, and not from the wire; empty where there is none yet."""
    done = subprocess.run(["podman", "exec", container, "cat", file], capture_output=True, text=True, check=False)
    return " ".join(done.stdout.split()[:2])


def routes_missing(spec: Mapping[str, Any]) -> list[str]:
    """Lab subnets that the controller does not reach through this machine yet, and the blackhole under them."""
    uplink = spec.get("uplink") or {}
    if not uplink.get("routes"):
        return []
    have = {(route["dst"], route.get("gateway"), route.get("type", "unicast")) for route in json.loads(ip("-json", "route", "show"))}
    missing = [cidr for cidr in uplink["routes"] if (cidr, uplink["address"], "unicast") not in have]
    return missing + [cidr for cidr in [uplink["supernet"]] if (cidr, None, "blackhole") not in have]


def set_routes(spec: Mapping[str, Any], missing: list[str]) -> None:
    """The blackhole keeps what is meant for the lab from ever leaving by the controller's default route; it outlives the lab."""
    for cidr in missing:
        if cidr == spec["uplink"]["supernet"]:
            ip("route", "replace", "blackhole", cidr)
        else:
            ip("route", "replace", cidr, "via", spec["uplink"]["address"])


def drop_routes(spec: Mapping[str, Any]) -> None:
    """The bridge takes its routes along when it goes; these are left where other machines still hold it."""
    uplink = spec.get("uplink") or {}
    for cidr in uplink.get("routes", []):
        subprocess.run(["ip", "route", "del", cidr, "via", uplink["address"]], capture_output=True, check=False)


def ip(*words: str) -> str:
    """Runs `ip WORDS`.

    Raises LabError with what it said.
    """
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"ip {' '.join(words)}: {done.stderr.strip()}; fix: run as root on a machine that may set routes (./inv doctor)")
    return done.stdout
