"""Collections that the test double has, with the fields and queries that a request to them may have."""

from __future__ import annotations

from lab.tests.openstack.double import Kept

NET, CPU, VOL, IMG, KEY = "/network/v2.0", "/compute/v2.1", "/volume/v3", "/image/v2", "/identity/v3"

KEPT = [
    Kept(f"{KEY}/domains", "domain", "domains", {"name", "description", "enabled"}, {"name"}, {"description": "", "enabled": True}),
    Kept(f"{KEY}/projects", "project", "projects", {"name", "description", "enabled", "domain_id"}, {"name"}, {"description": ""}),
    Kept(f"{KEY}/users", "user", "users", {"name", "description", "enabled", "domain_id", "password"}, {"name"}, {"description": ""}),
    Kept(f"{KEY}/roles", "role", "roles", {"name"}, {"name"}),
    Kept(f"{KEY}/services", "service", "services", {"name", "type", "description", "enabled"}, {"name"}, {"description": ""}),
    Kept(f"{KEY}/endpoints", "endpoint", "endpoints", {"service_id", "interface", "region_id", "url"}, defaults={"enabled": True}),
    Kept(
        f"{CPU}/flavors",
        "flavor",
        "flavors",
        {"name", "vcpus", "ram", "disk", "os-flavor-access:is_public"},
        {"is_public"},
        {"extra_specs": {}},
        listed_at=f"{CPU}/flavors/detail",
    ),
    Kept(f"{CPU}/os-keypairs", "keypair", "keypairs", {"name", "public_key", "type"}),
    Kept(
        f"{CPU}/servers",
        "server",
        "servers",
        {
            *("name", "flavorRef", "imageRef", "networks", "security_groups", "key_name", "user_data", "config_drive"),
            *("block_device_mapping_v2", "host"),
        },
        defaults={"status": "ACTIVE", "OS-EXT-STS:task_state": None, "OS-EXT-SRV-ATTR:host": "compute1"},
        listed_at=f"{CPU}/servers/detail",
    ),
    Kept(
        f"{NET}/networks",
        "network",
        "networks",
        {
            *("name", "description", "router:external", "shared", "port_security_enabled", "mtu", "provider:network_type"),
            *("provider:physical_network", "provider:segmentation_id"),
        },
        defaults={"mtu": 1442, "provider:network_type": "geneve"},
    ),
    Kept(
        f"{NET}/subnets",
        "subnet",
        "subnets",
        {"name", "network_id", "ip_version", "cidr", "gateway_ip", "enable_dhcp", "dns_nameservers", "description", "allocation_pools"},
    ),
    Kept(f"{NET}/routers", "router", "routers", {"name", "description", "external_gateway_info"}, {"project_id"}),
    Kept(f"{NET}/ports", "port", "ports", set(), {"project_id", "device_id", "network_id"}),
    Kept(f"{NET}/security-groups", "security_group", "security_groups", {"name", "description"}, {"project_id"}),
    Kept(
        f"{NET}/security-group-rules",
        "security_group_rule",
        "security_group_rules",
        {
            *("security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max"),
            *("remote_ip_prefix", "remote_group_id"),
        },
        defaults={"protocol": None, "port_range_min": None, "port_range_max": None, "remote_ip_prefix": None, "remote_group_id": None},
    ),
    Kept(
        f"{NET}/floatingips",
        "floatingip",
        "floatingips",
        {"floating_network_id", "port_id", "floating_ip_address"},
        {"project_id"},
        {"status": "ACTIVE"},
    ),
    Kept(
        f"{VOL}/types",
        "volume_type",
        "volume_types",
        {"name", "description", "os-volume-type-access:is_public", "extra_specs"},
        {"is_public"},
    ),
    Kept(
        f"{VOL}/volumes",
        "volume",
        "volumes",
        {"name", "size", "description", "volume_type", "imageRef", "snapshot_id"},
        defaults={"status": "available", "attachments": [], "volume_type": "__DEFAULT__"},
        listed_at=f"{VOL}/volumes/detail",
    ),
    Kept(
        f"{VOL}/snapshots",
        "snapshot",
        "snapshots",
        {"name", "volume_id", "description", "force"},
        defaults={"status": "available"},
        listed_at=f"{VOL}/snapshots/detail",
    ),
    Kept(f"{VOL}/messages", "message", "messages", set()),
    Kept(f"{IMG}/images", "image", "images", set(), bare=True),
]
