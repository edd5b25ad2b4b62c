"""Keystone: who everyone is, and where everything is."""

from __future__ import annotations

from lab.inventory.openstack_services.service import MEMCACHED, Api, Cloud, Command, File, Service, Wsgi, because, ini, wsgi_files

PORT = 5000
API = Api("keystone", "identity", PORT, "/v3", "Identity")
BOOTSTRAP = "/etc/keystone/lab-bootstrap"


def keystone(cloud: Cloud) -> Service:
    """The first of all services: the others have accounts in it. Its own account and catalog entry are made by `bootstrap`."""
    sections = {
        "database": (because("Where everything is kept.", connection=cloud.database("keystone")),),
        "cache": (
            because(
                "Tokens and catalogs are asked for all the time.",
                enabled=True,
                backend="dogpile.cache.pymemcache",
                memcache_servers=MEMCACHED,
            ),
        ),
        "oslo_middleware": (because("Clients come by TLS, which ends at the proxy.", enable_proxy_headers_parsing=True),),
    }
    wsgi = Wsgi("keystone", PORT, "/usr/bin/keystone-wsgi-public", "keystone")
    urls = [word for kind in ("admin", "internal", "public") for word in (f"--bootstrap-{kind}-url", cloud.url(PORT, "/v3"))]
    keys = ("--keystone-user", "keystone", "--keystone-group", "keystone")
    return Service(
        name="keystone",
        packages=("keystone", "python3-pymysql"),
        files=(
            File("/etc/keystone/keystone.conf", ini(sections), "keystone"),
            File(BOOTSTRAP, f"OS_BOOTSTRAP_PASSWORD='{quoted(cloud.admin_password)}'\n", mode="0600"),
            *wsgi_files(wsgi, cloud.workers * 2),
        ),
        databases=("keystone",),
        database_password=cloud.password("keystone/database"),
        commands=(
            Command("its tables", ("runuser", "-u", "keystone", "--", "keystone-manage", "db_sync")),
            Command("keys of tokens", ("keystone-manage", "fernet_setup", *keys)),
            Command("keys of credentials", ("keystone-manage", "credential_setup", *keys)),
            # The password goes through the environment, which only root and the account can read; a list of processes shows words only.
            Command(
                "its first user, and itself in its catalog",
                (
                    *("sh", "-ec", f'set -a; . {BOOTSTRAP}; exec runuser -u keystone -- keystone-manage bootstrap "$@"', "sh"),
                    *("--bootstrap-region-id", cloud.region, "--bootstrap-service-name", "keystone", *urls),
                ),
            ),
        ),
        apis=(API,),
        units=("keystone",),
        port=PORT,
        probe=f"http://127.0.0.1:{PORT}/v3",
    )


def quoted(text: str) -> str:
    """For single quotes of a shell."""
    return text.replace("'", "'\\''")
