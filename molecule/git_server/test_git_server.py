"""What role git_server promises to whoever clones, pushes or looks. Every expectation comes from its variables.

Git runs where the checks run, against the address of the machine, so that they also hold for a copy of it on another one. Only the two
scratch repositories that the role keeps for them are written to.
"""

import html
import re
import ssl
import subprocess
import urllib.error
import urllib.parse
import uuid

import pytest
from clients import Client, at_address

from lab import push
from lab.reboots import reboot
from lab.stages import ROOT
from lab.together import each
from lab.wait import wait_for

OPEN, CLOSED = "checks/open", "checks/closed"
MEMBER, STRANGER = "check-member", "check-stranger"
LARGE_MB = 100
REBOOT_SECONDS = 180
LISTEN = """
import http.server, sys, threading
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open(sys.argv[1], "ab").write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.send_response(204)
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Hook)
threading.Timer(60, server.shutdown).start()
open(sys.argv[1], "wb").close()
server.serve_forever()
"""
# argv: address, name. Trusts what the machine trusts.
HANDSHAKE = """
import socket, ssl, sys
with ssl.create_default_context().wrap_socket(socket.create_connection((sys.argv[1], 443), 20), server_hostname=sys.argv[2]) as link:
    print(link.server_hostname)
"""


@pytest.fixture(scope="module")
def name(members):
    return members("git")[0]


@pytest.fixture(scope="module")
def known(variables, name):
    return variables(name)


@pytest.fixture(scope="module")
def server(lab, name):
    return lab(name)


@pytest.fixture(scope="module")
def client(server, known, tmp_path_factory):
    return Client(server, known, tmp_path_factory.mktemp("git"))


@pytest.fixture
def branch(client):
    """A branch of the scratch repositories for one check; nothing of it is left."""
    made = f"check-{uuid.uuid4().hex[:12]}"
    yield made
    for repository in (OPEN, CLOSED):
        client.git(client.ssh(MEMBER), "push", "--quiet", client.ssh_url(repository), f":refs/heads/{made}")


def round_trip(client, branch, access, url):
    """Pushes a commit and gets the same one back."""
    commit = client.commit(branch)
    client.must(access, "push", "--quiet", url, f"+{commit}:refs/heads/{branch}")
    folder = client.scratch / f"clone-{uuid.uuid4().hex[:8]}"
    client.must(access, "clone", "--quiet", "--branch", branch, url, str(folder))
    assert client.must({}, "-C", str(folder), "rev-parse", "HEAD") == commit


def test_a_member_pushes_and_clones_over_ssh(client, branch):
    round_trip(client, branch, client.ssh(MEMBER), client.ssh_url(OPEN))


def test_a_member_pushes_and_clones_over_https(client, branch):
    round_trip(client, branch, client.https(MEMBER), client.https_url(OPEN))


def test_a_wrong_password_is_refused(client):
    done = client.git(client.https(MEMBER, "wrong"), "ls-remote", client.https_url(OPEN))
    assert done.returncode and "Authentication failed" in done.stderr, done.stderr


def test_without_a_password_nothing_is_served_over_https(client):
    done = client.git(client.https(), "ls-remote", client.https_url(OPEN))
    assert done.returncode and "could not read Username" in done.stderr, done.stderr


def test_an_unknown_key_is_refused(client):
    done = client.git(client.ssh_with(client.new_key()), "ls-remote", client.ssh_url(OPEN))
    assert done.returncode and "Permission denied (publickey)" in done.stderr, done.stderr


def test_a_key_opens_git_and_no_shell(client):
    argv = [*client.ssh_argv(MEMBER), f"git@{client.address}", "cat /etc/passwd"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode and "root:" not in done.stdout, done.stdout


def test_who_may_read_may_not_write(client, branch):
    commit = client.commit(branch)
    for access, url in ((client.ssh(STRANGER), client.ssh_url(OPEN)), (client.https(STRANGER), client.https_url(OPEN))):
        client.must(access, "ls-remote", url)
        done = client.git(access, "push", "--quiet", url, f"{commit}:refs/heads/{branch}")
        assert done.returncode and "DENIED" in done.stderr, done.stderr


def test_a_private_repository_is_to_others_as_if_it_did_not_exist(client, branch):
    round_trip(client, branch, client.ssh(MEMBER), client.ssh_url(CLOSED))
    absent = f"checks/{uuid.uuid4().hex}"
    for access, url in ((client.ssh(STRANGER), client.ssh_url), (client.https(STRANGER), client.https_url)):
        closed, missing = (client.git(access, "ls-remote", url(name)) for name in (CLOSED, absent))
        assert closed.returncode and closed.returncode == missing.returncode
        assert closed.stderr.replace(CLOSED, "X") == missing.stderr.replace(absent, "X")


def test_the_web_page_lists_open_repositories_with_their_descriptions(client, known):
    page = client.page("/")
    wanted = [one for one in known["git_server_repositories"] if not one.get("private", True)]
    for one in [*wanted, {"name": OPEN, "description": "Scratch repository of the checks"}]:
        assert f">{one['name']}</a>" in page, one["name"]
        assert html.escape(one.get("description", ""), quote=False)[:60] in page, one["name"]


def test_private_repositories_are_not_on_the_web_page(client, known):
    private = [one["name"] for one in known["git_server_repositories"] if one.get("private", True)] + [CLOSED]
    listed = re.findall(r"href='/([^']+?)/?'", client.page("/"))
    for one in private:
        assert one not in listed, one
        with pytest.raises(urllib.error.HTTPError, match="404"):
            client.page(f"/{one}/")


def test_a_push_calls_the_hook(client, branch, server):
    record = f"/run/git-check-{branch}"
    port = "18418"
    listener = server.check_output("nohup python3 -c %s %s %s >/dev/null 2>&1 & echo $!", LISTEN, record, port)
    try:
        wait_for("the listener for the hook", lambda: server.run(f"ss -Hltn 'sport = :{port}'").stdout, bool, 15)
        commit = client.commit(branch)
        client.must(client.ssh(MEMBER), "push", "--quiet", client.ssh_url(OPEN), f"{commit}:refs/heads/{branch}")
        told = urllib.parse.parse_qs(server.check_output("cat %s", record))
        expected = {"author": MEMBER, "revision": commit, "branch": branch, "repository": OPEN}
        assert {key: told[key][0] for key in expected} == expected
    finally:
        server.run("kill %s; rm -f %s", listener, record)


def test_a_large_push_goes_through_on_both_ways(client, branch, server):
    commit = client.commit(branch, LARGE_MB * 1_000_000)
    try:
        client.must(client.https(MEMBER), "push", "--quiet", client.https_url(OPEN), f"{commit}:refs/heads/{branch}")
        listed = client.must(client.ssh(STRANGER), "ls-remote", client.ssh_url(OPEN), f"refs/heads/{branch}")
        assert listed.split()[0] == commit
        client.must(client.ssh(MEMBER), "push", "--quiet", client.ssh_url(CLOSED), f"{commit}:refs/heads/{branch}")
    finally:
        for repository in (OPEN, CLOSED):
            client.git(client.ssh(MEMBER), "push", "--quiet", client.ssh_url(repository), f":refs/heads/{branch}")
            server.run("runuser -u git -- git -C /srv/git/repositories/%s.git gc --quiet --prune=now", repository)


def test_every_repository_is_there_whole_and_begins_with_main(server, known):
    names = [one["name"] for one in known["git_server_repositories"] if not one.get("mirror_from")] + [OPEN, CLOSED]
    for one in names:
        folder = f"/srv/git/repositories/{one}.git"
        done = server.run("runuser -u git -- git -C %s fsck --connectivity-only", folder)
        assert done.rc == 0, f"{one}: {done.stderr}"
        assert server.check_output("cat %s/HEAD", folder) == "ref: refs/heads/main", one


def project(client, known):
    """The commit of this project in the lab's git, and its folder here."""
    repository = known.get("git_server_project")
    if not repository:
        pytest.skip("the site does not push the project")
    folder = known["git_server_controller_folder"] if not known["git_server_controller_folder"].startswith("{{") else str(ROOT)
    if why := push.obstacle(folder):
        pytest.skip(f"the project was not pushed: {why}")
    access = client.ssh_with(client.controller_key())
    return client.must(access, "ls-remote", client.ssh_url(repository), push.BRANCH).partition("\t")[0], folder


def test_the_lab_keeps_its_own_project(client, known):
    """Whole, with a commit that is in the history of what is checked out here; a copy from a backup may be a little behind."""
    commit, folder = project(client, known)
    assert commit, "the project was never pushed"
    client.must({}, "-c", "safe.directory=*", "-C", folder, "merge-base", "--is-ancestor", commit, "HEAD")


@pytest.mark.live
def test_the_lab_keeps_the_commit_that_is_checked_out(client, known):
    commit, folder = project(client, known)
    here = client.must({}, "-c", "safe.directory=*", "-C", folder, "rev-parse", "HEAD")
    assert commit == here, f"the lab's git has {commit}, checked out is {here}; fix: ./inv up pushes it"


def test_passwords_are_kept_as_bcrypt_and_readable_by_the_web_server_alone(server, known):
    file = "/etc/git-server/htpasswd"
    assert server.check_output("stat -c '%%a %%U %%G' %s", file) == "640 root www-data"
    lines = dict(line.split(":", 1) for line in server.check_output("cat %s", file).splitlines())
    assert set(lines) == {*known.get("git_server_passwords", {}), MEMBER, STRANGER}
    assert all(hash_.startswith("$2y$10$") for hash_ in lines.values())


def test_only_the_people_of_the_site_have_keys(server, known):
    lines = server.check_output("cat /srv/git/.ssh/authorized_keys").splitlines()
    found = re.findall(r'gitolite-shell ([a-z0-9_-]+)"', "\n".join(lines))
    people = [person["name"] for person in known.get("git_server_people", []) for _ in person.get("keys", [])]
    assert sorted(set(found) - {"controller"}) == sorted({*people, MEMBER, STRANGER})


def test_mirrors_are_up_to_date(server, known):
    mirrors = [one for one in known["git_server_repositories"] if one.get("mirror_to") or one.get("mirror_from")]
    if known.get("git_server_is_drill") or not mirrors:
        pytest.skip("nothing is mirrored here")
    assert server.run("systemctl is-enabled git-mirror.timer").rc == 0
    done = server.run("systemctl start git-mirror.service")
    assert done.rc == 0, server.run("journalctl -u git-mirror.service -n 20 -o cat").stdout


def test_services_run_and_are_enabled(server):
    for unit in ("nginx.service", "fcgiwrap.socket", "ssh.service"):
        assert server.run("systemctl is-active %s", unit).rc == 0, unit
        assert server.run("systemctl is-enabled %s", unit).rc == 0, unit


def may_reach(members, variables, address):
    """Client machines that the router lets through to an address; all of them where there is no router."""
    names = members("client")
    router = next(iter(members("router")), None)
    if router is None:
        return names
    legs = variables(router)["router_legs"]
    home = next((leg["name"] for leg in legs if at_address(address, leg["cidr"])), "")
    good = [leg["cidr"] for leg in legs if leg["name"] == home or home in leg["reach"]]
    return [name for name in names if any(at_address(variables(name)["ansible_host"], cidr) for cidr in good)]


@pytest.fixture(scope="module")
def neighbours(lab, members, variables, client):
    found = [(name, lab(name)) for name in may_reach(members, variables, client.address)]
    assert found, "no client may reach the git server, so nothing is proven"
    return found


def test_machines_of_the_lab_trust_its_certificate(neighbours, client):
    def check(one):
        name, host = one
        done = host.run("python3 -c %s %s %s", HANDSHAKE, client.address, client.host)
        assert done.stdout.strip() == client.host, f"{name}: {done.stderr}"

    each(check, neighbours)


@pytest.mark.live
def test_machines_of_the_lab_find_it_by_its_name(neighbours, members, client):
    if not members("router"):
        pytest.skip("no router, so no names")

    def check(one):
        name, host = one
        words = "import urllib.request as r, sys; print(r.urlopen(sys.argv[1], timeout=20).status)"
        done = host.run("python3 -c %s %s", words, f"https://{client.host}/")
        assert done.stdout.strip() == "200", f"{name}: {done.stderr}"

    each(check, neighbours)


def test_other_names_are_not_vouched_for(client):
    with pytest.raises((ssl.SSLError, urllib.error.URLError), match="CERTIFICATE_VERIFY_FAILED"):
        client.page("/", host="elsewhere.example")


@pytest.mark.disruptive
def test_everything_is_there_again_after_a_reboot(client, server, name, branch):
    reboot(server, name, REBOOT_SECONDS)
    wait_for("the web page", lambda: client.answers("/"), bool, REBOOT_SECONDS, where=name)
    wait_for(
        "git over ssh", lambda: client.git(client.ssh(MEMBER), "ls-remote", client.ssh_url(OPEN)).returncode == 0, bool, REBOOT_SECONDS
    )
    test_services_run_and_are_enabled(server)
    round_trip(client, branch, client.ssh(MEMBER), client.ssh_url(OPEN))
    round_trip(client, branch, client.https(MEMBER), client.https_url(OPEN))
