"""The visibility rule written as plainly as possible, point by point: what the fast code is compared with."""

from __future__ import annotations

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
    """Return the points of each query in flat order: cell centres, and the pillars' heights."""
    x0, y0, z0, x1, y1, z1 = grid.range_m
    rows, columns = grid.shape[-2:]
    layers = 1 if len(grid.shape) == 2 else grid.shape[0]
    queries = []
    for layer in range(layers):
        for row in range(rows):
            for column in range(columns):
                x = x0 + (column + 0.5) / columns * (x1 - x0)
                y = y0 + (row + 0.5) / rows * (y1 - y0)
                if len(grid.shape) == 3:
                    heights = [z0 + (layer + 0.5) / layers * (z1 - z0)]
                else:
                    last = (z1 - z0) - 0.5
                    steps = max(grid.anchors - 1, 1)
                    heights = [z0 + 0.5 + (last - 0.5) * k / steps for k in range(grid.anchors)]
                queries.append([(x, y, z) for z in heights])
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
    one = np.float32(1)
    rows, columns = grid.shape[-2:]
    parts = one * (grid.range_m[5] - grid.range_m[2] if len(grid.shape) == 2 else grid.shape[0])
    z = np.linspace(0.5 * one, parts - 0.5 * one, grid.heights, dtype=np.float32) / parts
    y = np.linspace(0.5, rows - 0.5, rows, dtype=np.float32) / np.float32(rows)
    x = np.linspace(0.5, columns - 0.5, columns, dtype=np.float32) / np.float32(columns)
    mesh = np.broadcast_arrays(x, y[:, None], z[:, None, None])
    lattice = np.stack(mesh, axis=-1)  # (heights, H, W, 3)
    if len(grid.shape) == 2:
        return lattice.transpose(1, 2, 0, 3).reshape(grid.queries, grid.anchors, 3)
    return lattice.reshape(grid.queries, 1, 3)


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
