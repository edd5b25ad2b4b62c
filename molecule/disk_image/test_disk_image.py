"""What a disk of lab/images promises: any hypervisor boots it, and its first boot makes it the machine that its drive says."""

import guests
import pytest
import testinfra

GIB = 1024**3


@pytest.fixture(scope="module")
def started(lab, members, variables, tmp_path_factory):
    """Both are switched on at once; a boot is mostly waiting."""
    (name,) = members("lab")
    container = variables(name)["ansible_host"]
    found = {}
    for port, firmware in enumerate(guests.FIRMWARE, start=2201):
        found[firmware] = guests.Guest(lab(name), container, firmware, tmp_path_factory.mktemp(firmware), port)
        found[firmware].make()
        found[firmware].start(with_drive=firmware == "bios")
    return found


@pytest.fixture(scope="module")
def guest(started):
    """The one with a BIOS, when it is set up."""
    started["bios"].wait_until_set_up()
    return started["bios"]


def test_it_boots_under_plain_qemu_and_cloud_init_reads_its_drive(guest):
    assert guest.shell("systemd-detect-virt").strip() == "qemu"
    # Warnings make its exit code 2, and what an engine writes is not without.
    assert "DataSourceConfigDrive" in guest.shell("cloud-init status --long || true")
    assert guest.ask("guest-get-host-name")["host-name"] == guest.name.partition(".")[0]
    assert guest.shell("systemctl --failed --no-legend") == ""


def test_the_address_is_the_drives_and_the_agent_tells_it(guest):
    assert guests.ADDRESS in addresses(guest, "eth0")
    assert guest.shell("ip route show default").startswith("default via 10.0.2.2 dev eth0")


def test_the_root_file_system_has_grown_with_the_disk(guest):
    assert int(guest.shell("stat --file-system --format %b / && true")) * 4096 > 4.5 * GIB


def test_the_key_of_the_drive_opens_ssh(guest, variables, members):
    (name,) = members("lab")
    address = variables(name)["machine_spec"]["uplink"]["address"]
    arguments = f"-p {guest.port} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    host = testinfra.get_host(f"ssh://root@{address}", ssh_identity_file=str(guest.key), ssh_extra_args=arguments)
    assert host.check_output("cat /sys/class/dmi/id/sys_vendor") == "QEMU"


def test_it_boots_with_secure_boot_and_is_of_use_without_a_drive(started):
    guest = started["secure-boot"]
    assert guest.wait_until_set_up() == "status: disabled"
    # Four bytes of attributes, then the value.
    assert guest.shell("od -An -tu1 -j4 /sys/firmware/efi/efivars/SecureBoot-*").strip() == "1"
    assert guests.LEASED in addresses(guest, "eth0")
    assert guest.shell("systemctl is-active ssh.service; ls /etc/ssh/ssh_host_ed25519_key.pub").startswith("active\n/")
    guest.switch_off()


def test_a_later_boot_without_the_drive_changes_nothing(guest):
    keys = guest.shell("cat /etc/ssh/ssh_host_*_key.pub")
    guest.switch_off()
    guest.start(with_drive=False)
    guest.wait_until_set_up()
    assert guests.ADDRESS in addresses(guest, "eth0")
    assert guest.ask("guest-get-host-name")["host-name"] == guest.name.partition(".")[0]
    assert guest.shell("cat /etc/ssh/ssh_host_*_key.pub") == keys


def addresses(guest, card):
    """Of a card, as the agent reports them."""
    cards = {found["name"]: found for found in guest.ask("guest-network-get-interfaces")}
    return [address["ip-address"] for address in cards[card]["ip-addresses"]]
