"""Swift: objects. Optional; one copy of each, in a folder of the control machine."""

from __future__ import annotations

from collections.abc import Mapping

from lab.inventory.openstack_services.service import MEMCACHED, Api, Because, Cloud, Command, File, Service, ini

PORT, BEHIND = 8080, 8081  # Horizon has 8080 on the machine itself
API = Api("swift", "object-store", PORT, "/v1/AUTH_%(project_id)s", "Objects", behind=BEHIND)
KINDS: Mapping[str, int] = {"account": 6202, "container": 6201, "object": 6200}  # ports of what keeps each
# What removed accounts leave behind is taken away, and what could not be told at once is told later.
DAEMONS: Mapping[str, str] = {"account": "reaper", "container": "updater", "object": "updater"}
STORE, DEVICE = "/srv/node", "lab"
POWER = 8  # 256 parts: enough for one folder, and for eight
# Everything between a request and the store, in this order; what is not here of Swift's own is not offered.
PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl authtoken keystoneauth"
    " copy container-quotas account-quotas slo dlo versioned_writes symlink proxy-logging proxy-server"
)
PLAIN = (  # parts of it that are used as they are, and what Swift calls them
    *("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "tempurl", "copy", "container-quotas", "account-quotas"),
    *("slo", "dlo", "versioned_writes", "symlink", "proxy-logging"),
)


def swift(cloud: Cloud) -> Service:
    """The proxy, and the three servers that keep accounts, containers and objects."""
    return Service(
        name="swift",
        packages=("swift-proxy", "swift-account", "swift-container", "swift-object", "python3-keystonemiddleware", "python3-memcache"),
        files=(
            File("/etc/swift/swift.conf", ini(shared(cloud)), "swift"),
            File("/etc/swift/proxy-server.conf", ini(proxy(cloud)), "swift"),
            *(File(f"/etc/swift/{kind}-server.conf", ini(keeper(kind, port)), "swift", "0644") for kind, port in KINDS.items()),
        ),
        commands=(
            Command("where it keeps everything", ("install", "-d", "-o", "swift", "-g", "swift", f"{STORE}/{DEVICE}")),
            *(Command(f"which {kind} is where", ("sh", "-ec", ring(kind, port))) for kind, port in KINDS.items()),
        ),
        apis=(API,),
        account_password=cloud.password("swift/account"),
        units=(*(f"swift-{kind}" for kind in KINDS), *(f"swift-{kind}-{daemon}" for kind, daemon in DAEMONS.items()), "swift-proxy"),
        # With one copy there is nobody to share it with, and what is found broken could be mended from nowhere.
        unwanted_units=(
            *("swift-account-replicator", "swift-container-replicator", "swift-object-replicator", "swift-object-reconstructor"),
            *("swift-account-auditor", "swift-container-auditor", "swift-object-auditor"),
            *("swift-container-sync", "swift-container-sharder", "swift-container-reconciler", "rsync"),
        ),
        port=BEHIND,
        probe=f"http://127.0.0.1:{BEHIND}/healthcheck",
    )


def shared(cloud: Cloud) -> dict[str, tuple[Because, ...]]:
    """What all of its programs agree on; with other words here, nothing that was stored is found again."""
    words = {f"swift_hash_path_{end}": cloud.password(f"swift/{end}") for end in ("prefix", "suffix")}
    return {
        "swift-hash": (Because("Whoever knew them could choose where an object is kept.", words),),
        "storage-policy:0": (Because("One for all.", {"name": "one-copy", "default": "yes"}),),
    }


def proxy(cloud: Cloud) -> dict[str, tuple[Because, ...]]:
    """What speaks to clients, and asks Keystone who they are."""
    use = {name: (Because("As it is.", {"use": f"egg:swift#{name.replace('-', '_')}"}),) for name in PLAIN}
    return {
        "DEFAULT": (
            Because("The proxy before it speaks to the world.", {"bind_ip": "127.0.0.1", "bind_port": BEHIND}),
            Because("One for each processor would take the memory of servers.", {"workers": cloud.workers}),
        ),
        "pipeline:main": (Because("Keystone in place of a list of users.", {"pipeline": PIPELINE}),),
        "app:proxy-server": (
            Because("A project has its account as soon as it comes.", {"use": "egg:swift#proxy", "account_autocreate": True}),
        ),
        **{f"filter:{name}": said for name, said in use.items()},
        "filter:cache": (Because("What was found once.", {"use": "egg:swift#memcache", "memcache_servers": MEMCACHED}),),
        "filter:keystoneauth": (Because("Members of a project.", {"use": "egg:swift#keystoneauth", "operator_roles": "admin, member"}),),
        "filter:authtoken": (
            Because("Containers may be open to everyone.", {"delay_auth_decision": True}),
            Because("Keystone's own part.", {"paste.filter_factory": "keystonemiddleware.auth_token:filter_factory"}),
            *cloud.asks_keystone("swift"),
        ),
    }


def keeper(kind: str, port: int) -> dict[str, tuple[Because, ...]]:
    """A server that keeps accounts, containers or objects."""
    return {
        "DEFAULT": (
            Because("Only for the proxy, which asks who comes; this asks nobody.", {"bind_ip": "127.0.0.1", "bind_port": port}),
            Because("A folder of the machine.", {"devices": STORE, "mount_check": False}),
            Because("One for each processor would take the memory of servers.", {"workers": 1}),
        ),
        "pipeline:main": (Because("Nobody else is here to be measured or slowed down.", {"pipeline": f"healthcheck {kind}-server"}),),
        f"app:{kind}-server": (Because("As it is.", {"use": f"egg:swift#{kind}"}),),
        "filter:healthcheck": (Because("As it is.", {"use": "egg:swift#healthcheck"}),),
        f"{kind}-{DAEMONS[kind]}": (Because("One at a time.", {"concurrency": 1}),),
    }


def ring(kind: str, port: int) -> str:
    """Makes the list of places once: made anew, it would lead elsewhere."""
    builder = f"/etc/swift/{kind}.builder"
    return (
        f"test -e /etc/swift/{kind}.ring.gz && exit; rm -f {builder}; swift-ring-builder {builder} create {POWER} 1 1; "
        f"swift-ring-builder {builder} add r1z1-127.0.0.1:{port}/{DEVICE} 100; swift-ring-builder {builder} rebalance"
    )
