"""Prints the services of a control machine as JSON, for scenarios, which have no site.

Give it the fields of Cloud as JSON, and names of services where not all are wanted.
"""

from __future__ import annotations

import json
import sys

from lab.inventory.openstack_services import Cloud, control
from lab.inventory.openstack_services.service import as_data

if __name__ == "__main__":
    cloud = Cloud(**json.loads(sys.argv[1]))
    chosen = sys.argv[2:]
    print(json.dumps([as_data(service, cloud) for service in control(cloud) if not chosen or service.name in chosen]))
