"""Operators that address rows by constant tensors of indices: ScatterND, ScatterElements, GatherND, GatherElements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.axes import size_of
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.ops import integer, text
from specialize.graph.shape_arithmetic import PLACES_OUTSIDE, places_in
from specialize.graph.shapes import dims
from specialize.rows.axes import Axes, Axis, Layout, by_row, row_ids
from specialize.rows.expr import Combination
from specialize.rows.lift import Lifter
from specialize.rows.ops.sampling import emit_pixels, lift_pixels
from specialize.rows.rowmap import RowMap
from specialize.rows.rule import RowRule

Ints = npt.NDArray[np.int64]

NOT_CONSTANT = Declined("indices-not-constant", "its indices are not constant")
ADDRESSES_FEATURES = Declined("indices-address-features", "its indices address an axis that holds features")
PER_FEATURE = Declined("indices-per-feature", "its indices differ between the features of a row")
WRITTEN_TWICE = Declined("written-twice", "it writes several rows to one place")
PARTLY = Declined("indices-cover-a-part", "its indices are for a part of the other axes")


def lift_scatter_nd(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """ScatterND with constant indices: rows replaced by, or increased by, the rows of the updates."""
    data, indices, updates = node.inputs[0], array_of(node.inputs[1]), node.inputs[2]
    if data is None or indices is None or updates is None:
        return NOT_CONSTANT
    if not indices.size:
        return lifter.lift(data, layout)  # nothing is written
    axes, depth = lifter.axes, indices.shape[-1]
    whole = {
        along: axis
        for along, axis in whole_axes(indices, dims(data)).items()
        if axes.is_feature(layout[axis])
    }
    if not _rows_or_units(axes, [layout[axis] for axis in range(depth) if axis not in whole.values()]):
        return ADDRESSES_FEATURES
    kept = [whole.get(along) for along in range(indices.ndim - 1)]
    own = (
        *(axes.row(indices.shape[n]) if axis is None else layout[axis] for n, axis in enumerate(kept)),
        *layout[depth:],
    )
    index = _index_columns(_first_along(indices, whole), dims(data))
    if index is None:
        return PLACES_OUTSIDE
    targets = by_row(axes, own, row_ids(axes, layout)[index])
    return _scatter(lifter, node, layout, (data, updates), own, targets)


def lift_scatter_elements(
    lifter: Lifter, node: ir.Node, output: int, layout: Layout
) -> Combination | Declined:
    """ScatterElements with constant indices that do not depend on features."""
    data, indices, updates = node.inputs[0], array_of(node.inputs[1]), node.inputs[2]
    if data is None or indices is None or updates is None:
        return NOT_CONSTANT
    if not indices.size:
        return lifter.lift(data, layout)  # nothing is written
    axes, axis = lifter.axes, node_axis(node, 0, len(layout))
    placed = _per_row(axes, indices, layout, axis)
    if placed is None:
        return PER_FEATURE
    if not axes.is_row(layout[axis]):
        return ADDRESSES_FEATURES
    others = [size for place, size in enumerate(indices.shape) if place != axis]
    if others != [size for place, size in enumerate(dims(data)) if place != axis]:
        return PARTLY
    own = (*layout[:axis], axes.row_like(layout[axis], indices.shape[axis]), *layout[axis + 1 :])
    placed = places_in(placed, dims(data)[axis])
    if placed is None:
        return PLACES_OUTSIDE
    ids = row_ids(axes, layout)
    full = np.broadcast_to(placed, [placed.shape[axis] if i == axis else n for i, n in enumerate(ids.shape)])
    targets = by_row(axes, own, np.take_along_axis(ids, full, axis=axis))
    return _scatter(lifter, node, layout, (data, updates), own, targets)


def lift_gather_nd(lifter: Lifter, node: ir.Node, output: int, layout: Layout) -> Combination | Declined:
    """GatherND with constant indices and no batch dimensions."""
    data, indices = node.inputs[0], array_of(node.inputs[1])
    batch = integer(node, "batch_dims")
    if batch:
        return Declined("batch-dims", "it gathers from each item of a batch")
    if data is None or indices is None:
        return NOT_CONSTANT
    axes, depth, lead = lifter.axes, indices.shape[-1], indices.ndim - 1
    whole = {
        along: axis
        for along, axis in whole_axes(indices, dims(data)).items()
        if axes.is_feature(layout[along])
    }
    if not _rows_or_units(axes, [layout[along] for along in range(lead) if along not in whole]):
        return ADDRESSES_FEATURES
    kept = {axis: layout[along] for along, axis in whole.items()}
    own = (
        *(kept.get(axis) or axes.row(size) for axis, size in enumerate(dims(data)[:depth])),
        *layout[lead:],
    )
    index = _index_columns(_first_along(indices, whole), dims(data))
    if index is None:
        return PLACES_OUTSIDE
    value = lifter.lift(data, own)
    picked = row_ids(axes, own)[index]
    sources = by_row(axes, layout, picked)
    return value.moved(RowMap.selection(sources, size_of(axes.rows(own))), axes.rows(layout))


def lift_gather_elements(
    lifter: Lifter, node: ir.Node, output: int, layout: Layout
) -> Combination | Declined:
    """GatherElements as a row map, if its indices are constant, or as a way of sampling.

    Where an axis holds rows and features, as the places that each query samples, constant places are no row map.
    """
    mixed = any(not lifter.axes.is_row(axis) and not lifter.axes.is_feature(axis) for axis in layout)
    if mixed or array_of(node.inputs[1]) is None:
        return lift_pixels(lifter, node, output, layout)
    return _gathered(lifter, node, layout)


def _gathered(lifter: Lifter, node: ir.Node, layout: Layout) -> Combination | Declined:
    """Return rows that are picked by constant indices that do not depend on features."""
    data, indices = node.inputs[0], array_of(node.inputs[1])
    if data is None or indices is None:
        return NOT_CONSTANT
    axes, axis = lifter.axes, node_axis(node, 0, len(layout))
    placed = _per_row(axes, indices, layout, axis)
    others = [size for place, size in enumerate(indices.shape) if place != axis]
    if placed is None:
        return PER_FEATURE
    if not axes.is_row(layout[axis]):
        return ADDRESSES_FEATURES
    if others != [size for place, size in enumerate(dims(data)) if place != axis]:
        return PARTLY
    own = (*layout[:axis], axes.row_like(layout[axis], dims(data)[axis]), *layout[axis + 1 :])
    placed = places_in(placed, dims(data)[axis])
    if placed is None:
        return PLACES_OUTSIDE
    value = lifter.lift(data, own)
    ids = row_ids(axes, own)
    full = np.broadcast_to(placed, [placed.shape[axis] if i == axis else n for i, n in enumerate(ids.shape)])
    sources = by_row(axes, layout, np.take_along_axis(ids, full, axis=axis))
    return value.moved(RowMap.selection(sources, size_of(axes.rows(own))), axes.rows(layout))


def _scatter(
    lifter: Lifter,
    node: ir.Node,
    layout: Layout,
    inputs: tuple[ir.Value, ir.Value],
    own: Layout,
    targets: Ints,
) -> Combination | Declined:
    """Return data with the rows of the updates put to, or added to, their targets.

    Which of several rows that are put to one place stays there is not defined: such a place is read from the scatter.
    """
    reduction = text(node, "reduction")
    rows = lifter.axes.rows(layout)
    total = size_of(rows)
    hit = np.bincount(targets, minlength=total)
    if reduction not in ("none", "add"):
        return Declined("reduction", f"it writes with the reduction {reduction}")
    base = lifter.lift(inputs[0], layout)
    if reduction == "none":
        base = base.moved(RowMap.diagonal(hit == 0), rows)
        twice = hit > 1
        if twice.any():
            either = lifter.source(node.outputs[0], layout, WRITTEN_TWICE.under(node.op_type))
            base += either.moved(RowMap.diagonal(twice), rows)
            targets = np.where(twice[targets], -1, targets)
    return base + lifter.lift(inputs[1], own).moved(RowMap.injection(targets, total), rows)


def whole_axes(indices: npt.NDArray[np.generic], sizes: tuple[int, ...]) -> dict[int, int]:
    """Return the axes that indices count through from end to end, by the axis of the indices along which they do.

    `x[:, places]` is exported with indices for both axes; the first are 0, 1, 2 ... whatever the place.

    Args:
        indices: Places along the first axes, (..., axes).
        sizes: Sizes of the axes.
    """
    found: dict[int, int] = {}
    for axis in range(indices.shape[-1]):
        places = indices[..., axis]
        along = [n for n in range(places.ndim) if places.shape[n] == sizes[axis] > 1 and n not in found]
        for n in along:
            own = np.arange(sizes[axis]).reshape([-1 if m == n else 1 for m in range(places.ndim)])
            others = [other for other in range(indices.shape[-1]) if other != axis]
            if (places == own).all() and (indices[..., others] == _first(indices, n)[..., others]).all():
                found[n] = axis
                break
    return found


def _first(indices: npt.NDArray[np.generic], along: int) -> npt.NDArray[np.generic]:
    return indices.take([0], axis=along)


def _first_along(indices: npt.NDArray[np.generic], whole: Mapping[int, int]) -> npt.NDArray[np.generic]:
    """Return indices at the first place of every axis along which they only count."""
    for along in whole:
        indices = _first(indices, along)
    return indices


def _rows_or_units(axes: Axes, layout: Sequence[Axis]) -> bool:
    return all(axes.is_row(axis) or not axes.resolve(axis) for axis in layout)


def _index_columns(indices: npt.NDArray[np.generic], sizes: tuple[int, ...]) -> tuple[Ints, ...] | None:
    """Return the places along each axis that the last axis of indices addresses; None if one lies outside."""
    found = [places_in(indices[..., place], sizes[place]) for place in range(indices.shape[-1])]
    columns = tuple(part for part in found if part is not None)
    return columns if len(columns) == len(found) else None


def _per_row(axes: Axes, indices: npt.NDArray[np.generic], layout: Layout, axis: int) -> Ints | None:
    """Return indices with features reduced to one place; None if they differ between features of a row."""
    found = indices.astype(np.int64)
    for place, part in enumerate(layout):
        if place == axis or not axes.resolve(part) or axes.is_row(part):
            continue
        first = found.take([0], axis=place)
        if not axes.is_feature(part) or not (found == first).all():
            return None
        found = first
    return found


RULES: dict[str, RowRule] = {
    "ScatterND": RowRule(lift_scatter_nd),
    "ScatterElements": RowRule(lift_scatter_elements),
    "GatherND": RowRule(lift_gather_nd),
    "GatherElements": RowRule(lift_gather_elements, emit_pixels),
}
