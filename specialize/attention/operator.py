"""The internal operator of multi-scale deformable attention, read and made.

    MultiScaleDeformableAttn(value [N, S, M, d], shapes [L, 2], locations [N, Q, M, L, P, 2],
                             weights [N, Q, M, L, P])  ->  [N, Q, M * d]

N batch items (cameras), S places of all L maps one after the other, M heads, d channels per head, Q queries, P
points. `shapes` holds height and width per map, locations are (x, y) as fractions of the map, pixel = location * size
- 0.5; bilinear, zero outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.graph.builder import Builder
from specialize.graph.declined import Declined
from specialize.graph.nodes import array_of
from specialize.graph.shapes import dims, is_static

DOMAIN, OPERATOR = "com.microsoft", "MultiScaleDeformableAttn"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of one deformable attention, and height and width of its maps."""

    batch: int
    queries: int
    heads: int
    points: int
    channels: int
    levels: tuple[tuple[int, int], ...]

    @property
    def places(self) -> int:
        """Places of all maps together."""
        return sum(height * width for height, width in self.levels)

    @property
    def starts(self) -> tuple[int, ...]:
        """First place of every map."""
        areas = [height * width for height, width in self.levels]
        return tuple(sum(areas[:level]) for level in range(len(areas)))

    @property
    def value(self) -> tuple[int, ...]:
        """Shape of the value."""
        return (self.batch, self.places, self.heads, self.channels)

    @property
    def locations(self) -> tuple[int, ...]:
        """Shape of the sampling locations."""
        return (self.batch, self.queries, self.heads, len(self.levels), self.points, 2)

    @property
    def weights(self) -> tuple[int, ...]:
        """Shape of the attention weights."""
        return self.locations[:-1]

    @property
    def result(self) -> tuple[int, ...]:
        """Shape of the result."""
        return (self.batch, self.queries, self.heads * self.channels)

    def __str__(self) -> str:
        """Return a few words for people."""
        return (
            f"{self.batch} x {self.queries} queries, {self.heads} heads, {len(self.levels)} levels, "
            f"{self.points} points, {self.heads * self.channels} channels"
        )


@dataclass(frozen=True, slots=True)
class Attention:
    """Tensors of one deformable attention, in the shapes of the internal operator."""

    sizes: Sizes
    value: ir.Value
    locations: ir.Value
    weights: ir.Value


def is_attention(node: ir.Node) -> bool:
    """Return whether a node is the internal operator."""
    return node.domain == DOMAIN and node.op_type == OPERATOR and len(node.inputs) == 4


def read_attention(node: ir.Node) -> Attention | Declined:
    """Return what an internal operator reads, or why it cannot be told."""
    value, shapes, locations, weights = node.inputs[:4]
    if value is None or shapes is None or locations is None or weights is None:
        return Declined("input-absent", "an input is absent")
    sizes = sizes_of(value, shapes, locations, weights)
    return sizes if isinstance(sizes, Declined) else Attention(sizes, value, locations, weights)


def sizes_of(value: ir.Value, shapes: ir.Value, locations: ir.Value, weights: ir.Value) -> Sizes | Declined:
    """Return the sizes that shapes of tensors imply, or why they contradict each other."""
    levels = level_sizes(shapes)
    if isinstance(levels, Declined):
        return levels
    if not all(is_static(each) for each in (value, locations, weights)):
        return Declined("shape-unknown", "a shape is not a number")
    if len(dims(value)) != 4 or len(dims(locations)) != 6:
        return Declined(
            "ranks",
            f"value has rank {len(dims(value))} and locations {len(dims(locations))} instead of 4 and 6",
        )
    batch, _, heads, channels = dims(value)
    sizes = Sizes(batch, dims(locations)[1], heads, dims(locations)[4], channels, levels)
    for name, have, want in (
        ("value", dims(value), sizes.value), ("locations", dims(locations), sizes.locations),
        ("weights", dims(weights), sizes.weights),
    ):  # fmt: skip
        if have != want:
            return Declined("sizes", f"{name} is {list(have)} where {list(want)} is expected")
    return sizes


def level_sizes(shapes: ir.Value) -> tuple[tuple[int, int], ...] | Declined:
    """Return height and width per level, or why they are not known."""
    known = array_of(shapes)
    if known is None:
        return Declined("levels-not-constant", "the sizes of the maps are not constant")
    sizes = known.astype(np.int64)
    if sizes.ndim != 2 or sizes.shape[1] != 2 or (sizes < 1).any():
        return Declined(
            "sizes", f"the sizes of the maps are {sizes.tolist()}, not height and width per level"
        )
    return tuple((int(height), int(width)) for height, width in sizes)


def make_attention(builder: Builder, attention: Attention) -> ir.Value:
    """Return the result, [N, Q, M * d], of a new internal operator."""
    shapes = builder.constant(np.array(attention.sizes.levels, dtype=np.int64), "levels")
    inputs = [attention.value, shapes, attention.locations, attention.weights]
    return builder.node(OPERATOR, inputs, attention.sizes.result, domain=DOMAIN)
