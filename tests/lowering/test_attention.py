"""Every form that deformable attention is written in computes it, on what can run it."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.attention.recognise import recognise
from specialize.errors import InputError, UsageError
from specialize.graph import folding
from specialize.graph.custom import CUSTOM, SPELLINGS
from specialize.lowering.attention import (
    DECOMPOSED,
    GRID_SAMPLE,
    has_custom,
    lower_deformable_attention,
    runnable,
)
from specialize.passes.clean_up import tidy
from tests.attention.custom_operators import run_reference
from tests.attention.graphs import CASES, ONE_LEVEL, Case, Maker, arrays, by_level, expected, mmcv
from tests.graphs import assert_annotations_true, assert_static, operators, random_feeds, run


def internal(case: Case, opset: int = 17) -> ir.Model:
    """Return a graph with the internal operator."""
    graph = ir.from_proto(mmcv(case))
    folding.fold(graph)
    recognise(graph)
    tidy(graph)
    graph.graph.opset_imports[""] = opset
    return graph


def highest_rank(graph: ir.Model) -> int:
    """Return the largest rank among what nodes compute."""
    return max(len(value.shape or ()) for node in graph.graph for value in node.outputs)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("opset", [16, 17, 20])
def test_grid_sample_form(case: Case, opset: int) -> None:
    """One GridSample per level, on tensors of at most four axes, computes the attention."""
    graph = internal(case, opset)
    lower_deformable_attention(graph, GRID_SAMPLE)
    tidy(graph)
    feeds = arrays(case)
    assert operators(graph)["GridSample"] == len(case.levels)
    assert highest_rank(graph) <= 4
    assert "com.microsoft" not in graph.graph.opset_imports
    np.testing.assert_allclose(run(graph, feeds)["out"], expected(case, feeds), atol=2e-6)
    assert_annotations_true(graph, feeds)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("opset", [11, 13, 17])
def test_decomposed_form(case: Case, opset: int) -> None:
    """Floor, Clip and Gather compute the attention exactly: no GridSample, no bool, 1-D indices, four axes."""
    graph = internal(case, opset)
    if opset < 13:  # the softmax of the test's graph is over the last axis, which opset 11 must be told
        next(node for node in graph.graph if node.op_type == "Softmax").attributes["axis"] = ir.AttrInt64(
            "axis", 3
        )
    lower_deformable_attention(graph, DECOMPOSED)
    tidy(graph)
    feeds = arrays(case)
    found = operators(graph)
    assert not found["GridSample"] and not {"Equal", "Less", "Greater", "Where", "And"} & set(found)
    assert highest_rank(graph) <= 4
    for node in graph.graph:
        if node.op_type == "Gather":
            assert node.inputs[1] is not None and len(node.inputs[1].shape or ()) == 1
    np.testing.assert_allclose(run(graph, feeds)["out"], expected(case, feeds), atol=2e-6)
    assert_annotations_true(graph, feeds)


@pytest.mark.parametrize("far", [1e9, -1e9, np.inf, -np.inf])
def test_decomposed_form_far_outside(far: float) -> None:
    """Locations at the end of the world read zero, and make no index out of range."""
    case = Case()
    graph = internal(case)
    lower_deformable_attention(graph, DECOMPOSED)
    feeds = arrays(case)
    feeds["locations"][:] = far
    assert not run(graph, feeds)["out"].any()


def test_decomposed_form_on_borders() -> None:
    """Locations exactly on pixels, between pixels and on the border are read as GridSample reads them."""
    case = Case(batch=1, queries=81, heads=1, channels=2, points=1, levels=((3, 4),))
    random = np.random.default_rng(0)
    y, x = np.meshgrid(np.arange(-0.5, 4, 0.5) / 3, np.arange(-0.5, 4, 0.5) / 4, indexing="ij")
    feeds = {
        "value": random.normal(size=(1, 12, 1, 2)).astype(np.float32),
        "locations": np.stack([x, y], -1).astype(np.float32).reshape(1, 81, 1, 1, 1, 2),
        "logits": np.zeros((1, 81, 1, 1), np.float32),
    }
    results = []
    for form in (DECOMPOSED, GRID_SAMPLE):
        graph = internal(case)
        lower_deformable_attention(graph, form)
        results.append(run(graph, feeds)["out"])
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)
    np.testing.assert_allclose(results[0], expected(case, feeds), atol=1e-6)


@pytest.mark.parametrize("case", CASES[:4], ids=str)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_custom_operators_compute_the_attention(spelling: str, case: Case) -> None:
    """A written custom operator, run as its maker describes it, computes the attention."""
    graph = internal(case)
    notes = lower_deformable_attention(graph, spelling)
    assert [note.verdict for note in notes] == ["applied"]
    assert_static(graph)
    feeds = arrays(case)
    found = run_reference(ir.to_proto(graph), feeds)["out"]
    np.testing.assert_allclose(found, expected(case, feeds), atol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_custom_operators_are_read_back(spelling: str, case: Case) -> None:
    """A written custom operator is recognised again, whatever is known about shapes, and computes the same."""
    graph = internal(case)
    lower_deformable_attention(graph, spelling)
    tidy(graph)
    proto = ir.to_proto(graph)
    del proto.graph.value_info[:]
    again = ir.from_proto(proto)
    assert has_custom(again)
    runnable(again)
    assert not has_custom(again) and set(again.graph.opset_imports) == {""}
    assert_static(again)
    feeds = arrays(case)
    np.testing.assert_allclose(run(again, feeds)["out"], expected(case, feeds), atol=5e-6)


def custom_graph(domain: str, operator: str, inputs: str, **attributes: object) -> onnx.ModelProto:
    """Return a graph with one custom operator, its inputs given by letter: v, s(hapes), i(ndices), l, w."""
    case = Case()
    g = Maker(17, domains=[domain] if domain else [])
    value, locations, weights = g.start(case)
    named = {
        "v": value, "l": locations, "w": weights, "s": g.const(np.array(case.levels)),
        "i": g.const(np.array(case.starts)),
    }  # fmt: skip
    g.nodes.append(
        onnx.helper.make_node(
            operator, [named[letter] for letter in inputs], ["r"], "it", domain=domain, **attributes
        )
    )
    graph = onnx.helper.make_graph(
        [*g.nodes, onnx.helper.make_node("Relu", ["r"], ["out"])], "made", g.inputs,
        [onnx.helper.make_empty_tensor_value_info("out")], g.constants,
    )  # fmt: skip
    imports = [onnx.helper.make_opsetid("", 17), *([onnx.helper.make_opsetid(domain, 1)] if domain else [])]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=9)


@pytest.mark.parametrize(
    ("domain", "operator", "inputs"),
    [
        ("", "MultiScaleDeformableAttnTRT", "vslw"),
        ("", "MultiScaleDeformableAttnTRT2", "vsilw"),
        ("trt.plugins", "MultiScaleDeformableAttnTRT2", "vslw"),
        ("", "MultiscaleDeformableAttnPlugin_TRT", "vsilw"),
        ("TRT", "MultiscaleDeformableAttnPlugin_TRT", "vsilw"),
        ("com.microsoft", "MultiscaleDeformableAttnPlugin_TRT", "vsilw"),
        ("mmdeploy", "MMCVMultiScaleDeformableAttention", "vsilw"),
    ],
)
def test_older_and_renamed_operators(domain: str, operator: str, inputs: str) -> None:
    """First releases with other inputs, and operators whose domain a tool changed, are read as well."""
    graph = ir.from_proto(custom_graph(domain, operator, inputs))
    notes = runnable(graph)
    assert notes[0].verdict == "applied", notes
    feeds = arrays(Case())
    wanted = np.maximum(expected(Case(), feeds), 0)
    np.testing.assert_allclose(run(graph, feeds)["out"].reshape(wanted.shape), wanted, atol=5e-6)


def test_a_wrong_start_is_declined() -> None:
    """Levels that do not follow each other are declined with both lists."""
    proto = custom_graph("trt", "MultiscaleDeformableAttnPlugin_TRT", "vsilw")
    starts = next(c for c in proto.graph.initializer if list(c.dims) == [2])
    starts.CopyFrom(onnx.numpy_helper.from_array(np.array([0, 10]), starts.name))
    graph = ir.from_proto(proto)
    folding.fold(graph)
    assert "start at [0, 10] where [0, 12] is expected" in recognise(graph)[0].reason


def test_a_missing_input_is_declined() -> None:
    """An operator with too few inputs is declined."""
    graph = ir.from_proto(custom_graph("trt", "MultiscaleDeformableAttnPlugin_TRT", "vslw"))
    folding.fold(graph)
    assert "4 inputs where 5 are expected" in recognise(graph)[0].reason


def test_weights_without_softmax_are_not_written_in_pixels() -> None:
    """An operator that takes the softmax itself cannot stand for weights that come from none."""
    case = Case()
    graph = internal(case)
    softmax = next(node for node in graph.graph if node.op_type == "Softmax")
    softmax.outputs[0].name = "was"
    ir.convenience.replace_all_uses_with(softmax.outputs[0], softmax.inputs[0])
    notes = lower_deformable_attention(graph, "derryhub")
    assert notes[0].verdict == "declined" and "softmax" in notes[0].reason


@pytest.mark.parametrize("move", ["slice", "split", "gather", "transpose"])
def test_rows_picked_after_the_softmax_are_picked_before_it(move: str) -> None:
    """Operators that take the softmax themselves are given the same rows of what it was taken of."""
    case, g = ONE_LEVEL, Maker()
    n, q, m, p = case.batch, case.queries, case.heads, case.points
    value = g.input("value", (n, case.places, m, case.channels))
    locations = g.input("locations", (n, q, m, 1, p, 2))
    twice = g.op("Softmax", g.input("logits", (n, 2 * q, m, p)), axis=-1)
    rows = {
        "slice": lambda: g.op("Slice", twice, g.const([q]), g.const([2 * q]), g.const([1])),
        "split": lambda: g.ops("Split", twice, g.const([q, q]), count=2, axis=1)[1],
        "gather": lambda: g.op("Gather", twice, g.const(np.arange(1, q + 1)), axis=1),
        "transpose": lambda: g.op("Slice", turned(g, twice), g.const([0]), g.const([q]), g.const([1])),
    }[move]()
    weights = g.op("Reshape", rows, g.const([n, q, m, 1, p]))
    levels = g.const(np.array(case.levels))
    g.domains = ("com.microsoft",)
    out = g.op("MultiScaleDeformableAttn", value, levels, locations, weights, domain="com.microsoft")
    proto = g.model(out=g.annotate(out, (n, q, m * case.channels)))
    graph = ir.from_proto(proto)
    folding.evaluate(graph)
    other = graph.clone()
    lower_deformable_attention(graph, "derryhub")
    assert operators(graph)["MultiScaleDeformableAttnTRT"] == 1
    runnable(graph)
    lower_deformable_attention(other, GRID_SAMPLE)
    feeds = random_feeds(proto)
    np.testing.assert_allclose(run(graph, feeds)["out"], run(other, feeds)["out"], atol=2e-6)


def turned(g: Maker, value: str) -> str:
    """Return weights with heads before queries and back again."""
    return g.op("Transpose", g.op("Transpose", value, perm=[0, 2, 1, 3]), perm=[0, 2, 1, 3])


@pytest.mark.parametrize(("total", "written"), [(1.0, 1), (0.5, 0)])
def test_known_weights_are_the_softmax_of_their_logarithms(total: float, written: int) -> None:
    """Weights that are constant and sum to one have logits; others have none, and the operator is declined."""
    case = ONE_LEVEL
    n, q, m, p = case.batch, case.queries, case.heads, case.points
    numbers = np.random.default_rng(0).random((n, q, m, 1, p)) + 0.1
    g = Maker(domains=("com.microsoft",))
    inputs = [
        g.input("value", (n, case.places, m, case.channels)), g.const(np.array(case.levels)),
        g.input("locations", (n, q, m, 1, p, 2)), g.const(total * numbers / numbers.sum(-1, keepdims=True)),
    ]  # fmt: skip
    out = g.op("MultiScaleDeformableAttn", *inputs, domain="com.microsoft")
    proto = g.model(out=g.annotate(out, (n, q, m * case.channels)))
    graph = ir.from_proto(proto)
    folding.evaluate(graph)
    other = graph.clone()
    lower_deformable_attention(graph, "derryhub")
    assert operators(graph)["MultiScaleDeformableAttnTRT"] == written
    if written:
        runnable(graph)
        lower_deformable_attention(other, GRID_SAMPLE)
        feeds = random_feeds(proto)
        np.testing.assert_allclose(run(graph, feeds)["out"], run(other, feeds)["out"], atol=2e-6)


def test_unknown_form() -> None:
    """A form that does not exist is named, with the closest one."""
    with pytest.raises(UsageError, match="did you mean 'gridsample'"):
        lower_deformable_attention(internal(Case()), "gridsampel")


def test_grid_sample_below_opset_16_is_declined() -> None:
    """Opset 13 has no GridSample; the graph stays as it is."""
    graph = internal(Case(), 13)
    notes = lower_deformable_attention(graph, GRID_SAMPLE)
    assert notes[0].reason == "gridsample: opset 13 has no GridSample"
    assert operators(graph)["MultiScaleDeformableAttn"] == 1


def test_too_many_places_to_count_are_declined() -> None:
    """Maps with more places than float32 counts exactly are not decomposed."""
    case = Case(batch=1, queries=1, heads=1, channels=1, points=1, levels=((4097, 4097),))
    graph = internal(case)
    assert "counts exactly" in lower_deformable_attention(graph, DECOMPOSED)[0].reason


def test_unreadable_custom_operators_are_not_runnable() -> None:
    """Where a custom operator contradicts itself, the model is wrong, and `runnable` says which node and what to do."""
    proto = custom_graph("com.microsoft", "MultiScaleDeformableAttn", "vswl")
    with pytest.raises(InputError, match=r"(?s)node .*a custom operator that can be run.*hint: export it"):
        runnable(ir.from_proto(proto))


def test_the_table_of_operators_is_consistent() -> None:
    """Every spelling is found by its own domain and name."""
    assert all(CUSTOM[each.domain, each.operator] is each for each in SPELLINGS.values())


def test_lowering_leaves_other_nodes_alone() -> None:
    """A graph without deformable attention is not touched."""
    graph = ir.from_proto(by_level(Case()))
    before = operators(graph)
    assert lower_deformable_attention(graph, "denglin") == [] and operators(graph) == before


@pytest.mark.parametrize("rows", [2500, 64, 97])
def test_rows_are_selected_by_nearest_sampling(rows: int) -> None:
    """A gather of known rows is a nearest GridSample, bit by bit, whatever the number of rows."""
    g = Maker(17)
    index = np.random.default_rng(0).integers(-rows, rows, size=590)
    proto = g.model(out=g.op("Gather", g.input("x", (1, rows, 7)), g.const(index), axis=1))
    graph = ir.from_proto(proto)
    folding.fold(graph)
    (note,) = lower_deformable_attention(graph, "nearest-gather")
    assert note.reason == "590 rows by nearest GridSample" and not operators(graph)["Gather"]
    feeds = random_feeds(proto)
    np.testing.assert_array_equal(run(graph, feeds)["out"], run(proto, feeds)["out"])
    assert_annotations_true(graph, feeds)


@pytest.mark.parametrize(
    ("shape", "reason"), [((2, 64, 4), "2 batch items"), ((1, 1031, 4), "do not form an image")]
)
def test_rows_that_make_no_image_are_declined(shape: tuple[int, ...], reason: str) -> None:
    """Rows of several batch items, or a number of rows that makes no image, stay with Gather."""
    g = Maker(17)
    graph = ir.from_proto(g.model(out=g.op("Gather", g.input("x", shape), g.const(np.arange(20)), axis=1)))
    folding.fold(graph)
    (note,) = lower_deformable_attention(graph, "nearest-gather")
    assert reason in note.reason and operators(graph)["Gather"] == 1
