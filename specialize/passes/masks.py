"""Masks: which values of a graph say what the cameras see; found by what they compute, never by their names.

A mask depends on the calibration alone, and is zero exactly where the visibility plan says that a camera does not see a
query: under some order of cameras, queries and anything else (anchors), and for every calibration that is tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.closure import Closure
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.visibility.plan import VisibilityPlan

Bools = npt.NDArray[np.bool_]

MOST_ANCHORS = 64
"""Values with more elements per pair than this are no masks but what masks are spread to."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One calibration that masks are tried with.

    Attributes:
        arrays: The calibration inputs, in the shapes and types of the graph.
        plans: What the cameras see, one plan per grid.
    """

    arrays: Mapping[str, np.ndarray]
    plans: tuple[VisibilityPlan, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A value that is zero where a camera does not see a query.

    Attributes:
        value: The value.
        grid: Number of the grid that its queries are of.
        sizes: Cameras, queries, and elements per pair of both.
        order: The order of these three, outermost first, in which the value's elements stand.
    """

    value: ir.Value
    grid: int
    sizes: tuple[int, int, int]
    order: tuple[int, int, int]

    @property
    def is_plain(self) -> bool:
        """Return whether there is one element per pair of camera and query."""
        return self.sizes[2] == 1

    def cube(self, elements: Bools) -> Bools:
        """Return elements (N, Q, anchors), or what broadcasts to them, in the value's shape."""
        return np.broadcast_to(elements, self.sizes).transpose(self.order).reshape(dims(self.value))

    def spread(self, pairs: Bools) -> Bools:
        """Return pairs (N, Q) as a constant that broadcasts to the value's shape."""
        full = self.cube(pairs[:, :, None])
        for axis in range(full.ndim if not self.is_plain else 0):
            first = full.take([0], axis=axis)
            full = first if full.shape[axis] == self.sizes[2] and (full == first).all() else full
        return full

    def pairs(self, array: npt.NDArray[np.generic]) -> Bools:
        """Return for which pairs (N, Q) any element of the value's content differs from zero."""
        cube = (array != 0).reshape([self.sizes[part] for part in self.order])
        return np.asarray(cube.transpose(np.argsort(self.order)).any(axis=2))


ORDERS: tuple[tuple[int, int, int], ...] = ((0, 1, 2), (1, 0, 2), (0, 2, 1), (1, 2, 0), (2, 0, 1), (2, 1, 0))
"""Orders in which cameras, queries and anchors may stand."""


def find_masks(closure: Closure, trials: Sequence[Trial]) -> dict[ir.Value, Mask]:
    """Return the masks among the values of a closure, in the order of the graph.

    Args:
        closure: What the graph computes from the calibration alone.
        trials: The first is what they are found with, the others confirm it.
    """
    first, *others = trials
    sizes = {plan.seen.size for plan in first.plans}
    candidates = [value for value in closure.values if _may_be_mask(value, sizes)]
    found: dict[ir.Value, Mask] = {}
    for value, array in closure.compute(candidates, first.arrays).items():
        mask = _recognise(value, array, first.plans)
        if mask is not None:
            found[value] = mask
    for trial in others:
        arrays = closure.compute(found, trial.arrays)
        found = {
            value: mask
            for value, mask in found.items()
            if _agrees(mask, arrays[value], trial.plans[mask.grid])
        }
    return found


def _may_be_mask(value: ir.Value, sizes: set[int]) -> bool:
    if value.producer() is None or not is_static(value) or value.dtype is None:
        return False
    size = int(np.prod(dims(value)))
    fits = any(size >= pairs and size % pairs == 0 and size // pairs <= MOST_ANCHORS for pairs in sizes)
    return fits and numpy_type(value).kind in "bfiu"


def _recognise(
    value: ir.Value, array: npt.NDArray[np.generic], plans: tuple[VisibilityPlan, ...]
) -> Mask | None:
    for grid, plan in enumerate(plans):
        cameras, queries = plan.seen.shape
        rest, odd = divmod(array.size, plan.seen.size)
        if odd or rest not in (1, plan.grid.anchors) or plan.seen.all() or not plan.seen.any():
            continue
        for order in ORDERS:
            if rest == 1 and order[2] != 2:
                continue
            mask = Mask(value, grid, (cameras, queries, rest), order)
            if _agrees(mask, array, plan):
                return mask
    return None


def _agrees(mask: Mask, array: npt.NDArray[np.generic], plan: VisibilityPlan) -> bool:
    """Return whether a value is what the plan says; rounding may decide borderline pairs either way."""
    if array.size != np.prod(mask.sizes):
        return False
    seen = mask.pairs(array)
    return bool((seen <= plan.superset).all() and (plan.certain <= seen).all())
