"""An oVirt engine that says it is simulated: the v4 REST API over HTTPS, for rehearsals and tests. Its manual is README.md beside this."""

from lab.simulators.ovirt.serving import Served, serve

__all__ = ["Served", "serve"]
