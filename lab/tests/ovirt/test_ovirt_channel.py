"""What a hypervisor's image daemon refuses, and what then helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.ovirt.channel import Broken, reachable, refused

URL = "https://node1.lab:54322/images/1"


@pytest.mark.parametrize(
    ("status", "kind", "data", "is_worth_another_try", "said"),
    [
        (403, "text/plain", b"No such ticket", True, "PUT: the transfer is not known there any more (HTTP 403: No such ticket)"),
        (503, "text/plain", b"", True, "PUT: the image daemon is starting or stopping (HTTP 503)"),
        (
            500,
            "text/plain",
            b"[Errno 28] No space left on device",
            False,
            "the storage is full ([Errno 28] No space left on device); fix: free space on the storage domain",
        ),
        (507, "text/plain", b"full", False, "the storage is full (full); fix: free space"),
        (
            500,
            "text/plain",
            b"[Errno 5] Input/output error",
            False,
            "HTTP 500: [Errno 5] Input/output error; fix: read /var/log/ovirt-imageio",
        ),
        (303, "text/html", b"<html>", False, "a web page came back (HTTP 303), so a proxy answered; fix: let no proxy stand before"),
        (503, "text/html", b"<html>", False, "a web page came back (HTTP 503)"),
    ],
)
def test_a_refusal_names_the_url_the_cause_and_what_helps(
    status: int, kind: str, data: bytes, is_worth_another_try: bool, said: str
) -> None:
    error = refused(URL, "PUT", status, kind, data)
    assert str(error).startswith(f"{URL}: PUT: ") and said in str(error)
    assert isinstance(error, Broken) == is_worth_another_try


def test_a_transfer_without_an_address_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="the engine named no URL for the transfer"):
        reachable([None, ""], tmp_path / "ca.pem")
