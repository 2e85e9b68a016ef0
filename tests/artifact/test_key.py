"""The build key changes with every input of a build and with nothing else."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from specialize.artifact import BuildKey

KEY = BuildKey(vehicle="car42", profile="sha256:a", calibration="sha256:d", model="sha256:b", spec="sha256:c")
OTHER = {str: "other", int: 7, bool: True, tuple: ("sha256:d",)}


@pytest.mark.parametrize("name", [field.name for field in fields(BuildKey)])
def test_every_field_counts(name: str) -> None:
    """A change of any single field gives another key."""
    value = OTHER[type(getattr(KEY, name))]
    assert replace(KEY, **{name: value}).digest() != KEY.digest()


def test_equal_inputs_have_equal_keys() -> None:
    """The key is a function of its fields."""
    assert replace(KEY).digest() == KEY.digest()


def test_fields_do_not_run_together() -> None:
    """The same text in two neighbouring fields gives two keys."""
    first = replace(KEY, tolerance="a", capacity="")
    assert first.digest() != replace(KEY, tolerance="", capacity="a").digest()
