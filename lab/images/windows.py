"""The files that an image of Windows is made with, and what can be checked of them without a Windows: see windows/README.md."""

from __future__ import annotations

import configparser
import json
import os
import string
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from lab.errors import InputError

FILES = Path(__file__).parent / "windows"
FOLDER = r"C:\Program Files\Cloudbase Solutions\Cloudbase-Init"
CONFIGURATIONS = ("cloudbase-init.conf", "cloudbase-init-unattend.conf")
# Folders of the virtio-win medium, by what they are for; without the first two setup sees no disk, without the third no network.
DRIVERS = ("viostor", "vioscsi", "NetKVM", "Balloon", "vioserial", "viorng")
RELEASES = ("2k16", "2k19", "2k22", "2k25", "w10", "w11")  # as that medium calls them
LETTERS = ("D", "E", "F")  # where media are is not known before setup
NAMESPACE = "{urn:schemas-microsoft-com:unattend}"
ACTION = "{http://schemas.microsoft.com/WMIConfig/2002/State}action"
PASSES = ("windowsPE", "offlineServicing", "generalize", "specialize", "auditSystem", "auditUser", "oobeSystem")
# Components that have a meaning in a pass; setup ignores others without a word.
COMPONENTS = {
    "windowsPE": {"Microsoft-Windows-International-Core-WinPE", "Microsoft-Windows-PnpCustomizationsWinPE", "Microsoft-Windows-Setup"},
    "specialize": {"Microsoft-Windows-Shell-Setup", "Microsoft-Windows-TerminalServices-LocalSessionManager"},
    "oobeSystem": {"Microsoft-Windows-Shell-Setup", "Microsoft-Windows-International-Core"},
}
LABELS = {"processorArchitecture": "amd64", "publicKeyToken": "31bf3856ad364e35", "language": "neutral", "versionScope": "nonSxS"}
# What oslo.log brings to every program that uses it.
LOG_OPTIONS = ("debug", "log_dir", "log_file", "default_log_levels")


@dataclass(frozen=True)
class Wish:
    """Which Windows: `edition` as its medium names it, `release` as virtio-win does. `repr` has no secret."""

    edition: str
    release: str
    password: str = field(repr=False)
    language: str = "en-US"
    product_key: str = field(repr=False, default="")
    user: str = "Admin"

    def __post_init__(self) -> None:
        """Raises InputError for a release without drivers, and for a password that Windows would refuse in the middle of its setup."""
        if self.release not in RELEASES:
            raise InputError(f"windows {self.release}: virtio-win has no drivers of that name; fix: one of {', '.join(RELEASES)}")
        kinds = sum(any(test(letter) for letter in self.password) for test in (str.islower, str.isupper, str.isdigit))
        if len(self.password) < 12 or kinds < 3:
            raise InputError("windows: the password of its setup is refused; fix: 12 letters or more, small and large ones, and digits")


def texts(wish: Wish) -> dict[str, str]:
    """Every file by its name."""
    values = {"language": escape(wish.language), "edition": escape(wish.edition), "password": escape(wish.password)}
    values |= {"drivers": driver_paths(wish.release), "product_key": product_key(wish.product_key)}
    own = {"user": wish.user, "folder": FOLDER}
    found = {"Autounattend.xml": string.Template((FILES / "Autounattend.xml").read_text(encoding="utf-8")).substitute(values)}
    found |= {name: string.Template((FILES / name).read_text(encoding="utf-8")).substitute(own) for name in CONFIGURATIONS}
    return found | {"setup.ps1": (FILES / "setup.ps1").read_text(encoding="utf-8").replace("@folder@", FOLDER)}


def driver_paths(release: str) -> str:
    """Where setup looks for drivers, on every letter that the medium may have."""
    paths = [rf"{letter}:\{driver}\{release}\amd64" for letter in LETTERS for driver in DRIVERS]
    one = '        <PathAndCredentials wcm:action="add" wcm:keyValue="{}"><Path>{}</Path></PathAndCredentials>'
    return "\n".join(one.format(number, path) for number, path in enumerate(paths, 1))


def product_key(key: str) -> str:
    """Media for evaluation ask for none."""
    return f"        <ProductKey><Key>{escape(key)}</Key><WillShowUI>OnError</WillShowUI></ProductKey>" if key else ""


def write(wish: Wish, folder: Path) -> list[Path]:
    """Writes the files, each of mode 0600: one of them has the password.

    Raises InputError with everything that is wrong with them.
    """
    found = texts(wish)
    if wrong := problems(found):
        raise InputError("\n".join(wrong))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in found.items():
        file = folder / name
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline="\r\n") as opened:
            opened.write(text)
        file.chmod(0o600)
    return [folder / name for name in found]


def problems(found: dict[str, str]) -> list[str]:
    """What is wrong with the files, as far as that can be seen here."""
    wrong = answer_problems(found["Autounattend.xml"])
    for name in CONFIGURATIONS:
        wrong += [f"{name}: {said}" for said in configuration_problems(found[name])]
    return wrong


def answer_problems(text: str) -> list[str]:
    """Of the answer file; setup says little about most of these, and stops in the middle or asks a person."""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - our own text
    except ElementTree.ParseError as error:
        return [f"Autounattend.xml: is no XML: {error}"]
    passes = [one.get("pass", "") for one in root.findall(f"{NAMESPACE}settings")]
    wrong = [f"pass {name} is unknown or comes twice" for name, times in Counter(passes).items() if name not in PASSES or times > 1]
    for settings in root.findall(f"{NAMESPACE}settings"):
        for component in settings.findall(f"{NAMESPACE}component"):
            name, where = component.get("name", ""), settings.get("pass", "")
            if name not in COMPONENTS.get(where, set()):
                wrong.append(f"component {name} has no meaning in pass {where}")
            wrong += [f"{name}: {key} is not {value}" for key, value in LABELS.items() if component.get(key) != value]
    wrong += order_problems(root)
    values = [node.text or "" for node in root.iter(f"{NAMESPACE}Path")]
    wrong += [f"setup would see no disk: no path of driver {name}" for name in DRIVERS[:3] if not any(name in path for path in values)]
    return [f"Autounattend.xml: {said}" for said in wrong]


def order_problems(root: Any) -> list[str]:
    """Of lists whose parts are told apart by a number."""
    wrong = []
    for parent in root.iter():
        numbers = Counter(child.findtext(f"{NAMESPACE}Order") for child in parent if child.get(ACTION))
        name = parent.tag.removeprefix(NAMESPACE)
        wrong += [f"{name}: order {number} is there twice" for number, times in numbers.items() if number and times > 1]
    return wrong


def configuration_problems(text: str) -> list[str]:
    """Of a file of Cloudbase-Init, by what its release is recorded to know; it would ignore a wrong option and die of a wrong class."""
    known = json.loads((FILES / "cloudbase-init.json").read_text(encoding="utf-8"))
    parser = configparser.ConfigParser(interpolation=None, default_section="nothing is inherited")
    parser.read_string(text)
    sections = {"DEFAULT": {*known["options"]["default"], *LOG_OPTIONS}, "openstack": set(known["options"]["openstack"])}
    wrong = [f"section {name} is unknown" for name in parser.sections() if name not in sections]
    for name, options in sections.items():
        given = parser[name] if parser.has_section(name) else {}
        wrong += [f"option {key} of {name} is unknown to {known['version']}" for key in given if key not in options]
    for key in ("metadata_services", "plugins"):
        classes = parser.get("DEFAULT", key, fallback="").split(",")
        wrong += [f"{key}: class {one} is unknown to {known['version']}" for one in classes if one not in known["classes"]]
    return wrong
