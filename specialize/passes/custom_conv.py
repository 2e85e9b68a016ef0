"""Deformable convolutions as vendors write them: written for them, and read to standard operators.

What: ModulatedDeformableConv2dTRT(x, offset, mask, weight, bias), DL::DeformConv2d(x, offset, weight)  <->  DeformConv.
Why it is sound: offsets are (dy, dx) per tap for all of them.
Needs: fold, so that kernels are constants; static shapes; opset 16 for what is read.
Declines when: pads differ at both ends; a mask or a bias has no input to go to; there are groups in what is read.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import onnx_ir as ir

from specialize.graph.custom import CONVS, Conv
from specialize.graph.edit import PASS_KEY, Builder
from specialize.graph.shapes import STANDARD, dims, is_static, numpy_type
from specialize.passes.arithmetic import plus
from specialize.passes.base import Note, node_name
from specialize.passes.compact import remove_unused, replace
from specialize.passes.lower_deform_conv import DeformConv, write_deform_conv
from specialize.rows.lift import array_of

NAME = "custom_conv"


def write_convs(model: ir.Model, taken: Container[str]) -> list[Note]:
    """Write every DeformConv as the first operator of a vendor that a toolchain takes and that can say it, in place."""
    notes = []
    kinds = [kind for kind in CONVS.values() if kind.title in taken]
    for node in list(model.graph):
        if node.op_type != "DeformConv" or node.domain not in STANDARD or not kinds:
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        made = _written(node, kinds[0], builder)
        if isinstance(made, str):
            builder.undo()
            notes.append(Note(NAME, "declined", node_name(node), f"{kinds[0].title}: {made}"))
            continue
        replace(model.graph, node.outputs[0], made)
        remove_unused(model.graph, node)
        if kinds[0].domain:
            model.graph.opset_imports.setdefault(kinds[0].domain, 1)
        notes.append(Note(NAME, "applied", node_name(node), f"written as {kinds[0].title}"))
    return notes


def read_convs(model: ir.Model) -> list[Note]:
    """Write every deformable convolution of a vendor with GridSample, in place."""
    notes = []
    for node in list(model.graph):
        kind = CONVS.get((node.domain, node.op_type))
        if kind is None:
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        made = _read(node, kind, builder)
        if isinstance(made, str):
            builder.undo()
            notes.append(Note(NAME, "declined", node_name(node), f"{node.op_type}: {made}"))
            continue
        replace(model.graph, node.outputs[0], made)
        remove_unused(model.graph, node)
        notes.append(Note(NAME, "applied", node_name(node), f"{node.op_type} read as GridSample"))
    return notes


def _written(node: ir.Node, kind: Conv, builder: Builder) -> ir.Value | str:
    image, kernel, offset, bias, mask = (*node.inputs, None, None)[:5]
    if image is None or kernel is None or offset is None:
        return "an input is absent"
    if not (is_static(offset) and is_static(node.outputs[0]) and is_static(kernel)):
        return "a dynamic shape"
    pads = _numbers(node, "pads", 4, 0)
    if pads[:2] != pads[2:]:
        return f"its pads {list(pads)} differ at both ends"
    attributes: dict[str, Any] = {
        "stride": _numbers(node, "strides", 2, 1),
        "padding": pads if kind.four_pads else pads[:2],
        "dilation": _numbers(node, "dilations", 2, 1),
        "groups": _number(node, "group"),
        "deform_groups": _number(node, "offset_group"),
    }
    inputs: list[ir.Value | None] = [image, offset]
    if not kind.masked:
        if mask is not None:
            return "it has a mask, and that operator has no input for one"
        made = builder.node(
            kind.operator,
            [*inputs, kernel],
            dims(node.outputs[0]),
            domain=kind.domain,
            bias=0,
            im2col_step=32,
            **attributes,
        )
        return made if bias is None else plus(builder, made, builder.reshape(bias, (1, dims(bias)[0], 1, 1)))
    if mask is None:
        batch, coordinates, *size = dims(offset)
        mask = builder.constant(np.ones((batch, coordinates // 2, *size), numpy_type(image)), "mask")
    inputs += [mask, kernel] if bias is None else [mask, kernel, bias]
    return builder.node(kind.operator, inputs, dims(node.outputs[0]), domain=kind.domain, **attributes)


def _read(node: ir.Node, kind: Conv, builder: Builder) -> ir.Value | str:
    places = ("image", "offset", "mask", "kernel", "bias") if kind.masked else ("image", "offset", "kernel")
    roles = dict(zip(places, node.inputs, strict=False))
    kernel = array_of(roles.get("kernel"))
    image, offset = roles.get("image"), roles.get("offset")
    if kernel is None or image is None or offset is None:
        return "its kernel is not constant"
    if not (is_static(image) and is_static(offset) and is_static(node.outputs[0])):
        return "a dynamic shape"
    if _number(node, "groups") != 1 or _number(node, "deform_groups") != 1:
        return "it has groups"
    if "bias" in node.attributes and node.attributes["bias"].as_int():
        return "its bias is said to be there, and no input holds it"
    conv = DeformConv(
        image=image, kernel=kernel.astype(np.float32), offset=offset, bias=roles.get("bias"), mask=roles.get("mask"),
        strides=_numbers(node, "stride", 2, 1), dilations=_numbers(node, "dilation", 2, 1),
        pads=_numbers(node, "padding", 4 if kind.four_pads else 2, 0)[:2],
    )  # fmt: skip
    return write_deform_conv(builder, conv, dims(node.outputs[0]))


def _number(node: ir.Node, name: str) -> int:
    return node.attributes[name].as_int() if name in node.attributes else 1


def _numbers(node: ir.Node, name: str, count: int, default: int) -> tuple[int, ...]:
    return tuple(node.attributes[name].as_ints()) if name in node.attributes else (default,) * count
