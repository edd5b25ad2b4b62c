"""Placement: which machine has how much of what left."""

from __future__ import annotations

from lab.inventory.openstack_services.service import Api, Cloud, Command, File, Service, Wsgi, because, ini, wsgi_files

PORT = 8778
API = Api("placement", "placement", PORT, "", "Placement")


def placement(cloud: Cloud) -> Service:
    """What is left of the computes."""
    sections = {
        "placement_database": (because("Where everything is kept.", connection=cloud.database("placement")),),
        "keystone_authtoken": cloud.asks_keystone("placement"),
        "oslo_middleware": (because("Clients come by TLS, which ends at the proxy.", enable_proxy_headers_parsing=True),),
    }
    return Service(
        name="placement",
        packages=("placement-api", "python3-pymysql"),
        files=(
            File("/etc/placement/placement.conf", ini(sections), "placement"),
            *wsgi_files(Wsgi("placement-api", PORT, "/usr/bin/placement-api", "placement"), cloud.workers),
        ),
        databases=("placement",),
        database_password=cloud.password("placement/database"),
        commands=(Command("its tables", ("runuser", "-u", "placement", "--", "placement-manage", "db", "sync")),),
        apis=(API,),
        account_password=cloud.password("placement/account"),
        units=("placement-api",),
        port=PORT,
        probe=f"http://127.0.0.1:{PORT}/",
    )
