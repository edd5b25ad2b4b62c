import pytest

from lab import consent
from lab.errors import InputError


@pytest.mark.parametrize(("typed", "is_given"), [("home\n", True), (" home ", True), ("yes", False), ("", False)])
def test_only_the_name_of_the_site_is_consent(typed: str, is_given: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert consent.given("down", "home", lambda question: typed) is is_given


def test_where_nobody_can_be_asked_the_option_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(InputError, match="down: nobody is here to answer; fix: add --yes if you mean it, or wait"):
        consent.given("down", "home", lambda question: "home", ", or wait")
