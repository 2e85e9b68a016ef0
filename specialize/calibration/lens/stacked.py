"""Stack several lenses into one whose parameters are arrays, so that a formula is evaluated once for all of them."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from specialize.calibration.lens.base import Lens


def alike(lens: Lens) -> Hashable:
    """Return what lenses have in common whose formulas are the same operations on other numbers.

    A formula leaves out coefficients that are 0; one that solves an equation, or has glass before it, is by itself.
    """
    by_itself = id(lens) if lens.windshield is not None or lens.parameters.get("reference") else 0
    zeros = tuple(name for name, value in lens.parameters.items() if not value)
    return type(lens), zeros, bool(lens.pixel_centre), by_itself


def stacked(lenses: Sequence[Lens], counts: Sequence[int]) -> Lens:
    """Return one lens for `sum(counts)` points in a row, those of the first lens first; all lenses are `alike`."""

    def row(values: Sequence[float]) -> Any:
        return values[0] if len(set(values)) == 1 else np.repeat(np.array(values), counts)

    found = copy.copy(lenses[0])
    found.parameters = MappingProxyType(
        {name: row([each.parameters[name] for each in lenses]) for name in found.parameters}
    )
    found.max_angle_rad = None
    vars(found)["model_limit_rad"] = row([each.limit_rad for each in lenses])
    return found
