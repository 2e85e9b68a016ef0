"""Deformable convolutions as vendors write them: written for them, and read to the standard one.

What: ModulatedDeformableConv2dTRT(x, offset, mask, weight, bias), DL::DeformConv2d(x, offset, weight)  <->  DeformConv;
    in opsets without it, what `lower_deform_conv` writes is read.
Why it is sound: offsets are (dy, dx) per tap for all of them.
Needs: fold, so that kernels are constants; static shapes; opset 16 for what is read.
Declines when: a mask or a bias has no input to go to; numbers along y and x differ, because the makers' exporter and
    kernel take them in different orders, or nobody says in which; channels per group are odd, or a batch is cut in
    parts that differ, where the maker asks for others.
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
from specialize.passes.lower_deform_conv import DeformConv, write_deform_conv
from specialize.passes.rewrite import replace_or_undo
from specialize.rows.lift import array_of

NAME = "custom_conv"
DEFORM_CONV_OPSET = 19
LARGEST_STEP = 32
"""Images that the kernel of ModulatedDeformableConv2dTRT takes at once."""


def has_convs(model: ir.Model) -> bool:
    """Return whether a graph has a deformable convolution of a vendor."""
    return any((node.domain, node.op_type) in CONVS for node in model.graph)


def write_convs(model: ir.Model, taken: Container[str]) -> list[Note]:
    """Write every DeformConv as the first operator of a vendor that a toolchain takes and that can say it, in place."""
    notes = []
    kinds = [kind for kind in CONVS.values() if kind.title in taken]
    for node in list(model.graph):
        if node.op_type != "DeformConv" or node.domain not in STANDARD or not kinds:
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        made = _written(node, kinds[0], builder)
        title = kinds[0].title
        note = replace_or_undo(node, builder, made, NAME, told=f"written as {title}", title=title)
        if note.verdict == "applied" and kinds[0].domain:
            model.graph.opset_imports.setdefault(kinds[0].domain, 1)
        notes.append(note)
    return notes


def read_convs(model: ir.Model) -> list[Note]:
    """Write every deformable convolution of a vendor as the standard one, or with GridSample in older opsets."""
    notes = []
    standard = model.graph.opset_imports.get("", 0) >= DEFORM_CONV_OPSET
    for node in list(model.graph):
        kind = CONVS.get((node.domain, node.op_type))
        if kind is None:
            continue
        builder = Builder(model.graph, node, f"specialize/{node_name(node)}", {PASS_KEY: NAME})
        made = (_read_standard if standard else _read)(node, kind, builder)
        told = f"{node.op_type} read as {'DeformConv' if standard else 'GridSample'}"
        notes.append(replace_or_undo(node, builder, made, NAME, told=told, title=node.op_type))
    return notes


def _written(node: ir.Node, kind: Conv, builder: Builder) -> ir.Value | str:
    image, kernel, offset, bias, mask = (*node.inputs, None, None)[:5]
    if image is None or kernel is None or offset is None:
        return "an input is absent"
    if not (is_static(image) and is_static(offset) and is_static(node.outputs[0]) and is_static(kernel)):
        return "a dynamic shape"
    pads = _numbers(node, "pads", 4, 0)
    attributes: dict[str, Any] = {
        "stride": _numbers(node, "strides", 2, 1),
        "padding": pads if kind.four_pads else pads[:2],
        "dilation": _numbers(node, "dilations", 2, 1),
        "groups": _number(node, "group"),
        "deform_groups": _number(node, "offset_group"),
    }
    fault = _unsaid({**attributes, "padding": pads}, kind, dims(image)[:2])
    if fault:
        return fault
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


def _unsaid(attributes: dict[str, Any], kind: Conv, size: tuple[int, ...]) -> str:
    """Return what a vendor's operator does not say as DeformConv does; nothing if there is nothing."""
    for name in ("stride", "padding", "dilation"):
        if len(set(attributes[name])) > 1:
            return f"its numbers of {name}, {list(attributes[name])}, differ, and their order is not certain"
    batch, channels = size
    if not kind.masked:
        return ""
    if batch % min(batch, LARGEST_STEP):
        return f"a batch of {batch} is no multiple of {LARGEST_STEP}"
    odd = [channels // attributes[name] for name in ("groups", "deform_groups")]
    return (
        f"its maker asks for even numbers of channels per group, and there are {odd}"
        if any(n % 2 for n in odd)
        else ""
    )


def _read_standard(node: ir.Node, kind: Conv, builder: Builder) -> ir.Value | str:
    roles = _roles(node, kind)
    image, kernel, offset = (roles.get(role) for role in ("image", "kernel", "offset"))
    if image is None or kernel is None or offset is None:
        return "an input is absent"
    if not (is_static(kernel) and is_static(node.outputs[0])):
        return "a dynamic shape"
    padding = _numbers(node, "padding", 4 if kind.four_pads else 2, 0)
    fault = _unclear(node, kind, padding)
    if fault:
        return fault
    inputs = [image, kernel, offset, roles.get("bias"), roles.get("mask")]
    while inputs[-1] is None:
        inputs.pop()
    return builder.node(
        "DeformConv", inputs, dims(node.outputs[0]), kernel_shape=dims(kernel)[2:], pads=(*padding[:2], *padding[:2]),
        strides=_numbers(node, "stride", 2, 1), dilations=_numbers(node, "dilation", 2, 1),
        group=_number(node, "groups"), offset_group=_number(node, "deform_groups"),
    )  # fmt: skip


def _read(node: ir.Node, kind: Conv, builder: Builder) -> ir.Value | str:
    roles = _roles(node, kind)
    kernel = array_of(roles.get("kernel"))
    image, offset = roles.get("image"), roles.get("offset")
    if kernel is None or image is None or offset is None:
        return "its kernel is not constant"
    if not (is_static(image) and is_static(offset) and is_static(node.outputs[0])):
        return "a dynamic shape"
    if _number(node, "groups") != 1 or _number(node, "deform_groups") != 1:
        return "it has groups"
    padding = _numbers(node, "padding", 4 if kind.four_pads else 2, 0)
    fault = _unclear(node, kind, padding)
    if fault:
        return fault
    conv = DeformConv(
        image=image, kernel=kernel.astype(np.float32), offset=offset, bias=roles.get("bias"), mask=roles.get("mask"),
        strides=_numbers(node, "stride", 2, 1), dilations=_numbers(node, "dilation", 2, 1), pads=padding[:2],
    )  # fmt: skip
    return write_deform_conv(builder, conv, dims(node.outputs[0]))


def _roles(node: ir.Node, kind: Conv) -> dict[str, ir.Value | None]:
    places = ("image", "offset", "mask", "kernel", "bias") if kind.masked else ("image", "offset", "kernel")
    return dict(zip(places, node.inputs, strict=False))


def _unclear(node: ir.Node, kind: Conv, padding: tuple[int, ...]) -> str:
    """Return what a vendor's operator leaves open; nothing if there is nothing."""
    if "bias" in node.attributes and node.attributes["bias"].as_int():
        return "its bias is said to be there, and no input holds it"
    if kind.four_pads and len(set(padding)) > 1:
        return f"its numbers of padding, {list(padding)}, differ, and their order is not known"
    return ""


def _number(node: ir.Node, name: str) -> int:
    return node.attributes[name].as_int() if name in node.attributes else 1


def _numbers(node: ir.Node, name: str, count: int, default: int) -> tuple[int, ...]:
    return tuple(node.attributes[name].as_ints()) if name in node.attributes else (default,) * count
