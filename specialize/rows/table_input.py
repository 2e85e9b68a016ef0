"""Table inputs: an input by name that takes the place of constants of a graph."""

from __future__ import annotations

from dataclasses import dataclass

MADE = "specialize/"
"""Prefix of the names of all values that passes make."""


@dataclass(frozen=True, slots=True)
class Table:
    """An input that takes the place of constants.

    Attributes:
        name: Of the input.
        members: Names of the constants, which are equal for every calibration.
    """

    name: str
    members: tuple[str, ...]


def folded_name(constant: str) -> str:
    """Return the name of the value that folding replaced by a constant of that name."""
    return constant.removesuffix("_known")
