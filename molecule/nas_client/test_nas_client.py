"""What role nas_client promises: programs that use a NAS, and mounts that are really there."""

import pytest

from lab.together import each

PROGRAMS = ("nfs-cp", "nfs-cat", "nfs-ls", "smbclient")


@pytest.fixture(scope="module")
def machines(played, lab, variables):
    found = [(name, lab(name), variables(name)) for name in played("nas_client")]
    assert found, "role nas_client is played on no machine, so nothing can be checked"
    return found


def test_programs_are_there(machines):
    def check(machine):
        name, host, known = machine
        for program in PROGRAMS if known.get("nas_client_has_programs", True) else ():
            assert host.run("command -v %s", program).rc == 0, f"{name}: {program}"

    each(check, machines)


def test_what_the_site_mounts_can_be_listed(machines):
    for name, host, known in machines:
        for mount in known.get("nas_client_mounts", []):
            assert host.run("ls %s", mount["path"]).rc == 0, f"{name}: {mount['path']}"
            kind = host.check_output("findmnt --noheadings --output FSTYPE --mountpoint %s", mount["path"]).split()[-1]
            assert kind == "nfs4", f"{name}: {mount['path']} is {kind}"
