"""View transforms of the field at their real sizes on car42, as small graphs that take features and the calibration.

A graph is what an author would write: it computes from the calibration where points fall, and every camera computes all
of them. Features, depth weights and convolutions are seeded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

from specialize.bench import Subject
from specialize.calibration.load import load_profile
from specialize.model.parts import FrustumSpec, ImagePrep, InputRule
from specialize.model.pool_tables import pool_tables
from specialize.model.spec import GridSpec, ModelSpec
from specialize.model.visible import visible_sets
from tests.graphs import GraphMaker

ROOT = Path(__file__).resolve().parents[1]
CAR42 = ROOT / "calib_profiles" / "car42.yaml"
CAMERAS = 6
HIDDEN = 1024
"""Channels inside the two convolutions of a position embedding."""

Kind = Literal["pooling", "look-up", "sampling", "embedding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSite:
    """One view transform.

    Attributes:
        kind: `pooling` adds every point of a frustum to a cell, `look-up` takes the nearest pixel of the last camera
            that sees a voxel, `sampling` the mean of the bilinear samples of all cameras, `embedding` convolves the
            places of a frustum's points.
        image: How images are prepared.
        size: Rows and columns of the features of one camera.
        channels: Of the features.
        frustum: The points of a pooling or an embedding.
        grid: The voxels of a look-up or a sampling.
    """

    kind: Kind
    image: ImagePrep
    size: tuple[int, int]
    channels: int
    frustum: FrustumSpec | None = None
    grid: GridSpec | None = None

    def spec(self) -> ModelSpec:
        """Return the sidecar of the graph."""
        lifts = self.frustum is not None
        return ModelSpec(
            name=f"view transform, {self.kind}",
            image=self.image,
            calibration_inputs={"img2lidar": "img2lidar"} if lifts else {"lidar2img": "lidar2img"},
            grids=() if self.grid is None else (self.grid,),
            frustum=self.frustum if self.kind == "pooling" else None,
            inputs={"weights": InputRule(scale=0.02, low=0.0)} if self.kind == "pooling" else {},
        )

    def points(self) -> int:
        """Return how many points the cameras compute together in the original."""
        size = math.prod(self.frustum.shape if self.frustum else self.grid.shape if self.grid else ())
        return CAMERAS * size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """What a view transform has to compute on car42.

    Attributes:
        points: Points that the original computes.
        computed: Those that reach the result.
        results: Cells or voxels that have at least one.
        rows: Row of the features (camera, row, column) that each of them reads, where whole rows are read.
        places: For samples: where each camera's points fall, (V, 2) from -1 to 1.
    """

    points: int
    computed: int
    results: int
    rows: np.ndarray
    places: tuple[np.ndarray, ...] = ()


def _image(height: int, scale: float, crop: float) -> ImagePrep:
    """Return the preparation to a height, with rows cut off at the top."""
    width = round(1600 * scale)
    return ImagePrep(size_px=(width, height), scale=scale, crop_px=(0.0, crop))


_BOX = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
_FUSED_BOX = (-54.0, -54.0, -10.0, 54.0, 54.0, 10.0)
SITES = {
    "bevdet, pooling": ViewSite(
        kind="pooling", image=_image(256, 0.44, 140.0), size=(16, 44), channels=64,
        frustum=FrustumSpec(shape=(59, 16, 44), depth_m=(1.0, 59.0), cells=(128, 128, 1), range_m=_BOX),
    ),
    "bevfusion, pooling": ViewSite(
        kind="pooling", image=ImagePrep(size_px=(704, 256), scale=0.48, crop_px=(32.0, 176.0)), size=(32, 88),
        channels=80,
        frustum=FrustumSpec(
            shape=(118, 32, 88), depth_m=(1.0, 59.5), cells=(360, 360, 1), range_m=_FUSED_BOX
        ),
    ),
    "fast-bev, look-up": ViewSite(
        kind="look-up", image=_image(256, 0.44, 140.0), size=(64, 176), channels=64,
        grid=GridSpec(shape=(4, 200, 200), range_m=(-50.0, -50.0, -4.0, 50.0, 50.0, 2.0)),
    ),
    "simple-bev, sampling": ViewSite(
        kind="sampling", image=_image(448, 0.5, 1.0), size=(56, 100), channels=64,
        grid=GridSpec(shape=(8, 200, 200), range_m=(-50.0, -50.0, -5.0, 50.0, 50.0, 5.0)),
    ),
    "petr, embedding": ViewSite(
        kind="embedding", image=_image(320, 0.5, 130.0), size=(20, 50), channels=256,
        frustum=FrustumSpec(shape=(64, 20, 50), depth_m=(1.0, 60.0), cells=(1, 1, 1), range_m=_FUSED_BOX),
    ),
}  # fmt: skip
"""BEVDet-R50, BEVFusion's camera branch, Fast-BEV, Simple-BEV with half of its channels, PETR with features of 1/16."""


def work_of(site: ViewSite) -> Work:
    """Return what the calibration leaves to compute, by the plans of the sidecar and not by a graph."""
    profile, spec = load_profile(CAR42), site.spec()
    points = site.points()
    if site.kind == "pooling":
        tables = pool_tables(spec.rig(profile), spec.frustum, spec.image.size_px)
        rows = tables["ranks_feat"].astype(np.int64)
        return Work(points=points, computed=len(rows), results=len(tables["interval_starts"]), rows=rows)
    if site.kind == "embedding":
        return Work(points=points, computed=0, results=0, rows=np.empty(0, np.int64))
    (plan,) = visible_sets(spec, profile)
    places = plan.reference_points()[:, :, 0]  # (N, V, 2), fractions of the image
    results = int(plan.seen.any(axis=0).sum())
    if site.kind == "sampling":
        own = tuple(
            (2.0 * places[camera][plan.seen[camera]] - 1.0).astype(np.float32) for camera in range(CAMERAS)
        )
        return Work(
            points=points, computed=plan.pairs, results=results, rows=np.empty(0, np.int64), places=own
        )
    last = CAMERAS - 1 - plan.seen[::-1].argmax(axis=0)  # the camera that counts
    seen = np.flatnonzero(plan.seen.any(axis=0))
    column, row = np.floor(places[last[seen], seen] * site.size[::-1]).astype(np.int64).T
    rows = (last[seen] * site.size[0] + row) * site.size[1] + column
    return Work(points=points, computed=len(seen), results=results, rows=rows)


def feed_of(site: ViewSite) -> dict[str, np.ndarray]:
    """Return seeded features and depth weights, and the calibration, float32."""
    random = np.random.default_rng(0)
    fed = {"features": random.standard_normal((CAMERAS, site.channels, *site.size)).astype(np.float32)}
    if site.kind == "pooling":
        assert site.frustum is not None
        weights = random.random((CAMERAS, *site.frustum.shape)).astype(np.float32)
        fed["weights"] = weights / weights.sum(axis=1, keepdims=True)
    calibration = site.spec().calibration_arrays(load_profile(CAR42))
    return fed | {name: array[None].astype(np.float32) for name, array in calibration.items()}


def graph_of(site: ViewSite) -> onnx.ModelProto:
    """Return the graph as its author would write it."""
    make = GraphMaker()
    features = make.input("features", (CAMERAS, site.channels, *site.size))
    matrices = make.input(next(iter(site.spec().calibration_inputs)), (1, CAMERAS, 4, 4))
    write = {"pooling": _pooled, "look-up": _looked_up, "sampling": _sampled, "embedding": _embedded}
    return make.model(bev=write[site.kind](make, site, features, matrices))


def _pooled(make: GraphMaker, site: ViewSite, features: str, img2lidar: str) -> str:
    """Return the sums (cells, C): features times depth weights, every point added to its cell or to a spare one."""
    assert site.frustum is not None
    (rows, columns), depths, channels = site.size, site.frustum.shape[0], site.channels
    weights = make.input("weights", (CAMERAS, depths, rows, columns))
    axes = make.op("Transpose", features, perm=[0, 2, 3, 1])
    product = make.op(
        "Mul", make.op("Unsqueeze", weights, make.const([4])), make.op("Unsqueeze", axes, make.const([1]))
    )  # (N, D, h, w, C)
    points = make.op("Reshape", product, make.const([site.points(), channels]))
    cells = math.prod(site.frustum.cells)
    zeros = make.const(np.zeros((cells + 1, channels), np.float32))
    places = make.op("Reshape", _cells(make, site, img2lidar), make.const([site.points(), 1]))
    added = make.op("ScatterND", zeros, places, points, reduction="add")
    return make.op("Slice", added, make.const([0]), make.const([cells]), make.const([0]))


def _cells(make: GraphMaker, site: ViewSite, img2lidar: str) -> str:
    """Return the cell of every point (1, N, 1, D h w), cut toward zero, x first; the number of cells outside."""
    assert site.frustum is not None
    lidar = make.op("MatMul", img2lidar, make.const(_frustum(site)))  # (1, N, 4, D h w), m
    inside, number = "", make.const(0)
    for axis, count in enumerate(site.frustum.cells):
        low, high = site.frustum.range_m[axis], site.frustum.range_m[axis + 3]
        place = _axis(make, lidar, axis, 2)
        scaled = make.op("Div", make.op("Sub", place, make.const(low)), make.const((high - low) / count))
        index = make.op("Cast", scaled, to=onnx.TensorProto.INT64)
        fits = make.op(
            "And",
            make.op("GreaterOrEqual", index, make.const(0)),
            make.op("Less", index, make.const(count)),
        )
        inside = make.op("And", inside, fits) if inside else fits
        number = make.op("Add", make.op("Mul", number, make.const(count)), index)
    return make.op("Where", inside, number, make.const(math.prod(site.frustum.cells)))


def _frustum(site: ViewSite) -> np.ndarray:
    """Return u d, v d, d and 1 of every point, (4, D h w)."""
    assert site.frustum is not None
    depths, rows, columns = site.frustum.shape
    width, height = site.image.size_px
    axes = (
        np.linspace(*site.frustum.depth_m, depths),
        np.linspace(0, height - 1, rows),
        np.linspace(0, width - 1, columns),
    )
    depth, v, u = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
    return np.stack([u * depth, v * depth, depth, np.ones_like(depth)])


def _looked_up(make: GraphMaker, site: ViewSite, features: str, lidar2img: str) -> str:
    """Return a volume (C, V) in which every camera has overwritten the voxels that it sees with their pixels."""
    (rows, columns), channels = site.size, site.channels
    places, seen = _projected(make, site, lidar2img)
    x, y = (
        make.op(
            "Cast",
            make.op("Floor", make.op("Mul", place, make.const(float(size)))),
            to=onnx.TensorProto.INT64,
        )
        for place, size in zip(places, (columns, rows), strict=True)
    )
    number = make.op("Add", make.op("Mul", y, make.const(columns)), x)
    pixel = make.op("Where", seen, number, make.const(0))  # (N, V)
    maps = make.op("Reshape", features, make.const([CAMERAS, channels, rows * columns]))
    voxels = site.points() // CAMERAS
    volume = make.const(np.zeros((channels, voxels), np.float32))
    for camera in range(CAMERAS):
        own, at, mask = (
            make.op("Gather", each, make.const(np.array(camera)), axis=0) for each in (maps, pixel, seen)
        )
        picked = make.op("Gather", own, at, axis=1)  # (C, V)
        volume = make.op("Where", make.op("Unsqueeze", mask, make.const([0])), picked, volume)
    return volume


def _sampled(make: GraphMaker, site: ViewSite, features: str, lidar2img: str) -> str:
    """Return a volume (C, Z H, W): the mean of the bilinear samples of the cameras that see a voxel."""
    assert site.grid is not None
    voxels, wide = site.points() // CAMERAS, site.grid.shape[-1]
    places, seen = _projected(make, site, lidar2img)
    last = [make.op("Unsqueeze", place, make.const([2])) for place in places]
    joined = make.op("Concat", *last, axis=2)  # (N, V, 2), fractions of the image
    scaled = make.op("Sub", make.op("Mul", joined, make.const(2.0)), make.const(1.0))
    grid = make.op("Reshape", scaled, make.const([CAMERAS, voxels // wide, wide, 2]))
    read = make.op("GridSample", features, grid, mode="bilinear", padding_mode="zeros", align_corners=0)
    mask = make.op("Cast", seen, to=onnx.TensorProto.FLOAT)
    mask = make.op("Reshape", mask, make.const([CAMERAS, 1, voxels // wide, wide]))
    total = make.op("ReduceSum", make.op("Mul", read, mask), make.const([0]), keepdims=0)
    count = make.op("ReduceSum", mask, make.const([0]), keepdims=0)
    return make.op("Div", total, make.op("Max", count, make.const(1.0)))


def _projected(make: GraphMaker, site: ViewSite, lidar2img: str) -> tuple[tuple[str, str], str]:
    """Return where voxels fall, as fractions of the image, and which camera sees which, (N, V) each."""
    assert site.grid is not None
    points = site.grid.grid().points().reshape(-1, 3)
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1).T  # (4, V), m
    found = make.op(
        "Squeeze", make.op("MatMul", lidar2img, make.const(homogeneous)), make.const([0])
    )  # (N, 4, V)
    parts = [make.op("Squeeze", _axis(make, found, axis, 1), make.const([1])) for axis in range(3)]
    deep = make.op("Max", parts[2], make.const(1e-5))
    seen = make.op("Greater", parts[2], make.const(1e-5))
    places = []
    for part, size in zip(parts[:2], site.image.size_px, strict=True):
        place = make.op("Div", make.op("Div", part, deep), make.const(float(size)))
        for compare, border in (("Greater", 0.0), ("Less", 1.0)):
            seen = make.op("And", seen, make.op(compare, place, make.const(border)))
        places.append(place)
    return (places[0], places[1]), seen


def _embedded(make: GraphMaker, site: ViewSite, features: str, img2lidar: str) -> str:
    """Return features plus what two convolutions make of the places of their frustum's points, (N, C, h, w)."""
    assert site.frustum is not None
    depths, rows, columns = site.frustum.shape
    found = make.op("Squeeze", make.op("MatMul", img2lidar, make.const(_frustum(site))), make.const([0]))
    lidar = make.op("Slice", found, make.const([0]), make.const([3]), make.const([1]))  # (N, 3, D h w), m
    low, high = (np.array(site.frustum.range_m[part : part + 3])[:, None] for part in (0, 3))
    share = make.op("Div", make.op("Sub", lidar, make.const(low)), make.const(high - low))
    kept = make.op("Max", make.op("Min", share, make.const(1.0 - 1e-5)), make.const(1e-5))
    logit = make.op("Log", make.op("Div", kept, make.op("Sub", make.const(1.0), kept)))
    image = make.op("Reshape", logit, make.const([CAMERAS, 3 * depths, rows, columns]))
    random = np.random.default_rng(0)
    hidden = make.op("Relu", make.op("Conv", image, make.const(_weights(random, HIDDEN, 3 * depths))))
    embedding = make.op("Conv", hidden, make.const(_weights(random, site.channels, HIDDEN)))
    return make.op("Add", features, embedding)


def _weights(random: np.random.Generator, outputs: int, inputs: int) -> np.ndarray:
    return random.standard_normal((outputs, inputs, 1, 1)) / math.sqrt(inputs)


def _axis(make: GraphMaker, value: str, index: int, axis: int) -> str:
    """Return one index of an axis, which stays."""
    return make.op("Slice", value, make.const([index]), make.const([index + 1]), make.const([axis]))


def alone(site: ViewSite, work: Work, path: Path, *, summed: bool = False) -> Subject:
    """Write a graph that only reads what the computed points read, and keeps a number or two.

    Args:
        site: What is read: rows of features, or bilinear samples of each camera.
        work: Which of them.
        path: Where the graph is written.
        summed: Whether rows are summed to the results as well, each of which gets as many rows.
    """
    make, fed = GraphMaker(), feed_of(site)["features"]
    if site.kind == "sampling":
        features = make.input("features", fed.shape)
        read = [_samples(make, features, camera, own) for camera, own in enumerate(work.places)]
    else:
        fed = fed.transpose(0, 2, 3, 1).reshape(-1, site.channels)
        features = make.input("features", fed.shape)
        each = -(-work.computed // work.results)
        rows = np.resize(work.rows, work.results * each) if summed else work.rows
        read = [make.op("Gather", features, make.const(rows), axis=0)]
        if summed:
            stacked = make.op("Reshape", *read, make.const([work.results, each, site.channels]))
            read = [make.op("ReduceSum", stacked, make.const([1]), keepdims=0)]
    numbers = [make.op("Reshape", value, make.const([-1])) for value in read]
    kept = [make.op("Slice", value, make.const([0]), make.const([1])) for value in numbers]
    onnx.save(make.model(numbers=make.op("Concat", *kept, axis=0)), path)
    return Subject(path, {"features": fed})


def _samples(make: GraphMaker, features: str, camera: int, places: np.ndarray) -> str:
    """Return the bilinear samples of one camera, (1, C, V, 1)."""
    own, grid = _axis(make, features, camera, 0), make.const(places[None, :, None])
    return make.op("GridSample", own, grid, mode="bilinear", padding_mode="zeros", align_corners=0)
