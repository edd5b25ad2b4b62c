"""A project of the checks: what it has is described, made and removed by the steps that the lab itself uses."""

import subprocess
import uuid
from dataclasses import replace

from lab.images import tiny
from lab.openstack import address, steps
from lab.openstack.cloud import connect
from lab.openstack.model import parse
from lab.openstack.state import State
from lab.openstack.task import login
from lab.wait import wait_for

MEMORY_MIB = tiny.MEMORY_MIB
ANSWER_SECONDS = 240  # of a guest that is emulated
SSH = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5"


class Tenant:
    """A user and a project of a name nobody else has, with a network, a way out, and a server on every compute."""

    def __init__(self, told, folder, visitor, computes):
        """`told` is how the administrator logs in, `visitor` the machine that servers are reached from."""
        self.mark = f"check-{uuid.uuid4().hex[:8]}"
        self.larger = f"{self.mark}-larger"  # another size
        self.admin = login(told)
        self.visitor = visitor
        self.servers = {compute: f"{self.mark}-{number}" for number, compute in enumerate(computes, 1)}
        self.key = f"/root/{self.mark}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.mark, "-f", str(folder / "key")], check=True)
        self.public = (folder / "key.pub").read_text().strip()
        self.private = (folder / "key").read_text()
        self.login = replace(self.admin, user=self.mark, password=uuid.uuid4().hex, project=self.mark)
        self.image = str(tiny.ensure())
        self.reached_at = {}

    def who(self):
        """Things that only the administrator makes."""
        return parse(
            {
                "project": [{"name": self.mark}],
                "user": [{"name": self.mark, "password": self.login.password}],
                "assignment": [{"name": self.mark, "role": role, "project": self.mark} for role in ("admin", "member")],
                "flavor": [
                    {"name": self.mark, "vcpus": 1, "memory_mib": MEMORY_MIB, "disk_gib": 1},
                    {"name": self.larger, "vcpus": 1, "memory_mib": MEMORY_MIB * 2, "disk_gib": 1},
                ],
            }
        )

    def what(self):
        """Things of the project."""
        ssh = {"protocol": "tcp", "ports": "22"}
        server = {"flavor": self.mark, "image": self.mark, "networks": [self.mark], "security_groups": [self.mark], "keypair": self.mark}
        return parse(
            {
                "image": [{"name": self.mark, "file": self.image, "visibility": "private"}],
                "keypair": [{"name": self.mark, "public_key": self.public}],
                "network": [{"name": self.mark}],
                "subnet": [{"name": self.mark, "network": self.mark, "cidr": "192.0.2.0/24", "gateway": "192.0.2.1"}],
                "router": [{"name": self.mark, "external_network": "provider", "subnets": [f"{self.mark}/{self.mark}"]}],
                "security_group": [{"name": self.mark, "rules": [ssh, {"protocol": "icmp"}]}],
                "server": [{"name": name, "host": compute, **server} for compute, name in self.servers.items()],
                "floating_ip": [{"name": name, "network": "provider"} for name in self.servers.values()],
            }
        )

    def make(self):
        """All of it; what servers and their fault say is in the message where one does not start."""
        self.visitor.check_output("umask 077 && printf %%s %s > %s", self.private, self.key)
        with connect(self.admin) as cloud:
            steps.ensure_all(cloud, self.who())
        with connect(self.login) as cloud:
            steps.ensure_all(cloud, self.what())
            for name in self.servers.values():
                address.wait_for_address(cloud, name)

    def remove(self):
        """All of it, whatever of it was made."""
        self.visitor.run("rm -f %s", self.key)
        with connect(self.login) as cloud:
            steps.teardown(cloud, self.what())
        with connect(self.admin) as cloud:
            steps.teardown(cloud, self.who())

    def change(self, name, **wanted):
        """A server with something else than it was made with, on whichever compute it is: a new size may have moved it."""
        (server,) = [thing for thing in self.what() if thing.kind == "server" and thing.name == name]
        with connect(self.login) as cloud:
            return steps.ensure(cloud, server.model_copy(update={"host": None, **wanted}))

    def floating(self, name):
        """The address a server is reached at from outside; asked for once, for it is used where no API answers, too."""
        if name not in self.reached_at:
            self.reached_at[name] = self.find_floating(name)
        return self.reached_at[name]

    def find_floating(self, name):
        """What the cloud says of it."""
        with connect(self.login) as cloud:
            state = State(cloud)
            server = state.id("servers", name, "its floating address")
            ports = {port.id for port in cloud.connection.network.ports(device_id=server)}
            return next(ip.floating_ip_address for ip in cloud.connection.network.ips() if ip.port_id in ports)

    def inside(self, name):
        """The address a server has on its own network."""
        with connect(self.login) as cloud:
            return address.wait_for_address(cloud, name)

    def ssh(self, name, command):
        """A command of the visitor's shell that runs one in a server."""
        return f"ssh {SSH} -i {self.key} root@{self.floating(name)} '{command}'"

    def in_guest(self, name, command):
        """What a server says, as soon as it lets us in."""
        # A status of 255 would be taken for that of the connection to the visitor.
        words = f"{self.ssh(name, command)} || exit 1"
        found = wait_for(
            f"server {name} lets its key in", lambda: self.visitor.run(words), lambda done: done.rc == 0, ANSWER_SECONDS, pause_seconds=2
        )
        return found.stdout.strip()
