"""Projecting query points into cameras: where each lands, and which queries a camera sees.

Shape letters: N cameras, Q queries, D points ("anchors") per query.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MIN_DEPTH_M = 1e-5


class Sight(NamedTuple):
    """What the cameras see of the queries.

    Attributes:
        reference: (N, Q, D, 2) anchors in each image, fractions of the network's image.
        seen: (N, Q, 1) one where any anchor of the query is in the image, else zero.
    """

    reference: Tensor
    seen: Tensor


def look(points_m: Tensor, lidar2img: Tensor, image_px: Tensor, anchors: int) -> Sight:
    """Projects every anchor of every query into every camera, in float32.

    A point is seen if it is deeper than `MIN_DEPTH_M` and strictly inside the image.

    Args:
        points_m: (4, Q * D) homogeneous points in the lidar frame, m.
        lidar2img: (1, N, 4, 4) to network px.
        image_px: (2, 1) width and height of the network's image, padding included.
        anchors: D.
    """
    cameras = lidar2img.shape[1]
    projected = torch.matmul(lidar2img[0], points_m)  # (N, 4, Q * D)
    depth = projected[:, 2:3]
    where = projected[:, :2] / depth.clamp(min=MIN_DEPTH_M) / image_px  # (N, 2, Q * D)
    u, v = where[:, 0:1], where[:, 1:2]
    inside = (depth > MIN_DEPTH_M) & (v > 0.0) & (v < 1.0) & (u < 1.0) & (u > 0.0)
    reference = where.transpose(1, 2).reshape(cameras, -1, anchors, 2)
    hits = inside.to(torch.float32).reshape(cameras, -1, anchors)  # (N, Q, D)
    return Sight(reference, hits.amax(-1, keepdim=True))
