"""Make demo/encoder.onnx, the model of `specialize demo`: two layers of BEVFormer's cross-attention on a tiny backbone.

It is made of the modules of `specialize/zoo` and of seeded weights alone, so it is under the licence of this package.
It is small enough to travel in the wheel, and needs no torch where it is built. Its outputs mean nothing.
"""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import torch
from torch import Tensor, nn

from specialize.zoo.bevformer_encoder import pillar_points_m
from specialize.zoo.deformable_attention import SpatialCrossAttention, level_shapes
from specialize.zoo.export import OPSET, check_static, clear, quiet
from specialize.zoo.layers import FeedForward, LearnedPositions
from specialize.zoo.sight import Sight, look
from specialize.zoo.weights import seed_weights

REPOSITORY = Path(__file__).parents[1]
MODEL = REPOSITORY / "demo" / "encoder.onnx"
NAME, SEED = "demo_encoder", 0

CAMERAS, IMAGE_PX, BEV_SHAPE = 6, (800, 480), (50, 50)
RANGE_M = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
ANCHORS, POINTS, DIMS, HEADS, LAYERS = 4, 8, 32, 4, 2
STRIDES = (8, 4)
"""Of the two convolutions of the backbone; their kernels do not overlap."""


class Layer(nn.Module):
    """Cross-attention with the cameras and a feed-forward, each followed by a norm."""

    def __init__(self, levels: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.spatial = SpatialCrossAttention(DIMS, levels, HEADS, POINTS, ANCHORS)
        self.ffn = FeedForward(DIMS, 2 * DIMS)
        self.norms = nn.ModuleList([nn.LayerNorm(DIMS) for _ in range(2)])

    def forward(self, x: Tensor, value: Tensor, sight: Sight) -> Tensor:
        """Maps queries (1, Q, C) to (1, Q, C); `value` is (N, S, C)."""
        x = self.norms[0](self.spatial(x, value, sight.reference, sight.seen))
        return self.norms[1](self.ffn(x))  # type: ignore[no-any-return]


class DemoEncoder(nn.Module):
    """Images and calibration in, one feature per BEV cell out."""

    points_m: Tensor
    image_px: Tensor

    def __init__(self) -> None:
        super().__init__()
        first, second = STRIDES
        self.backbone = nn.Sequential(
            nn.Conv2d(3, DIMS // 2, first, first), nn.ReLU(), nn.Conv2d(DIMS // 2, DIMS, second, second)
        )
        self.positions = LearnedPositions(*BEV_SHAPE, DIMS)
        levels = level_shapes(IMAGE_PX, [first * second])
        self.layers = nn.ModuleList([Layer(levels) for _ in range(LAYERS)])
        self.register_buffer("points_m", pillar_points_m(BEV_SHAPE, RANGE_M, ANCHORS), persistent=False)
        size = torch.tensor(IMAGE_PX, dtype=torch.float32).reshape(2, 1)
        self.register_buffer("image_px", size, persistent=False)

    def forward(self, img: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps images (1, N, 3, H, W) and `lidar2img` (1, N, 4, 4) to network px to BEV features (1, Q, C)."""
        maps = self.backbone(img[0])  # (N, C, h, w)
        value = maps.flatten(2).transpose(1, 2)  # (N, h w, C)
        sight = look(self.points_m, lidar2img, self.image_px, ANCHORS)
        x = self.positions()
        for layer in self.layers:
            x = layer(x, value, sight)
        return x  # type: ignore[no-any-return]


def demo_graph() -> ir.Model:
    """Return the model with seeded weights, zero-padded and static, the calibration an input."""
    model = DemoEncoder()
    seed_weights(model, SEED)
    width, height = IMAGE_PX
    inputs = (torch.zeros(1, CAMERAS, 3, height, width), torch.eye(4).expand(1, CAMERAS, 4, 4).contiguous())
    with torch.no_grad(), quiet():
        program = torch.onnx.export(
            model.eval(), inputs, input_names=["img", "lidar2img"], output_names=["bev"],
            opset_version=OPSET, dynamo=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    graph = program.model
    clear(graph, NAME)
    check_static(graph, NAME)
    graph.metadata_props["specialize.weights"] = f"seeded with {SEED}, not trained: the outputs mean nothing"
    return graph


def main() -> None:
    """Write the model."""
    MODEL.parent.mkdir(exist_ok=True)
    ir.save(demo_graph(), MODEL)
    print(f"{MODEL.relative_to(REPOSITORY)}: {MODEL.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
