"""A seed whose rows are picked by shape arithmetic, behind branches that shape and calibration decide.

Two convolutions over cameras look like sums and are none: one has padding and strides, one takes the mean.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper
from torch import Tensor

from tests.graphs import GraphMaker
from tests.synthetic.attention import Model, Style
from tests.synthetic.exporting import export
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import spec_of, vehicle
from tools.mutants.seed_files import write_seed


class Convolved(Model):
    """An attention, and two convolutions over the cameras of what it reads that look like sums."""

    def forward(self, query: Tensor, maps: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps queries to queries (1, Q, C); maps (N, S, C), lidar2img (1, N, 4, 4)."""
        reference, hits = self.projection(lidar2img)
        mask = hits.any(-1, keepdim=True).to(torch.float32)
        rows = query * mask  # (N, Q, C)
        cameras, queries, channels = rows.shape
        ones = torch.ones(channels, cameras, 1, 1)
        strides = {
            "stride": (2, 1),
            "padding": (queries // 2, 0),
        }  # as many places, and half of them are zero
        sparse = F.conv2d(_image(rows), ones, groups=channels, **strides)
        seen = self.sites[0].attend(rows, maps, reference) * mask
        mean = F.conv2d(_image(seen), ones / cameras, groups=channels)
        read: Tensor = self.sites[0](query, maps, reference, hits)
        return read + (0.5 * sparse + mean).squeeze(-1).transpose(1, 2)


def _image(rows: Tensor) -> Tensor:
    """Return rows (N, Q, C) as an image (1, C * N, Q, 1), the cameras of a channel side by side."""
    return rows.permute(2, 0, 1).reshape(1, -1, rows.shape[1], 1)


def write_arithmetic(home: Path) -> None:
    """Write the seed."""
    model = Convolved(BASE)
    exported = export(model, model.example())
    _rearrange_queries(exported, BASE)
    areas = ("graph", "passes")
    write_seed(home, exported, spec_of(BASE).to_text(), vehicle(BASE, TURN_RAD, "vehicle"), areas)


def _rearrange_queries(model: onnx.ModelProto, style: Style) -> None:
    """Let the model read its queries (1, Q, C) in an order that integers and branches decide, in place."""
    make = GraphMaker()
    index, plain = _order(make, style.grid.queries)
    moved = _branch(
        make,
        make.op("Greater", make.op("Size", "query"), make.const(np.array(100))),
        ("Gather", ["query", index]),
        ("Gather", ["query", plain]),
    )
    flat = make.op("Reshape", "lidar2img", make.const([-1]))
    entry = make.op("Gather", flat, make.const(np.array(-1)))  # the last entry of a (4, 4), which is one
    factor = make.op("Mul", moved, make.const(np.linspace(0.5, 1.5, style.dims)))
    turned = _branch(
        make,
        make.op("Less", entry, make.const(np.array(0.5))),
        ("Neg", [factor]),
        ("Add", [moved, factor]),
    )
    graph = model.graph
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = turned if name == "query" else name
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*make.nodes, *nodes])
    graph.initializer.extend(make.constants)


def _branch(make: GraphMaker, condition: str, yes: tuple[str, list[str]], no: tuple[str, list[str]]) -> str:
    """Return the result of an `If` whose branches are one node each on captured values (1, Q, C)."""
    graphs = []
    for (op_type, inputs), word in ((yes, "yes"), (no, "no")):
        name = make.name(word)
        attributes = {"axis": 1} if op_type == "Gather" else {}
        result = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        graphs.append(
            helper.make_graph([helper.make_node(op_type, inputs, [name], **attributes)], word, [], [result])
        )
    return make.op("If", condition, then_branch=graphs[0], else_branch=graphs[1])


def _order(make: GraphMaker, queries: int) -> tuple[str, str]:
    """Return two orders (Q,) of the 24 queries, the first with repeated and negative places."""
    assert queries == 24, "the parts below are joined to 24 places"
    count = make.op("Shape", "query", start=1, end=2)  # [Q]
    width = make.op("Shape", "query", start=-1)  # [C]
    again = make.op("Div", make.op("Size", "query"), width)
    places = make.op(
        "Range",
        make.const(np.array(0)),
        make.op("Squeeze", again, make.const([0])),
        make.const(np.array(1)),
    )
    rows = make.op("Reshape", places, make.const([4, 6]))
    cube = make.op("Reshape", rows, make.const([0, 3, 2]))  # a zero keeps the size: (4, 3, 2)
    mixed = make.op("Reshape", make.op("Transpose", cube, perm=[1, 0, 2]), make.const([-1]))
    stepped = make.op("Slice", places, make.const([1]), count, make.const([0]), make.const([2]))  # 12
    descending = make.op(
        "Slice", places, make.const([-1]), make.const([-25]), make.const([0]), make.const([-1])
    )
    last = make.op("Gather", places, make.const([-1, -3]))
    some = make.op(
        "And", make.op("Less", places, make.const([9])), make.op("Greater", places, make.const([3]))
    )
    picked = make.op("Squeeze", make.op("NonZero", some), make.const([0]))  # 4 to 8
    longest, shortest = make.op("ReduceMax", picked), make.op("ReduceMin", picked)  # [1] each
    spread = make.op("Expand", make.op("Sub", longest, shortest), make.const([4]))
    joined = make.op("Concat", picked, last, stepped, spread, longest, axis=0)  # 24
    quotients = make.op("Div", make.op("Sub", places, make.const([7])), make.const([3]))  # from -2
    chosen = make.op("Where", some, mixed, make.op("Sub", descending, longest))
    total = make.op("Add", make.op("Add", joined, quotients), make.op("Mul", chosen, make.const([5])))
    ones = make.op(
        "ConstantOfShape", count, value=helper.make_tensor("one", onnx.TensorProto.INT64, [1], [1])
    )
    shifted = make.op("Sub", total, ones)
    rest = make.op("Sub", shifted, make.op("Mul", make.op("Div", shifted, count), count))
    return rest, mixed
