"""The pooling of a frustum compared with the witness: which points are kept, and which cell each is added to.

The pooling of the specialized graph is run on weights and features that are small whole numbers, so that sums are
exact, and its cells are compared with the sums that the witness makes of the same numbers. How the pooling is written
does not matter.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import yaml

from specialize.artifact.witness import WitnessedFrustum
from specialize.binding.witnessed.disagreement import MADE, disagree, sidecar_as_written
from specialize.graph.pooling import Pooling, find_poolings
from specialize.graph.shapes import dims
from specialize.model.spec import ModelSpec
from specialize.witness.frustum import Frustum, Landing, frustums_of, land, orders, pooled
from specialize.witness.rig import Rig

Arrays = Mapping[str, npt.NDArray[np.generic]]

FRUSTUM_HINT = (
    "the frustum, the kinds of inputs or the image preparation of the sidecar are not the model's, or a scatter of the "
    "export overwrites instead of adding; if neither, this package is wrong: please report it; nothing was written"
)

MOST_TRIALS = 12
"""Ways of reading the axes of weights and features that are tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A pooling that agrees with the witness.

    Attributes:
        record: What the manifest keeps of it.
        reads: Names of the given values that it depends on.
        made: Names of the values that it computes on the way.
        grid: Which of the frustum's grids of cells it is.
    """

    record: WitnessedFrustum
    reads: frozenset[str]
    made: frozenset[str]
    grid: int = 0

    def covers(self, site: str) -> bool:
        """Return whether the rows of a site are part of it, by the name of the node that the site replaced."""
        return any(f"{MADE}{site}/" in name for name in self.made)


@dataclass(frozen=True, slots=True, eq=False)
class _Probe:
    """Numbers that are pooled, and what the witness makes of them: axes (N, D, h, w), (N, h, w, C), (x, y, z, C)."""

    weights: np.ndarray
    features: np.ndarray
    wanted: np.ndarray
    compared: npt.NDArray[np.bool_]


def compare_frustums(
    model: ir.Model, spec: ModelSpec, rig: Rig, given: Arrays, where: str = "pooling"
) -> tuple[Compared | str, ...]:
    """Compare the poolings of a specialized graph, one for each grid of the frustum; say why where one cannot be.

    Args:
        model: The graph.
        spec: The model; its sidecar declares the frustum.
        rig: The vehicle, as the witness has it.
        given: Inputs and constants of the graph that have other contents than it says, by name.
        where: What is compared, for errors.

    Raises:
        VerificationError: A cell is the sum of other points.
    """
    frustums = frustums_of(yaml.safe_load(spec.to_text()))
    return tuple(
        dataclasses.replace(each, grid=grid) if isinstance(each, Compared) else each
        for grid, frustum in enumerate(frustums)
        for each in _compared(model, spec, rig, given, where, frustum)
    )


def _compared(
    model: ir.Model, spec: ModelSpec, rig: Rig, given: Arrays, where: str, frustum: Frustum
) -> list[Compared] | list[str]:
    """Return the poolings into the cells of one frustum, or why there is none to compare."""
    landing = land(rig, sidecar_as_written(spec, len(rig.eyes)), frustum)
    if isinstance(landing, str):
        return [f"frustum: {landing}"]
    pixels = landing.cell.size // frustum.shape[0]
    fewest: tuple[int, str] | None = None
    found: list[Compared] = []
    results: set[ir.Node | None] = set()
    for pooling in find_poolings(model, landing.cell.size, pixels, math.prod(frustum.cells), given.keys()):
        if not results.isdisjoint(pooling.nodes):
            continue  # what is made of sums that were compared
        probe = _probe(landing, frustum, pooling.channels)
        for wrong, order in _trials(model, pooling, probe, given):
            if not wrong:
                record = _record(str(pooling.result.name), landing, order)
                found.append(Compared(record, pooling.reads() & given.keys(), pooling.made()))
                results.add(pooling.result.producer())
                break
            if fewest is None or wrong < fewest[0]:
                fewest = (wrong, str(pooling.result.name))
    if found:
        return found
    if fewest is not None:
        told = f"{fewest[0]:,} cells that are not"
        disagree(f"{where} {fewest[1]}", "sums of the points that land in each cell", told, FRUSTUM_HINT)
    return [f"frustum: no part of the graph only pools it into {' x '.join(map(str, frustum.cells))} cells"]


def _record(where: str, landing: Landing, order: str) -> WitnessedFrustum:
    return WitnessedFrustum(
        where=where,
        points=landing.cell.size,
        kept=int((landing.cell >= 0).sum()),
        doubtful=int(landing.doubtful.sum()),
        cells=len(np.unique(landing.cell[landing.cell >= 0])),
        not_compared=int(landing.touched.sum()),
        order=order,
    )


def _probe(landing: Landing, frustum: Frustum, channels: int) -> _Probe:
    random = np.random.default_rng(0)
    cameras, _, rows, columns = landing.cell.shape
    weights = random.integers(1, 8, size=landing.cell.shape).astype(np.float64)
    features = random.integers(1, 5, size=(cameras, rows, columns, channels)).astype(np.float64)
    features *= random.choice((-1.0, 1.0), size=features.shape)
    wanted = pooled(landing, weights, features, math.prod(frustum.cells))
    return _Probe(
        weights,
        features,
        wanted.reshape(*frustum.cells, channels),
        ~np.repeat(landing.touched, channels).reshape(*frustum.cells, channels),
    )


def _trials(model: ir.Model, pooling: Pooling, probe: _Probe, given: Arrays) -> Iterator[tuple[int, str]]:
    """Yield how many cells are wrong, and the order of the axes of cells, for each way of reading the axes."""
    ways = itertools.product(
        orders(probe.weights.shape, dims(pooling.weights)),
        orders(probe.features.shape, dims(pooling.features)),
    )
    for weights_order, features_order in itertools.islice(ways, MOST_TRIALS):
        weights = _ordered(probe.weights, weights_order)
        got = pooling.run(model, weights, _ordered(probe.features, features_order), given)
        for order in orders(probe.wanted.shape, dims(pooling.result)):
            wanted, compared = _ordered(probe.wanted, order), _ordered(probe.compared, order)
            wrong = (got.reshape(wanted.shape) != wanted) & compared
            cells = wrong.any(axis=order.index(3)) if 3 in order else wrong
            yield int(cells.sum()), ", ".join("xyz"[axis] for axis in order if axis < 3)


def _ordered(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Return an array whose axes of more than one index stand in some order."""
    rest = [axis for axis in range(array.ndim) if axis not in order]
    return array.transpose(*order, *rest).reshape([array.shape[axis] for axis in order])
