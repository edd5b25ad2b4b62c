"""Designate: names that projects make for themselves, below one zone of the lab. Optional; BIND on the control machine serves them."""

from __future__ import annotations

import base64
import json

from lab.inventory.openstack_services.service import Api, Cloud, Command, File, Service, Wsgi, because, ini, wsgi_files

PORT = 9001
API = Api("designate", "dns", PORT, "", "Names")
DNS, MINI_DNS, CONTROL = 53, 5354, 953
POOL = "794ccc2c-d751-44fe-b57f-8894c9f5c842"  # Designate's own number for its first pool
KEYS = ("/etc/bind/rndc.key", "/etc/designate/rndc.key")


def designate(cloud: Cloud) -> tuple[Service, ...]:
    """BIND, then what has to run before it can be told of BIND, then the rest."""
    return bind(cloud), central(cloud), workers(cloud)


def key(cloud: Cloud) -> str:
    """How Designate tells BIND of zones."""
    secret = base64.b64encode(cloud.key("designate/rndc")).decode()
    return f'key "rndc-key" {{\n  algorithm hmac-sha256;\n  secret "{secret}";\n}};\n'


def bind(cloud: Cloud) -> Service:
    """Answers for zones that Designate gives it, and for nothing else: the lab's router asks it for names below the cloud's zone."""
    options = f"""// Written by Strata: zones come from Designate, and names of the rest of the world from the lab's router.
options {{
  directory "/var/cache/bind";
  listen-on {{ 127.0.0.1; {cloud.my_address}; }};
  listen-on-v6 {{ none; }};
  recursion no;
  allow-transfer {{ none; }};
  // Designate makes and removes zones while it runs.
  allow-new-zones yes;
  minimal-responses yes;
}};
"""
    return Service(
        name="bind",
        packages=("bind9",),
        files=(
            File("/etc/bind/named.conf.options", options, "bind", "0644"),
            File(KEYS[0], key(cloud), "bind"),
        ),
        units=("named",),
        port=DNS,
    )


def central(cloud: Cloud) -> Service:
    """API, the part that decides, and the part that BIND fetches zones from."""
    sections = {
        "DEFAULT": (because("How its parts speak to each other.", transport_url=cloud.messages()),),
        "storage:sqlalchemy": (because("Where everything is kept.", connection=cloud.database("designate")),),
        "service:api": (because("Links in answers are for clients outside.", api_base_uri=cloud.url(PORT, "/")),),
        "service:central": (because("One for each processor would take the memory of servers.", workers=cloud.workers),),
        "service:mdns": (
            because("For BIND beside it only.", listen=f"127.0.0.1:{MINI_DNS}"),
            because("One for each processor would take the memory of servers.", workers=cloud.workers),
        ),
        "service:worker": (because("One for each processor would take the memory of servers.", workers=cloud.workers),),
        "service:producer": (because("One for each processor would take the memory of servers.", workers=cloud.workers),),
        "keystone_authtoken": cloud.asks_keystone("designate"),
        "oslo_concurrency": (because("It has no place of its own for locks.", lock_path="/run/lock/designate"),),
        "oslo_middleware": (because("Clients come by TLS, which ends at the proxy.", enable_proxy_headers_parsing=True),),
    }
    return Service(
        name="designate",
        packages=("designate-api", "designate-central", "designate-mdns", "python3-pymysql"),
        files=(
            File("/etc/designate/designate.conf", ini(sections), "designate"),
            *wsgi_files(Wsgi("designate-api", PORT, "/usr/bin/designate-api-wsgi", "designate"), cloud.workers),
        ),
        databases=("designate",),
        database_password=cloud.password("designate/database"),
        commands=(Command("its tables", ("runuser", "-u", "designate", "--", "designate-manage", "database", "sync")),),
        apis=(API,),
        account_password=cloud.password("designate/account"),
        units=("designate-central", "designate-mdns", "designate-api"),
        port=PORT,
        probe=f"http://127.0.0.1:{PORT}/",
    )


def workers(cloud: Cloud) -> Service:
    """Which servers there are is told to the part that decides, which has to run; then whoever carries it out."""
    server = {"host": "127.0.0.1", "port": DNS}
    target = {
        "type": "bind9",
        "description": "BIND of the control machine",
        "masters": [{"host": "127.0.0.1", "port": MINI_DNS}],
        "options": server | {"rndc_host": "127.0.0.1", "rndc_port": CONTROL, "rndc_key_file": KEYS[1]},
    }
    pool = {
        "id": POOL,
        "name": "default",
        "description": "BIND of the control machine",
        "attributes": {},
        "ns_records": [{"hostname": f"{cloud.name}.", "priority": 1}],
        "nameservers": [server],
        "targets": [target],
    }
    # JSON is YAML, too.
    text = f"# Written by Strata: which servers answer for zones.\n{json.dumps([pool], indent=2)}\n"
    return Service(
        name="designate-workers",
        packages=("designate-worker", "designate-producer", "bind9-utils"),
        files=(File("/etc/designate/pools.yaml", text, "designate"), File(KEYS[1], key(cloud), "designate")),
        commands=(Command("which servers answer", ("runuser", "-u", "designate", "--", "designate-manage", "pool", "update")),),
        units=("designate-worker", "designate-producer"),
    )
