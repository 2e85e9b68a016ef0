"""The visibility rule written as plainly as possible, point by point: what the fast code is compared with."""

from __future__ import annotations

import itertools

import numpy as np

from specialize.visibility.grid import QueryGrid, VisibilityRule


def seen_by_loops(
    image_from_lidar: np.ndarray, size_px: np.ndarray, grid: QueryGrid, rule: VisibilityRule
) -> np.ndarray:
    """Return (N, Q) bool from loops over cameras, queries and points, dividing by the depth."""
    points = points_by_loops(grid)
    seen = np.zeros((len(image_from_lidar), len(points)), bool)
    for camera, matrix in enumerate(image_from_lidar):
        width, height = size_px[camera]
        for query, pillar in enumerate(points):
            for point in pillar:
                p, q, depth = (matrix @ np.array([*point, 1.0]))[:3]
                if depth > rule.min_depth and 0 < p / depth < width and 0 < q / depth < height:
                    seen[camera, query] = True
    return seen


def points_by_loops(grid: QueryGrid) -> list[list[tuple[float, float, float]]]:
    """Return the points of each query in flat order: cell centres, and anchors along the axis that is left."""
    order = grid.order or {2: "yx", 3: "zyx"}[len(grid.shape)]
    (left,) = set("xyz") - set(order) or {""}
    queries = []
    for cell in itertools.product(*(range(count) for count in grid.shape)):
        centre = {}
        for axis, place, count in zip(order, cell, grid.shape, strict=True):
            low, high = grid.range_m["xyz".index(axis) :: 3]
            centre[axis] = low + (place + 0.5) / count * (high - low)
        pillar = []
        for anchor in range(grid.anchors):
            if left:
                low, high = grid.range_m["xyz".index(left) :: 3]
                steps = max(grid.anchors - 1, 1)
                centre[left] = low + 0.5 + (high - low - 1.0) * anchor / steps
            pillar.append((centre["x"], centre["y"], centre["z"]))
        queries.append(pillar)
    return queries


def float32_masks(
    image_from_lidar: np.ndarray, size_px: np.ndarray, grid: QueryGrid, rule: VisibilityRule
) -> list[np.ndarray]:
    """Return (N, Q) masks as graphs compute them in float32: three ways to write the same rule."""
    reference = _normalised_points(grid)
    low, high = np.float32(grid.range_m[:3]), np.float32(grid.range_m[3:])
    points = reference * (high - low) + low  # (Q, D, 3)
    ones = np.ones((*points.shape[:2], 1), np.float32)
    homogeneous = np.concatenate([points, ones], axis=-1)
    matrix = image_from_lidar.astype(np.float32)
    products = [
        np.einsum("nij,qdj->nqdi", matrix, homogeneous),
        np.matmul(matrix[:, None, None], homogeneous[None, ..., None])[..., 0],
        (
            (matrix[:, None, None, :, 3] + matrix[:, None, None, :, 2] * points[..., 2:])
            + matrix[:, None, None, :, 1] * points[..., 1:2]
        )
        + matrix[:, None, None, :, 0] * points[..., :1],
    ]
    size = size_px[:, None, None].astype(np.float32)
    return [_mask(rows, size, rule) for rows in products] + [
        _signed_mask(rows, size, rule) for rows in products
    ]


def _normalised_points(grid: QueryGrid) -> np.ndarray:
    """Return (Q, D, 3) shares of the box, computed in float32 as graphs do."""
    order = grid.order or {2: "yx", 3: "zyx"}[len(grid.shape)]
    left = [axis for axis in "xyz" if axis not in order]
    counts = dict(zip([*order, *left], [*grid.shape, grid.anchors], strict=False))
    lines = []
    for index, axis in enumerate("xyz"):
        extent = grid.range_m[index + 3] - grid.range_m[index]
        parts = np.float32(1) * (extent if axis in left else counts[axis])
        half = np.float32(0.5)
        lines.append(np.linspace(half, parts - half, counts[axis], dtype=np.float32) / parts)
    lattice = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)  # (X, Y, Z, 3)
    places = ["xyz".index(axis) for axis in [*order, *left]]
    return lattice.transpose(*places, 3).reshape(grid.queries, grid.anchors, 3)


def _mask(rows: np.ndarray, size: np.ndarray, rule: VisibilityRule) -> np.ndarray:
    depth = rows[..., 2:3]
    uv = rows[..., :2] / np.maximum(depth, np.float32(rule.min_depth)) / size
    return ((depth[..., 0] > np.float32(rule.min_depth)) & (uv > 0).all(-1) & (uv < 1).all(-1)).any(-1)


def _signed_mask(rows: np.ndarray, size: np.ndarray, rule: VisibilityRule) -> np.ndarray:
    depth = rows[..., 2:3]
    uv = (
        rows[..., :2] / np.maximum(depth, np.float32(rule.min_depth)) / size - np.float32(0.5)
    ) * np.float32(2)
    return ((depth[..., 0] > np.float32(rule.min_depth)) & (np.abs(uv) < 1).all(-1)).any(-1)
