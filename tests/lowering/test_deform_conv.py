"""Deformable convolutions without DeformConv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.graph.rewrite import apply
from specialize.lowering.deform_conv import SAMPLED_CONVS
from specialize.verify.runtime import open_openvino
from tests.graphs import GraphMaker, operators, run


def deform_conv(
    size: tuple[int, int] = (7, 9),
    opset: int = 19,
    stride: int = 1,
    dilation: int = 1,
    bias: bool = True,
    mask: bool = True,
    **attributes: object,
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Return a model with one deformable convolution of 4 to 6 channels, and inputs for it."""
    rng = np.random.default_rng(11)
    g = GraphMaker(opset)
    out = tuple(-(-length // stride) for length in size)
    shapes = {"x": (2, 4, *size), "offset": (2, 18, *out), "mask": (2, 9, *out)}
    inputs = [
        g.input("x", shapes["x"]),
        g.const(rng.standard_normal((6, 4, 3, 3))),
        g.input("offset", shapes["offset"]),
    ]
    inputs.append(g.const(rng.standard_normal(6)) if bias else "")
    if mask:
        inputs.append(g.input("mask", shapes["mask"]))
    model = g.model(
        out=g.op(
            "DeformConv",
            *inputs,
            pads=[dilation] * 4,
            strides=[stride] * 2,
            dilations=[dilation] * 2,
            kernel_shape=[3, 3],
            **attributes,
        )
    )
    feeds = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    feeds["offset"] *= 3.0
    return model, feeds


def lowered(model: onnx.ModelProto) -> tuple[ir.Model, str]:
    """Return a lowered copy and what the pass said."""
    found = ir.from_proto(model)
    (note,) = apply(found, SAMPLED_CONVS)
    return found, note.reason


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"stride": 2},
        {"dilation": 2},
        {"bias": False},
        {"mask": False, "bias": False},
        {"size": (2, 5)},
        {"opset": 20},
    ],
)
def test_computes_what_the_operator_computes(form: dict[str, object]) -> None:
    """Strides, dilations, places far outside the map, with and without bias and mask: the same numbers."""
    model, feeds = deform_conv(**form)  # type: ignore[arg-type]
    made, reason = lowered(model)
    assert reason == "9 taps read by one GridSample"
    assert "DeformConv" not in operators(made)
    (want,), (got,) = run(model, feeds).values(), run(made, feeds).values()
    np.testing.assert_allclose(got, want, rtol=0, atol=5e-5)


def test_openvino_computes_it(tmp_path: Path) -> None:
    """A toolchain that cannot read DeformConv runs what is written instead, with the same numbers."""
    model, feeds = deform_conv()
    made, _ = lowered(model)
    path = tmp_path / "lowered.onnx"
    ir.save(made, path)
    (got,) = open_openvino(path, threads=1).run(feeds).values()
    (want,) = run(model, feeds).values()
    np.testing.assert_allclose(got, want, rtol=0, atol=5e-5)


def test_declines_groups() -> None:
    """Groups of channels are left alone, and the note says so."""
    rng = np.random.default_rng(1)
    g = GraphMaker(opset=19)
    inputs = (
        g.input("x", (1, 4, 5, 5)),
        g.const(rng.standard_normal((4, 2, 3, 3))),
        g.input("offset", (1, 18, 5, 5)),
    )
    model = g.model(out=g.op("DeformConv", *inputs, group=2, pads=[1] * 4, kernel_shape=[3, 3]))
    made, reason = lowered(model)
    assert reason == "it has groups"
    assert operators(made)["DeformConv"] == 1


def test_declines_a_single_row() -> None:
    """A map of one row has no extent that GridSample could address."""
    made, reason = lowered(deform_conv(size=(1, 5))[0])
    assert reason == "its map has a single row or column"
    assert operators(made)["DeformConv"] == 1


def test_declines_a_kernel_that_is_no_constant() -> None:
    """A kernel that is computed at run time cannot be rearranged at build time."""
    g = GraphMaker(opset=19)
    inputs = g.input("x", (1, 4, 5, 5)), g.input("w", (6, 4, 3, 3)), g.input("offset", (1, 18, 5, 5))
    _, reason = lowered(g.model(out=g.op("DeformConv", *inputs, pads=[1] * 4, kernel_shape=[3, 3])))
    assert reason == "its kernel is not constant"
