"""Lifting camera features into a BEV grid: every pixel's feature, times a weight per depth, lands in a cell.

Which cell depends on calibration alone. The pooling is one scatter that adds rows; points outside the grid
have weight zero. Frames: points in the lidar frame (m), cells x first.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from specialize.zoo.affine import inverse_3x3

IMAGE_HW = (256, 704)
FEATURE_HW = (32, 88)
X_RANGE_M = (-54.0, 54.0, 0.3)  # from, to, step; y likewise
CAMERA_ONLY_X_RANGE_M = (-51.2, 51.2, 0.4)
Z_RANGE_M = (-10.0, 10.0, 20.0)
DEPTH_RANGE_M = (1.0, 60.0, 0.5)
DEPTHS = 118


class Calibration(NamedTuple):
    """Where the cameras are.

    Attributes:
        camera2lidar: Camera to lidar frame, (1, N, 4, 4).
        camera_intrinsics: Of the raw images, px, (1, N, 4, 4).
        img_aug_matrix: Raw to network pixels: scale on the diagonal, minus the crop in the last column,
            (1, N, 4, 4).
        lidar_aug_matrix: Applied to all points at the end, (1, 4, 4); the identity outside training.
    """

    camera2lidar: Tensor
    camera_intrinsics: Tensor
    img_aug_matrix: Tensor
    lidar_aug_matrix: Tensor


class ViewTransform(nn.Module):
    """The geometry and the pooling that all ways of lifting share.

    Args:
        x_range_m: From, to and step of the grid along x and y, m.
        bev_dims: Channels of the BEV features.
    """

    def __init__(self, x_range_m: tuple[float, float, float], bev_dims: int) -> None:
        super().__init__()
        steps = torch.tensor([x_range_m[2], x_range_m[2], Z_RANGE_M[2]])
        first = torch.tensor([x_range_m[0], x_range_m[0], Z_RANGE_M[0]])
        cells = round((x_range_m[1] - x_range_m[0]) / x_range_m[2])
        self.dx = nn.Parameter(steps, requires_grad=False)
        self.bx = nn.Parameter(first + steps / 2, requires_grad=False)
        self.nx = nn.Parameter(torch.tensor([cells, cells, 1]), requires_grad=False)
        self.frustum = nn.Parameter(_frustum(), requires_grad=False)
        self.bev_dims, self.cells = bev_dims, (cells, cells)
        self.downsample = nn.Sequential(
            *_layer(nn.Conv2d(bev_dims, bev_dims, 3, padding=1, bias=False)),
            *_layer(nn.Conv2d(bev_dims, bev_dims, 3, stride=2, padding=1, bias=False)),
            *_layer(nn.Conv2d(bev_dims, bev_dims, 3, padding=1, bias=False)),
        )

    def pool(self, features: Tensor, weights: Tensor, calibration: Calibration) -> Tensor:
        """Sums features (N, h, w, C) times weights (N, D, h, w) per cell; returns (1, C, X, Y)."""
        cells, inside = self.cell_of_points(self.points_m(calibration))
        kept = weights * inside.reshape(weights.shape).to(weights.dtype)
        rows = kept[..., None] * features[:, None]  # (N, D, h, w, C)
        x_cells, y_cells = self.cells
        grid = rows.new_zeros(x_cells * y_cells, self.bev_dims)
        grid = grid.index_put((cells,), rows.reshape(-1, self.bev_dims), accumulate=True)
        return grid.reshape(1, x_cells, y_cells, self.bev_dims).permute(0, 3, 1, 2)

    def points_m(self, calibration: Calibration) -> Tensor:
        """Returns the frustum's points in the lidar frame, (N, D h w, 3) in m."""
        aug, pose = calibration.img_aug_matrix[0], calibration.camera2lidar[0]
        lidar_aug = calibration.lidar_aug_matrix[0]
        pixels = self.frustum.reshape(-1, 3) - aug[:, None, :3, 3]  # (N, P, 3)
        raw = pixels @ _inverse(aug[:, :3, :3]).transpose(1, 2)
        rays = torch.cat((raw[..., :2] * raw[..., 2:], raw[..., 2:]), dim=-1)
        lidar_from_pixel = pose[:, :3, :3] @ _inverse(calibration.camera_intrinsics[0, :, :3, :3])
        points = rays @ lidar_from_pixel.transpose(1, 2) + pose[:, None, :3, 3]
        return points @ lidar_aug[:3, :3].T + lidar_aug[:3, 3]

    def cell_of_points(self, points_m: Tensor) -> tuple[Tensor, Tensor]:
        """Returns for points (N, P, 3) the cell x * Y + y, and whether there is one; both (N P,).

        Indices are cut toward zero, so points up to one cell below the grid count as in its first cell:
        checkpoints were trained so. Points outside the grid are given cell 0.
        """
        index = ((points_m - (self.bx - self.dx / 2.0)) / self.dx).long().reshape(-1, 3)
        inside = ((index >= 0) & (index < self.nx)).all(-1)
        return torch.where(inside, index[:, 0] * self.cells[1] + index[:, 1], 0), inside


class LSSTransform(ViewTransform):
    """Depth and features of each pixel from image features alone."""

    def __init__(
        self,
        x_range_m: tuple[float, float, float] = CAMERA_ONLY_X_RANGE_M,
        dims: int = 256,
        bev_dims: int = 80,
    ) -> None:
        super().__init__(x_range_m, bev_dims)
        self.depthnet = nn.Conv2d(dims, DEPTHS + bev_dims, 1)

    def weigh(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Returns of features (N, 256, h, w) each pixel's (N, h, w, C) and depth weights (N, D, h, w)."""
        return _apart(self.depthnet(features))


class DepthLSSTransform(ViewTransform):
    """Depth and features of each pixel from image features and the lidar's depth image."""

    def __init__(
        self, x_range_m: tuple[float, float, float] = X_RANGE_M, dims: int = 256, bev_dims: int = 80
    ) -> None:
        super().__init__(x_range_m, bev_dims)
        self.dtransform = nn.Sequential(
            *_layer(nn.Conv2d(1, 8, 1)),
            *_layer(nn.Conv2d(8, 32, 5, stride=4, padding=2)),
            *_layer(nn.Conv2d(32, 64, 5, stride=2, padding=2)),
        )
        self.depthnet = nn.Sequential(
            *_layer(nn.Conv2d(dims + 64, dims, 3, padding=1)),
            *_layer(nn.Conv2d(dims, dims, 3, padding=1)),
            nn.Conv2d(dims, DEPTHS + bev_dims, 1),
        )

    def weigh(self, features: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Returns each pixel's BEV features (N, h, w, C) and weights per depth (N, D, h, w).

        Args:
            features: (N, 256, h, w).
            depth: The lidar's depth image in m, zero where it has no point, (N, 1, H, W).
        """
        return _apart(self.depthnet(torch.cat([self.dtransform(depth), features], dim=1)))


def _apart(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Takes (N, D + C, h, w) apart into features (N, h, w, C) and weights (N, D, h, w) that sum to one."""
    return raw[:, DEPTHS:].permute(0, 2, 3, 1), raw[:, :DEPTHS].softmax(dim=1)


def _layer(conv: nn.Conv2d) -> tuple[nn.Module, ...]:
    """Returns a convolution with its norm and ReLU."""
    return conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()


def _frustum() -> Tensor:
    """Returns u (px), v (px), depth (m) of every depth and pixel of the feature map, (D, h, w, 3)."""
    depth = torch.arange(*DEPTH_RANGE_M)
    v = torch.linspace(0, IMAGE_HW[0] - 1, FEATURE_HW[0])
    u = torch.linspace(0, IMAGE_HW[1] - 1, FEATURE_HW[1])
    grid_depth, grid_v, grid_u = torch.meshgrid(depth, v, u, indexing="ij")
    return torch.stack((grid_u, grid_v, grid_depth), dim=-1)


def _inverse(matrix: Tensor) -> Tensor:
    """Inverts (N, 3, 3) in float64; returns float32."""
    return inverse_3x3(matrix.double()).float()
