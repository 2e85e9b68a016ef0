"""Sums by convolution: a sum written as a convolution, for chips without reductions over channels, becomes a sum.

What: Conv of kernel 1 with ones, in groups  ->  Reshape, ReduceSum; and back, where no rows were dropped at it.
Why it is sound: each output channel adds the channels of its group, times one.
Needs: fold, so that the kernel is a constant.
Declines when: never; other convolutions are left alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import PASS_KEY, Builder
from specialize.graph.nodes import array_of
from specialize.graph.notes import Note, node_name
from specialize.graph.ops import integer
from specialize.graph.rewrite import remove_unused, replace
from specialize.graph.shapes import STANDARD, dims, is_static
from specialize.passes.site import CompactedSite

NAME = "sums"


@dataclass(frozen=True, slots=True, eq=False)
class ShownSum:
    """A convolution that is shown as a sum for now.

    Attributes:
        node: The sum.
        source: What the convolution read.
        weight: Its kernel.
        groups: Number of its groups.
        name: Its name.
    """

    node: ir.Node
    source: ir.Value
    weight: ir.Value
    groups: int
    name: str


def show_sums(model: ir.Model) -> list[ShownSum]:
    """Write convolutions that only add as sums, in place; return what was rewritten."""
    return [_shown(model.graph, node) for node in list(model.graph) if _only_adds(node)]


def restore_sums(
    model: ir.Model, shown: Sequence[ShownSum], sites: Sequence[CompactedSite]
) -> tuple[list[CompactedSite], list[Note]]:
    """Write sums at which no rows were dropped as the convolutions that they were, in place.

    Returns:
        The sites, which have replaced convolutions where they replaced sums, and what was done.
    """
    notes, replaced = [], {}
    for each in shown:
        if each.node.graph is None:
            notes.append(Note(NAME, "applied", each.name, "a convolution with ones was read as a sum"))
            replaced[node_name(each.node)] = each.name
            continue
        builder = Builder(model.graph, each.node, f"specialize/{each.name}", {PASS_KEY: NAME})
        result = each.node.outputs[0]
        inputs = [each.source, each.weight]
        conv = builder.node(
            "Conv", inputs, dims(result), group=each.groups, kernel_shape=[1] * _sides(result)
        )
        builder.made[-1].name = each.name
        replace(model.graph, result, conv)
        remove_unused(model.graph, each.node)
    return [_naming(site, replaced) for site in sites], notes


def _naming(site: CompactedSite, names: Mapping[str, str]) -> CompactedSite:
    """Return a site that has replaced, beside sums, the convolutions that they stood for."""
    found = {name for shown, name in names.items() if shown in site.replaced}
    return dataclasses.replace(site, replaced=site.replaced | found) if found else site


def _shown(graph: ir.Graph, node: ir.Node) -> ShownSum:
    source, weight = node.inputs[:2]
    assert source is not None and weight is not None
    groups, result = _groups(node), node.outputs[0]
    batch, channels, *sides = dims(source)
    name = node_name(node)
    builder = Builder(graph, node, f"specialize/{NAME}/{name}", {PASS_KEY: NAME})
    apart = builder.reshape(source, [batch, groups, channels // groups, *sides])
    axis = builder.constant(np.array([2], dtype=np.int64), "axis")
    summed = builder.node("ReduceSum", [apart, axis], dims(result), keepdims=0)
    made = summed.producer()
    assert made is not None
    replace(graph, result, summed)
    graph.remove(node, safe=True)
    return ShownSum(made, source, weight, groups, name)


def _only_adds(node: ir.Node) -> bool:
    """Return whether a node is a convolution that adds the channels of each group and does nothing else."""
    if node.op_type != "Conv" or node.domain not in STANDARD or len(node.inputs) != 2:
        return False
    weight = array_of(node.inputs[1])
    if weight is None or not all(
        is_static(value) for value in (*node.inputs, *node.outputs) if value is not None
    ):
        return False
    source, result = dims(node.inputs[0]) if node.inputs[0] is not None else (), dims(node.outputs[0])
    adds = weight.shape[0] == _groups(node) and weight.shape[1] > 1 and bool((weight == 1).all())
    return adds and set(weight.shape[2:]) == {1} and source[2:] == result[2:] and _plain(node)


def _plain(node: ir.Node) -> bool:
    """Return whether a convolution takes every place once, without padding."""
    attributes = node.attributes
    padded = "pads" in attributes and any(attributes["pads"].as_ints())
    stepped = "strides" in attributes and any(step != 1 for step in attributes["strides"].as_ints())
    return not padded and not stepped


def _groups(node: ir.Node) -> int:
    return integer(node, "group")


def _sides(value: ir.Value) -> int:
    return len(dims(value)) - 2
