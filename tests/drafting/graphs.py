"""View transforms in the interfaces of published models, a few nodes each: what inspection must tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from specialize.visibility.grid import QueryGrid
from tests.graphs import GraphMaker

CAMERAS, CHANNELS = 6, 4
WIDTH, HEIGHT = 704, 256
GRID = QueryGrid((6, 8), (-24.0, -18.0, -3.0, 24.0, 18.0, 1.0), 2)


def frustum(bins: int = 3, rows: int = 4, columns: int = 11) -> np.ndarray:
    """Return (D, h, w, 3): pixels of a 704 x 256 image and depths, as lift-splat models keep them."""
    depth = np.linspace(4.0, 40.0, bins)[:, None, None]
    u, v = np.linspace(0, WIDTH - 1, columns), np.linspace(0, HEIGHT - 1, rows)[:, None]
    return np.stack(np.broadcast_arrays(u, v, depth), axis=-1).astype(np.float32)


def homogeneous(points: np.ndarray) -> np.ndarray:
    """Return points (..., 3) with a 1 behind each."""
    return np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)


class Views:
    """Writes graphs whose calibration has the names that it is asked to have.

    Args:
        opset: Of the standard operators.
    """

    def __init__(self, opset: int = 17) -> None:
        self.g = GraphMaker(opset, domains=("com.microsoft",))

    def part(self, value: str, start: int, end: int, axis: int) -> str:
        """Return a slice of a value."""
        return self.g.op("Slice", value, *(self.g.const([each]) for each in (start, end, axis)))

    def inverse(self, value: str) -> str:
        """Return the inverses of matrices, as ONNX Runtime's own operator computes them."""
        return self.g.op("Inverse", value, domain="com.microsoft")

    def applied(self, matrix: str, points: str, lead: Sequence[int], sizes: Sequence[int]) -> str:
        """Return matrices (N, k, k) times points (N or 1, *sizes, k), as (N, *sizes, k)."""
        k = sizes[-1]
        wide = self.g.op("Reshape", matrix, self.g.const([*lead, *[1] * (len(sizes) - 1), k, k]))
        column = self.g.op("Unsqueeze", points, self.g.const([-1]))
        return self.g.op("Squeeze", self.g.op("MatMul", wide, column), self.g.const([-1]))

    def pooled(self, points: str, count: int) -> onnx.ModelProto:
        """Return the model that sums features of points (N, ..., 3) in m into cells."""
        flat = self.g.op("Reshape", points, self.g.const([count, 3]))
        cells = self.g.op("Floor", self.g.op("Div", self.part(flat, 0, 2, 1), self.g.const(8.0)))
        column, row = self.part(cells, 0, 1, 1), self.part(cells, 1, 2, 1)
        place = self.g.op(
            "Add", self.g.op("Mul", row, self.g.const(16.0)), self.g.op("Add", column, self.g.const(128.0))
        )
        index = self.g.op("Cast", self.g.op("Clip", place, self.g.const(0.0), self.g.const(255.0)), to=7)
        features = self.g.input("features", (count, CHANNELS))
        zeros = self.g.const(np.zeros((256, CHANNELS), np.float32))
        return self.g.model(cells=self.g.op("ScatterND", zeros, index, features, reduction="add"))

    def lifted(self, matrices: dict[str, str], *, bda: str = "") -> onnx.ModelProto:
        """Return BEVDet's lift: post rotation and translation, intrinsic, rotation and translation, bda.

        Args:
            matrices: Values of the parts `rot`, `tran`, `lens`, `post_rot`, `post_tran`, as (N, 3, 3) or (N, 3).
            bda: Value of a (1, 3, 3) matrix applied last.
        """
        points = self.g.const(frustum()[None])
        sizes, lead = frustum().shape, [CAMERAS]
        shift = self.g.op("Reshape", matrices["post_tran"], self.g.const([CAMERAS, 1, 1, 1, 3]))
        raw = self.applied(self.inverse(matrices["post_rot"]), self.g.op("Sub", points, shift), lead, sizes)
        depth = self.part(raw, 2, 3, 4)
        rays = self.g.op("Concat", self.g.op("Mul", self.part(raw, 0, 2, 4), depth), depth, axis=4)
        combine = self.g.op("MatMul", matrices["rot"], self.inverse(matrices["lens"]))
        moved = self.applied(combine, rays, lead, sizes)
        moved = self.g.op(
            "Add", moved, self.g.op("Reshape", matrices["tran"], self.g.const([CAMERAS, 1, 1, 1, 3]))
        )
        if bda:
            moved = self.applied(bda, moved, [1], sizes)
        return self.pooled(moved, CAMERAS * int(np.prod(sizes[:3])))

    def lifted_once(self, matrix: str) -> onnx.ModelProto:
        """Return PETR's position embedding: a frustum times (N, 4, 4), normalised and added to features."""
        coords = frustum()
        coords[..., :2] *= coords[..., 2:]
        points = self.g.const(homogeneous(coords)[None])
        lidar = self.applied(matrix, points, [CAMERAS], (*coords.shape[:3], 4))
        share = self.g.op("Div", self.part(lidar, 0, 3, 4), self.g.const(61.2))
        features = self.g.input("features", (CAMERAS, *coords.shape[:3], 3))
        return self.g.model(out=self.g.op("Add", features, share))

    def projected(
        self,
        matrix: str,
        points: np.ndarray,
        size: tuple[int, int],
        how: str = "divide",
        last: bool = True,
        margin: float = 0.0,
    ) -> tuple[str, str]:
        """Return the places (N, P, 2) and the mask (N, P, 1) of points (P, 3) under (N, 4, 4).

        Args:
            matrix: The matrices.
            points: The points, m.
            size: Width and height that pixels are divided by, or compared with.
            how: `divide`: pixels become shares; `compare`: they stay pixels.
            last: Whether coordinates are the last axis.
            margin: How far outside the image a point is still seen, in units of what pixels become.
        """
        if last:
            seen = self.applied(matrix, self.g.const(homogeneous(points)[None]), [CAMERAS], (len(points), 4))
        else:
            columns = self.g.op("MatMul", matrix, self.g.const(homogeneous(points).T))  # (N, 4, P)
            seen = self.g.op("Transpose", columns, perm=[0, 2, 1])
        depth = self.part(seen, 2, 3, 2)
        places = self.g.op("Div", self.part(seen, 0, 2, 2), self.g.op("Max", depth, self.g.const(1e-5)))
        ends = np.array([1.0, 1.0], np.float32)
        if how == "divide":
            places = self.g.op("Div", places, self.g.const(np.array(size, np.float32)))
        else:
            ends = np.array(size, np.float32)
        mask = self.g.op("Greater", depth, self.g.const(1e-5))
        for axis in (0, 1):
            part = self.part(places, axis, axis + 1, 2)
            for name, bound in (("Greater", -margin), ("Less", float(ends[axis]) + margin)):
                mask = self.g.op("And", mask, self.g.op(name, part, self.g.const(bound)))
        return places, self.g.op("Cast", mask, to=1)

    def attended(self, *sites: tuple[str, str], queries: Sequence[int], **more: str) -> onnx.ModelProto:
        """Return a model with a zero-padded site per places and mask, each with queries of its own; `more` outputs."""
        outputs = dict(more)
        for index, ((places, mask), count) in enumerate(zip(sites, queries, strict=True)):
            features = self.g.input(f"features{index}", (CAMERAS, CHANNELS, 5, 9))
            centred = self.g.op("Sub", self.g.op("Mul", places, self.g.const(2.0)), self.g.const(1.0))
            where = self.g.op("Reshape", centred, self.g.const([CAMERAS, count, 1, 2]))
            sampled = self.g.op("Squeeze", self.g.op("GridSample", features, where), self.g.const([3]))
            rows = self.g.op("Transpose", sampled, perm=[0, 2, 1])  # (N, Q, C)
            worked = self.g.op("MatMul", rows, self.g.const(np.diag(np.arange(1.0, CHANNELS + 1))))
            summed = self.g.op("ReduceSum", self.g.op("Mul", worked, mask), self.g.const([0]), keepdims=0)
            outputs[f"out{index}"] = summed
        return self.g.model(**outputs)

    def projected_in_a_map(
        self, lens: str, pose: str, points: np.ndarray, stride: int, size: tuple[int, int]
    ) -> tuple[str, str]:
        """Return places (N, P, 2) and mask (N, P, 1) as Simple-BEV makes them: the graph scales the lens to a map.

        Args:
            lens: (N, 4, 4), points of a camera to pixels of the image.
            pose: (N, 4, 4), each camera to the first one.
            points: (P, 3) in the frame of the first camera, m.
            stride: Pixels of the image per pixel of the map.
            size: Width and height of the map.
        """
        scale = self.g.const(np.diag([1 / stride, 1 / stride, 1.0, 1.0]))
        matrix = self.g.op("MatMul", self.g.op("MatMul", scale, lens), self.inverse(pose))
        seen = self.applied(matrix, self.g.const(homogeneous(points)[None]), [CAMERAS], (len(points), 4))
        depth = self.part(seen, 2, 3, 2)
        pixels = self.g.op("Div", self.part(seen, 0, 2, 2), self.g.op("Max", depth, self.g.const(1e-4)))
        mask = self.g.op("Greater", depth, self.g.const(0.0))
        for axis in (0, 1):
            part = self.part(pixels, axis, axis + 1, 2)
            for name, bound in (("Greater", -0.5), ("Less", size[axis] - 0.5)):
                mask = self.g.op("And", mask, self.g.op(name, part, self.g.const(bound)))
        ends = self.g.const(np.array(size, np.float32) - 1)
        return self.g.op("Div", pixels, ends), self.g.op("Cast", mask, to=1)

    def lifted_by_token(self, matrix: str, tokens: int, focal: str = "") -> onnx.ModelProto:
        """Return StreamPETR's position embedding: (1, N * tokens, 4, 4) times one frustum of pixels per token.

        Args:
            matrix: One matrix per image token, those of a camera in a row.
            tokens: Of each camera; its features are (1, N, C, 4, tokens / 4).
            focal: (1, N * tokens, 2) focal lengths that the embedding is multiplied by, in thousands of pixels.
        """
        coords = frustum(3, 4, tokens // 4)  # (D, h, w, 3)
        coords[..., :2] *= coords[..., 2:]
        rays = homogeneous(coords).reshape(len(coords), tokens, 4).transpose(1, 0, 2)  # (tokens, D, 4)
        points = self.g.const(np.tile(rays, (CAMERAS, 1, 1))[None])
        wide = self.g.op("Unsqueeze", matrix, self.g.const([2]))
        moved = self.g.op("MatMul", wide, self.g.op("Unsqueeze", points, self.g.const([-1])))
        lidar = self.part(self.g.op("Squeeze", moved, self.g.const([-1])), 0, 3, 3)
        flat = self.g.op("Reshape", lidar, self.g.const([1, CAMERAS * tokens, 3 * len(coords)]))
        features = self.g.input("features", (1, CAMERAS, CHANNELS, 4, tokens // 4))
        rows = self.g.op("Transpose", features, perm=[0, 1, 3, 4, 2])
        tall = self.g.op("Reshape", rows, self.g.const([1, CAMERAS * tokens, CHANNELS]))
        embedded = self.g.op("MatMul", flat, self.g.const(np.ones((3 * len(coords), CHANNELS), np.float32)))
        if focal:
            scaled = self.g.op("Div", focal, self.g.const(1e3))
            embedded = self.g.op(
                "Mul", embedded, self.g.op("ReduceSum", scaled, self.g.const([2]), keepdims=1)
            )
        return self.g.model(out=self.g.op("Add", tall, embedded))
