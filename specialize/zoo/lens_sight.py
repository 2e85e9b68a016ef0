"""Projecting query points through lenses, for models that are trained on raw images of wide cameras.

Shape letters: N cameras, Q queries, D points ("anchors") per query. Camera frame: x right, y down, z forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from specialize.zoo.sight import MIN_DEPTH_M, Sight

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "mei": ("fx", "fy", "cx", "cy", "xi", "k1", "k2", "p1", "p2", "max_angle"),
    "ftheta": ("cx", "cy", "c", "d", "e", "a1", "a2", "a3", "a4", "a5", "max_angle"),
}
"""What the input `lens` holds of each camera, by model: in network px, the angle in radians."""


def look_through(
    points_m: Tensor, lidar2cam: Tensor, lens: Tensor, image_px: Tensor, anchors: int, model: str
) -> Sight:
    """Projects every anchor of every query through every lens, in float32.

    A point is seen if it is less than the lens's largest angle off the axis and strictly inside the image.

    Args:
        points_m: (4, Q * D) homogeneous points in the lidar frame, m.
        lidar2cam: (1, N, 4, 4), lidar frame to camera frame, m.
        lens: (1, N, K), the numbers that `PARAMETERS` names.
        image_px: (2, 1) width and height of the network's image, padding included.
        anchors: D.
        model: A name in `PARAMETERS`.
    """
    cameras = lidar2cam.shape[1]
    inside = torch.matmul(lidar2cam[0], points_m)  # (N, 4, Q * D)
    x, y, z = inside[:, 0], inside[:, 1], inside[:, 2]  # (N, Q * D)
    *numbers, widest = lens[0].unbind(-1)  # (N,) each
    u, v = _FORMULAS[model](x, y, z, [number[:, None] for number in numbers])
    distance = torch.sqrt(x * x + y * y + z * z)
    ahead = (z > distance * torch.cos(widest)[:, None]) & (distance > MIN_DEPTH_M)
    u, v = u / image_px[0], v / image_px[1]
    hits = ahead & (v > 0.0) & (v < 1.0) & (u < 1.0) & (u > 0.0)
    reference = torch.stack([u, v], dim=-1).reshape(cameras, -1, anchors, 2)
    seen = hits.to(torch.float32).reshape(cameras, -1, anchors).amax(-1, keepdim=True)
    return Sight(reference, seen)


def _mei(x: Tensor, y: Tensor, z: Tensor, numbers: list[Tensor]) -> tuple[Tensor, Tensor]:
    fx, fy, cx, cy, xi, k1, k2, p1, p2 = numbers
    depth = (z + xi * torch.sqrt(x * x + y * y + z * z)).clamp(min=MIN_DEPTH_M)
    a, b = x / depth, y / depth
    r2 = a * a + b * b
    gain = 1.0 + r2 * (k1 + r2 * k2)
    u = a * gain + 2.0 * p1 * (a * b) + p2 * (r2 + 2.0 * a * a)
    v = b * gain + p1 * (r2 + 2.0 * b * b) + 2.0 * p2 * (a * b)
    return fx * u + cx, fy * v + cy


def _ftheta(x: Tensor, y: Tensor, z: Tensor, numbers: list[Tensor]) -> tuple[Tensor, Tensor]:
    cx, cy, c, d, e, *powers = numbers
    across = torch.sqrt(x * x + y * y).clamp(min=1e-9)
    theta = torch.atan2(across, z)
    distance = torch.zeros_like(theta)
    for power in reversed(powers):
        distance = (distance + power) * theta
    a, b = distance * (x / across), distance * (y / across)
    return c * a + d * b + cx, e * a + b + cy


_FORMULAS: Mapping[str, Callable[[Tensor, Tensor, Tensor, list[Tensor]], tuple[Tensor, Tensor]]] = {
    "mei": _mei,
    "ftheta": _ftheta,
}
