"""Run an original whose largest values do not fit into memory: where they are made and used, some rows at a time.

    inputs --whole--> live values --rows--> exit --whole--> live values --rows--> exit ... --whole--> outputs

A value is *large* from `LARGE` bytes on. An *exit* is a smaller value that is computed from large ones, such as the sum
over points and levels at a site of attention. Each exit is computed for some rows at a time, by the rules of
`by_rows`, from what is live there; everything between is computed whole. Nodes and weights are those of the file.
"""

from __future__ import annotations

import ctypes
import gc
import math
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from specialize.graph.infer_file import infer_file
from specialize.graph.messages import static_types
from specialize.text.units import counted, size
from specialize.verify.parts import open_part, part_of, run_part
from specialize.verify.runtime import Runner, open_model, open_onnxruntime, open_unoptimized
from specialize.verify.segments import Net, net_of
from specialize.verify.site_runs import site_runs

Arrays = Mapping[str, np.ndarray]

LARGE = 1 << 30
"""Bytes of a value that is not held whole: a runtime holds two or three of them at a time."""
HELD = 1 << 28
"""Bytes of a value that is computed again for each exit rather than held between them."""
RUNTIME = "onnxruntime"
OF_SHAPES = ("Shape", "Size")
"""Operators that read no element."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A model that is run in pieces.

    Attributes:
        net: Its graph.
        folder: Folder of its weights.
        exits: Values that are computed by rows, in graph order.
        large: Names of its large values.
        unheld: Names of values that are not held from one exit to the next: those that are too large or no tensors,
            and the exits, each of which is computed in its turn.
        largest: Bytes of the largest one.
    """

    net: Net
    folder: Path
    exits: tuple[str, ...]
    large: frozenset[str]
    unheld: frozenset[str]
    largest: int

    @property
    def line(self) -> str:
        """What a report says."""
        return (
            f"{counted(len(self.exits), 'step')} of the original ran for some rows at a time, because one value "
            f"between would have {size(self.largest)}"
        )

    def run(
        self, names: Iterable[str], feed: Arrays, threads: int, optimize: bool = True
    ) -> dict[str, np.ndarray]:
        """Return named values.

        Args:
            names: Values of the graph, inputs among them.
            feed: Its inputs.
            threads: Threads within an operator.
            optimize: Whether the runtime may rewrite the pieces; without, it adds in another order.
        """
        found: dict[str, np.ndarray] = {}
        self.run_into(found, names, feed, threads, optimize)
        return found

    def run_into(
        self, found: MutableMapping[str, np.ndarray], names: Iterable[str], feed: Arrays, threads: int,
        optimize: bool = True,
    ) -> None:  # fmt: skip
        """Put named values into a mapping, each as soon as nothing else is computed from it; see `run`."""
        wanted = frozenset(names)
        values = {name: feed[name] for name in (*self.net.inputs, *wanted) if name in feed}
        values |= {
            name: numpy_helper.to_array(self.net.constants[name], base_dir=str(self.folder))
            for name in sorted(wanted & self.net.constants.keys())
        }
        place = (self.folder, threads)
        for number, name in enumerate(self.exits):
            live = _live(self.net, name, values, wanted) - self.unheld
            values |= _whole(self.net, sorted(live), values, place, optimize)
            segment = {name: self.net.segment(name, values)}
            values |= site_runs(self.net, segment, [name], values, place, ()).run(values, optimize)
            values |= _whole(self.net, self._ready(name, wanted, values), values, place, optimize)
            later = _read_later(self.net, (*self.exits[number + 1 :], *wanted), values)
            found.update({each: array for each, array in values.items() if each in wanted - later})
            wanted -= found.keys()
            values = {each: array for each, array in values.items() if each in later}
            _give_back()
        values |= _whole(self.net, sorted(wanted - values.keys()), values, place, optimize)
        found.update({each: values[each] for each in wanted})
        _give_back()

    def _ready(self, exit_: str, wanted: Collection[str], values: Arrays) -> list[str]:
        """Return what is wanted and can be computed from an exit now, so that the exit is not held until the end."""
        found = []
        for name in sorted({*wanted} - values.keys()):
            segment = self.net.segment(name, values)
            made = {value for number in segment.nodes for value in self.net.model.graph.node[number].output}
            if exit_ in segment.reads and self.large.isdisjoint(made):
                found.append(name)
        return found


def open_original(path: Path, threads: int) -> Runner:
    """Open an original on ONNX Runtime; one with large values runs in pieces."""
    pieces = pieces_of(path)
    return open_onnxruntime(path, threads) if pieces is None else _runner(pieces, threads, True)


def open_reference(path: Path, runtime: str, threads: int) -> Runner:
    """Open an original on any runtime; ONNX Runtime runs one with large values in pieces.

    Raises:
        InputError: As `open_model`.
    """
    pieces = pieces_of(path) if runtime == RUNTIME else None
    return open_model(path, runtime, threads) if pieces is None else _runner(pieces, threads, True)


def open_in_order(path: Path, threads: int) -> Runner:
    """Open an original so that it is computed node by node as the file says; one with large values in pieces."""
    pieces = pieces_of(path)
    return open_unoptimized(path, threads) if pieces is None else _runner(pieces, threads, False)


def pieces_of(path: Path) -> Pieces | None:
    """Return how a model is run in pieces; None if it has no large values, or its shapes are not known."""
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception:  # no model: who opens it says so
        return None
    graph = infer_file(model)
    sizes = _sizes(graph)
    large = frozenset(name for name, each in sizes.items() if each >= LARGE)
    if not large:
        return None
    net = net_of(model)
    exits = [
        name
        for node in model.graph.node
        if not large.isdisjoint(node.input) and node.op_type not in OF_SHAPES
        for name in node.output
        if name in sizes and name not in large
    ]
    if not exits:
        return None
    unheld = {*large, *exits, *_no_tensors(graph)} | {name for name, each in sizes.items() if each >= HELD}
    return Pieces(net, path.parent, tuple(exits), large, frozenset(unheld), max(sizes.values()))


def lines_of(path: Path) -> tuple[str, ...]:
    """Return what a report says about how an original runs; nothing if it runs whole."""
    pieces = pieces_of(path)
    return () if pieces is None else (pieces.line,)


def _give_back() -> None:
    """Return freed memory to the system; glibc keeps blocks of up to 32 MB, of a large model more than a gigabyte."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
    if trim is not None:
        trim(0)


def _runner(pieces: Pieces, threads: int, optimize: bool) -> Runner:
    outputs = pieces.net.outputs

    def call(feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = pieces.run(outputs, feed, threads, optimize)
        return {name: found[name] for name in outputs}

    return Runner(pieces.net.inputs, outputs, call)


def _no_tensors(graph: onnx.GraphProto) -> set[str]:
    """Return the values that are sequences or the like, which no part can be fed."""
    kinds = {value.name: value.type.WhichOneof("value") for value in graph.value_info}
    return {name for name, kind in kinds.items() if kind not in (None, "tensor_type")}


def _sizes(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the bytes of every value that a node makes, where its shape is known."""
    return {
        name: onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize * math.prod(shape)
        for name, (kind, shape) in static_types((*graph.value_info, *graph.output)).items()
    }


def _live(net: Net, name: str, known: Collection[str], wanted: Collection[str]) -> set[str]:
    """Return what is computed on the way to an exit and read elsewhere too."""
    nodes = net.segment(name, known).nodes
    made = {value for number in nodes for value in net.model.graph.node[number].output if value}
    others = (number for number in range(len(net.model.graph.node)) if number not in nodes)
    elsewhere = {value for number in others for value in net.reads(number)} | {*wanted}
    return (made & elsewhere) - {name} - {*known}


def _read_later(net: Net, names: Sequence[str], known: Collection[str]) -> set[str]:
    """Return which known values some others are computed from."""
    found: set[str] = set()
    for name in names:
        if name in net.makers and name not in known:
            found |= net.segment(name, known).reads
    return found


def _whole(
    net: Net, names: Sequence[str], values: Arrays, place: tuple[Path, int], optimize: bool
) -> dict[str, np.ndarray]:
    """Return values that are computed at once."""
    if not names:
        return {}
    part = part_of(net, {name: net.segment(name, values) for name in names}, names, values)
    return run_part(open_part(part, *place, optimize, "given back"), values)
