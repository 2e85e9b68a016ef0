"""Deformable attention is found in every spelling, and nothing else is."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.attention.recognise import recognise, recognise_sampling
from specialize.graph import folding
from specialize.graph.notes import Note
from specialize.lowering.attention import lower_deformable_attention, runnable
from specialize.passes.clean_up import tidy
from tests.attention.graphs import (
    CASES,
    SPELLINGS,
    Case,
    Maker,
    arrays,
    by_level,
    expected,
    far_apart,
    mmcv,
)
from tests.graphs import GraphMaker, assert_static, operators, random_feeds, run


def read(model: onnx.ModelProto) -> tuple[ir.Model, list[Note]]:
    """Return a model with its attentions recognised, and the notes."""
    graph = ir.from_proto(onnx.ModelProto.FromString(model.SerializeToString()))
    folding.fold(graph)
    notes = recognise(graph)
    tidy(graph)
    return graph, notes


def declined(model: onnx.ModelProto) -> str:
    """Return the only reason why nothing was recognised; the graph must be as it was."""
    graph, notes = read(model)
    assert [note.verdict for note in notes] == ["declined"]
    assert operators(graph)["GridSample"] >= 1
    return notes[0].reason


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_becomes_one_operator(spelling: str, case: Case) -> None:
    """Any spelling of any size becomes exactly one operator that reads value, locations and weights as they are."""
    model = SPELLINGS[spelling](case)
    graph, notes = read(model)
    assert operators(graph)["MultiScaleDeformableAttn"] == 1, notes
    assert not operators(graph)["GridSample"]
    left = operators(graph)
    assert not left["Transpose"], left
    assert not left["Slice"] + left["Split"] + left["Concat"] + left["Mul"] + left["Gather"], left
    assert_static(graph)
    lower_deformable_attention(graph, "gridsample")
    feeds = arrays(case)
    np.testing.assert_allclose(run(graph, feeds)["out"], expected(case, feeds), atol=2e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inputs_without_a_common_source_are_put_together(case: Case) -> None:
    """Images, grids and weights of levels that have no tensor in common are joined, and the result is the same."""
    model = far_apart(case)
    graph, notes = read(model)
    assert operators(graph)["MultiScaleDeformableAttn"] >= 1, notes
    assert not operators(graph)["GridSample"]
    lower_deformable_attention(graph, "gridsample")
    feeds = arrays(case)
    np.testing.assert_allclose(run(graph, feeds)["out"], run(model, feeds)["out"], atol=2e-6)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"mode": "nearest"}, "mode nearest"),
        ({"align_corners": 1}, "corners are aligned"),
        ({"padding_mode": "border"}, "pads with border"),
    ],
)
def test_other_sampling_is_declined(changed: dict[str, object], reason: str) -> None:
    """A GridSample that is not bilinear, padded with zeros and unaligned is no attention; the note says why."""
    case = Case(levels=((3, 4),))
    g = Maker(17)
    value, locations, weights = g.start(case)
    image = g.view(g.permute(value, 0, 2, 3, 1), (6, 4, 3, 4))
    grid = g.view(g.permute(g.select(locations, 3, 0), 0, 2, 1, 3, 4), (6, 5, 2, 2))
    weight = g.view(g.permute(weights, 0, 2, 1, 3, 4), (6, 1, 5, 2))
    model = g.model(out=g.sum(g.op("Mul", g.grid_sample(image, grid, **changed), weight), 3))
    assert reason in declined(model)


def test_sampling_that_is_not_summed_is_declined() -> None:
    """A rotation of an earlier frame samples bilinearly but sums nothing."""
    g = Maker(17)
    out = g.grid_sample(g.input("x", (1, 4, 5, 5)), g.input("grid", (1, 5, 5, 2)))
    assert declined(g.model(out=out)) == "GridSample: no weighted sum over points"


def test_weights_per_channel_are_declined() -> None:
    """Weights that differ between channels are no attention."""
    g = Maker(17)
    read_ = g.grid_sample(g.input("x", (2, 4, 3, 3)), g.input("grid", (2, 5, 2, 2)))
    out = g.sum(g.op("Mul", read_, g.input("w", (2, 4, 5, 2))), 3)
    assert "differ between channels" in declined(g.model(out=out))


def test_a_sum_over_channels_is_declined() -> None:
    """A sum over channels is no sum over points."""
    g = Maker(17)
    read_ = g.grid_sample(g.input("x", (2, 4, 3, 3)), g.input("grid", (2, 5, 2, 2)))
    out = g.sum(g.op("Mul", read_, g.input("w", (2, 1, 5, 2))), 1)
    assert "not over points" in declined(g.model(out=out))


def test_a_part_of_the_samples_is_declined() -> None:
    """Samples that are sliced before the sum are not all of an attention."""
    g = Maker(17)
    read_ = g.grid_sample(g.input("x", (2, 4, 3, 3)), g.input("grid", (2, 5, 4, 2)))
    out = g.sum(g.op("Mul", g.narrow(read_, 3, 0, 2), g.input("w", (2, 1, 5, 2))), 3)
    assert "in part only" in declined(g.model(out=out))


def test_volumes_are_declined() -> None:
    """A GridSample of volumes is left alone."""
    g = Maker(17)
    sampled = g.op("GridSample", g.input("x", (1, 2, 3, 3, 3)), g.input("grid", (1, 2, 2, 2, 3)))
    assert "volumes" in declined(g.model(out=sampled))


def test_a_swapped_level_is_not_taken_for_the_tensor_it_comes_from() -> None:
    """Levels that are read in another order than they are stored in are reassembled in the order of reading."""
    case = Case(levels=((2, 3), (2, 3)))
    g = Maker(17)
    value, locations, weights = g.start(case)
    n, q, m, d, p = case.batch, case.queries, case.heads, case.channels, case.points
    total = ""
    for level, source in ((0, 1), (1, 0)):
        image = g.view(g.permute(g.narrow(value, 1, source * 6, 6), 0, 2, 3, 1), (n * m, d, 2, 3))
        grid = g.permute(g.select(locations, 3, level), 0, 2, 1, 3, 4)
        grid = g.op("Sub", g.op("Mul", g.view(grid, (n * m, q, p, 2)), g.const(2.0)), g.const(1.0))
        weight = g.view(g.permute(g.select(weights, 3, level), 0, 2, 1, 3), (n * m, 1, q, p))
        part = g.sum(g.op("Mul", g.grid_sample(image, grid), weight), 3)
        total = g.op("Add", total, part) if total else part
    model = g.model(out=total)
    graph, _ = read(model)
    assert operators(graph)["MultiScaleDeformableAttn"] == 1
    lower_deformable_attention(graph, "gridsample")
    feeds = arrays(case)
    np.testing.assert_allclose(run(graph, feeds)["out"], run(model, feeds)["out"], atol=2e-6)


def test_what_else_reads_the_samples_keeps_them() -> None:
    """Where the samples are an output too, they are still computed."""
    case = Case(levels=((3, 4),))
    model = by_level(case)
    sampled = next(node.output[0] for node in model.graph.node if node.op_type == "GridSample")
    model.graph.output.append(onnx.helper.make_tensor_value_info(sampled, 1, [6, 4, 5, 2]))
    graph, _ = read(model)
    assert operators(graph)["MultiScaleDeformableAttn"] == 1
    lower_deformable_attention(graph, "gridsample")
    feeds = arrays(case)
    for name, array in run(model, feeds).items():
        np.testing.assert_allclose(run(graph, feeds)[name], array, atol=2e-6)


def test_a_graph_without_sampling_says_nothing() -> None:
    """Where nothing samples, there is nothing to say."""
    g = GraphMaker()
    graph, notes = read(g.model(out=g.op("Relu", g.input("x", (2, 3)))))
    assert notes == [] and operators(graph)["Relu"] == 1


def test_recognising_twice_changes_nothing() -> None:
    """What is recognised stays as it is."""
    graph, _ = read(mmcv(Case()))
    before = operators(graph)
    recognise_sampling(graph)
    assert operators(graph) == before


def test_a_graph_that_runs_stays_as_it_is() -> None:
    """`runnable` changes nothing that a runtime can run."""
    model = mmcv(Case())
    graph = ir.from_proto(model)
    assert runnable(graph)
    feeds = random_feeds(model)
    np.testing.assert_allclose(run(graph, feeds)["out"], run(model, feeds)["out"], atol=1e-6)


def test_cameras_one_by_one_keep_their_heads() -> None:
    """Cameras that are split off, sampled alone and joined are one operator each, with all its heads and no detours."""
    case = Case(batch=1, levels=((3, 4),))
    g = Maker(17)
    m, d, p, lengths = case.heads, case.channels, case.points, (2, 3)
    images = g.view(g.permute(g.input("value", (2, 12, m * d)), 0, 2, 1), (2 * m, d, 3, 4))
    grids = g.op("Sub", g.op("Mul", g.input("locations", (5, m, p, 2)), g.const(2.0)), g.const(1.0))
    weights = g.op("Softmax", g.input("logits", (5, m, p)), axis=-1)
    out = []
    for camera, start in enumerate((0, 2)):
        image = g.narrow(images, 0, camera * m, m)
        grid = g.permute(g.narrow(grids, 0, start, lengths[camera]), 1, 0, 2, 3)
        weight = g.view(
            g.permute(g.narrow(weights, 0, start, lengths[camera]), 1, 0, 2), (m, 1, lengths[camera], p)
        )
        read_ = g.sum(g.op("Mul", g.grid_sample(image, grid), weight), 3)
        out.append(g.permute(g.view(read_, (1, m * d, lengths[camera])), 0, 2, 1))
    model = g.model(out=g.op("Concat", *out, axis=1))
    graph, notes = read(model)
    assert [note.reason for note in notes] == [
        f"GridSample: 1 x {length} queries, 3 heads, 1 levels, 2 points, 12 channels" for length in lengths
    ]
    assert not operators(graph)["Transpose"]
    lower_deformable_attention(graph, "gridsample")
    feeds = random_feeds(model)
    np.testing.assert_allclose(run(graph, feeds)["out"], run(model, feeds)["out"], atol=2e-6)
