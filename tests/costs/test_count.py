"""Whole graphs: bytes, memory, sites, forms, and agreement with counts made by others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.costs import compare_forms, count, count_file
from specialize.costs.closed import DeformableSite
from specialize.errors import InputError
from specialize.text.record import to_json
from tests.costs.graphs import Builder, cross_attention, ints

TINY = DeformableSite(queries=2500, channels=256, heads=8, levels=1, points=8, positions=375, cameras=6)


@pytest.mark.parametrize("rows", [15000, 3540, 2800, 600])
def test_attention_agrees_with_the_closed_formula(rows: int) -> None:
    """The count of a cross-attention graph is within 1 % of the formula written from the mathematics."""
    report = count(cross_attention(rows, 2500, 6, (15, 25)))
    assert report.uncounted == ()
    assert report.attention().flops == pytest.approx(TINY.flops(rows), rel=0.01)
    assert report.attention().samples == TINY.samples(rows)


def test_the_closed_formula_agrees_with_published_estimates() -> None:
    """Zero-padded, rectangle and ragged cost 1.2, 0.53 and 0.47 GMAC a layer on a 50x50 grid."""
    rows = {15000: 3.6, 6 * 590: 1.6, 2803: 1.4}
    for pairs, expected in rows.items():
        assert 3 * TINY.flops(pairs) / 2e9 == pytest.approx(expected, abs=0.12)


def test_more_rows_cost_more_and_the_rest_stays() -> None:
    """Operations are affine in the rows: the value projection and the output projection do not shrink."""
    few, some, many = (count(cross_attention(r, 400, 2, (8, 8))).total().flops for r in (100, 200, 300))
    assert some - few == many - some > 0
    site = DeformableSite(400, 256, 8, 1, 8, 64, 2)
    assert 2 * few - some > site.value_projection() + site.output_projection()


def test_bytes_are_told_apart() -> None:
    """Activations, weights and other constants are counted apart, each read once."""
    b = Builder()
    y = b("MatMul", b.input(10, 4), b.weight(4, 8))
    b("Add", y, b.weight(8))
    first, second = count(b.model()).nodes
    assert (first.activation_bytes, first.weight_bytes, first.constant_bytes) == (160, 128, 0)
    assert (second.activation_bytes, second.weight_bytes, second.constant_bytes) == (320, 0, 32)
    assert first.written_bytes == second.written_bytes == 320


def test_gather_reads_what_it_picks() -> None:
    """A gather of three rows reads three rows and its indices, not the whole table."""
    b = Builder()
    b("Gather", b.input(1000, 4), ints(1, 2, 3))
    cost = b.last()
    assert (cost.activation_bytes, cost.constant_bytes, cost.written_bytes) == (48, 24, 48)


def test_grid_sample_reads_at_most_the_image() -> None:
    """Few points read four corners each; many points read the image once, as from a cache."""
    for points, expected in [(3, 4 * 3 * 8 * 4), (10000, 8 * 100 * 4)]:
        b = Builder()
        b("GridSample", b.input(1, 8, 10, 10), b.weight(1, points, 1, 2))
        assert b.last().activation_bytes == expected


def test_resident_bytes_count_a_shared_weight_once() -> None:
    """A weight that two nodes read is resident once and read twice."""
    b = Builder()
    weight = b.weight(4, 4)
    b("MatMul", b("MatMul", b.input(4, 4), weight), weight)
    report = count(b.model())
    assert report.weight_bytes == 64 and report.total().weight_bytes == 128


def test_peak_memory_follows_the_order() -> None:
    """In a chain two tensors are alive beside the input; a branch that waits is alive longer."""
    b = Builder()
    x = b.input(100)
    b("Abs", b("Abs", b("Abs", x)))
    assert count(b.model()).peak_activation_bytes == 3 * 400
    b = Builder()
    x = b.input(100)
    waiting = b("Abs", x)
    b("Add", waiting, b("Abs", b("Abs", b("Abs", x))))
    assert count(b.model()).peak_activation_bytes == 4 * 400


def test_views_share_memory() -> None:
    """A reshape of a tensor takes no memory, and keeps its source alive as long as it is read."""
    b = Builder()
    x = b.input(100)
    b("Abs", b("Reshape", b("Abs", x), ints(10, 10)))
    assert count(b.model()).peak_activation_bytes == 3 * 400
    b = Builder()
    x = b.input(100)
    first = b("Abs", x)
    view = b("Reshape", first, ints(10, 10))
    other = b("Abs", b("Abs", x))
    b("Add", view, b("Reshape", other, ints(10, 10)))
    assert count(b.model()).peak_activation_bytes == 4 * 400


def test_weights_count_to_the_peak() -> None:
    """The peak of a model is its activations' peak plus all weights and constants."""
    b = Builder()
    b("MatMul", b.input(10, 4), b.weight(4, 8))
    report = count(b.model())
    assert report.peak_bytes == 160 + 320 + 128


def test_sites_come_from_marks_or_names() -> None:
    """Marked nodes belong to their site; for graphs without marks the caller names the nodes."""
    b = Builder()
    x = b.input(10)
    for _ in range(3):
        x = b("Abs", x)
    model = b.model()
    nodes = list(model.graph)
    assert count(model).attention().flops == 0
    assert count(model, {str(nodes[1].name)}).attention().flops == 10
    nodes[0].metadata_props["specialize.site"] = "a"
    nodes[2].metadata_props["specialize.site"] = "b"
    report = count(model)
    assert {name: total.nodes for name, total in report.by_site().items()} == {"a": 1, "b": 1}
    assert report.attention().flops == 20 and report.total().flops == 30


def test_groups_add_up_to_the_whole() -> None:
    """The sums by operator are the sum of the model."""
    report = count(cross_attention(300, 200, 2, (8, 8)))
    groups = report.by_op()
    assert sum(total.flops for total in groups.values()) == report.total().flops
    assert sum(total.moved_bytes for total in groups.values()) == report.total().moved_bytes
    flops = [total.flops for total in report.by_op().values()]
    assert flops == sorted(flops, reverse=True)


def test_forms_are_compared_side_by_side() -> None:
    """The report has every form and quantity, its ratios are against the first form, and it is valid JSON."""
    rows = {"original": 1200, "rebatched": 360, "specialized": 240}
    reports = {name: count(cross_attention(count_, 200, 6, (4, 4))) for name, count_ in rows.items()}
    forms = compare_forms(reports, rows)
    assert forms.ratio("specialized", "pairs") == 5.0
    assert 1 < forms.ratio("rebatched", "attention_flops") < forms.ratio("specialized", "attention_flops") < 5
    assert forms.attention_share["specialized"] == 1.0
    data = json.loads(json.dumps(to_json(forms), allow_nan=False))
    assert list(data["forms"]) == list(rows) and data["uncounted"] == []
    wanted = {"pairs", "attention_flops", "model_flops", "attention_bytes", "model_bytes", "peak_bytes"}
    assert wanted <= set(data["forms"]["rebatched"])


def test_what_any_form_leaves_uncounted_is_in_the_comparison() -> None:
    """An operator that one form alone has is not forgotten."""
    b, c = Builder(), Builder()
    b("Abs", b.input(4))
    c("Mystery", c.input(4), shapes=[(4,)], domain="custom")
    forms = compare_forms({"a": count(b.model()), "b": count(c.model())}, {"a": 1, "b": 1})
    assert [entry.op for entry in forms.uncounted] == ["Mystery"]


def test_a_file_is_counted_like_its_model(tmp_path: Path) -> None:
    """A file gives the count of the model in it; weights in an external file are not needed."""
    model = cross_attention(300, 200, 2, (8, 8))
    ir.save(model, tmp_path / "m.onnx", external_data="m.data", size_threshold_bytes=1024)
    expected = count(model)
    (tmp_path / "m.data").write_bytes(b"")
    assert count_file(tmp_path / "m.onnx") == expected
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(InputError):
        count_file(tmp_path / "broken.onnx")


def _mixed_model() -> ir.Model:
    """Return convolutions, a transposed convolution and matrix products in one graph."""
    b = Builder()
    x = b("Conv", b.input(1, 3, 32, 48), b.weight(16, 3, 7, 7), b.weight(16), pads=[3] * 4, strides=[2, 2])
    x = b("Conv", b("Relu", x), b.weight(32, 4, 3, 3), pads=[1] * 4, group=4)
    x = b("ConvTranspose", x, b.weight(32, 8, 2, 2), strides=[2, 2])
    x = b("Transpose", b("Reshape", x, ints(1, 8, 32 * 48)), perm=[0, 2, 1])
    x = b("MatMul", x, b.weight(8, 64))
    b("Gemm", b("Reshape", x, ints(32 * 48, 64)), b.weight(10, 64), b.weight(10), transB=1)
    return b.model()


def test_agrees_with_an_independent_counter_of_onnx_graphs(tmp_path: Path) -> None:
    """onnx-tool counts the same multiply-adds for convolutions and matrix products, node by node."""
    onnx_tool = pytest.importorskip("onnx_tool")
    path = tmp_path / "m.onnx"
    ir.save(_mixed_model(), path)
    other = onnx_tool.Model(str(path), {"verbose": False}).graph
    other.shape_infer({"x0": np.zeros((1, 3, 32, 48), np.float32)})
    other.profile()
    ours = {node.name: node for node in count_file(path).nodes}
    compared = 0
    for name, node in other.nodemap.items():
        if ours[name].op in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
            theirs = node.macs[0] if isinstance(node.macs, list | tuple) else node.macs
            mine = ours[name].multiply_adds + ours[name].other  # onnx-tool counts a bias as a multiply-add
            assert mine == pytest.approx(theirs, rel=0.02), name
            compared += 1
    assert compared == 5


@pytest.mark.torch
def test_agrees_with_torch_on_a_torch_model(tmp_path: Path) -> None:
    """PyTorch's own counter finds the same operations in the products of an exported network."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1, stride=2),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(16, 8, 2, stride=2),
        torch.nn.Flatten(2),
        torch.nn.Linear(64, 32, bias=False),
    ).eval()
    example = torch.zeros(2, 3, 8, 8)
    path = tmp_path / "net.onnx"
    torch.onnx.export(net, (example,), str(path), dynamo=True, verbose=False, external_data=False)
    with FlopCounterMode(display=False) as counter:
        net(example)
    products = sum(node.multiply_adds for node in count_file(path).nodes)
    assert 2 * products == counter.get_total_flops()


def test_a_file_without_shapes_is_inferred(tmp_path: Path) -> None:
    """A graph saved by onnx alone, without shapes inside, is inferred and counted."""
    path = tmp_path / "m.onnx"
    ir.save(cross_attention(300, 200, 2, (8, 8)), path)
    proto = onnx.load(str(path))
    del proto.graph.value_info[:]
    onnx.save(proto, str(path))
    assert count_file(path).total().flops == count(cross_attention(300, 200, 2, (8, 8))).total().flops
