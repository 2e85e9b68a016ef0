"""Compute cumulative sums of an original in float64, for originals that lose digits in them.

Sorted pooling reads small differences of large sums. A specialized model sums the few rows of each difference and keeps
the digits that the original loses, so it cannot equal the original within rounding. It is compared with the original
whose cumulative sums, and everything that only moves or subtracts them, are computed in float64; and it must be at
least as close to that as the original is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir

from specialize.evidence.tolerance import Tolerance
from specialize.graph.io import write_graph
from specialize.graph.ops import MOVES
from specialize.graph.shapes import STANDARD
from specialize.verify.compare import compare_arrays
from specialize.verify.conditioning import Bound
from specialize.verify.cut import read_shaped
from specialize.verify.kept import Kept
from specialize.verify.models import JudgedOutput

WEIGHTS = "exact_sums.bin"

PASSES_ON: Mapping[str, tuple[int, ...] | None] = {
    **dict.fromkeys(MOVES - {"Pad"}, (0,)),
    **dict.fromkeys(("Concat", "Add", "Sub", "Sum"), None),
    "Pad": (0, 2),
    "Where": (1, 2),
    "ScatterND": (0, 2),
    "ScatterElements": (0, 2),
}
"""Operators that pass float64 on, and which of their inputs are data; None for all."""


@dataclass(frozen=True, slots=True)
class Exactness:
    """How far the original is from itself with its sums in float64.

    Attributes:
        bounds: What each output of the specialized model is judged by.
        farther: Outputs of the original that are beyond their own bound, and how far in units of it.
    """

    bounds: Mapping[str, Bound]
    farther: Mapping[str, float]

    def lines(self) -> tuple[str, ...]:
        """Return what a report says, one line per output."""
        return tuple(
            f"output {name!r} is compared with the original's cumulative sums in float64: the original itself differs "
            f"from that by {share:.3g} times what is allowed"
            for name, share in self.farther.items()
        )


def write_exact(path: Path, folder: Path) -> Path | None:
    """Write an original with its cumulative sums in float64; return None if it has none in float32.

    Args:
        path: The original.
        folder: Where it is written.
    """
    model = read_shaped(path)
    wide: dict[ir.Value, ir.Value] = {}  # a value in float64, and the cast of it to what it was
    found = False
    for node in list(model.graph):
        if node.op_type == "CumSum" and node.domain in STANDARD and _is_float32(node.inputs[0]):
            found = True
            _widen(node, (0,), wide)
        elif any(value in wide for value in node.inputs):
            places = PASSES_ON.get(node.op_type, ()) if node.domain in STANDARD else ()
            data = range(len(node.inputs)) if places is None else places
            if any(place < len(node.inputs) and node.inputs[place] in wide for place in data):
                _widen(node, tuple(data), wide)
            else:
                _narrow(node, wide)
    if not found:
        return None
    for number, value in enumerate(model.graph.outputs):
        if value in wide:
            model.graph.outputs[number] = _as_output(value, wide)
    written = folder / "exact_sums.onnx"
    write_graph(model, written, WEIGHTS)
    return written


def is_settled(outputs: Iterable[JudgedOutput]) -> bool:
    """Return whether every output is equal within its strict bound."""
    return all(
        each.report.passed and (each.conditioning is None or each.conditioning.rule != "ill-conditioned")
        for each in outputs
    )


def judge_original(kept: Kept, exact: Kept, bounds: Mapping[str, Bound]) -> Exactness:
    """Return what the specialized model is judged by: the strict bound, else the original's own distance.

    Args:
        kept: The original's outputs.
        exact: The same with its sums in float64.
        bounds: What each output is judged by otherwise.
    """
    judged, farther = {}, {}
    for name, bound in bounds.items():
        share = max(
            (_distance(name, kept, exact, frame, bound.strict) for frame in range(kept.frames)), default=0.0
        )
        strict = bound.strict
        judged[name] = replace(bound, wide=strict)
        if share > 1.0 and strict.rtol > 0.0:
            wide = Tolerance(strict.atol * share, strict.rtol * share, strict.nonfinite, strict.mismatches)
            judged[name] = replace(bound, wide=wide, rule="float64", lenient=True)
            farther[name] = share
    return Exactness(judged, farther)


def _distance(name: str, kept: Kept, exact: Kept, frame: int, tolerance: Tolerance) -> float:
    return compare_arrays(exact.get(frame, name), kept.get(frame, name), tolerance, frame).margin


def _is_float32(value: ir.Value | None) -> bool:
    return value is not None and value.dtype == ir.DataType.FLOAT


def _widen(node: ir.Node, data: tuple[int, ...], wide: dict[ir.Value, ir.Value]) -> None:
    """Compute a node in float64: its data is cast, what is float64 already stays."""
    for place in data:
        value = node.inputs[place] if place < len(node.inputs) else None
        if value is not None and value not in wide:
            node.replace_input_with(place, _cast(node, value, ir.DataType.DOUBLE))
    for value in node.outputs:
        value.type = ir.TensorType(ir.DataType.DOUBLE)
        wide[value] = value


def _narrow(node: ir.Node, wide: dict[ir.Value, ir.Value]) -> None:
    """Give a node what is float64 in float32 again."""
    for place, value in enumerate(node.inputs):
        if value is not None and value in wide:
            if wide[value] is value:
                wide[value] = _cast(node, value, ir.DataType.FLOAT)
            node.replace_input_with(place, wide[value])


def _cast(node: ir.Node, value: ir.Value, dtype: ir.DataType) -> ir.Value:
    """Return a value in another type, cast in front of a node."""
    cast = ir.node("Cast", [value], attributes={"to": int(dtype)})
    assert node.graph is not None
    node.graph.insert_before(node, cast)
    made = cast.outputs[0]
    made.type, made.shape = ir.TensorType(dtype), value.shape
    return made


def _as_output(value: ir.Value, wide: dict[ir.Value, ir.Value]) -> ir.Value:
    """Return an output of the graph in float32 under its own name."""
    node = value.producer()
    assert node is not None and node.graph is not None
    name = value.name
    value.name = f"{name}_float64"
    cast = ir.node("Cast", [value], attributes={"to": int(ir.DataType.FLOAT)})
    node.graph.append(cast)
    made = cast.outputs[0]
    made.name, made.type, made.shape = name, ir.TensorType(ir.DataType.FLOAT), value.shape
    return made
