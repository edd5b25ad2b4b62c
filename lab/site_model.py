"""What all parts of the site model are made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from lab.site_fields import SecretName, refuse


def derived() -> Any:
    """Default of what `addressing.resolve` fills in: nothing outside of loading ever sees it unfilled."""
    return None


class Model(BaseModel):
    """What all parts of a site share: unknown keys refused, no conversions, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class SecretReference(Model):
    """A value that stands in secrets.yml, not here."""

    secret: SecretName


def one_of(model: Model, *keys: str) -> None:
    """Exactly one of the keys is given."""
    given = [key for key in keys if getattr(model, key) is not None]
    if not given:
        refuse(f"needs one of {', '.join(keys)}")
    if len(given) > 1:
        refuse(f"cannot stand beside {given[0]}", "remove one of the two", given[1])
