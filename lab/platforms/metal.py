"""Machines that people put up: Strata only says whether they can be reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.change import Change


class Metal:
    """Nothing is made or removed; that a metal machine answers is what role `machine` waits for."""

    def ensure(self, name: str, spec: Mapping[str, Any], *, check: bool = False) -> Change:
        """The machine is there, or people put it there."""
        return Change(what=f"machine {name}", changed=False, facts={"address": self.address(name, spec), "host_key": ""})

    def remove(self, name: str, spec: Mapping[str, Any], *, check: bool = False) -> Change:
        """Hardware stays."""
        return Change(what=f"machine {name}", changed=False)

    def address(self, name: str, spec: Mapping[str, Any]) -> str:
        """As the site says."""
        return str(spec["address"])

    def backend(self) -> str:
        """As it is."""
        return "hardware"
