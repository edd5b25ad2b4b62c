"""Glance: images that servers are made from."""

from __future__ import annotations

from lab.inventory.openstack_services.service import Api, Cloud, Command, File, Service, because, ini

PORT = 9292
API = Api("glance", "image", PORT, "", "Images")
STORE = "/var/lib/glance/images"


def glance(cloud: Cloud) -> Service:
    """Images, in files of the control machine."""
    sections = {
        "DEFAULT": (
            because("The proxy speaks to the world.", bind_host="127.0.0.1", bind_port=PORT),
            because("One for each processor would take the memory of servers.", workers=cloud.workers),
            because("Where images are kept.", enabled_backends="files:file"),
            because("Links in answers are for clients outside.", public_endpoint=cloud.url(PORT)),
        ),
        "glance_store": (because("The only place there is.", default_backend="files"),),
        "files": (because("On the machine itself.", filesystem_store_datadir=STORE),),
        "database": (because("Where everything else is kept.", connection=cloud.database("glance")),),
        "keystone_authtoken": cloud.asks_keystone("glance"),
        "paste_deploy": (because("Everyone has to say who they are.", flavor="keystone"),),
        "oslo_concurrency": (because("It has no place of its own for locks.", lock_path="/var/lock/glance"),),
        "oslo_middleware": (because("Clients come by TLS, which ends at the proxy.", enable_proxy_headers_parsing=True),),
    }
    return Service(
        name="glance",
        packages=("glance-api", "python3-pymysql"),
        files=(File("/etc/glance/glance-api.conf", ini(sections), "glance"),),
        databases=("glance",),
        database_password=cloud.password("glance/database"),
        commands=(Command("its tables", ("runuser", "-u", "glance", "--", "glance-manage", "db_sync")),),
        apis=(API,),
        account_password=cloud.password("glance/account"),
        units=("glance-api",),
        port=PORT,
        probe=f"http://127.0.0.1:{PORT}/versions",
    )
