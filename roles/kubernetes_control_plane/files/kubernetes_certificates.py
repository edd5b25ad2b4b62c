#!/usr/bin/python3
"""Renews the certificates of a control plane that end soon, and restarts what still has older ones; says what it did.

kubernetes-certificates [--force]: with --force, all of them. Does nothing where nothing is to be done, so that it can be called again and
again, and a call that was cut off is finished by the next.
"""

import json
import subprocess
import sys
from pathlib import Path

SOON_DAYS = 90  # kubeadm's are good for a year
CONTAINERS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
FOLDER = Path("/etc/kubernetes")
FILES = ("pki/*.crt", "pki/etcd/*.crt", "*.conf")
KUBELET = "kubelet.conf"  # its own certificate is renewed by itself, and no container has it


def run(*argv):
    """What a command says; ends the program with the command's own words where it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}; fix: journalctl -u kubelet says more")
    return done.stdout


def ending(text, days=SOON_DAYS):
    """Names of the certificates that end within that many days, of `kubeadm certs check-expiration --output json`."""
    certificates = json.loads(text)["certificates"]
    return [one["name"] for one in certificates if not one.get("missing") and one["residualTime"] < days * 86400]


def older(text, seconds):
    """(name, id) of the control plane's containers that began before a time, of `crictl ps --output json`."""
    containers = [(one["metadata"]["name"], one["id"], int(one["createdAt"]) / 1e9) for one in json.loads(text)["containers"]]
    return sorted((name, number) for name, number, began in containers if name in CONTAINERS and began < seconds)


def newest(folder=FOLDER):
    """When the newest certificate was written."""
    files = [file for pattern in FILES for file in folder.glob(pattern) if file.name != KUBELET]
    return max(file.stat().st_mtime for file in files)


def main(arguments):
    """Renews, then restarts."""
    soon = ending(run("kubeadm", "certs", "check-expiration", "--output", "json"))
    if soon or "--force" in arguments:
        run("kubeadm", "certs", "renew", "all")
        print(f"renewed, because {'it was asked for' if '--force' in arguments else ', '.join(soon) + ' end soon'}")
    for name, number in older(run("crictl", "ps", "--output", "json"), newest()):
        # The kubelet starts it again, with what stands in the files now.
        run("crictl", "stop", "--timeout", "30", number)
        print(f"{name}: restarted with newer certificates")


if __name__ == "__main__":
    main(sys.argv[1:])
