"""The custom operators in use: what they read, in order, and the shape of what they give.

Those of deformable attention compute what the internal operator computes (`passes.attention`) from other inputs; that
of pooling what `passes.lower_pool` writes out. Where the facts come from is in `docs/targets.md`. Shape inference
knows none of them, so their shapes are computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

Role = Literal[
    "value",
    "shapes",
    "starts",
    "locations",
    "weights",
    "reference",
    "offsets",
    "logits",
    "batch",
    "queries",
    "width",
]

PLAIN: tuple[Role, ...] = ("value", "shapes", "starts", "locations", "weights")
IN_PIXELS: tuple[Role, ...] = ("value", "shapes", "reference", "offsets", "logits")


@dataclass(frozen=True, slots=True)
class Spelling:
    """One custom operator.

    Attributes:
        name: How `--target` and `lower_deformable_attention` call it.
        domain: Its ONNX domain; some have none.
        operator: Its name.
        inputs: What it reads, in order.
        index: Type of sizes of maps and starts.
        split_heads: Whether the result is [N, Q, M, d] instead of [N, Q, M * d].
        attributes: Attributes and the numbers they get.
    """

    name: str
    domain: str
    operator: str
    inputs: tuple[Role, ...]
    index: ir.DataType = ir.DataType.INT32
    split_heads: bool = False
    attributes: tuple[tuple[str, int], ...] = ()

    @property
    def title(self) -> str:
        """Domain and name, as ONNX tools print them."""
        return f"{self.domain}::{self.operator}" if self.domain else self.operator

    @property
    def in_pixels(self) -> bool:
        """Whether it reads reference points, offsets in pixels and weights before the softmax."""
        return "offsets" in self.inputs


SPELLINGS: dict[str, Spelling] = {
    spelling.name: spelling
    for spelling in (
        Spelling(
            "microsoft", "com.microsoft", "MultiScaleDeformableAttn",
            ("value", "shapes", "locations", "weights"), ir.DataType.INT64,
        ),
        Spelling(
            "denglin", "DL", "MultiScaleDeformableAttnFunction", (*PLAIN, "batch", "queries", "width"),
            ir.DataType.INT64, attributes=(("im2col_step", 64),),
        ),
        Spelling("derryhub", "", "MultiScaleDeformableAttnTRT", IN_PIXELS, split_heads=True),
        Spelling("derryhub2", "", "MultiScaleDeformableAttnTRT2", IN_PIXELS, split_heads=True),
        Spelling("tensorrt", "trt", "MultiscaleDeformableAttnPlugin_TRT", PLAIN, split_heads=True),
        Spelling("vad", "custom_op", "MultiScaleDeformableAttentionPlugin", PLAIN),
        Spelling(
            "mmdeploy", "mmdeploy", "MMCVMultiScaleDeformableAttention", PLAIN, attributes=(("im2col_step", 64),)
        ),
        Spelling("ascend", "npu", "MultiScaleDeformableAttn", PLAIN),
    )
}  # fmt: skip

QUANTIZED = "trt.plugins"
"""Domain that NVIDIA's quantization tool gives to plugins without one."""

CUSTOM: dict[tuple[str, str], Spelling] = {
    (spelling.domain, spelling.operator): spelling for spelling in SPELLINGS.values()
} | {
    (domain, spelling.operator): spelling
    for name, domain in (
        ("tensorrt", ""),
        ("tensorrt", "TRT"),
        ("tensorrt", "com.microsoft"),
        ("derryhub", QUANTIZED),
        ("derryhub2", QUANTIZED),
        ("vad", ""),
    )
    for spelling in (SPELLINGS[name],)
}
"""Operators by domain and name; some tools drop the domain, or put one where there was none."""

POOL = "BEVPoolV2TRT"
"""Pooling by tables: depth (N, D, H, W), features (N, H, W, C), five int32 arrays to (1, out_height, out_width, C)."""
POOLS = frozenset(
    {(domain, name) for domain in ("", QUANTIZED, "trt", "TRT") for name in (POOL, "BEVPoolV2TRT2")}
    | {("mmdeploy", "bev_pool_v2")}
)
"""Poolings by domain and name, all with these inputs and this result."""

TABLES = ("ranks_depth", "ranks_feat", "ranks_bev", "interval_starts", "interval_lengths")
"""The five arrays of a pooling, its inputs from the third on."""


@dataclass(frozen=True, slots=True)
class Conv:
    """A vendor's deformable convolution: x, offset, then mask if it has one, kernel, and a bias if there is one.

    Attributes:
        domain: Its ONNX domain; some have none.
        operator: Its name.
        masked: Whether it is modulated, and takes a bias.
        four_pads: Whether its padding is four numbers instead of two.
    """

    domain: str
    operator: str
    masked: bool
    four_pads: bool = False

    @property
    def title(self) -> str:
        """Domain and name, as ONNX tools print them."""
        return f"{self.domain}::{self.operator}" if self.domain else self.operator


CONVS: dict[tuple[str, str], Conv] = {
    (domain, kind.operator): kind
    for kind in (
        Conv("", "ModulatedDeformableConv2dTRT", masked=True),
        Conv("", "ModulatedDeformableConv2dTRT2", masked=True),
        Conv("DL", "DeformConv2d", masked=False, four_pads=True),
    )
    for domain in ((kind.domain,) if kind.domain else ("", QUANTIZED))
}
"""Deformable convolutions by domain and name."""

ROTATE = "RotateTRT"
ROTATIONS = frozenset((domain, name) for domain in ("", QUANTIZED) for name in (ROTATE, "RotateTRT2"))
"""Rotations of an image (C, H, W): image, angle in degrees, center (2,) in px."""


def is_pool(node: ir.Node) -> bool:
    """Return whether a node is pooling by tables."""
    return (node.domain, node.op_type) in POOLS


def is_custom(node: ir.Node) -> bool:
    """Return whether a node is a custom operator that is known here."""
    key = (node.domain, node.op_type)
    return key in CUSTOM or key in CONVS or key in ROTATIONS or is_pool(node)


def is_view(node: ir.Node) -> bool:
    """Return whether a node is a custom operator that brings maps of cameras to queries or cells."""
    return (node.domain, node.op_type) in CUSTOM or is_pool(node)


def is_foreign(node: ir.Node) -> bool:
    """Return whether a node is no standard operator: of another domain, or a plugin that has none."""
    return node.domain not in ("", "ai.onnx") or is_plugin(node)


def is_plugin(node: ir.Node) -> bool:
    """Return whether a node is a custom operator without a domain."""
    return node.domain == "" and is_custom(node)


def least_inputs(node: ir.Node) -> int:
    """Return how many inputs a custom operator cannot do without."""
    key = (node.domain, node.op_type)
    if is_pool(node):
        return 7
    if key in ROTATIONS:
        return 3
    if key in CONVS:
        return 4 if CONVS[key].masked else 3
    return 4


def result_shape(node: ir.Node) -> tuple[int, ...] | None:
    """Return the shape of a custom operator's result if the shapes of its inputs tell it."""
    if is_pool(node):
        features = _numbers(node.inputs[1])
        size = [
            node.attributes[name].as_int() for name in ("out_height", "out_width") if name in node.attributes
        ]
        return (1, *size, features[-1]) if len(size) == 2 and features else None
    key = (node.domain, node.op_type)
    if key in ROTATIONS:
        return _numbers(node.inputs[0]) or None
    if key in CONVS:
        offset, kernel = _numbers(node.inputs[1]), _numbers(node.inputs[3 if CONVS[key].masked else 2])
        return (offset[0], kernel[0], *offset[2:]) if offset and kernel else None
    spelling = CUSTOM.get(key)
    if spelling is None:
        return None
    roles = dict(zip(roles_of(node, spelling), node.inputs, strict=False))
    value, places = _numbers(roles.get("value")), _numbers(roles.get("locations") or roles.get("offsets"))
    if len(value) != 4 or len(places) < 3:
        return None
    batch, _, heads, channels = value
    return (
        (batch, places[1], heads, channels) if spelling.split_heads else (batch, places[1], heads * channels)
    )


def _numbers(value: ir.Value | None) -> tuple[int, ...]:
    """Return a shape of numbers; nothing if it is not known."""
    found = (
        () if value is None or value.shape is None else tuple(d for d in value.shape if isinstance(d, int))
    )
    return found if value is not None and value.shape is not None and len(found) == len(value.shape) else ()


def roles_of(node: ir.Node, spelling: Spelling) -> tuple[Role, ...]:
    """Return what the inputs are; the TensorRT operators had other inputs in their first releases."""
    if not spelling.in_pixels:
        return spelling.inputs
    if len(node.inputs) == 4:
        return ("value", "shapes", "locations", "weights")
    third = node.inputs[2] if len(node.inputs) > 2 else None
    starts = third is not None and third.shape is not None and len(third.shape) == 1
    return PLAIN if starts else spelling.inputs
