"""The API's own page: which product this is (a simulator, and it says so), and where everything begins."""

from __future__ import annotations

from lab.simulators.ovirt import events, xml
from lab.simulators.ovirt.engine import API, NAME, Call
from lab.simulators.ovirt.errors import Fault
from lab.simulators.ovirt.router import Answer, Router
from lab.simulators.ovirt.store import Body

VERSION = {"major": 4, "minor": 5, "build": 7, "revision": 0, "full_version": "4.5.7-simulated"}
BLANK_TEMPLATE = "00000000-0000-0000-0000-000000000000"
ROOT_TAG = "00000000-0000-0000-0000-000000000000"


def api_root(call: Call, router: Router) -> Answer:
    """What `GET /ovirt-engine/api` answers."""
    if call.method == "OPTIONS":
        return Answer(200)
    if call.method != "GET":
        raise Fault(405)
    links = []
    for rel, collection in router.roots.items():
        links.append((rel, f"{API}/{rel}"))
        if collection.keys:
            links.append((f"{rel}/search", f"{API}/{rel}?search={{query}}"))
    body: Body = {
        "links": links,
        "product_info": {
            "instance_id": call.store.value("instance_id"),
            "name": NAME,
            "vendor": "Strata (simulated, not ovirt.org)",
            "version": VERSION,
        },
        "special_objects": {
            "blank_template": {"href": f"{API}/templates/{BLANK_TEMPLATE}", "id": BLANK_TEMPLATE},
            "root_tag": {"href": f"{API}/tags/{ROOT_TAG}", "id": ROOT_TAG},
        },
        "summary": {name: _count(call, kind, active) for name, kind, active in SUMMARY},
        "time": events.now(),
    }
    return Answer(200, xml.write("api", "Api", body))


SUMMARY = (("hosts", "host", "up"), ("storage_domains", "storage_domain", "active"), ("users", "user", ""), ("vms", "vm", "up"))


def _count(call: Call, kind: str, active: str) -> Body:
    found = call.store.all(kind, None)
    return {"active": sum(1 for each in found if not active or each.get("status") == active), "total": len(found)}
