"""Deformable convolutions as vendors write them: written for them, and read to the standard one.

What: ModulatedDeformableConv2dTRT(x, offset, mask, weight, bias), DL::DeformConv2d(x, offset, weight)  <->  DeformConv;
    in opsets without it, what `lower_deform_conv` writes is read.
Why it is sound: offsets are (dy, dx) per tap for all of them.
Needs: fold, so that kernels are constants; static shapes; opset 16 for what is read.
Declines when: a mask or a bias has no input to go to; numbers along y and x differ, because the makers' exporter and
    kernel take them in different orders, or the order is not known; channels per group are odd, or a batch is cut in
    parts that differ, where the maker asks for others.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.custom import CONVS, Conv
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.ops import integers
from specialize.graph.rewrite import Outcome, Rewritten, Rule
from specialize.graph.shapes import dims, is_static, numpy_type
from specialize.graph.snippets import plus
from specialize.lowering.deform_conv import DeformConv, write_deform_conv

NAME = "custom_conv"
DEFORM_CONV_OPSET = 19
LARGEST_STEP = 32
"""Images that the kernel of ModulatedDeformableConv2dTRT takes at once."""


def has_convs(model: ir.Model) -> bool:
    """Return whether a graph has a deformable convolution of a vendor."""
    return any((node.domain, node.op_type) in CONVS for node in model.graph)


def vendor_convs(taken: Container[str]) -> tuple[Rule, ...]:
    """Return the rule that writes every DeformConv as the first vendor's operator that a toolchain takes, if any."""
    kind = next((kind for kind in CONVS.values() if kind.title in taken), None)
    if kind is None:
        return ()

    def rewrite(node: ir.Node, builder: Builder) -> Outcome:
        made = _written(node, kind, builder)
        if isinstance(made, Declined):
            return made
        if kind.domain:
            builder.graph.opset_imports.setdefault(kind.domain, 1)
        return Rewritten([f"written as {kind.title}"], [made])

    return (Rule(name=NAME, operators={"DeformConv"}, rewrite=rewrite, title=kind.title),)


def _read_conv(node: ir.Node, builder: Builder) -> Outcome:
    kind = CONVS.get((node.domain, node.op_type))
    if kind is None:
        return None
    standard = builder.graph.opset_imports.get("", 0) >= DEFORM_CONV_OPSET
    made = (_read_standard if standard else _read)(node, kind, builder)
    if isinstance(made, Declined):
        return made
    return Rewritten([f"{node.op_type} read as {'DeformConv' if standard else 'GridSample'}"], [made])


READ_CONVS = Rule(
    name=NAME,
    operators={operator for _, operator in CONVS},
    domains={domain for domain, _ in CONVS},
    rewrite=_read_conv,
    title="{operator}",
    leaves=lambda node: (node.domain, node.op_type) in CONVS,
)
"""Every deformable convolution of a vendor is written as the standard one, or with GridSample in older opsets."""


def _written(node: ir.Node, kind: Conv, builder: Builder) -> ir.Value | Declined:
    image, kernel, offset, bias, mask = (*node.inputs, None, None)[:5]
    if image is None or kernel is None or offset is None:
        return Declined("input-absent", "an input is absent")
    if not (is_static(image) and is_static(offset) and is_static(node.outputs[0]) and is_static(kernel)):
        return Declined("shape-unknown", "a dynamic shape")
    pads = integers(node, "pads", 4, 0)
    attributes: dict[str, Any] = {
        "stride": integers(node, "strides", 2, 1),
        "padding": pads if kind.four_pads else pads[:2],
        "dilation": integers(node, "dilations", 2, 1),
        "groups": _number(node, "group"),
        "deform_groups": _number(node, "offset_group"),
    }
    fault = _unsaid({**attributes, "padding": pads}, kind, dims(image)[:2])
    if fault is not None:
        return fault
    inputs: list[ir.Value | None] = [image, offset]
    if not kind.masked:
        if mask is not None:
            return Declined("mask", "it has a mask, and that operator has no input for one")
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


def _unsaid(attributes: dict[str, Any], kind: Conv, size: tuple[int, ...]) -> Declined | None:
    """Return what a vendor's operator does not say as DeformConv does; None if it says all."""
    for name in ("stride", "padding", "dilation"):
        if len(set(attributes[name])) > 1:
            told = f"its numbers of {name}, {list(attributes[name])}, differ, and their order is not certain"
            return Declined("numbers-differ", told)
    batch, channels = size
    if not kind.masked:
        return None
    if batch % min(batch, LARGEST_STEP):
        return Declined("batch", f"a batch of {batch} is not a multiple of {LARGEST_STEP}")
    odd = [channels // attributes[name] for name in ("groups", "deform_groups")]
    told = f"its maker asks for even numbers of channels per group, and there are {odd}"
    return Declined("odd-channels", told) if any(n % 2 for n in odd) else None


def _read_standard(node: ir.Node, kind: Conv, builder: Builder) -> ir.Value | Declined:
    roles = _roles(node, kind)
    image, kernel, offset = (roles.get(role) for role in ("image", "kernel", "offset"))
    if image is None or kernel is None or offset is None:
        return Declined("input-absent", "an input is absent")
    if not (is_static(kernel) and is_static(node.outputs[0])):
        return Declined("shape-unknown", "a dynamic shape")
    padding = integers(node, "padding", 4 if kind.four_pads else 2, 0)
    fault = _unclear(node, kind, padding)
    if fault is not None:
        return fault
    inputs = [image, kernel, offset, roles.get("bias"), roles.get("mask")]
    while inputs[-1] is None:
        inputs.pop()
    return builder.node(
        "DeformConv", inputs, dims(node.outputs[0]), kernel_shape=dims(kernel)[2:], pads=(*padding[:2], *padding[:2]),
        strides=integers(node, "stride", 2, 1), dilations=integers(node, "dilation", 2, 1),
        group=_number(node, "groups"), offset_group=_number(node, "deform_groups"),
    )  # fmt: skip


def _read(node: ir.Node, kind: Conv, builder: Builder) -> ir.Value | Declined:
    roles = _roles(node, kind)
    kernel = array_of(roles.get("kernel"))
    image, offset = roles.get("image"), roles.get("offset")
    if kernel is None or image is None or offset is None:
        return Declined("kernel-not-constant", "its kernel is not constant")
    if not (is_static(image) and is_static(offset) and is_static(node.outputs[0])):
        return Declined("shape-unknown", "a dynamic shape")
    if _number(node, "groups") != 1 or _number(node, "deform_groups") != 1:
        return Declined("groups", "it has groups")
    padding = integers(node, "padding", 4 if kind.four_pads else 2, 0)
    fault = _unclear(node, kind, padding)
    if fault is not None:
        return fault
    conv = DeformConv(
        image=image, kernel=kernel.astype(np.float32), offset=offset, bias=roles.get("bias"), mask=roles.get("mask"),
        strides=integers(node, "stride", 2, 1), dilations=integers(node, "dilation", 2, 1), pads=padding[:2],
    )  # fmt: skip
    return write_deform_conv(builder, conv, dims(node.outputs[0]))


def _roles(node: ir.Node, kind: Conv) -> dict[str, ir.Value | None]:
    places = ("image", "offset", "mask", "kernel", "bias") if kind.masked else ("image", "offset", "kernel")
    return dict(zip(places, node.inputs, strict=False))


def _unclear(node: ir.Node, kind: Conv, padding: tuple[int, ...]) -> Declined | None:
    """Return what a vendor's operator leaves open; None if it leaves nothing open."""
    if "bias" in node.attributes and node.attributes["bias"].as_int():
        return Declined("bias-absent", "it declares a bias, but no input holds one")
    if kind.four_pads and len(set(padding)) > 1:
        told = f"its numbers of padding, {list(padding)}, differ, and their order is not known"
        return Declined("numbers-differ", told)
    return None


def _number(node: ir.Node, name: str) -> int:
    return node.attributes[name].as_int() if name in node.attributes else 1
