"""What every check works with."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """Something that would fail later, and how to mend it."""

    what: str
    fix: str

    def __str__(self) -> str:
        """`what; fix: ...`."""
        return f"{self.what}; fix: {self.fix}"


Problems = Iterator[Problem]


def is_proxied(url_host: str, proxies: Options) -> bool:
    """Whether requests to a host would go to a proxy, as programs that read the environment see it."""
    if not proxies.get("http_proxy") and not proxies.get("https_proxy"):
        return False
    return not urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined]  # urllib has it everywhere
        url_host, {"no": proxies.get("no_proxy", "")}
    )
