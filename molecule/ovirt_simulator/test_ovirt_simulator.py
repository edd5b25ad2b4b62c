"""What role ovirt_simulator promises: an engine at the machine's address, with an authority of its own, that says it is simulated."""

import base64
import json
import os
import signal
import ssl
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lab.simulators.ovirt import service, site_engine
from lab.wait import wait_for

SECONDS = 30
USER = "admin@internal"


class Client:
    """Asks the engine as its users do, with a password or a token, and checks its certificate."""

    def __init__(self, known):
        self.options = site_engine.options_of(known)
        self.root = f"https://{self.options['engine']['address']}"
        self.ca_file = Path(self.options["folder"]) / "tls" / "ca.pem"

    def ask(self, path, *, ca_file=None, form=None, **headers):
        """(status, headers, body) of an answer; a refusal is an answer too."""
        trust = ssl.create_default_context(cafile=str(ca_file or self.ca_file))
        data = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(self.root + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS, context=trust) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.headers, answer.read()

    def token(self, password):
        """What the single sign-on says to a password."""
        form = {"grant_type": "password", "scope": "ovirt-app-api", "username": USER, "password": password}
        return json.loads(self.ask("/ovirt-engine/sso/oauth/token", form=form, Accept="application/json")[2])

    def api(self):
        """(headers, root of the API) with the password that the site gives."""
        bearer = self.token(self.options["password"])["access_token"]
        status, headers, body = self.ask("/ovirt-engine/api", Authorization=f"Bearer {bearer}", Version="4")
        assert status == 200, body
        return headers, ET.fromstring(body)  # our own server


@pytest.fixture(scope="module")
def client(members, variables):
    names = members("ovirt_simulator")
    if not names:
        pytest.skip("the site's engine is a real one")
    return Client(variables(names[0]))


def test_it_answers_with_the_certificate_of_its_own_authority(client):
    assert client.api()[1].tag == "api"


def test_no_other_authority_is_good_for_it(client):
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        client.ask("/ovirt-engine/api", ca_file="/etc/ssl/certs/ca-certificates.crt")


def test_it_says_that_it_is_simulated(client):
    headers, root = client.api()
    assert "simulat" in root.findtext("product_info/name").lower()
    assert "simulat" in headers["Server"].lower()


def test_another_password_is_refused(client):
    assert "error" in client.token("not the password")


def test_it_tells_what_its_machines_are(client):
    word = base64.b64encode(f"{USER}:{client.options['password']}".encode()).decode()
    status, _, body = client.ask("/simulator", Authorization=f"Basic {word}")
    assert status == 200
    assert json.loads(body)["backend"]


def test_nothing_of_it_would_be_changed_by_another_run(client):
    assert service.is_running(site_engine.given(client.options))
    assert not site_engine.ensure(client.options, check=True).changed


@pytest.mark.disruptive
def test_killed_it_serves_again_and_its_machines_ran_on(client, members, lab):
    guests = {name: lab(name) for name in members("platform_ovirt")}
    boots = {name: host.check_output("cat /proc/sys/kernel/random/boot_id") for name, host in guests.items()}
    authority, product = client.ca_file.read_bytes(), client.api()[1].findtext("product_info/instance_id")
    record = Path(client.options["folder"]) / service.RECORD
    try:
        os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
        wait_for("it is dead", lambda: service.is_running(site_engine.given(client.options)), lambda runs: not runs, SECONDS)
    finally:
        assert site_engine.ensure(client.options).changed
    assert client.ca_file.read_bytes() == authority
    assert client.api()[1].findtext("product_info/instance_id") == product
    assert {name: host.check_output("cat /proc/sys/kernel/random/boot_id") for name, host in guests.items()} == boots
