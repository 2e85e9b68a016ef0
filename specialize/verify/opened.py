"""Open a model at its sites: make the result of each site an output, and its use an input.

    rows:  inputs, noise -> site 0 -> output;  inputs, noise -> site 1 -> output
    rest:  inputs, results of the sites -> outputs

Every site is then separate: a change of one camera's features reaches a site's result only through the rows of that
camera at this site, and the effect of a site's result on the outputs is seen without changing anything else. Each part
is a model of its own: `rows` leaves out what follows the last site, and `rest` leaves out the sites, which are most of
the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.io import write_graph
from specialize.graph.shapes import is_static
from specialize.verify.cut import prune, read_shaped
from specialize.verify.pieces import open_original
from specialize.verify.runtime import Runner

Arrays = Mapping[str, np.ndarray]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SiteRows:
    """One place where rows are dropped, as the build says.

    Attributes:
        where: Name of the node of the original whose result is computed from fewer rows.
        seen: (N, Q) which rows of the result read a row of which camera.
    """

    where: str
    seen: Bools = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A model that is open at its sites.

    Attributes:
        rows: Computes the sites' results.
        rest: Computes the model's outputs from them.
        outputs: Name of the output of `rows` with the result of each site, by number.
        inputs: Name of the input that is read in its place, by number.
        feed: Noise of the scale of the results for each of these inputs.
    """

    rows: Runner
    rest: Runner
    outputs: Mapping[int, str]
    inputs: Mapping[int, str]
    feed: Arrays

    def passed(self, results: Arrays) -> dict[str, np.ndarray]:
        """Return the inputs that give the results of `rows` to `rest`."""
        return {self.inputs[number]: results[name] for number, name in self.outputs.items()}


NOTHING = Runner((), (), lambda feed: {})
"""A model without outputs, which no runtime opens."""


def open_at(path: Path, sites: Sequence[SiteRows], feed: Arrays, threads: int, folder: Path) -> Opened:
    """Open a model at those of its sites that are in its graph by name.

    Args:
        path: The model.
        sites: The sites.
        feed: Its inputs.
        threads: Threads within an operator.
        folder: Where both parts are written; they have weights of their own.
    """
    model = read_shaped(path)
    graph = model.graph
    nodes = {node.name: node for node in graph}
    results, places = {}, {}
    for number, site in enumerate(sites):
        node = nodes.get(site.where)
        if node is None or node.outputs[0].is_graph_output() or not is_static(node.outputs[0]):
            continue
        value = node.outputs[0]
        place = ir.Value(name=f"{value.name}/opened", type=value.type, shape=value.shape)
        ir.convenience.replace_all_uses_with(value, place)
        graph.inputs.append(place)
        results[number], places[number] = value, place
    outputs = {number: str(value.name) for number, value in results.items()}
    inputs = {number: str(value.name) for number, value in places.items()}
    rest = _part(model.clone(), threads, folder / "rest.onnx")
    graph.outputs.clear()
    graph.outputs.extend(results.values())
    rows = _part(model, threads, folder / "rows.onnx")
    zeros = {str(value.name): _zeros(value) for value in places.values()}
    noise = _noise(rows.run({**feed, **zeros}), outputs, inputs)
    return Opened(rows, rest, outputs, inputs, noise)


def _part(model: ir.Model, threads: int, path: Path) -> Runner:
    """Open what a model's outputs depend on."""
    if not model.graph.outputs:
        return NOTHING
    prune(model.graph)
    write_graph(model, path, f"{path.stem}.bin")
    return open_original(path, threads)


def rows_of(array: np.ndarray, rows: int) -> np.ndarray | None:
    """Return a result as (rows, features); None if its rows are not whole axes at one place.

    Args:
        array: Result of a site.
        rows: Number of its rows, Q.
    """
    places = [axis for axis, size in enumerate(array.shape) if size == rows]
    if len(places) == 1:
        return np.moveaxis(array, places[0], 0).reshape(rows, -1)  # (Q, ...)
    leading = [int(np.prod(array.shape[:axis])) for axis in range(array.ndim + 1)]
    return array.reshape(rows, -1) if rows in leading else None  # (Q, ...)


def rolled(array: np.ndarray, rows: int) -> np.ndarray:
    """Return a result in which every row has the values of the one before; `rows_of` knows its rows."""
    places = [axis for axis, size in enumerate(array.shape) if size == rows]
    if len(places) == 1:
        return np.roll(array, 1, places[0])
    return np.roll(array.reshape(rows, -1), 1, 0).reshape(array.shape)


def _zeros(value: ir.Value) -> np.ndarray:
    return np.zeros(value.shape.numpy(), value.dtype.numpy())  # type: ignore[union-attr]


def _noise(results: Arrays, outputs: Mapping[int, str], inputs: Mapping[int, str]) -> dict[str, np.ndarray]:
    """Return noise for each opened input, of the scale that the sites' results have with zeros in their place."""
    random = np.random.default_rng(0)
    return {
        inputs[number]: np.asarray(
            random.standard_normal(results[name].shape) * (float(np.std(results[name])) or 1.0),
            results[name].dtype,
        )
        for number, name in outputs.items()
    }
