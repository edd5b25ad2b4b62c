"""Git and web clients as the checks need them: every address, key and password given, nothing of whoever runs them."""

import http.client
import ipaddress
import os
import shlex
import socket
import ssl
import subprocess
import urllib.error
from functools import cache
from pathlib import Path

CHECKS = "/etc/git-server/checks"
LIMIT_SECONDS = 300
NOTHING = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
NOBODY = {
    f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in (("NAME", "Check"), ("EMAIL", "check@localhost"))
}


def at_address(address, cidr):
    """Whether an address lies in a range; names do not."""
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
    except ValueError:
        return False


class Client:
    """Reaches one git server at its address, whatever its names lead to."""

    def __init__(self, server, known, scratch):
        self.server, self.scratch = server, Path(scratch)
        self.address = known.get("git_server_address") or known["ansible_host"]
        self.host = known["git_server_name"]
        self._controller_key = known.get("git_server_controller_key", "")
        self._authority = self._private("authority", Path(authority(known)).read_text())
        # What it serves, which right after a restore need not be what is in its files; asked on the machine, not over the wire.
        host_key = server.check_output("ssh-keyscan -q -t ed25519 127.0.0.1").split(" ", 1)[1]
        self._known_hosts = self._private("known_hosts", f"server {host_key}\n")
        self._source = self.scratch / "source"
        self.must({}, "init", "--quiet", "--initial-branch=main", str(self._source))

    def _private(self, name, text):
        file = self.scratch / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def ssh_url(self, repository):
        """Its URL over SSH."""
        return f"ssh://git@{self.address}/{repository}"

    def https_url(self, repository):
        """Its URL over HTTPS, by name."""
        return f"https://{self.host}/git/{repository}"

    def ssh_argv_with(self, key):
        """An ssh command that uses this key and knows the server alone."""
        options = {
            "HostKeyAlias": "server",
            "UserKnownHostsFile": self._known_hosts,
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
        }
        options |= {"IdentityFile": key, "IdentityAgent": "none", "BatchMode": "yes", "ConnectTimeout": "10"}
        return ["ssh", "-F", os.devnull, *(word for option, value in options.items() for word in ("-o", f"{option}={value}"))]

    def ssh_argv(self, user):
        """The same with the key of a user of the checks."""
        return self.ssh_argv_with(self._key(user))

    def ssh_with(self, key):
        """Environment of git over SSH with this key."""
        return {"GIT_SSH_COMMAND": shlex.join(map(str, self.ssh_argv_with(key)))}

    def ssh(self, user):
        """Environment of git over SSH as a user of the checks."""
        return self.ssh_with(self._key(user))

    @cache  # noqa: B019 - one client for a whole run
    def _key(self, user):
        return self._private(f"{user}.key", self.server.check_output("cat %s", f"{CHECKS}/{user}") + "\n")

    @cache  # noqa: B019
    def _password(self, user):
        return self.server.check_output("cat %s", f"{CHECKS}/{user}.password")

    def new_key(self):
        """A key nobody knows."""
        file = self.scratch / "unknown"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True, stdin=subprocess.DEVNULL)
        return file

    def controller_key(self):
        """The key of the controller."""
        given = self._controller_key
        return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "id_ed25519" if given.startswith("{{") else Path(given)

    def https(self, user="", password=""):
        """The password through the environment: an argument could be seen by others."""
        settings = {"http.curloptResolve": f"{self.host}:443:{self.address}"}
        if user:
            settings["credential.helper"] = '!f() { echo "username=$CHECK_USER"; echo "password=$CHECK_PASSWORD"; }; f'
        pairs = [
            (f"GIT_CONFIG_{kind}_{number}", text)
            for number, pair in enumerate(settings.items())
            for kind, text in zip(("KEY", "VALUE"), pair, strict=True)
        ]
        return {
            "CHECK_USER": user,
            "CHECK_PASSWORD": password or (user and self._password(user)),
            "GIT_SSL_CAINFO": str(self._authority),  # stronger than a setting, and than what whoever runs this has set
            "GIT_CONFIG_COUNT": str(len(settings)),
            **dict(pairs),
        }

    def git(self, access, *words):
        """Runs git with an environment that gives access."""
        env = {**os.environ, **NOTHING, **NOBODY, **access}
        argv = ["git", "-C", str(self._source if self._source.is_dir() else self.scratch), *words]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)

    def must(self, access, *words):
        """What git printed; it has to succeed."""
        done = self.git(access, *words)
        if done.returncode:
            raise AssertionError(f"git {' '.join(words)}: {done.stderr or done.stdout}")
        return done.stdout.strip()

    def commit(self, branch, size=0):
        """A new commit whose file cannot be compressed; nobody else has it."""
        file = self._source / f"{branch}.bin"
        with file.open("wb") as stream:
            stream.write(os.urandom(size or 64))
        self.must({}, "checkout", "--quiet", "--orphan", f"{branch}-{os.urandom(4).hex()}")
        self.must({}, "add", file.name)
        self.must({}, "commit", "--quiet", "--no-gpg-sign", "-m", f"Commit of {branch}")
        return self.must({}, "rev-parse", "HEAD")

    def page(self, path, host=""):
        """The web page, asked for by its name and at the address; the certificate has to be of the lab's authority."""
        context = ssl.create_default_context(cafile=str(self._authority))
        connection = http.client.HTTPSConnection(host or self.host, timeout=30, context=context)
        raw = socket.create_connection((self.address, 443), 30)
        try:
            connection.sock = context.wrap_socket(raw, server_hostname=host or self.host)
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise urllib.error.HTTPError(path, answer.status, answer.reason, answer.headers, None)
            return text
        finally:
            connection.close()
            raw.close()

    def answers(self, path):
        """Whether the page is served."""
        try:
            return bool(self.page(path))
        except OSError:
            return False


def authority(known):
    """The certificate of the authority on the controller; Molecule's inventory names it by a lookup that only Ansible resolves."""
    folder = known["certificate_authority"]
    return f"{os.environ['MOLECULE_EPHEMERAL_DIRECTORY']}/ca/ca.crt" if folder.startswith("{{") else f"{folder}/ca.crt"
