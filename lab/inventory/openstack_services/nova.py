"""Nova: servers. On the control machine its APIs, scheduler and conductor; on every compute what runs servers."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lab.inventory.openstack_services import cinder
from lab.inventory.openstack_services.service import (
    MEMCACHED,
    Api,
    Because,
    Cloud,
    Command,
    File,
    Service,
    Wsgi,
    because,
    ini,
    wsgi_files,
)

PORT, METADATA_PORT = 8774, 8775
APIS = (Api("nova", "compute", PORT, "/v2.1", "Servers"), Api("nova-metadata", "", METADATA_PORT, is_for_clients=False))
RESERVED_MIB = 512
DISCOVER_SECONDS = 60  # until a new compute is found without anybody asking
# Which cell is where is kept in a database; these words stand for what nova.conf says, so no password is kept there, and a new one counts.
DATABASE = "{scheme}://{username}:{password}@{hostname}/{path}?{query}"
FIRST_DATABASE = "{scheme}://{username}:{password}@{hostname}/nova_cell0?{query}"
# It says that it is ready when it has spoken to everyone else, which after a boot takes longer than systemd waits; and it ends well where
# libvirt refuses it, so that on-failure would leave it so.
UNIT = "# Written by Strata.\n[Service]\nTimeoutStartSec=300\nRestart=always\nRestartSec=5\n"
# A server that gets a new size, or is moved, may go to another compute: its disk is copied there by the account that all computes share.
SSH_KEY, SSH_LETS_IN = "/etc/nova/lab-ssh-key", "/etc/nova/lab-ssh-authorized"
SSH_CLIENT = f"""# Written by Strata: computes copy disks of servers to each other.
Match localuser nova
  IdentityFile {SSH_KEY}
  UserKnownHostsFile /var/lib/nova/lab-known-hosts
  StrictHostKeyChecking accept-new
"""
SSH_SERVER = f"# Written by Strata: computes copy disks of servers to each other.\nMatch User nova\n  AuthorizedKeysFile {SSH_LETS_IN}\n"
MESSAGES = "{scheme}://{username}:{password}@{hostname}:{port}/{path}"


def nova(cloud: Cloud, *, is_compute: bool) -> Service:
    """The control machine's part; where servers run there too, its configuration is that of both."""
    manage = ("runuser", "-u", "nova", "--", "nova-manage")
    cell = f"{' '.join(manage)} cell_v2 list_cells | grep -q ' cell1 ' || exec {' '.join(manage)} cell_v2 create_cell \"$@\""
    return Service(
        name="nova",
        packages=("nova-api", "nova-conductor", "nova-scheduler", "python3-pymysql"),
        files=(
            settings(cloud, is_control=True, is_compute=is_compute),
            *wsgi_files(Wsgi("nova-api", PORT, "/usr/bin/nova-api-wsgi", "nova", threads=1), cloud.workers * 2),
            *wsgi_files(Wsgi("nova-api-metadata", METADATA_PORT, "/usr/bin/nova-metadata-wsgi", "nova", threads=1), cloud.workers),
        ),
        databases=("nova", "nova_api", "nova_cell0"),
        database_password=cloud.password("nova/database"),
        commands=(
            Command("tables of its API", (*manage, "api_db", "sync")),
            Command("the cell of servers that never started", (*manage, "cell_v2", "map_cell0", "--database_connection", FIRST_DATABASE)),
            Command("tables of cells", (*manage, "db", "sync")),
            Command(
                "the cell of all computes",
                ("sh", "-ec", cell, "sh", "--name=cell1", "--transport-url", MESSAGES, "--database_connection", DATABASE),
            ),
        ),
        apis=APIS,
        account_password=cloud.password("nova/account"),
        units=("nova-conductor", "nova-scheduler", "nova-api", "nova-api-metadata"),
        port=PORT,
        probe=f"http://127.0.0.1:{PORT}/",
    )


def settings(cloud: Cloud, *, is_control: bool, is_compute: bool) -> File:
    """nova.conf of a machine: the same whichever of its services asks."""
    sections: dict[str, tuple[Because, ...]] = control_sections(cloud) if is_control else shared_sections(cloud)
    sections |= compute_sections(cloud) if is_compute else {}
    if cloud.volumes_backend:
        sections["cinder"] = cloud.as_itself("nova", "Volumes are attached as this account.", os_region_name=cloud.region)
    return File("/etc/nova/nova.conf", ini(sections), "nova")


def shared_sections(cloud: Cloud) -> dict[str, tuple[Because, ...]]:
    """What both sides say."""
    return {
        "DEFAULT": (
            because("How its parts speak to each other.", transport_url=cloud.messages()),
            because("Its own choice is a guess among several addresses.", my_ip=cloud.my_address),
            because("Debian's place; its own choice is that of its program.", state_path="/var/lib/nova"),
            because("A port that takes long is a slow machine, not a broken network.", vif_plugging_timeout=300),
            because("Where one compute is all there is, or the best, a server gets its new size there.", allow_resize_to_same_host=True),
            because("Servers come back with their machine.", resume_guests_state_on_host_boot=True),
            because("What the machine needs for itself.", reserved_host_memory_mb=RESERVED_MIB),
        ),
        "keystone_authtoken": cloud.asks_keystone("nova"),
        "service_user": cloud.as_itself("nova", "A user's token may run out meanwhile.", send_service_user_token=True),
        "glance": cloud.as_itself("nova", "Images are fetched as this account."),
        "placement": cloud.as_itself("placement", "What is left is told to Placement; the package's own file names a user `=`."),
        "neutron": cloud.as_itself(
            "neutron",
            "Ports are made as this account; servers ask for metadata by way of Neutron's agents.",
            service_metadata_proxy=True,
            metadata_proxy_shared_secret=cloud.password("metadata"),
        ),
        "oslo_concurrency": (because("It has no place of its own for locks.", lock_path="/var/lock/nova"),),
        # Both are on as packaged, and would offer screens that nothing leads to.
        "vnc": (because("No way to screens is built.", enabled=False),),
        "spice": (because("No way to screens is built.", enabled=False),),
    }


def control_sections(cloud: Cloud) -> dict[str, tuple[Because, ...]]:
    """APIs, scheduler and conductor."""
    return shared_sections(cloud) | {
        "api_database": (because("What is where.", connection=cloud.database("nova_api", "nova")),),
        "database": (because("Servers.", connection=cloud.database("nova")),),
        "cache": (
            because("Metadata is asked for all the time.", enabled=True, backend="dogpile.cache.pymemcache", memcache_servers=MEMCACHED),
        ),
        "conductor": (because("One for each processor would take the memory of servers.", workers=cloud.workers),),
        "scheduler": (
            because("One for each processor would take the memory of servers.", workers=cloud.workers),
            because("A new compute is found by itself.", discover_hosts_in_cells_interval=DISCOVER_SECONDS),
        ),
        "oslo_middleware": (because("Clients come by TLS, which ends at the proxy.", enable_proxy_headers_parsing=True),),
    }


def compute_sections(cloud: Cloud) -> dict[str, tuple[Because, ...]]:
    """What runs servers. How (KVM or not) is in a file of its own, for only the machine knows."""
    return {"libvirt": (because("Disks and ports can be added to a server that runs.", num_pcie_ports=12),)}


def compute(cloud: Cloud, *, is_control: bool) -> Service:
    """A compute; on a control machine it has the configuration of that."""
    packages, files = cinder.on_computes(cloud)
    return Service(
        name="nova-compute",
        packages=("nova-compute-kvm", "libvirt-daemon-system", *packages),
        files=(
            settings(cloud, is_control=is_control, is_compute=True),
            File("/etc/systemd/system/nova-compute.service.d/lab.conf", UNIT, mode="0644", folder="0755"),
            *between_computes(cloud),
            *files,
        ),
        commands=(Command("who may copy disks to it", ("systemctl", "reload", "ssh")),),
        units=("libvirtd", "nova-compute"),
    )


def between_computes(cloud: Cloud) -> tuple[File, ...]:
    """How Nova of one compute logs in to the others: a key made from the cloud's secret, so that all of them have the same."""
    key = Ed25519PrivateKey.from_private_bytes(cloud.key("nova/ssh"))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return (
        # Root's, and read by the group: ssh refuses a key of one's own that others may read.
        File(SSH_KEY, private, "nova"),
        File(SSH_LETS_IN, f"restrict {public} nova\n", "nova"),
        File("/etc/ssh/ssh_config.d/lab-nova.conf", SSH_CLIENT, mode="0644"),
        File("/etc/ssh/sshd_config.d/lab-nova.conf", SSH_SERVER, mode="0644"),
    )
