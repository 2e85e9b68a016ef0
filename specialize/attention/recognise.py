"""Recognise: bring every spelling of multi-scale deformable attention to one internal operator.

What: GridSample per level, times weights, summed over points; or a custom operator of the field  ->
    MultiScaleDeformableAttn(value, shapes, locations, weights) (see `attention`).
Why it is sound: the elements that each product reads are followed to their source (`View`); bilinear, zeros and
    unaligned corners are what the operator is defined by. A custom operator is read by its documented inputs.
Needs: fold, so that shapes are numbers and the sizes of maps are constants.
Declines when: the sampling is nearest, aligned, of volumes or with another border; what is sampled is used in part; the
    weights differ between channels; sizes of maps are not constant.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from specialize.attention.match import Site, find_sites
from specialize.attention.operator import DOMAIN, Attention
from specialize.attention.rewrite import rewrite_site
from specialize.attention.vendors import read_custom
from specialize.graph.builder import PASS_KEY, Builder, kept_marks
from specialize.graph.custom import CUSTOM
from specialize.graph.declined import Declined
from specialize.graph.notes import Note, declined, node_name
from specialize.graph.rewrite import remove_unused, replace

NAME = "recognise"


def recognise(model: ir.Model) -> list[Note]:
    """Rewrite every deformable attention of a graph to the internal operator, in place."""
    return [*recognise_custom(model), *recognise_sampling(model)]


def recognise_custom(model: ir.Model) -> list[Note]:
    """Rewrite the custom operators of the field to the internal operator, in place."""
    notes = []
    for node in list(model.graph):
        spelling = CUSTOM.get((node.domain, node.op_type))
        if spelling is None:
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        made = read_custom(node, spelling, builder)
        if isinstance(made, Declined):
            builder.undo()
            notes.append(declined(NAME, node, made.under(spelling.title)))
            continue
        result, attention = made
        if result.producer() is not node:
            replace(model.graph, node.outputs[0], result)
            remove_unused(model.graph, node)
        notes.append(_applied(node, f"{spelling.title}: {attention.sizes}"))
    return _imported(model, notes)


def recognise_sampling(model: ir.Model, keeps: Collection[str] = ()) -> list[Note]:
    """Rewrite deformable attention that is written with GridSample to the internal operator, in place.

    Args:
        model: The graph.
        keeps: Metadata that what is made takes over from the sum over points.
    """
    sites, rest = find_sites(model.graph)
    notes = []
    for site in sites:
        made = _rewrite(model, site, keeps)
        node = site.parts[-1].node
        if isinstance(made, Declined):
            notes.append(declined(NAME, node, made))
        else:
            notes.append(_applied(node, f"GridSample: {made.sizes}"))
    notes += [declined(NAME, node, reason.under("GridSample")) for node, reason in rest]
    return _imported(model, notes)


def _rewrite(model: ir.Model, site: Site, keeps: Collection[str]) -> Attention | Declined:
    root = site.output.producer()
    assert root is not None
    marks = {PASS_KEY: NAME} | kept_marks(root, keeps)
    builder = Builder(model.graph, root, f"specialize/{node_name(root)}", marks)
    made = rewrite_site(site, builder)
    if isinstance(made, Declined):
        builder.undo()
        return made
    old, new, attention = made
    producer = old.producer()
    assert producer is not None
    replace(model.graph, old, new)
    remove_unused(model.graph, producer)
    return attention


def _imported(model: ir.Model, notes: list[Note]) -> list[Note]:
    if any(note.verdict == "applied" for note in notes):
        model.graph.opset_imports.setdefault(DOMAIN, 1)
    return notes


def _applied(node: ir.Node, text: str) -> Note:
    return Note(NAME, "applied", node_name(node), text)
