"""What role certificate promises, on every machine that has one. Every expectation comes from its variables."""

import shlex

import pytest

FOLDER = "/etc/ssl/lab"
EARLY_DAYS = 14  # a run renews when 30 are left, so fewer mean that nobody ran anything for weeks


@pytest.fixture(scope="module")
def owners(played, lab, variables):
    """(machine, what the inventory says) of each machine that gets a certificate in this stage: those of others may not be built yet."""
    if not played("certificate"):
        pytest.skip("no machine of the site gets a certificate in this stage")
    found = [(lab(name), variables(name)) for name in played("certificate") if "certificate_name" in variables(name)]
    assert found, "no machine has a certificate, so nothing can be checked"
    return found


def files(known):
    return f"{FOLDER}/{known['certificate_name']}.key", f"{FOLDER}/{known['certificate_name']}.crt"


def test_the_key_is_readable_by_those_who_need_it_alone(owners):
    for host, known in owners:
        group = known.get("certificate_group", "root")
        mode = "600" if group == "root" else "640"
        assert host.check_output("stat -c '%%a %%U %%G' %s", files(known)[0]) == f"{mode} root {group}"


def test_key_and_certificate_belong_together(owners):
    for host, known in owners:
        key, certificate = files(known)
        public = host.check_output("openssl pkey -pubout -in %s", key)
        assert host.check_output("openssl x509 -noout -pubkey -in %s", certificate) == public


def test_the_machine_itself_trusts_its_certificate_for_each_of_its_names(owners):
    for host, known in owners:
        certificate = files(known)[1]
        for name in known["certificate_names"]:
            kind = "ip" if name.replace(".", "").isdigit() else "hostname"
            words = f"openssl verify -x509_strict -purpose sslserver -verify_{kind} {shlex.quote(name)} {certificate}"
            done = host.run(words)
            assert done.rc == 0, f"{name}: {done.stdout} {done.stderr}"
        assert host.run(f"openssl verify -verify_hostname other.example {certificate}").rc != 0


def test_the_certificate_does_not_end_soon(owners):
    for host, known in owners:
        certificate = files(known)[1]
        ends = host.check_output("openssl x509 -noout -enddate -in %s", certificate)
        good = host.run(f"openssl x509 -noout -checkend {EARLY_DAYS * 86400} -in {certificate}").rc == 0
        assert good, f"{known['machine_name']}: {certificate}: {ends}, fewer than {EARLY_DAYS} days are left; fix: ./inv up renews it"
