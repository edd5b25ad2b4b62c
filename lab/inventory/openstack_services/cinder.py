"""Cinder: volumes, which outlive servers. The site says where they are kept: in a small Ceph on the control machine, or on the NAS."""

from __future__ import annotations

from lab.inventory.openstack_services import ceph
from lab.inventory.openstack_services.service import Api, Because, Cloud, Command, File, Service, Wsgi, because, ini, wsgi_files

PORT = 8776
API = Api("cinderv3", "volumev3", PORT, "/v3/%(project_id)s", "Volumes")
SHARES = "/etc/cinder/shares"
NFS = "vers=4.2"


def volumes(cloud: Cloud) -> tuple[Service, ...]:
    """Cinder with what it keeps volumes in; nothing where the site wants no volumes."""
    if not cloud.volumes_backend:
        return ()
    return (*(before(cloud) if cloud.volumes_backend == "ceph" else ()), cinder(cloud))


def before(cloud: Cloud) -> tuple[Service, ...]:
    """A store of our own has to be there first."""
    return (ceph.monitor(cloud), ceph.store(cloud), ceph.pool(cloud))


def cinder(cloud: Cloud) -> Service:
    """API, scheduler, and what makes volumes."""
    sections = {
        "DEFAULT": (
            because("How its parts speak to each other.", transport_url=cloud.messages()),
            because("Its own choice is a guess among several addresses.", my_ip=cloud.my_address),
            because("The one there is.", enabled_backends=cloud.volumes_backend),
        ),
        cloud.volumes_backend: BACKENDS[cloud.volumes_backend](cloud),
        "database": (because("Where everything else is kept.", connection=cloud.database("cinder")),),
        "keystone_authtoken": cloud.asks_keystone("cinder"),
        "service_user": cloud.as_itself("cinder", "A user's token may run out meanwhile.", send_service_user_token=True),
        "nova": cloud.as_itself("cinder", "A server hears that its volume has grown."),
        "oslo_concurrency": (because("It has no place of its own for locks.", lock_path="/var/lock/cinder"),),
        "oslo_middleware": (because("Clients come by TLS, which ends at the proxy.", enable_proxy_headers_parsing=True),),
    }
    shares = (File(SHARES, f"{cloud.volumes_export}\n", "cinder"),) if cloud.volumes_backend == "nfs" else ()
    return Service(
        name="cinder",
        # The last one is named so that nothing is installed that serves disks over the network, which its package asks for or for this.
        packages=("cinder-api", "cinder-scheduler", "cinder-volume", "python3-pymysql", *NEEDED[cloud.volumes_backend], "open-iscsi"),
        files=(
            File("/etc/cinder/cinder.conf", ini(sections), "cinder"),
            *shares,
            *wsgi_files(Wsgi("cinder-api", PORT, "/usr/bin/cinder-wsgi", "cinder"), cloud.workers),
        ),
        databases=("cinder",),
        database_password=cloud.password("cinder/database"),
        commands=(Command("its tables", ("runuser", "-u", "cinder", "--", "cinder-manage", "db", "sync")),),
        apis=(API,),
        account_password=cloud.password("cinder/account"),
        units=("cinder-scheduler", "cinder-volume", "cinder-api"),
        port=PORT,
        probe=f"http://127.0.0.1:{PORT}/",
    )


def of_ceph(cloud: Cloud) -> tuple[Because, ...]:
    """Volumes as images of RBD; Nova is told the monitor and the name of the key that libvirt keeps."""
    return (
        because("It asks nothing of the kernel.", volume_driver="cinder.volume.drivers.rbd.RBDDriver", volume_backend_name="ceph"),
        because(
            "Who it is there.",
            rbd_pool=ceph.POOL,
            rbd_user=ceph.USER,
            rbd_ceph_conf="/etc/ceph/ceph.conf",
            rbd_secret_uuid=ceph.identity_of(cloud, "secret"),
        ),
    )


def of_nfs(cloud: Cloud) -> tuple[Because, ...]:
    """Volumes as files of the NAS, where everyone who comes is the owner of the dataset."""
    return (
        because("Files that computes mount.", volume_driver="cinder.volume.drivers.nfs.NfsDriver", volume_backend_name="nfs"),
        because("Where from.", nfs_shares_config=SHARES, nfs_mount_options=NFS),
        because("The NAS gives every file the owner of its dataset.", nas_secure_file_operations=True, nas_secure_file_permissions=True),
        because("Off by itself; a snapshot is a file beside the volume.", nfs_snapshot_support=True),
    )


BACKENDS = {"ceph": of_ceph, "nfs": of_nfs}
NEEDED = {"ceph": ("ceph-common", "python3-rbd", "python3-rados"), "nfs": ("nfs-common",)}


def on_computes(cloud: Cloud) -> tuple[tuple[str, ...], tuple[File, ...]]:
    """Packages and files with which a compute reaches volumes."""
    packages = {"nfs": ("nfs-common",)}.get(cloud.volumes_backend, ())
    return packages, ceph.on_computes(cloud) if cloud.volumes_backend == "ceph" else ()
