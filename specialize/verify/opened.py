"""Open a model at its sites: what a site computes is an output, and what is read of it an input.

    ... -> site 0 -> output;   input -> ... -> site 1 -> output;   input -> ... -> outputs

Every site is then on its own: a change of one camera's features reaches a site's result only through the rows of that
camera at this site, and what a site's result does to the outputs is seen without changing anything else.
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
from specialize.verify.cut import read_shaped
from specialize.verify.runtime import Runner, open_onnxruntime

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
        runner: The opened model.
        outputs: Name of the output with the result of each site, by number.
        inputs: Name of the input that is read in its place; nothing reads it if it is missing here.
        feed: What these inputs are: noise of the scale of the results.
    """

    runner: Runner
    outputs: Mapping[int, str]
    inputs: Mapping[int, str]
    feed: Arrays


def open_at(path: Path, sites: Sequence[SiteRows], feed: Arrays, threads: int, folder: Path) -> Opened:
    """Open a model at those of its sites that are in its graph by name.

    Args:
        path: The model.
        sites: The sites.
        feed: Its inputs.
        threads: Threads within an operator.
        folder: Where the opened model is written; it has weights of its own.
    """
    model = read_shaped(path)
    graph = model.graph
    nodes = {node.name: node for node in graph}
    outputs, inputs = {}, {}
    for number, site in enumerate(sites):
        node = nodes.get(site.where)
        if node is None or node.outputs[0].is_graph_output() or not is_static(node.outputs[0]):
            continue
        value = node.outputs[0]
        made = ir.Value(name=f"{value.name}/opened", type=value.type, shape=value.shape)
        ir.convenience.replace_all_uses_with(value, made)
        graph.inputs.append(made)
        graph.outputs.append(value)
        outputs[number], inputs[number] = str(value.name), str(made.name)
    written = folder / "opened.onnx"
    write_graph(model, written, "opened.bin")
    runner = open_onnxruntime(written, threads)
    return Opened(runner, outputs, inputs, _noise(runner, outputs, inputs, feed, graph))


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


def _noise(
    runner: Runner, outputs: Mapping[int, str], inputs: Mapping[int, str], feed: Arrays, graph: ir.Graph
) -> dict[str, np.ndarray]:
    """Return noise for each opened input, of the scale that the sites' results have with zeros in their place."""
    values = {str(value.name): value for value in graph.inputs}
    zeros = {
        name: np.zeros(values[name].shape.numpy(), values[name].dtype.numpy())  # type: ignore[union-attr]
        for name in inputs.values()
    }
    results = runner.run({**feed, **zeros}) if inputs else {}
    random = np.random.default_rng(0)
    return {
        inputs[number]: np.asarray(
            random.standard_normal(results[name].shape) * (float(np.std(results[name])) or 1.0),
            results[name].dtype,
        )
        for number, name in outputs.items()
    }
