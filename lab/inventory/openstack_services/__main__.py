"""Prints the services of a control machine as JSON: for scenarios, which have no site. Give it the fields of Cloud as JSON."""

from __future__ import annotations

import json
import sys

from lab.inventory.openstack_services import Cloud, control
from lab.inventory.openstack_services.service import as_data

if __name__ == "__main__":
    print(json.dumps([as_data(service) for service in control(Cloud(**json.loads(sys.argv[1])))]))
