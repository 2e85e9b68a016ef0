"""A family that the zoo does not have: pillars read one feature per camera, as an early camera-to-BEV model did.

It stands for what somebody adds: this module, one line of `MODELS`, and the sidecar below.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from specialize.zoo.bevformer_encoder import pillar_points_m
from specialize.zoo.sight import look

IMAGE_PX = (160, 96)  # the raw 1600x900 times 0.1, padded
GRID = (12, 12)
RANGE_M = (-30.0, -30.0, -3.0, 30.0, 30.0, 3.0)
ANCHORS, CAMERAS, DIMS = 2, 6, 8

SIDECAR = f"""\
schema: specialize/model@1
name: fifth
image: {{size_px: [{IMAGE_PX[0]}, {IMAGE_PX[1]}], scale: 0.1}}
calibration_inputs: {{lidar2img: lidar2img}}
grids:
  - {{shape: [{GRID[0]}, {GRID[1]}], range_m: {list(RANGE_M)}, anchors: {ANCHORS}}}
"""


class Fifth(nn.Module):
    """Images to BEV features: every query takes the mean of what its cameras show at its points."""

    points_m: Tensor
    image_px: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, DIMS, 3, stride=4, padding=1)
        self.hidden, self.out = nn.Linear(DIMS, 4 * DIMS), nn.Linear(4 * DIMS, DIMS)
        self.register_buffer("points_m", pillar_points_m(GRID, RANGE_M, ANCHORS), persistent=False)
        size = torch.tensor(IMAGE_PX, dtype=torch.float32).reshape(2, 1)
        self.register_buffer("image_px", size, persistent=False)

    def forward(self, img: Tensor, lidar2img: Tensor) -> Tensor:
        """Maps images (1, N, 3, h, w) and matrices (1, N, 4, 4) to (1, Q, C)."""
        features = self.backbone(img[0]).relu()
        sight = look(self.points_m, lidar2img, self.image_px, ANCHORS)
        read = F.grid_sample(features, sight.reference * 2.0 - 1.0, align_corners=False)  # (N, C, Q, D)
        rows = self.out(self.hidden(read.mean(-1).transpose(1, 2)).relu()) * sight.seen  # (N, Q, C)
        return rows.sum(0, keepdim=True) / sight.seen.sum(0).clamp(min=1.0)


def build(name: str) -> nn.Module:
    """Return the model."""
    return Fifth().eval()


def example_inputs(name: str) -> dict[str, Tensor]:
    """Return zeros of the inputs' shapes."""
    return {
        "img": torch.zeros(1, CAMERAS, 3, IMAGE_PX[1], IMAGE_PX[0]),
        "lidar2img": torch.zeros(1, CAMERAS, 4, 4),
    }


def output_names(name: str) -> tuple[str, ...]:
    """Return the name of the output."""
    return ("bev",)
