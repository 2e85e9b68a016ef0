"""Measure how far the outputs of a model move by themselves: under one unit in the last place, and in another order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from specialize.evidence.tolerance import Tolerance
from specialize.verify.conditioning import Bound, Noise, bound_of, given, movement
from specialize.verify.kept import Kept
from specialize.verify.scale import output_scale
from specialize.verify.tolerance import tolerance_for

Arrays = Mapping[str, np.ndarray]


def movements(wanted: Arrays, moved: Arrays) -> dict[str, float]:
    """Return how far each output moved, by name, in the units of `conditioning`."""
    return {
        name: movement(array, moved[name], tolerance_for(name, array.dtype, {}), output_scale(array))
        for name, array in wanted.items()
        if name in moved
    }


def bounds_of(
    kept: Kept,
    chosen: Mapping[str, Tolerance],
    ulp: Mapping[str, float],
    order: Mapping[str, float],
    lenient: bool,
) -> dict[str, Bound]:
    """Return what each output is judged by: the caller's choice, what follows from its noise, or the table.

    Args:
        kept: The original's outputs.
        chosen: Tolerances by output name that a caller gives.
        ulp: How far each output moves under one unit in the last place.
        order: How far each output moves under another order of sums.
        lenient: Whether a person accepts outputs that rounding alone moves by more than a proof could see.
    """
    bounds = {}
    for name in kept.names:
        dtype = kept.get(0, name).dtype
        noise = Noise(kept.scales[name], ulp.get(name, 0.0), order.get(name, 0.0))
        table = tolerance_for(name, dtype, {})
        if name in chosen or name not in ulp:  # what images alone determine is not behind the cut
            bounds[name] = given(chosen.get(name, table))
        else:
            bounds[name] = bound_of(table, dtype.name, noise, lenient)
    return bounds
