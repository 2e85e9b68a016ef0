"""Check a written model: every node reaches an output, every shape is a number, and nothing scatters.

This reads the file that is shipped, with the `onnx` package alone, and shares no code with the passes that made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from specialize.errors import InternalError

DATA_DEPENDENT = frozenset({"NonZero", "Compress", "Unique", "NonMaxSuppression"})
SCATTERS = frozenset({"ScatterND", "ScatterElements", "Scatter"})
OWN = "specialize/"
"""First part of the names of all nodes that passes make."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """Exceptions from the promise that a specialized model is static.

    Attributes:
        dynamic: Nodes of the input model whose results have no fixed shape, as `NonZero 'name'`.
        scatters: Nodes that write to computed places, likewise.
    """

    dynamic: tuple[str, ...] = ()
    scatters: tuple[str, ...] = ()

    def warnings(self) -> tuple[str, ...]:
        """Return the warnings for the user, one line each."""
        told = []
        if self.dynamic:
            told.append(f"shapes depend on data: {_listed(self.dynamic)}: no calibration decides them")
        if self.scatters:
            told.append(
                f"scatters remain: {_listed(self.scatters)}: toolchains below opset 16 reject them, and on several "
                "threads ONNX Runtime's ScatterND loses additions to the same place"
            )
        return tuple(told)


def read_written(path: Path) -> WrittenFile:
    """Check the file of a specialized model and return what is left in it.

    Args:
        path: The ONNX file; its weights are not read.

    Raises:
        InternalError: A node reaches no output, or a pass made a dynamic shape or a scatter.
    """
    graph = onnx.load(str(path), load_external_data=False).graph
    dead = _dead(graph)
    if dead:
        raise InternalError(
            str(path), "that every node reaches an output", f"{len(dead)} that do not: {_listed(dead)}"
        )
    static = _shapes(graph)
    dynamic = tuple(_called(node) for node in graph.node if _is_dynamic(node, static))
    scatters = tuple(_called(node) for node in graph.node if node.domain == "" and node.op_type in SCATTERS)
    made = [name for name in (*dynamic, *scatters) if OWN in name]
    if made:
        raise InternalError(str(path), "static shapes and no scatter in what passes wrote", _listed(made))
    return WrittenFile(dynamic, scatters)


def _dead(graph: onnx.GraphProto) -> list[str]:
    """Return the nodes that no output depends on."""
    needed = {value.name for value in graph.output}
    dead = []
    for node in reversed(graph.node):  # a graph in a file is sorted
        if needed.isdisjoint(name for name in node.output if name):
            dead.append(_called(node))
        else:
            needed.update(_reads(node))
    return dead


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, those that its subgraphs capture among them."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            yield from (value.name for value in graph.output)
            for inner in graph.node:
                yield from _reads(inner)


def _shapes(graph: onnx.GraphProto) -> dict[str, bool]:
    """Return for every described value whether all its dimensions are numbers."""
    described = [*graph.value_info, *graph.output, *graph.input]
    return {value.name: _is_static(value.type.tensor_type) for value in described}


def _is_static(tensor: onnx.TypeProto.Tensor) -> bool:
    return tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)


def _is_dynamic(node: onnx.NodeProto, static: dict[str, bool]) -> bool:
    if node.domain == "" and node.op_type in DATA_DEPENDENT:
        return True
    return not all(static.get(name, False) for name in node.output if name)


def _called(node: onnx.NodeProto) -> str:
    return f"{node.op_type} {node.name or next(iter(node.output), '')!r}"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
