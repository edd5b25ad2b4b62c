"""The files of a Windows image, as far as they can be judged without a Windows."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest

from lab.errors import InputError
from lab.images import windows
from lab.images.windows import Wish

PASSWORD = "Setup<only>&2026Aa"
WISH = Wish("Windows Server 2022 SERVERSTANDARD", "2k22", PASSWORD)


def test_what_is_written_has_nothing_wrong_that_can_be_seen_here(tmp_path: Path) -> None:
    files = windows.write(WISH, tmp_path / "answers")
    assert sorted(file.name for file in files) == ["Autounattend.xml", "cloudbase-init-unattend.conf", "cloudbase-init.conf", "setup.ps1"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert all(b"\r\n" in file.read_bytes() for file in files)
    secrets = (PASSWORD, escape(PASSWORD))
    assert [file.name for file in files if any(secret in file.read_text() for secret in secrets)] == ["Autounattend.xml"]


def test_the_password_survives_the_markup_and_is_in_no_words_of_ours() -> None:
    root = ElementTree.fromstring(windows.texts(WISH)["Autounattend.xml"])
    values = {node.text for node in root.iter(f"{windows.NAMESPACE}Value")}
    assert PASSWORD in values
    assert PASSWORD not in repr(WISH)


def test_nothing_is_left_to_fill_in() -> None:
    for name, text in windows.texts(WISH).items():
        assert "@folder@" not in text
        if name != "setup.ps1":  # whose own variables look the same
            assert "$" not in text, name


def test_setup_finds_its_disk_on_whatever_letter_the_drivers_are() -> None:
    paths = windows.driver_paths("2k22")
    assert all(rf"{letter}:\viostor\2k22\amd64" in paths for letter in windows.LETTERS)


def test_a_product_key_is_told_only_where_there_is_one() -> None:
    assert "ProductKey" not in windows.texts(WISH)["Autounattend.xml"]
    assert "<Key>AAAAA-BBBBB</Key>" in windows.texts(Wish("E", "w11", PASSWORD, product_key="AAAAA-BBBBB"))["Autounattend.xml"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("</unattend>", "", "is no XML"),
        ('pass="specialize"', 'pass="special"', "pass special is unknown or comes twice"),
        ('pass="specialize"', 'pass="oobeSystem"', "pass oobeSystem is unknown or comes twice"),
        (
            "Microsoft-Windows-PnpCustomizationsWinPE",
            "Microsoft-Windows-Pnp",
            "component Microsoft-Windows-Pnp has no meaning in pass windowsPE",
        ),
        ('processorArchitecture="amd64"', 'processorArchitecture="x86"', "processorArchitecture is not amd64"),
        ("viostor", "nothing", "setup would see no disk: no path of driver viostor"),
    ],
)
def test_what_setup_would_stumble_over_is_named(old: str, new: str, problem: str) -> None:
    text = windows.texts(WISH)["Autounattend.xml"].replace(old, new)
    assert any(problem in said for said in windows.answer_problems(text))


def test_a_command_of_the_same_order_is_named() -> None:
    text = windows.texts(WISH)["Autounattend.xml"]
    start, end = text.index("<SynchronousCommand"), text.index("</FirstLogonCommands>")
    assert windows.answer_problems(text[:end] + text[start:end] + text[end:]) == [
        "Autounattend.xml: FirstLogonCommands: order 1 is there twice"
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("username", "user_name", "option user_name of DEFAULT is unknown to 1.1.9"),
        ("[openstack]", "[nova]", "section nova is unknown"),
        ("mtu.MTUPlugin", "mtu.MtuPlugin", "plugins: class cloudbaseinit.plugins.common.mtu.MtuPlugin is unknown to 1.1.9"),
        ("httpservice.HttpService", "http.HttpService", "metadata_services: class cloudbaseinit.metadata.services.http.HttpService"),
    ],
)
def test_what_cloudbase_init_does_not_know_is_named(old: str, new: str, problem: str) -> None:
    text = windows.texts(WISH)["cloudbase-init.conf"].replace(old, new)
    assert any(problem in said for said in windows.configuration_problems(text))


@pytest.mark.parametrize("password", ["short1A", "onlysmallletters", "NoDigitsInHere"])
def test_a_password_that_windows_refuses_is_refused_first(password: str) -> None:
    with pytest.raises(InputError, match="the password of its setup is refused; fix: 12 letters or more") as caught:
        Wish("E", "2k22", password)
    assert password not in str(caught.value)


def test_a_release_without_drivers_is_refused() -> None:
    with pytest.raises(InputError, match="windows 2k12: virtio-win has no drivers of that name; fix: one of 2k16"):
        Wish("E", "2k12", PASSWORD)
