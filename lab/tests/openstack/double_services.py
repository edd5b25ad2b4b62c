"""What the test double does with requests that are no plain ones, and how its objects come to be and are shown."""

from __future__ import annotations

import hashlib
from typing import Any

from lab.tests.openstack.double import Double, Refused, now
from lab.tests.openstack.double_kept import CPU, IMG, KEPT, KEY, NET, VOL

EGRESS = ("IPv4", "IPv6")


def login(double: Double, body: Any, query: Any) -> Any:
    """A token with a catalog that leads back here."""
    asked = body["auth"]["identity"]["password"]["user"]
    known = double.passwords | {user["name"]: user.get("password", "") for user in double.of("users").values()}
    if known.get(asked["name"]) != asked["password"]:
        raise Refused(401, "The request you have made requires authentication.")
    token = f"token-{len(double.tokens)}"
    double.tokens.add(token)
    paths = {"identity": KEY, "compute": CPU, "network": "/network", "image": "/image", "block-storage": VOL, "placement": "/placement"}
    paths["orchestration"] = "/heat/v1/own"
    catalog = [
        {"type": kind, "name": kind, "endpoints": [{"interface": "public", "region_id": "One", "region": "One", "url": double.url + path}]}
        for kind, path in paths.items()
        if kind not in double.behaviour.get("services it has not", ())
    ]
    scope = {"project": {"id": "own", "name": "lab", "domain": {"id": "default", "name": "Default"}}, "catalog": catalog}
    found: dict[str, Any] = {
        "user": {"id": "me", "name": asked["name"], "domain": {"id": "default", "name": "Default"}},
        "methods": ["password"],
    }
    found |= {"expires_at": "2099-01-01T00:00:00.000000Z", "issued_at": now()}
    found |= {} if body["auth"].get("scope") == "unscoped" else scope
    return 201, {"token": found}, {"X-Subject-Token": token}


def versions(double: Double, body: Any, query: Any, service: str) -> Any:
    """What a service says of itself at its root."""
    known = {
        "identity": ("v3.14", KEY),
        "compute": ("v2.1", CPU),
        "network": ("v2.0", NET),
        "image": ("v2.16", IMG),
        "volume": ("v3.0", VOL),
    }
    if service == "placement":
        known["placement"] = ("v1.0", "/placement")
    name, path = known[service]
    one: dict[str, Any] = {"id": name, "status": "CURRENT", "links": [{"rel": "self", "href": f"{double.url}{path}/"}]}
    one |= {"version": "2.96", "min_version": "2.1"} if service == "compute" else {}
    one |= {"version": "3.71", "min_version": "3.0"} if service == "volume" else {}
    one |= {"max_version": "1.39", "min_version": "1.0"} if service == "placement" else {}
    return 200, ({"versions": [one]} if service in ("network", "image", "placement", "heat") else {"version": one})


def assignments(double: Double, body: Any, query: Any) -> Any:
    """All of them, with names."""
    found = []
    for place, ident, user, role in sorted(double.links):
        domain = {"id": "default", "name": "Default"}
        scope: dict[str, Any] = {"system": {"all": True}}
        if place != "system":
            owner = double.of(place)[ident]
            inside = double.of("domains").get(str(owner.get("domain_id")), domain)
            scope = {place[:-1]: {"id": ident, "name": owner["name"], "domain": inside}}
        who = double.of("users")[user]
        found.append(
            {
                "role": {"id": role, "name": double.of("roles")[role]["name"]},
                "user": {"id": user, "name": who["name"], "domain": double.of("domains")[who["domain_id"]]},
                "scope": scope,
            }
        )
    return 200, {"role_assignments": found}


def link(double: Double, body: Any, query: Any, *words: str) -> Any:
    """Gives a role."""
    place = words if len(words) == 4 else ("system", "all", *words)
    double.links.add(place)
    return 204, None


def unlink(double: Double, body: Any, query: Any, *words: str) -> Any:
    """Takes a role away."""
    double.links.discard(words if len(words) == 4 else ("system", "all", *words))
    return 204, None


LIMITS: dict[str, dict[str, int]] = {
    "os-quota-sets": {"instances": 10, "cores": 20, "ram": 51200, "key_pairs": 100, "volumes": 10, "gigabytes": 1000, "snapshots": 10},
    "quotas": {"networks": 100, "subnets": 100, "routers": 10, "ports": 500, "floatingip": 50, "security_group": 10, "network": 100},
}


def quota(double: Double, body: Any, query: Any, service: str, kind: str, project: str) -> Any:
    """What a project may use of a service; a write changes what it names."""
    one = "quota" if kind == "quotas" else "quota_set"
    kept = double.of(f"quota {service}").setdefault(project, {"id": project} | LIMITS[kind])
    if body:
        double.only(body[one], set(LIMITS[kind]), f"body of {one}")
        kept.update(body[one])
    return 200, {one: kept}


def quota_reset(double: Double, body: Any, query: Any, service: str, kind: str, project: str) -> Any:
    """Back to what all have."""
    double.of(f"quota {service}").pop(project, None)
    return 202, None


def specs(double: Double, body: Any, query: Any, many: str, ident: str) -> Any:
    """Properties of a flavor or volume type."""
    kept = double.of("flavors" if many == "flavors" else "volume_types")[ident].setdefault("extra_specs", {})
    kept.update(body["extra_specs"])
    return 200, {"extra_specs": kept}


def image_new(double: Double, body: Any, query: Any) -> Any:
    """Without content it is queued."""
    strange = [key for key, value in body.items() if not isinstance(value, str | int | list | bool)]
    if strange:
        raise Refused(400, f"strange {strange} in body of image")
    item = {"id": double.new_id(), "status": "queued", "min_disk": 0, "min_ram": 0} | body
    double.of("images")[item["id"]] = item
    return 201, item


def image_data(double: Double, body: bytes, query: Any, ident: str) -> Any:
    """With its content it is active."""
    digest = hashlib.sha512(body).hexdigest()
    double.of("images")[ident].update(status="active", os_hash_algo="sha512", os_hash_value=digest, size=len(body))
    return 204, None


def image_patch(double: Double, body: Any, query: Any, ident: str) -> Any:
    """A list of changes."""
    for change in body:
        double.of("images")[ident][change["path"].lstrip("/")] = change["value"]
    return 200, double.of("images")[ident]


def leg(double: Double, body: Any, query: Any, router: str, verb: str) -> Any:
    """A router's leg is a port."""
    subnet = double.of("subnets")[body["subnet_id"]]
    if verb == "add":
        ident = double.new_id()
        fixed = [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}]
        port = {"id": ident, "device_id": router, "device_owner": "network:router_interface", "fixed_ips": fixed, "project_id": "own"}
        double.of("ports")[ident] = port | {"name": "", "status": "ACTIVE", "network_id": subnet["network_id"]}
    else:
        gone = [
            key
            for key, port in double.of("ports").items()
            if port["device_id"] == router and port["fixed_ips"][0]["subnet_id"] == subnet["id"]
        ]
        for key in gone:
            del double.of("ports")[key]
    return 200, {"id": router, "subnet_id": subnet["id"]}


def act(double: Double, body: Any, query: Any, ident: str) -> Any:
    """Orders to a server."""
    server = double.of("servers")[ident]
    ((order, values),) = body.items()
    if order in ("os-start", "os-stop"):
        server["status"] = "ACTIVE" if order == "os-start" else "SHUTOFF"
    elif order == "resize":
        server["before"] = server["flavorRef"]
        server.update(double.behaviour.get("resized") or {"status": "VERIFY_RESIZE", "flavorRef": values["flavorRef"]})
    elif order in ("confirmResize", "revertResize"):
        server["status"] = "ACTIVE"
        server["flavorRef"] = server["before"] if order == "revertResize" else server["flavorRef"]
    elif order in ("addSecurityGroup", "removeSecurityGroup"):
        others = [group for group in server["security_groups"] if group["name"] != values["name"]]
        server["security_groups"] = others + ([{"name": values["name"]}] if order == "addSecurityGroup" else [])
    else:
        raise Refused(400, f"strange order {order}")
    return 202, None


def attach(double: Double, body: Any, query: Any, server: str) -> Any:
    """A volume into a server."""
    volume = double.of("volumes")[body["volumeAttachment"]["volumeId"]]
    device = f"/dev/vd{chr(ord('b') + len([one for one in double.of('volumes').values() if one['attachments']]))}"
    volume.update(status="in-use", attachments=[{"server_id": server, "device": device, "id": volume["id"]}])
    return 200, {"volumeAttachment": {"id": volume["id"], "volumeId": volume["id"], "serverId": server, "device": device}}


def detach(double: Double, body: Any, query: Any, server: str, volume: str) -> Any:
    """A volume out of a server."""
    double.of("volumes")[volume].update(status="available", attachments=[])
    return 202, None


def grow(double: Double, body: Any, query: Any, ident: str) -> Any:
    """Cinder's orders: one is known."""
    double.of("volumes")[ident]["size"] = body["os-extend"]["new_size"]
    return 202, None


def told(name: str, empty: dict[str, Any] | None = None) -> Any:
    """An answer that a test laid out."""
    return lambda double, body, query, *words: (200, double.behaviour.get(name, empty or {}))


def stack_new(double: Double, body: Any, query: Any) -> Any:
    """Heat answers an order with an id alone."""
    double.only(body, {"stack_name", "template", "parameters", "disable_rollback"}, "body of stack")
    status = "CREATE_FAILED" if double.behaviour.get("stack fails") else "CREATE_COMPLETE"
    item = {"id": double.new_id(), "stack_name": body["stack_name"], "name": body["stack_name"], "stack_status": status} | body
    double.of("stacks")[item["id"]] = item
    return 201, {"stack": {"id": item["id"], "links": []}}


def stack_list(double: Double, body: Any, query: Any) -> Any:
    """Without what they were told."""
    hidden = ("template", "parameters", "name")
    return 200, {"stacks": [{key: value for key, value in one.items() if key not in hidden} for one in double.of("stacks").values()]}


def stack_one(double: Double, body: Any, query: Any, ident: str, part: str = "") -> Any:
    """A stack by its id, or by its name and id as links have it; or its template."""
    found = double.of("stacks").get(ident.rpartition("/")[2])
    if found is None:
        raise Refused(404, f"The Stack ({ident}) could not be found.")
    if part == "/events":
        return 200, double.behaviour.get("events", {"events": []})
    return 200, found["template"] if part else {"stack": {key: value for key, value in found.items() if key not in ("template", "name")}}


def stack_gone(double: Double, body: Any, query: Any, ident: str) -> Any:
    """With all it made."""
    double.of("stacks").pop(ident.rpartition("/")[2], None)
    return 204, None


UUID = r"([^/]+)"
STACK = r"/heat/v1/own/stacks/((?:[^/]+/)?[^/]+)"
SPECIAL: list[tuple[str, str, Any]] = [
    ("POST", f"{KEY}/auth/tokens", login),
    ("GET", r"/(identity|compute|network|image|volume|placement|heat)(?:/v[\d.]+)?", versions),
    ("GET", f"{KEY}/role_assignments", assignments),
    ("PUT", rf"{KEY}/(projects|domains)/{UUID}/users/{UUID}/roles/{UUID}", link),
    ("PUT", rf"{KEY}/system/users/{UUID}/roles/{UUID}", link),
    ("DELETE", rf"{KEY}/(projects|domains)/{UUID}/users/{UUID}/roles/{UUID}", unlink),
    ("DELETE", rf"{KEY}/system/users/{UUID}/roles/{UUID}", unlink),
    ("GET", rf"/(compute|volume|network)/v[\d.]+/(os-quota-sets|quotas)/{UUID}", quota),
    ("PUT", rf"/(compute|volume|network)/v[\d.]+/(os-quota-sets|quotas)/{UUID}", quota),
    ("DELETE", rf"/(compute|volume|network)/v[\d.]+/(os-quota-sets|quotas)/{UUID}", quota_reset),
    ("POST", rf"{CPU}/(flavors)/{UUID}/os-extra_specs", specs),
    ("POST", rf"{VOL}/(types)/{UUID}/extra_specs", specs),
    ("POST", f"{IMG}/images", image_new),
    ("PUT", rf"{IMG}/images/{UUID}/file", image_data),
    ("PATCH", rf"{IMG}/images/{UUID}", image_patch),
    ("PUT", rf"{NET}/routers/{UUID}/(add|remove)_router_interface", leg),
    ("POST", rf"{CPU}/servers/{UUID}/action", act),
    ("POST", rf"{CPU}/servers/{UUID}/os-volume_attachments", attach),
    ("DELETE", rf"{CPU}/servers/{UUID}/os-volume_attachments/{UUID}", detach),
    ("GET", rf"{CPU}/servers/{UUID}/os-instance-actions", told("actions", {"instanceActions": []})),
    ("GET", rf"{CPU}/servers/{UUID}/os-instance-actions/{UUID}", told("action")),
    ("POST", rf"{VOL}/volumes/{UUID}/action", grow),
    ("POST", "/heat/v1/own/stacks", stack_new),
    ("GET", "/heat/v1/own/stacks", stack_list),
    ("GET", rf"{STACK}(/template|/events)", stack_one),
    ("GET", STACK, stack_one),
    ("DELETE", STACK, stack_gone),
    ("GET", f"{CPU}/os-services", told("services", {"services": []})),
    ("GET", "/placement/resource_providers", told("providers", {"resource_providers": []})),
    ("GET", rf"/placement/resource_providers/{UUID}/inventories", told("inventories")),
    ("GET", rf"/placement/resource_providers/{UUID}/usages", told("usages")),
]


def new_server(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """With a port on each network; where a test says so, none is made and it fails."""
    if fault := double.behaviour.get("no server"):
        return item | {"status": "ERROR", "fault": fault}
    for network in item["networks"]:
        ident = double.new_id()
        port = {"id": ident, "name": "", "device_id": item["id"], "device_owner": "compute:nova", "status": "ACTIVE", "project_id": "own"}
        fixed = [{"subnet_id": "s", "ip_address": f"10.9.0.{len(double.of('ports')) + 10}"}]
        double.of("ports")[ident] = port | {"fixed_ips": fixed, "network_id": network["uuid"], "created_at": now()}
    for disk in item.get("block_device_mapping_v2", []):
        double.of("volumes")[disk["uuid"]].update(status="in-use", attachments=[{"server_id": item["id"], "device": "/dev/vda", "id": "a"}])
    names = {group["id"]: group["name"] for group in double.of("security_groups").values()}
    return item | {"security_groups": [{"name": names.get(one["name"], one["name"])} for one in item["security_groups"]]}


def show_server(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """As Nova shows it."""
    flavor = double.of("flavors")[item["flavorRef"]]
    ports = [port for port in double.of("ports").values() if port["device_id"] == item["id"]]
    addresses = {
        double.of("networks")[port["network_id"]]["name"]: [{"addr": port["fixed_ips"][0]["ip_address"], "OS-EXT-IPS:type": "fixed"}]
        for port in ports
    }
    hidden = ("flavorRef", "imageRef", "networks", "block_device_mapping_v2", "before", "host", "user_data")
    shown = {key: value for key, value in item.items() if key not in hidden}
    image = {"id": item["imageRef"]} if item.get("imageRef") else ""
    disks = [disk["id"] for disk in double.of("volumes").values() if item["id"] in [one["server_id"] for one in disk["attachments"]]]
    return shown | {
        "flavor": {"original_name": flavor["name"], "vcpus": flavor["vcpus"]},
        "image": image,
        "addresses": addresses,
        "os-extended-volumes:volumes_attached": [{"id": ident} for ident in disks],
        "tenant_id": "own",
    }


def gone_server(double: Double, ident: str) -> None:
    """Its ports go with it, and its volumes are free."""
    for key in [key for key, port in double.of("ports").items() if port["device_id"] == ident]:
        del double.of("ports")[key]
    for volume in double.of("volumes").values():
        if ident in [one["server_id"] for one in volume["attachments"]]:
            volume.update(status="available", attachments=[])


def new_group(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """Neutron lets a new group's servers reach everything."""
    for family in EGRESS:
        rule = {"id": double.new_id(), "security_group_id": item["id"], "direction": "egress", "ethertype": family, "protocol": None}
        double.of("security_group_rules")[rule["id"]] = rule
    return item | {"project_id": "own"}


def show_group(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """With its rules."""
    rules = [rule for rule in double.of("security_group_rules").values() if rule["security_group_id"] == item["id"]]
    return item | {"security_group_rules": rules}


def new_address(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """One of the network, unless it has to be a certain one."""
    address = item.get("floating_ip_address") or f"192.0.2.{len(double.of('floatingips')) + 10}"
    return item | {"floating_ip_address": address, "fixed_ip_address": "10.9.0.10", "project_id": "own"}


def mine(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """Of the project that is logged in to."""
    return item | {"project_id": "own"}


def show_volume(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """With the image it was made from."""
    image = double.of("images").get(item.get("imageRef", ""))
    return {key: value for key, value in item.items() if key != "imageRef"} | (
        {"volume_image_metadata": {"image_name": image["name"]}} if image else {}
    )


def show_user(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """Without its password."""
    return {key: value for key, value in item.items() if key != "password"}


def new_volume(double: Double, item: dict[str, Any]) -> dict[str, Any]:
    """Unless the store is full."""
    return item | ({"status": "error"} if double.behaviour.get("store is full") else {})


def new_double() -> Double:
    """A cloud with what bootstrapping makes: a domain, and a project."""
    double = Double(KEPT, SPECIAL)
    double.behaviour |= {
        "delete server": gone_server,
        "create server": new_server,
        "show server": show_server,
        "create security_group": new_group,
    }
    double.behaviour |= {"show security_group": show_group, "create floatingip": new_address, "create router": mine, "create network": mine}
    double.behaviour |= {"create subnet": mine, "show volume": show_volume, "show user": show_user, "create volume": new_volume}
    double.behaviour |= {
        "create project": lambda _, item: {"enabled": True} | item,
        "create user": lambda _, item: {"enabled": True} | item,
    }
    double.of("domains")["default"] = {"id": "default", "name": "Default", "description": "", "enabled": True}
    double.of("security_groups")["sg"] = {"id": "sg", "name": "default", "description": "", "project_id": "own"}
    return double
