"""Inputs that may hold the parameters of lenses: a few numbers of each camera, which no graph names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from specialize.artifact.manifest import Tensor
from specialize.drafting.entries import Entry

MOST_NUMBERS = 24
"""A windshield apart, no lens has more parameters."""


def lens_numbers(inputs: Sequence[Tensor], cameras: int, known: Collection[str]) -> tuple[Entry, ...]:
    """Return an entry, left out and with what is known, of every input of shape (..., N, K) that may be of lenses.

    Args:
        inputs: Of the graph.
        cameras: N.
        known: Names of inputs that have an entry.
    """
    found = []
    for tensor in inputs:
        *lead, count = tensor.shape or (0,)
        of_cameras = lead in ([cameras], [1, cameras]) and 1 <= count <= MOST_NUMBERS
        if not of_cameras or tensor.name in known or not tensor.dtype.startswith("float"):
            continue
        numbers = "a number" if count == 1 else f"{count} numbers"
        told = (
            f"{list(tensor.shape)}: {numbers} of each camera; if they are parameters of its lens, write "
            "{kind: lens, parameters: [names in this order]}, and `lens: {model: ...}`"
        )
        found.append(Entry(tensor.name, (), False, told))
    return tuple(found)
