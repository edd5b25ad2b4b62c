from types import SimpleNamespace
from typing import Any

import pytest

from lab import reboots
from lab.errors import LabError


class Host:
    """Answers one thing after the other; None is a machine that nobody can reach."""

    def __init__(self, *answers: str | None, silence: type[Exception] = RuntimeError) -> None:
        self.answers, self.asked, self.silence = list(answers), [""], silence

    def run(self, command: str) -> Any:
        self.asked.append(command)
        if "reboot" in command:
            raise RuntimeError("the connection went down")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise self.silence("nobody is there")
        return SimpleNamespace(rc=0 if answer else 1, stdout=answer)


@pytest.mark.parametrize("silence", [RuntimeError, LabError], ids=["ssh", "a container that does not run just now"])
def test_a_machine_is_back_when_its_boot_is_another(silence: type[Exception]) -> None:
    host = Host("first", "first", None, "", "second", silence=silence)
    reboots.reboot(host, "web", 20)
    assert host.answers == ["second"]
    assert "systemctl --no-block reboot" in host.asked


def test_a_machine_that_did_not_reboot_is_named() -> None:
    with pytest.raises(LabError, match=r"a new boot at web: not within 0 s; last seen: 'first'"):
        reboots.reboot(Host("first"), "web", 0)
