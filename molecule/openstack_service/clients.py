"""Speaks to a cloud from where the checks run: by the name in its certificate, at the address of its machine."""

import http.client
import json
import socket
import ssl

from lab.inventory.openstack_services import described

TIMEOUT_SECONDS = 60


def services(known):
    """The services of a machine: a site says them, and a scenario what they are computed from."""
    listed = known["openstack_service_list"]
    return listed if isinstance(listed, list) else described(known["scenario_told"])


class Client:
    """HTTPS with the lab's authority and no other."""

    def __init__(self, name, address, authority):
        self.name, self.address = name, address
        self.trust = ssl.create_default_context(cafile=str(authority))

    def ask(self, method, port, path, body=None, **headers):
        """(status, headers, JSON or None) of one request."""
        link = http.client.HTTPSConnection(self.name, port, timeout=TIMEOUT_SECONDS, context=self.trust)
        link.sock = self.trust.wrap_socket(socket.create_connection((self.address, port), TIMEOUT_SECONDS), server_hostname=self.name)
        try:
            sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
            link.request(method, path, json.dumps(body) if body else None, sent)
            answer = link.getresponse()
            text = answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, answer.headers, json.loads(text) if text and is_json else None
        finally:
            link.close()

    def token(self, user, password, project="admin"):
        """What Keystone answers to a login: (status, token, its description)."""
        domain = {"id": "default"}
        identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
        body = {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}}
        status, headers, answer = self.ask("POST", 5000, "/v3/auth/tokens", body)
        return status, headers.get("X-Subject-Token"), (answer or {}).get("token")
