"""Fold affine: known factors and summands on the way are folded into the tables and normalisers that are there anyway.

What: ((x W + b) / size + reference) times 2 minus 1  ->  (x W + b) / size' + reference'. A product with a constant is
    pushed towards where its operand comes from, through sums, views and gathers, until constants take it; so is a sum.
Why it is sound: c (x / s + r) = x / (s / c) + c r; what is rounded is rounded once less.
Needs: fold and compact, so that reference points are constants.
Declines when: a weight would have to change, which all vehicles share; something else reads a value on the way; a
    constant would grow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, SITE_KEY
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of, node_axis
from specialize.graph.notes import Note, declined
from specialize.graph.ops import VIEWS, permutation
from specialize.graph.shapes import STANDARD, dims, is_static, set_like

NAME = "affine"
MOVES = VIEWS | {"Transpose", "Gather"}
LARGEST_SUMMAND = 1 << 16
"""Larger numbers that are added and taken away again may be there to round."""

Floats = npt.NDArray[np.floating]
Edit = Callable[[], None]


def fold_affine(model: ir.Model) -> list[Note]:
    """Fold products with constants, then sums, that stand in a site, in place."""
    folding = _Folding(model.graph)
    nodes = [node for node in reversed(list(model.graph)) if SITE_KEY in node.metadata_props]
    products = sum(_fold(node, folding.scaled) for node in nodes)
    sums = sum(_fold(node, folding.shifted) for node in nodes)
    if not products + sums:
        return [declined(NAME, "graph", Declined("no-table", "no factor or summand that a table could take"))]
    folding.forget_unused()
    text = f"{products} products and {sums} sums with constants folded into tables"
    return [Note(NAME, "applied", "graph", text)]


class _Folding:
    """Plans what a constant factor or summand changes upstream; nothing changes until a plan is complete."""

    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}
        self._room = 0  # elements by which other constants may grow: those of the one that is being folded

    def scaled(self, node: ir.Node) -> tuple[ir.Value, list[Edit] | None] | None:
        """Return what a node multiplies by a constant, and the edits that do it elsewhere."""
        found = _with_constant(node, ("Mul", "Div"))
        if found is None:
            return None
        place, array = found
        value = node.inputs[1 - place]
        if value is None or (node.op_type == "Div" and (place == 0 or (array == 0).any())):
            return None
        self._room = array.size
        factor = array if node.op_type == "Mul" else np.reciprocal(array.astype(np.float64))
        return value, self._scale(value, np.asarray(factor, np.float64), node)

    def shifted(self, node: ir.Node) -> tuple[ir.Value, list[Edit] | None] | None:
        """Return what a node adds a constant to, and the edits that do it elsewhere."""
        found = _with_constant(node, ("Add", "Sub"))
        if found is None or (node.op_type == "Sub" and found[0] == 0):
            return None
        place, array = found
        value = node.inputs[1 - place]
        if value is None:
            return None
        self._room = array.size
        if np.abs(array).max(initial=0) > LARGEST_SUMMAND or not _follows_from_a_sum(value):
            return None
        summand = np.asarray(array, np.float64) * (-1 if node.op_type == "Sub" else 1)
        return value, self._shift(value, summand, node)

    def forget_unused(self) -> None:
        """Remove the constants that are unused now."""
        for name, value in list(self._graph.initializers.items()):
            if not value.uses() and not value.is_graph_output() and not value.is_graph_input():
                del self._graph.initializers[name]

    def _scale(self, value: ir.Value, factor: Floats, reader: ir.Node) -> list[Edit] | None:
        """Return the edits that multiply what a node reads by a factor; None if something would grow or compute."""
        array = array_of(value)
        if array is not None:
            return self._rewritten(value, array, lambda own: own * factor, factor, reader)
        node = _only_maker(value)
        if node is None or not _broadcasts(factor, value):
            return None
        if node.op_type in MOVES:
            inner = _through(node, factor)
            return None if inner is None else self._scale(_first(node), inner, node)
        if node.op_type in ("Add", "Sub"):
            return _all(self._scale(source, factor, node) for source in node.inputs if source is not None)
        if node.op_type in ("Mul", "Div"):
            found = _with_constant(node, ("Mul", "Div"))
            if found is None or (node.op_type == "Div" and found[0] == 0):
                return None
            constant = node.inputs[found[0]]
            assert constant is not None
            inverse = node.op_type == "Div"
            if inverse and (factor == 0).any():
                return None
            change = (lambda own: own / factor) if inverse else (lambda own: own * factor)
            return self._rewritten(constant, found[1], change, factor, node)
        return None

    def _shift(self, value: ir.Value, summand: Floats, reader: ir.Node) -> list[Edit] | None:
        """Return the edits that add a summand to what a node reads."""
        array = array_of(value)
        if array is not None:
            return self._rewritten(value, array, lambda own: own + summand, summand, reader)
        node = _only_maker(value)
        if node is None or not _broadcasts(summand, value):
            return None
        if node.op_type in MOVES:
            inner = _through(node, summand)
            return None if inner is None else self._shift(_first(node), inner, node)
        if node.op_type in ("Add", "Sub"):
            first, second = node.inputs
            assert first is not None and second is not None
            found = self._shift(first, summand, node)
            return (
                found
                if found is not None
                else self._shift(second, -summand if node.op_type == "Sub" else summand, node)
            )
        return None

    def _rewritten(
        self,
        value: ir.Value,
        array: npt.NDArray[np.generic],
        change: Callable[[Floats], Floats],
        by: Floats,
        reader: ir.Node,
    ) -> list[Edit] | None:
        """Return the edit that lets a node read a changed constant; None if constants would grow."""
        self._room -= math.prod(np.broadcast_shapes(array.shape, by.shape)) - array.size
        if array.dtype.kind != "f" or self._room < 0:
            return None
        with np.errstate(over="ignore"):
            data = np.asarray(change(array.astype(np.float64)), array.dtype)
        if not np.isfinite(data).all():
            return None

        def edit() -> None:
            constant = self._constant(data)
            for place, source in enumerate(reader.inputs):
                if source is value:
                    reader.replace_input_with(place, constant)
            reader.metadata_props.setdefault(PASS_KEY, NAME)

        return [edit]

    def _constant(self, data: npt.NDArray[np.generic]) -> ir.Value:
        """Return the constant of these numbers; sites that read the same table share it, as they did before."""
        key = (data.dtype.str, data.shape, data.tobytes())
        if key not in self._constants:
            names = (f"specialize/{NAME}/{number}" for number in itertools.count(len(self._constants)))
            free = next(
                name for name in names if name not in self._graph.initializers
            )  # it may be folded again
            constant = ir.Value(name=free, const_value=ir.tensor(data))
            set_like(constant, data)
            self._graph.register_initializer(constant)
            self._constants[key] = constant
        return self._constants[key]


def _fold(node: ir.Node, plan: Callable[[ir.Node], tuple[ir.Value, list[Edit] | None] | None]) -> bool:
    """Fold one node if it can be; return whether it was."""
    found = plan(node) if node.graph is not None and node.domain in STANDARD else None
    if found is None or found[1] is None:
        return False
    value, edits = found
    output = node.outputs[0]
    if output.is_graph_output() or dims(value) != dims(output) or value.producer() is None:
        return False
    for edit in edits or ():
        edit()
    ir.convenience.replace_all_uses_with(output, value)
    assert node.graph is not None
    node.graph.remove(node, safe=True)
    return True


def _with_constant(node: ir.Node, operators: tuple[str, ...]) -> tuple[int, npt.NDArray[np.generic]] | None:
    """Return the place and content of a node's only constant operand."""
    if node.op_type not in operators or len(node.inputs) != 2 or not is_static(node.outputs[0]):
        return None
    arrays = [array_of(value) for value in node.inputs]
    places = [place for place, array in enumerate(arrays) if array is not None]
    if len(places) != 1:
        return None
    array = arrays[places[0]]
    return (places[0], array) if array is not None and array.dtype.kind == "f" else None


def _only_maker(value: ir.Value) -> ir.Node | None:
    """Return the node that makes a value which a single node reads, and reads once."""
    node = value.producer()
    if node is None or node.domain not in STANDARD or len(value.uses()) != 1 or value.is_graph_output():
        return None
    return node if all(source is None or is_static(source) for source in node.inputs) else None


def _follows_from_a_sum(value: ir.Value) -> bool:
    """Return whether a constant stands above a value that may take a summand; to move a large one there costs more."""
    if array_of(value) is not None:
        return True
    node = _only_maker(value)
    if node is None:
        return False
    sources = (
        node.inputs if node.op_type in ("Add", "Sub") else node.inputs[:1] if node.op_type in MOVES else ()
    )
    return any(source is not None and _follows_from_a_sum(source) for source in sources)


def _broadcasts(array: Floats, value: ir.Value) -> bool:
    """Return whether an array broadcasts to a value without making it larger."""
    shape = dims(value)
    return array.ndim <= len(shape) and np.broadcast_shapes(array.shape, shape) == shape


def _first(node: ir.Node) -> ir.Value:
    source = node.inputs[0]
    assert source is not None
    return source


def _all(parts: Iterable[list[Edit] | None]) -> list[Edit] | None:
    """Return the edits of all parts, or None if one of them has none."""
    found: list[Edit] = []
    for part in parts:
        if part is None:
            return None
        found += part
    return found


def _through(node: ir.Node, array: Floats) -> Floats | None:
    """Return what broadcasts to a move's input as an array broadcasts to its output; None if nothing does."""
    if array.size == 1:
        return array.reshape(())
    source, result = dims(_first(node)), dims(node.outputs[0])
    padded = array.reshape((1,) * (len(result) - array.ndim) + array.shape)
    if node.op_type == "Transpose":
        perm = permutation(node, len(result))
        return padded.transpose(np.argsort(list(perm)))
    if node.op_type == "Gather":
        rank = len(result) - len(source) + 1
        first = node_axis(node, 0, len(source))
        own = padded.shape[first : first + rank]
        return (
            None
            if math.prod(own) != 1
            else padded.reshape((*padded.shape[:first], 1, *padded.shape[first + rank :]))
        )
    same = next((axis for axis, size in enumerate(padded.shape) if size != 1), len(result))
    volume = math.prod(result[same:])
    for axis in range(len(source), -1, -1):
        if math.prod(source[axis:]) == volume:
            return np.broadcast_to(padded.reshape(padded.shape[same:]), result[same:]).reshape(source[axis:])
    return None
