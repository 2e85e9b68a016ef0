"""Define the variants of BEVFormer by their parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from specialize.zoo.backbone import Style
from specialize.zoo.bevformer_encoder import RangeM
from specialize.zoo.deformable_attention import LevelShapes, level_shapes

ShiftRule = Literal["previous", "aliased"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BEVFormerConfig:
    """What makes one BEVFormer differ from another.

    Attributes:
        bev_shape: Height and width of the BEV grid in cells.
        image_px: Width and height of the network's image, padding included.
        depth: Of the ResNet.
        style: Of the ResNet.
        stages: ResNet stages used, 1 (stride 8) to 3 (stride 32).
        dcn_stages: ResNet stages with deformable convolutions.
        levels: Number of feature maps that the encoder reads.
        layers: Encoder layers.
        shift: Which reference points of temporal self-attention follow the vehicle: those of the previous BEV
            (the published code), or of both (`aliased`: the releases v1.0 and v2.0).
        range_m: The grid's x, y, z minima, then maxima, in the lidar frame.
        lens: The lens that points are projected through; empty for matrices.
    """

    bev_shape: tuple[int, int]
    image_px: tuple[int, int]
    depth: int
    style: Style
    stages: tuple[int, ...]
    dcn_stages: tuple[int, ...] = ()
    levels: int = 1
    layers: int = 3
    shift: ShiftRule = "previous"
    range_m: RangeM = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
    cameras: int = 6
    anchors: int = 4
    dims: int = 256
    heads: int = 8
    decoder_layers: int = 6
    objects: int = 900
    classes: int = 10
    lens: str = ""

    def level_shapes(self) -> LevelShapes:
        """Returns (height, width) of every feature map that the encoder reads."""
        first = 4 * 2 ** self.stages[0]
        return level_shapes(self.image_px, [first * 2**level for level in range(self.levels)])


CONFIGS = {
    "bevformer_tiny": BEVFormerConfig(
        bev_shape=(50, 50), image_px=(800, 480), depth=50, style="pytorch", stages=(3,)
    ),
    "bevformer_small": BEVFormerConfig(
        bev_shape=(150, 150), image_px=(1280, 736), depth=101, style="caffe", stages=(3,), dcn_stages=(2, 3)
    ),
    "bevformer_base": BEVFormerConfig(
        bev_shape=(200, 200),
        image_px=(1600, 928),
        depth=101,
        style="caffe",
        stages=(1, 2, 3),
        dcn_stages=(2, 3),
        levels=4,
        layers=6,
    ),
}
_WIDE = replace(CONFIGS["bevformer_tiny"], image_px=(704, 704), cameras=4)
LENSES = {"bevformer_tiny_mei": "mei", "bevformer_tiny_ftheta": "ftheta"}
CONFIGS |= {f"{name}_aliased": replace(config, shift="aliased") for name, config in CONFIGS.items()}
CONFIGS |= {"bevformer_tiny_wide": _WIDE} | {name: replace(_WIDE, lens=lens) for name, lens in LENSES.items()}
