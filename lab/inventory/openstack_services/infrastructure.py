"""What the services themselves stand on: database, messages, memory, and the proxy before them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence

from lab.inventory.openstack_services.service import MARK, Api, Because, Cloud, File, Service, ini

PORT = 5672
USER = "openstack"  # of the message broker
CERTIFICATE = "openstack"


def journal(cloud: Cloud) -> Service:
    """Where daemons of all services say what they do."""
    text = "# Written by Strata: the journal of each unit has what it says; files beside it would grow for nobody.\nUSE_LOGFILE=no\n"
    return Service(name="journal", files=(File("/etc/default/openstack", text, mode="0644"),))


def mariadb(cloud: Cloud) -> Service:
    """The database of all services, on a socket: whoever may come is on this machine."""
    server = (
        Because("Services come by the socket, so nothing has to listen on a network.", {"skip-networking": 1}),
        Because("Each worker of each service keeps connections open.", {"max_connections": 1000}),
        Because(
            "Migrations of the services expect three bytes a character.",
            {"character-set-server": "utf8mb3", "collation-server": "utf8mb3_general_ci"},
        ),
        Because("It watches itself with memory that the services need.", {"performance_schema": "off"}),
    )
    return Service(
        name="mariadb",
        packages=("mariadb-server", "python3-pymysql"),
        files=(File("/etc/mysql/mariadb.conf.d/90-strata.cnf", ini({"mysqld": server}), mode="0644"),),
        units=("mariadb",),
    )


def rabbitmq(cloud: Cloud) -> Service:
    """Messages between the parts of services. Its account is in a file that it reads when it starts, as a hash."""
    password = cloud.password("rabbitmq")
    settings = "\n".join(
        [
            MARK,
            "# Accounts and rights; without this file it would make itself a user guest.",
            "load_definitions = /etc/rabbitmq/strata.json",
            "# Computes come from other machines; who may is the firewall's business.",
            f"listeners.tcp.default = {PORT}",
            "",
        ]
    )
    definitions = {
        "users": [
            {
                "name": USER,
                "password_hash": hashed(password, cloud.password("rabbitmq/salt")),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": [],
            }
        ],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    }
    return Service(
        name="rabbitmq",
        packages=("rabbitmq-server",),
        files=(
            File("/etc/rabbitmq/rabbitmq.conf", settings, "rabbitmq"),
            File("/etc/rabbitmq/strata.json", json.dumps(definitions, indent=2) + "\n", "rabbitmq"),
        ),
        units=("rabbitmq-server",),
        port=PORT,
    )


def hashed(password: str, salt: str) -> str:
    """A password as RabbitMQ keeps it: four bytes of salt, and the SHA-256 of them and the password."""
    four = hashlib.sha256(salt.encode()).digest()[:4]
    return base64.b64encode(four + hashlib.sha256(four + password.encode()).digest()).decode()


def memcached(cloud: Cloud) -> Service:
    """What services remember of tokens, on this machine only."""
    text = f"{MARK}\n# Only for services of this machine: it asks nobody who they are.\n-l 127.0.0.1\n-p 11211\n-u memcache\n"
    return Service(
        name="memcached",
        packages=("memcached", "python3-pymemcache", "python3-memcache"),
        files=(File("/etc/memcached.conf", text, mode="0644"),),
        units=("memcached",),
        port=11211,
    )


def haproxy(cloud: Cloud, apis: Sequence[Api]) -> Service:
    """TLS before every API. It listens on the machine's addresses, and the API behind it on the same port of 127.0.0.1."""
    # The machine finds its own name at 127.0.1.1.
    fronts = [front(api, [cloud.my_address, "127.0.1.1"]) for api in apis]
    return Service(
        name="haproxy",
        packages=("haproxy",),
        files=(File("/etc/haproxy/haproxy.cfg", "\n".join([BEGINNING, *fronts]), "haproxy"),),
        units=("haproxy",),
    )


BEGINNING = f"""{MARK.replace(": only what differs from what the program does by itself, each with its reason", "")}
global
    user haproxy
    group haproxy
    # As systemd wants to hear that it is ready.
    master-worker
    log stdout format raw local0 notice
    ssl-default-bind-options ssl-min-ver TLSv1.2
    # NAME.key beside NAME.crt
    ssl-load-extra-del-ext
    ssl-load-extra-files key

defaults
    mode http
    log global
    option httplog
    option dontlognull
    option http-server-close
    # Metadata of a server is asked for in the name of the server.
    option forwardfor if-none
    timeout connect 5s
    # An image is sent in one request, and a service that starts takes its time for the first answer.
    timeout client 10m
    timeout server 10m
    # A service that restarts is waited for.
    retries 5
"""


def front(api: Api, addresses: Sequence[str]) -> str:
    """What listens for one API; `transparent`: also before the machine has got its address."""
    binds = [f"    bind {address}:{api.port} transparent ssl crt /etc/ssl/lab/{CERTIFICATE}.crt" for address in addresses]
    lines = [f"frontend {api.name}", *binds, "    http-request set-header X-Forwarded-Proto https", f"    default_backend {api.name}", ""]
    return "\n".join([*lines, f"backend {api.name}", f"    server local 127.0.0.1:{api.local_port}", ""])
