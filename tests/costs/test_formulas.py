"""Every formula against a number worked out by hand."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from specialize.costs import count
from specialize.costs.formulas import FORMULAS
from tests.costs.graphs import Builder, ints


def test_conv_counts_kernel_and_bias() -> None:
    """A 3x3 convolution of 4 to 8 channels in 2 groups on 16x16 has 18 multiply-adds per output."""
    b = Builder()
    b("Conv", b.input(1, 4, 16, 16), b.weight(8, 2, 3, 3), b.weight(8), pads=[1, 1, 1, 1], group=2)
    cost = b.last()
    assert cost.multiply_adds == 8 * 16 * 16 * 2 * 9
    assert cost.other == 8 * 16 * 16
    assert cost.flops == 2 * cost.multiply_adds + cost.other


def test_conv_transpose_counts_its_inputs() -> None:
    """A transposed convolution multiplies every input with every kernel element, in 2-D and in 3-D."""
    b = Builder()
    b("ConvTranspose", b.input(1, 4, 8, 8), b.weight(4, 6, 2, 2), strides=[2, 2])
    assert b.last().multiply_adds == 4 * 8 * 8 * 6 * 4
    b = Builder()
    b("ConvTranspose", b.input(1, 4, 5, 6, 7), b.weight(4, 6, 2, 2, 2), strides=[2, 2, 2])
    assert b.last().multiply_adds == 4 * 5 * 6 * 7 * 6 * 8


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [((2, 3, 4), (4, 5), 2 * 3 * 5 * 4), ((7, 3, 4), (7, 4, 5), 7 * 3 * 5 * 4), ((4,), (4, 5), 5 * 4)],
)
def test_matmul(left: tuple[int, ...], right: tuple[int, ...], expected: int) -> None:
    """A matrix product costs the summed axis per output, with and without batch."""
    b = Builder()
    b("MatMul", b.input(*left), b.weight(*right))
    assert b.last().multiply_adds == expected


def test_gemm_knows_its_transposition() -> None:
    """Gemm sums over the right axis of a transposed A and counts C."""
    b = Builder()
    b("Gemm", b.input(5, 3), b.weight(7, 5), b.weight(7), transA=1, transB=1)
    cost = b.last()
    assert (cost.multiply_adds, cost.other) == (3 * 7 * 5, 3 * 7)


@pytest.mark.parametrize(
    ("equation", "shapes", "products", "other"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5, 0),
        ("bij,jk", [(2, 3, 4), (4, 5)], 2 * 3 * 4 * 5, 0),
        ("...ij,...jk->...ik", [(6, 2, 3, 4), (6, 2, 4, 5)], 6 * 2 * 3 * 4 * 5, 0),
        ("i,j->ij", [(3,), (4,)], 0, 12),
        ("ij->i", [(3, 4)], 0, 12),
        ("ij->ji", [(3, 4)], 0, 0),
    ],
)
def test_einsum(equation: str, shapes: list[tuple[int, ...]], products: int, other: int) -> None:
    """Einsum costs the product of its indices; without a summed index it only multiplies."""
    b = Builder()
    b("Einsum", *(b.input(*shape) for shape in shapes), equation=equation)
    cost = b.last()
    assert (cost.multiply_adds, cost.other) == (products, other)


def test_einsum_equals_the_matmul_it_is() -> None:
    """The same product written as Einsum and as MatMul costs the same."""
    first, second = Builder(), Builder()
    first("Einsum", first.input(2, 3, 4), first.weight(4, 5), equation="bij,jk->bik")
    second("MatMul", second.input(2, 3, 4), second.weight(4, 5))
    assert first.last().flops == second.last().flops


def test_grid_sample_2d() -> None:
    """Bilinear sampling reads four corners per channel, and works on coordinates once per point."""
    b = Builder()
    b("GridSample", b.input(2, 32, 15, 25), b.input(2, 10, 8, 2), mode="bilinear")
    cost = b.last()
    points = 2 * 10 * 8
    assert cost.samples == points
    assert cost.multiply_adds == points * (32 * 4 + 2)
    assert cost.other == points * 14


def test_grid_sample_nearest_and_3d() -> None:
    """Nearest sampling multiplies no values; trilinear sampling reads eight corners."""
    b = Builder()
    b("GridSample", b.input(2, 32, 15, 25), b.input(2, 10, 8, 2), mode="nearest")
    assert b.last().multiply_adds == 2 * 10 * 8 * 2
    b = Builder(opset=20)
    b("GridSample", b.input(1, 4, 5, 6, 7), b.input(1, 2, 3, 4, 3), mode="linear")
    cost = b.last()
    assert cost.multiply_adds == 24 * (4 * 8 + 3)
    assert cost.other == 24 * 31


def test_deform_conv() -> None:
    """Deformable convolution costs its convolution, its samples and its mask."""
    b = Builder(opset=19)
    offset, mask = b.input(1, 18, 8, 8), b.input(1, 9, 8, 8)
    x = b.input(1, 4, 8, 8)
    b("DeformConv", x, b.weight(6, 4, 3, 3), offset, None, mask, pads=[1, 1, 1, 1])
    cost = b.last()
    values = 64 * 9 * 4
    assert cost.samples == 64 * 9
    assert cost.multiply_adds == 6 * 64 * 36 + 4 * values + 2 * cost.samples
    assert cost.other == values + 14 * cost.samples


def test_deformable_attention_operators() -> None:
    """Custom deformable attention of every spelling costs 5 multiply-adds per point and channel of a head."""
    points = 100 * 8 * 1 * 4
    for op, starts in [("MultiScaleDeformableAttn", False), ("MMCVMultiScaleDeformableAttention", True)]:
        b = Builder()
        value, locations = b.input(1, 375, 8, 32), b.input(1, 100, 8, 1, 4, 2)
        shapes = [ints(15, 25)[None]] + ([ints(0)] if starts else [])
        weights = b.input(1, 100, 8, 1, 4)
        b(op, value, *shapes, locations, weights, shapes=[(1, 100, 256)], domain="custom")
        cost = b.last()
        assert cost.samples == points
        assert cost.multiply_adds == points * (5 * 32 + 2)


def test_deformable_attention_with_softmax_inside() -> None:
    """The form that takes offsets in pixels and raw weights costs the softmax and the locations on top."""
    b = Builder()
    value, offsets = b.input(1, 375, 8, 32), b.input(1, 100, 8, 8)
    args = (value, ints(15, 25)[None], b.input(1, 100, 1, 8), offsets, b.input(1, 100, 8, 4))
    b("MultiScaleDeformableAttnTRT", *args, shapes=[(1, 100, 8, 32)], domain="custom")
    points = 100 * 8 * 4
    assert b.last().other == points * (14 + 5 + 4)


def test_normalisations_and_softmax() -> None:
    """Normalisations cost seven operations per element with scale and shift, softmax five."""
    b = Builder()
    b("LayerNormalization", b.input(10, 256), b.weight(256), b.weight(256))
    assert b.last().other == 7 * 2560
    b = Builder()
    b("LayerNormalization", b.input(10, 256), b.weight(256))
    assert b.last().other == 6 * 2560
    b = Builder()
    b("InstanceNormalization", b.input(1, 4, 8, 8), b.weight(4), b.weight(4))
    assert b.last().other == 7 * 256
    b = Builder()
    b("Softmax", b.input(10, 8))
    assert b.last().other == 400
    b = Builder()
    b("BatchNormalization", b.input(1, 4, 8, 8), *(b.weight(4) for _ in range(4)))
    assert b.last().multiply_adds == 256


def test_reductions_count_what_they_read() -> None:
    """A sum costs its input, a mean its input and a division per output, squares multiply."""
    for op, expected in [("ReduceMax", (0, 60)), ("ReduceMean", (0, 75)), ("ReduceL2", (60, 15))]:
        b = Builder()
        b(op, b.input(3, 4, 5), axes=[1])
        cost = b.last()
        assert (cost.multiply_adds, cost.other) == expected, op
    b = Builder()
    b("ReduceSum", b.input(3, 4, 5), ints(1))
    assert b.last().other == 60


def test_resize() -> None:
    """Linear resizing of two axes reads four values per output; nearest computes nothing."""
    for mode, expected in [("linear", 4 * 8 * 256), ("nearest", 0), ("cubic", 16 * 8 * 256)]:
        b = Builder()
        b("Resize", b.input(1, 8, 8, 8), None, None, ints(1, 8, 16, 16), mode=mode)
        assert b.last().flops == 2 * expected, mode


def test_scatter_counts_only_reductions() -> None:
    """Scatter that adds costs one operation per update; plain scatter costs none."""
    for reduction, expected in [("add", 12), ("none", 0)]:
        b = Builder(opset=18)
        b("ScatterND", b.input(5, 4), ints(0, 1, 1)[:, None], b.input(3, 4), reduction=reduction)
        assert b.last().flops == expected


def test_pooling_topk_clip_and_variadic() -> None:
    """Pooling costs its window, TopK a heap, Clip two comparisons, Sum one addition less than its inputs."""
    b = Builder()
    b("MaxPool", b.input(1, 4, 8, 8), kernel_shape=[2, 2], strides=[2, 2])
    assert b.last().flops == 4 * 16 * 4
    b = Builder()
    b("TopK", b.input(1, 900), ints(300), outputs=2)
    assert b.last().flops == 900 * 9
    b = Builder()
    b("Clip", b.input(10), np.array(0, np.float32))
    assert b.last().flops == 20
    b = Builder()
    b("Sum", b.input(10), b.input(10), b.input(10))
    assert b.last().flops == 20


def test_movement_costs_bytes_and_no_operations() -> None:
    """A transposition computes nothing and moves every byte twice; a reshape moves none."""
    b = Builder()
    b("Transpose", b.input(10, 20), perm=[1, 0])
    cost = b.last()
    assert (cost.flops, cost.activation_bytes, cost.written_bytes) == (0, 800, 800)
    b = Builder()
    b("Reshape", b.input(10, 20), ints(200))
    assert b.last().moved_bytes == 0


def test_an_unknown_operator_is_listed_and_never_zero() -> None:
    """An operator without a formula appears among the uncounted, with its domain and number."""
    b = Builder()
    x = b("Mystery", b.input(4), shapes=[(4,)], domain="custom")
    b("Mystery", x, shapes=[(4,)], domain="custom")
    report = count(b.model())
    assert [(u.op, u.domain, u.reason, u.nodes) for u in report.uncounted] == [
        ("Mystery", "custom", "no formula", 2)
    ]


def test_an_unknown_shape_is_listed() -> None:
    """A node whose output shape depends on data is listed, and the peak is not guessed."""
    b = Builder()
    b("NonZero", b.input(4, 4))
    report = count(b.model())
    assert [u.reason for u in report.uncounted] == ["a shape is unknown"]
    assert report.peak_activation_bytes == 0


def test_control_flow_is_listed() -> None:
    """A loop's body is not guessed at: the node is listed as running a graph of its own."""
    b = Builder()
    condition = b.input(1, dtype=ir.DataType.BOOL)
    branches = []
    for name in ("then_branch", "else_branch"):
        node = ir.node("Identity", [b.inputs[0]])
        node.outputs[0].name = name
        node.outputs[0].shape, node.outputs[0].type = ir.Shape([1]), ir.TensorType(ir.DataType.BOOL)
        branches.append(ir.Graph([], [node.outputs[0]], nodes=[node], name=name))
    b("If", condition, shapes=[(1,)], then_branch=branches[0], else_branch=branches[1])
    assert [u.reason for u in count(b.model()).uncounted] == ["runs a subgraph"]


def test_every_formula_says_what_it_is() -> None:
    """Every entry of the table has a text for people."""
    assert all(formula.text for formula in FORMULAS.values())
