"""Prints the services of a machine as JSON, for scenarios; see `described` for what it has to be told, as JSON."""

from __future__ import annotations

import json
import sys

from lab.inventory.openstack_services import described

if __name__ == "__main__":
    print(json.dumps(described(json.loads(sys.argv[1]))))
