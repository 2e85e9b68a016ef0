"""The projections around the rows belong to the site, whatever the compiler marked."""

from __future__ import annotations

import onnx_ir as ir

from specialize.costs import count
from tests.costs.graphs import Builder, cross_attention, ints

KEY = "specialize.site"


def _mark_rows_only(model: ir.Model) -> None:
    """Keep the marks from the gather of rows to the sum back; drop those of the projections."""
    nodes = list(model.graph)
    first = next(i for i, node in enumerate(nodes) if node.op_type == "Gather")
    last = max(i for i, node in enumerate(nodes) if node.op_type == "ReduceSum")
    for index, node in enumerate(nodes):
        if not first <= index <= last:
            del node.metadata_props[KEY]


def test_a_site_marked_by_its_rows_has_its_projections() -> None:
    """A site of which only the work on rows is marked counts like the whole cross-attention."""
    whole, rows = cross_attention(300, 200, 2, (8, 8)), cross_attention(300, 200, 2, (8, 8))
    _mark_rows_only(rows)
    expected, found = count(whole).attention(), count(rows).attention()
    assert found == expected
    projections = 2 * 64 * 256 * (2 * 256 + 1) + 200 * 256 * (2 * 256 + 1)
    assert expected.flops - count(rows).per_row().flops >= projections


def test_another_layer_is_not_taken_in() -> None:
    """What lies behind a non-linear operator before a sampler or after the rows is not the site's."""
    b = Builder()
    x = b("Relu", b("MatMul", b.input(64, 8), b.weight(8, 8)))
    picture = b("Reshape", b("Transpose", x, perm=[1, 0]), ints(1, 8, 8, 8))
    sampled = b("GridSample", picture, b.weight(1, 5, 1, 2))
    b("MatMul", b("Relu", b("Reshape", sampled, ints(8, 5))), b.weight(5, 3))
    model = b.model()
    next(node for node in model.graph if node.op_type == "GridSample").metadata_props[KEY] = "0"
    assert [node.op for node in count(model).nodes if node.site] == ["GridSample"]


def test_a_result_that_many_read_has_no_output_projection() -> None:
    """If two layers read the rows' result, neither of them is the site's projection."""
    b = Builder()
    rows = b("Gather", b.input(10, 8), ints(1, 2, 3), axis=0)
    first = b("MatMul", rows, b.weight(8, 8))
    b("Add", first, b("MatMul", rows, b.weight(8, 8)))
    model = b.model()
    next(iter(model.graph)).metadata_props[KEY] = "0"
    assert [node.op for node in count(model).nodes if node.site] == ["Gather"]
    assert [node.op for node in count(model).nodes if node.per_row] == ["Gather"]
