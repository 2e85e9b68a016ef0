"""Move the previous BEV features by the vehicle's motion between two frames, from the `can_bus` vector.

`can_bus` has 18 numbers. Used here: [0], [1] the vehicle's movement since the previous frame in m, in the
global frame; [16] its heading in rad; [17] the change of its heading since the previous frame in degrees.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROTATION_CENTRE_PX = 99.5  # of pixel indices; public checkpoints use it for every size of grid


def bev_shift(can_bus: Tensor, size_m: tuple[float, float]) -> Tensor:
    """Returns (1, 2): the movement (x, y) since the previous frame, as fractions of a grid of size_m (x, y).

    The movement (dx, dy) has length r and direction t; along the grid's y that is r cos(heading - t), along
    its x r sin(heading - t).
    """
    dx, dy, heading = can_bus[0:1], can_bus[1:2], can_bus[16:17]
    sine, cosine = torch.sin(heading), torch.cos(heading)
    shift_x = (dx * sine - dy * cosine) / size_m[0]
    shift_y = (dx * cosine + dy * sine) / size_m[1]
    return torch.cat([shift_x, shift_y])[None]


class BevRotation(nn.Module):
    """Turns BEV features by the change of heading: nearest cell, zeros from outside."""

    offset_x: Tensor
    offset_y: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        self.register_buffer("offset_x", x.float() - ROTATION_CENTRE_PX, persistent=False)
        self.register_buffer("offset_y", y.float() - ROTATION_CENTRE_PX, persistent=False)

    def forward(self, bev: Tensor, angle_deg: Tensor) -> Tensor:
        """Maps features (H * W, 1, C) and an angle (1,) to (1, H * W, C)."""
        angle = angle_deg * (math.pi / 180.0)
        sine, cosine = torch.sin(angle), torch.cos(angle)
        source_x = ROTATION_CENTRE_PX + cosine * self.offset_x - sine * self.offset_y  # (H, W), cells
        source_y = ROTATION_CENTRE_PX + sine * self.offset_x + cosine * self.offset_y
        grid_x = (2.0 * source_x + 1.0) / self.width - 1.0
        grid_y = (2.0 * source_y + 1.0) / self.height - 1.0
        grid = torch.stack([grid_x, grid_y], dim=-1)[None]  # (1, H, W, 2)
        channels = bev.shape[-1]
        image = bev.reshape(self.height * self.width, channels).transpose(0, 1)  # (C, H W)
        image = image.reshape(1, channels, self.height, self.width)
        turned = F.grid_sample(image, grid, mode="nearest", padding_mode="zeros", align_corners=False)
        return turned.reshape(1, channels, -1).transpose(1, 2)
