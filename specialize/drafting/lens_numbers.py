"""Find inputs that may hold lens parameters: a few numbers per camera, whose names no graph contains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from specialize.artifact.manifest import Tensor
from specialize.drafting.entries import Entry

MOST_NUMBERS = 24
"""The maximum number of parameters of a lens, without a windshield."""


def lens_numbers(inputs: Sequence[Tensor], cameras: int, known: Collection[str]) -> tuple[Entry, ...]:
    """Return an entry, left out with an explanation, for every input of shape (..., N, K) that may hold lens
    parameters.

    Args:
        inputs: Inputs of the graph.
        cameras: N.
        known: Names of inputs that already have an entry.
    """
    found = []
    for tensor in inputs:
        *lead, count = tensor.shape or (0,)
        of_cameras = lead in ([cameras], [1, cameras]) and 1 <= count <= MOST_NUMBERS
        if not of_cameras or tensor.name in known or not tensor.dtype.startswith("float"):
            continue
        numbers = "a number" if count == 1 else f"{count} numbers"
        told = (
            f"{list(tensor.shape)}: {numbers} per camera; if they are lens parameters, write "
            f"{{kind: lens, parameters: [names in this order]}}, and `lens: {{model: ...}}`"
        )
        found.append(Entry(tensor.name, (), False, told))
    return tuple(found)


def or_of_a_lens(entry: Entry) -> Entry:
    """Return an entry beside such inputs: what may be an intrinsic may as well be the matrix of the lens."""
    if entry.sure or not {"intrinsic", "network_intrinsic"} & {*entry.kinds}:
        return entry
    return replace(entry, kinds=(*entry.kinds, "lens_matrix", "network_lens_matrix"))
