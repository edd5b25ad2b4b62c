"""Neutron: networks, by OVN. On the control machine the API and OVN's databases; on every machine with servers an agent for metadata."""

from __future__ import annotations

from lab.inventory.openstack_services.nova import METADATA_PORT
from lab.inventory.openstack_services.service import Api, Because, Cloud, Command, File, Service, Wsgi, because, ini, wsgi_files
from lab.sections.openstack import OVERLAY_BYTES

PORT = 9696
API = Api("neutron", "network", PORT, "", "Networks")
NORTH, SOUTH, OVS = 6641, 6642, 6640
PHYSICAL = "provider"  # what the lab's subnet is called where networks are made
ML2 = "/etc/neutron/plugins/ml2/ml2_conf.ini"
# Their packages have no units, and what systemd makes of their scripts counts as running when the program has long ended.
WITHOUT_UNITS = ("neutron-periodic-workers", "neutron-ovn-maintenance-worker")


def ovn_central(cloud: Cloud) -> Service:
    """What networks there shall be (north), for Neutron alone, and what each machine does for it (south), for all of them."""
    options = (
        f"--db-nb-create-insecure-remote=yes --db-nb-addr=127.0.0.1 --db-nb-port={NORTH}"
        f" --db-sb-create-insecure-remote=yes --db-sb-addr=0.0.0.0 --db-sb-port={SOUTH}"
    )
    return Service(
        name="ovn-central",
        packages=("ovn-central",),
        files=(File("/etc/default/ovn-central", f'# Written by Strata.\nOVN_CTL_OPTS="{options}"\n', mode="0644"),),
        units=("ovn-central",),
        port=NORTH,
    )


def unit(name: str) -> File:
    """A unit for a daemon whose package has a script of System V only, like those of its siblings; it comes back when it ends."""
    text = f"""# Written by Strata: its package has none.
[Unit]
Description=OpenStack Neutron ({name})
Wants=network-online.target
After=network-online.target mariadb.service rabbitmq-server.service keystone.service

[Service]
User=neutron
Group=neutron
WorkingDirectory=/var/lib/neutron
ExecStartPre=+/usr/bin/install -d -o neutron -g neutron /run/lock/neutron
ExecStart=/etc/init.d/{name} systemd-start
Restart=always
RestartSec=5
LimitNOFILE=65535

[Install]
WantedBy=multi-user.target
"""
    return File(f"/etc/systemd/system/{name}.service", text, mode="0644")


def neutron(cloud: Cloud) -> Service:
    """The API and its workers."""
    below = cloud.overlay_mtu + OVERLAY_BYTES
    sections = {
        "DEFAULT": (
            because("How its parts speak to each other.", transport_url=cloud.messages()),
            because("Networks are OVN's; routers too.", core_plugin="ml2", service_plugins="ovn-router"),
            because("One for each processor would take the memory of servers.", api_workers=cloud.workers, rpc_workers=cloud.workers),
            because("No agents of that kind report.", rpc_state_report_workers=0),
            because("The largest packet of any wire below; see ml2_conf.ini for each.", global_physnet_mtu=max(cloud.provider_mtu, below)),
        ),
        "database": (because("Where everything is kept.", connection=cloud.database("neutron")),),
        "keystone_authtoken": cloud.asks_keystone("neutron"),
        "nova": cloud.as_itself("nova", "Nova hears when a port is ready."),
        "placement": cloud.as_itself("placement", "What ports need is asked of Placement."),
        "oslo_concurrency": (because("It has no place of its own for locks.", lock_path="/var/lock/neutron"),),
        "oslo_middleware": (because("Clients come by TLS, which ends at the proxy.", enable_proxy_headers_parsing=True),),
        "agent": (because("Debian's way to become root.", root_helper="sudo neutron-rootwrap /etc/neutron/rootwrap.conf"),),
    }
    # The OVN driver agrees with its other processes by the time uWSGI started.
    started = Because("Processes of one start know each other by it.", {"start-time": "%t"})
    wsgi = Wsgi("neutron-api", PORT, "/usr/bin/neutron-api", "neutron", threads=1, enable_threads=False, more=(started,))
    (settings, defaults) = wsgi_files(wsgi, cloud.workers)
    config = ("--config-file", "/etc/neutron/neutron.conf", "--config-file", ML2)
    return Service(
        name="neutron",
        packages=("neutron-api", "neutron-rpc-server", *WITHOUT_UNITS, "python3-pymysql"),
        files=(
            File("/etc/neutron/neutron.conf", ini(sections), "neutron"),
            File(ML2, ini(ml2(cloud, below)), "neutron"),
            settings,
            # Its start script calls itself after the program it replaced.
            File("/etc/default/neutron-server", defaults.text, mode=defaults.mode),
            *(unit(name) for name in WITHOUT_UNITS),
        ),
        databases=("neutron",),
        database_password=cloud.password("neutron/database"),
        commands=(Command("its tables", ("runuser", "-u", "neutron", "--", "neutron-db-manage", *config, "upgrade", "heads")),),
        apis=(API,),
        account_password=cloud.password("neutron/account"),
        units=("neutron-api", "neutron-rpc-server", *WITHOUT_UNITS),
        port=PORT,
        probe=f"http://127.0.0.1:{PORT}/",
    )


def ml2(cloud: Cloud, below: int) -> dict[str, tuple[Because, ...]]:
    """Kinds of networks and how OVN makes them; sizes of packets in bytes."""
    return {
        "ml2": (
            because("Tunnels for projects, the lab's own wire for routers.", type_drivers="local,flat,vlan,geneve"),
            because("What a project gets.", tenant_network_types="geneve", mechanism_drivers="ovn", extension_drivers="port_security"),
            because("The largest packet of the wire that tunnels go through.", path_mtu=below),
            because("The wire of the provider has its own.", physical_network_mtus=f"{PHYSICAL}:{cloud.provider_mtu}"),
        ),
        "ml2_type_flat": (because("The lab's subnet, untagged.", flat_networks=PHYSICAL),),
        "ml2_type_geneve": (because("The head of a tunnel with OVN's option.", vni_ranges="1:65536", max_header_size=38),),
        "securitygroup": (because("What is not allowed is dropped, by OVN.", enable_security_group=True),),
        "ovn": (
            because("Not by the socket, which is root's.", ovn_nb_connection=f"tcp:127.0.0.1:{NORTH}"),
            because("The same for what machines do.", ovn_sb_connection=f"tcp:{cloud.control_address}:{SOUTH}"),
            because("Servers get keys and names from their own machine.", ovn_metadata_enabled=True),
            # It has routers judge packets that the card (or its stand-in in user space) has glued together, and drops those.
            because("Bulk transfers through routers stall with it where segments are glued together.", ovn_emit_need_to_frag=False),
        ),
    }


def metadata_agent(cloud: Cloud, *, is_control: bool) -> Service:
    """What answers 169.254.169.254 for the servers of a machine."""
    sections = {
        "DEFAULT": (
            because("Nova knows what to answer.", nova_metadata_host=cloud.name, nova_metadata_port=METADATA_PORT),
            because("It is behind the proxy, too.", nova_metadata_protocol="https", auth_ca_cert="/etc/ssl/certs/ca-certificates.crt"),
            because("Nova believes who knows this.", metadata_proxy_shared_secret=cloud.password("metadata")),
            because("One for each processor would take the memory of servers.", metadata_workers=1),
        ),
        "ovs": (because("By the socket.", ovsdb_connection="unix:/var/run/openvswitch/db.sock"),),
        "ovn": (because("It follows what OVN wants of this machine.", ovn_sb_connection=f"tcp:{cloud.control_address}:{SOUTH}"),),
    }
    return Service(
        name="neutron-metadata",
        # The package only suggests what it starts for each network.
        packages=("neutron-ovn-metadata-agent", "haproxy"),
        files=(File("/etc/neutron/neutron_ovn_metadata_agent.ini", ini(sections), "neutron"),),
        units=("neutron-ovn-metadata-agent",),
        # It starts its own, one for each network.
        unwanted_units=() if is_control else ("haproxy",),
    )
