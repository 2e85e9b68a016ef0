"""Cut projection: the points that a graph projects by its calibration become an input.

What: matrices -> MatMul with points -> places, masks   becomes   projected points (input) -> places, masks.
Why it is sound: the value is recognised by what it computes: for several calibrations it is the product of the matrices
to network pixels with the points of a grid, (u d, v d, d) in some order of axes. All else stays the graph's own.
Needs: a folded graph and the grids of its sidecar.
Declines when: no value is such a product; an input of the calibration is used for something else as well; or what the
rest of the model reads depends on more of a projected point than its pixel, so that a lens has no value to give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.errors import DeclinedError
from specialize.graph.closure import Closure
from specialize.graph.notes import Note
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.graph.subgraphs import remove_dead
from specialize.model.projected import LETTERS, in_order

NAME = "cut_projection"
CLOSE = 1e-5
"""How far a product may be off, as a share of the largest number of its component: float32 adds up four terms."""
_SAMPLES = 997

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Projected:
    """One calibration, and how it projects.

    Attributes:
        arrays: Inputs of the calibration and constants of the sidecar, in the shapes and types of the graph.
        points: Per grid (N, Q, D, 4), as `model.projected` has them.
    """

    arrays: Mapping[str, np.ndarray]
    points: tuple[Floats, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """An input in the place of a product.

    Attributes:
        name: Name of the input.
        value: Name of the value that it replaces.
        grid: Number of the grid whose points they are.
        axes: Order of its axes, as in a sidecar.
    """

    name: str
    value: str
    grid: int
    axes: str


def cut_projection(model: ir.Model, calibration: Sequence[str], trials: Sequence[Projected]) -> list[Cut]:
    """Replace every product of calibration and points by an input, in place; inputs of the calibration go.

    Args:
        model: The graph, folded.
        calibration: Names of its calibration inputs.
        trials: Calibrations that products are recognised with.

    Raises:
        DeclinedError: The graph has none, or uses the calibration for something else.
    """
    cuts: list[Cut] = []
    while found := _next_product(model, trials):
        cuts.append(_replace(model, *found))
        remove_dead(model.graph)
    if not cuts:
        shown = "a value that is its matrices times the points of a grid of its sidecar"
        hint = "lenses can take the place of matrices only where these project the points of a grid"
        raise DeclinedError("projection of the model", shown, "none", hint)
    for value in [value for value in model.graph.inputs if value.name in calibration]:
        if value.uses():
            users = ", ".join(sorted({usage.node.op_type for usage in value.uses()}))
            found_use = f"also read by {users}"
            hint = "lenses can take the place of matrices only where these project the points of a grid"
            raise DeclinedError(f"input {value.name!r}", "only projecting points", found_use, hint)
        model.graph.inputs.remove(value)
    _require_pixels_alone(model, cuts, trials[0])
    return cuts


def notes_of(cuts: Sequence[Cut]) -> list[Note]:
    """Return what was done, one note per input."""
    return [
        Note(NAME, "applied", cut.value, f"input {cut.name}, the projected points of grid {cut.grid}")
        for cut in cuts
    ]


def _next_product(model: ir.Model, trials: Sequence[Projected]) -> tuple[ir.Value, int, str] | None:
    """Return the first value of a graph that is such a product, the number of its grid, and its axes."""
    closure = Closure(model, trials[0].arrays)
    sizes = {points.size // 4 * count for points in trials[0].points for count in (3, 4)}
    candidates = [value for value in closure.values if _may_be(value, sizes)]
    every = [closure.compute(candidates, trial.arrays) for trial in trials]
    for value in candidates:
        for grid in range(len(trials[0].points)):
            axes = _axes_of([arrays[value] for arrays in every], [trial.points[grid] for trial in trials])
            if axes:
                return value, grid, axes
    return None


def _may_be(value: ir.Value, sizes: set[int]) -> bool:
    if value.producer() is None or not is_static(value) or value.dtype is None:
        return False
    return int(np.prod(dims(value))) in sizes and numpy_type(value).kind == "f"


def _axes_of(arrays: Sequence[np.ndarray], points: Sequence[Floats]) -> str:
    """Return the order of axes in which arrays are points (N, Q, D, 4), or nothing if they are not."""
    scale = np.abs(np.stack(points)).max(axis=(0, 1, 2, 3))  # (4,)
    for components in (4, 3):
        if arrays[0].size != points[0].size // 4 * components:
            continue
        allowed = CLOSE * np.broadcast_to(scale, points[0].shape)
        for order in permutations(LETTERS + str(components)):
            axes = "".join(order)
            within = in_order(allowed, axes).ravel()
            if all(
                _close(array, in_order(each, axes).ravel(), within)
                for array, each in zip(arrays, points, strict=True)
            ):
                return axes
    return ""


def _close(array: np.ndarray, wanted: Floats, within: Floats) -> bool:
    flat = array.ravel()
    few = slice(None, None, max(1, flat.size // _SAMPLES))
    return bool((np.abs(flat[few] - wanted[few]) <= within[few]).all()) and bool(
        (np.abs(flat - wanted) <= within).all()
    )


def _replace(model: ir.Model, value: ir.Value, grid: int, axes: str) -> Cut:
    """Let an input take the place of a value."""
    taken_names = {str(each.name) for node in model.graph for each in node.outputs}
    taken_names |= {str(each.name) for each in (*model.graph.inputs, *model.graph.initializers.values())}
    name = f"projected{grid}"
    while name in taken_names:
        name += "_"
    taken = ir.Value(name=name, type=value.type, shape=value.shape)
    ir.convenience.replace_all_uses_with(value, taken)
    model.graph.inputs.append(taken)
    return Cut(name, str(value.name), grid, axes)


def _require_pixels_alone(model: ir.Model, cuts: Sequence[Cut], trial: Projected) -> None:
    """Require that twice (u d, v d, d), which is the same pixel, changes nothing that the rest of the model reads.

    Raises:
        DeclinedError: Something changes.
    """
    names = [cut.name for cut in cuts]
    closure = Closure(model, [*names, *trial.arrays])
    read = [value for value in closure.values if value.producer() is not None and _leaves(value, closure)]
    ahead = {cut.name: _ahead(trial.points[cut.grid]) for cut in cuts}
    inputs = {str(value.name): value for value in model.graph.inputs}

    def computed(factor: float) -> Mapping[ir.Value, np.ndarray]:
        fed = dict(trial.arrays)
        for cut in cuts:
            points = ahead[cut.name] * np.array([factor, factor, factor, 1.0])
            value = inputs[cut.name]
            fed[cut.name] = in_order(points, cut.axes).reshape(dims(value)).astype(numpy_type(value))
        return closure.compute(read, fed)

    once, twice = computed(1.0), computed(2.0)
    for value in read:
        if not np.array_equal(once[value], twice[value]):
            hint = "the model uses the depth of a point for more than its pixel: a lens has no such depth"
            raise DeclinedError(f"value {value.name!r}", "pixels of projected points", "their depth", hint)


def _leaves(value: ir.Value, closure: Closure) -> bool:
    """Return whether something outside of a closure reads a value."""
    return value.is_graph_output() or any(usage.node.outputs[0] not in closure for usage in value.uses())


def _ahead(points: Floats) -> Floats:
    """Return points of the same shape that are all ahead of their camera, inside and around the image."""
    random = np.random.default_rng(0)
    depth = random.uniform(2.0, 60.0, points.shape[:-1])
    ahead = points[..., 2] > 0
    pixels = np.abs(points[..., :2][ahead] / points[..., 2:3][ahead])
    size = np.median(pixels, axis=0) * 2.0 if len(pixels) else np.ones(2)
    places = random.uniform(-0.2, 1.2, (*points.shape[:-1], 2)) * size
    return np.concatenate([places * depth[..., None], depth[..., None], np.ones((*depth.shape, 1))], axis=-1)
