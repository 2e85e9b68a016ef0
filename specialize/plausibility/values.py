"""Judge the matrices that a model is fed: compare what its images show around the car with what the lenses see."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from specialize.calibration.lint.findings import Finding
from specialize.calibration.profile import CalibrationProfile
from specialize.model.spec import GridSpec, ModelSpec
from specialize.plausibility.sight import Bools, Fed, Floats, Through, View, ring_points, seen, seen_queries
from specialize.witness.rig import Grid, Preparation

VALUE_RULES = {
    "nothing-seen": "A camera sees none of the model's points",
    "view-share": "A camera's network image shows far less, or more, than its lens sees",
    "cameras-alike": "Two cameras are fed the same matrices",
    "constant-calibration": "The sidecar holds constants that differ between cameras",
    "guessed": "The sidecar holds values that a draft guessed",
    "image-size": (
        "The graph's image input does not have the size stated in the sidecar, or a feature map has it"
    ),
    "lens-fold": "The model counts points as visible that lie beyond the lens's limit",
    "input-kind": "The graph uses a calibration input as a different matrix than the sidecar states",
    "kind-open": "The graph would fit another matrix as well as the stated one, or gives no evidence",
    "mask-differs": "The graph's mask differs from that of the declared grid",
    "mask-empty": "The graph keeps almost nothing under this calibration",
}

GROUND_BELOW_LIDAR_M = 1.8
"""Height of the ground if neither the profile nor the model states it."""
GRID_SIDE = 25
"""Maximum number of rows and columns at which a grid is sampled."""
LEAST_SHARE, DOUBTFUL_SHARE = 0.4, 0.7
"""Least share of the lens's view of the surroundings that the network's image must show; real models crop the sky."""
DOUBTFUL_EXCESS = 0.3
MOST_GHOSTS = 0.01
ALIKE = 1e-9
_MOST_COLOURS = 4
_MAP_MEND = "write the image's own size, and `{kind: ..., stride: ...}` for matrices in pixels of the map"
LEAST_IMAGE_PX = 16
"""Smaller inputs are feature maps, not images."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What the cameras of a vehicle see of the surroundings, by an independent projection.

    Attributes:
        cameras: Names, in order.
        lens: (N, P) which points around the car each camera's raw image shows.
        network: (N, P) which of them the network's image shows.
        grids: Share of the queries that each camera sees, (N,), for each grid of the sidecar.
        matrices: (N, 4, 4) lidar points to network pixels, as fed.
        sizes_px: (N, 2) of the network's images.
        raw: (N, 4, 4) lidar points to raw pixels.
        views: The cameras of the network's images, as matrices or lenses.
        points: (P, 3) the points around the car.
    """

    cameras: tuple[str, ...]
    lens: Bools
    network: Bools
    grids: tuple[Floats, ...]
    matrices: Floats
    sizes_px: tuple[tuple[int, int], ...]
    raw: Floats
    points: Floats
    views: tuple[View, ...]


def see_points(spec: ModelSpec, profile: CalibrationProfile) -> Sight:
    """Return what each camera sees of points around the car and of the model's grids.

    Raises:
        InputError: The profile lacks a matrix that the model needs.
    """
    raw = np.stack([np.asarray(camera.image_from_lidar, np.float64) for camera in profile.cameras])
    matrices = _fed(spec, profile).network_from_lidar()
    if matrices is None:
        images = [spec.image_of(index) for index in range(len(raw))]
        prepared = [Preparation(image.size_px, image.scale, image.crop_px).matrix() for image in images]
        matrices = np.stack(prepared) @ raw
    sizes = tuple(spec.image_of(index).size_px for index in range(len(raw)))
    points = ring_points(_ground_m(spec, profile))
    raw_sizes = [(camera.width_px, camera.height_px) for camera in profile.cameras]
    depth_m = spec.rule.min_depth_m
    own, views = _views(spec, profile, raw, matrices)
    return Sight(
        cameras=profile.camera_names(),
        lens=np.stack([seen(view, size, points) for view, size in zip(own, raw_sizes, strict=True)]),
        network=np.stack(
            [seen(view, size, points, depth_m) for view, size in zip(views, sizes, strict=True)]
        ),
        grids=tuple(_grid_shares(grid, views, sizes, depth_m) for grid in spec.grids),
        matrices=matrices,
        sizes_px=sizes,
        raw=raw,
        points=points,
        views=views,
    )


def _views(
    spec: ModelSpec, profile: CalibrationProfile, raw: Floats, matrices: Floats
) -> tuple[tuple[View, ...], tuple[View, ...]]:
    """Return the cameras of the raw images, and those of the network's images."""
    own = tuple(
        Through(camera.lens, camera.camera_from_lidar)
        if camera.is_raw and camera.lens is not None and camera.camera_from_lidar is not None
        else matrix
        for camera, matrix in zip(profile.cameras, raw, strict=True)
    )
    if spec.lens is None:
        return own, tuple(matrices)
    rig = spec.rig(profile)
    by_formula = spec.lens.domain == "formula"
    lenses = zip(rig.lenses(prepared=True), rig.camera_from_lidar(), strict=True)
    return own, tuple(Through(lens, pose, by_formula) for lens, pose in lenses)


def values_findings(sight: Sight, off: Collection[str] = ()) -> Iterator[Finding]:
    """Yield findings about what the cameras see, those that are off excepted."""
    for index, name in enumerate(sight.cameras):
        finding = None if name in off else _nothing(sight, index) or _share(sight, index)
        if finding is not None:
            yield Finding(finding.code, finding.severity, name, finding.message, finding.mend)
        yield from _ghosts(sight, index)
    for first, second in combinations(range(len(sight.cameras)), 2):
        one, other = sight.matrices[first], sight.matrices[second]
        alike = np.abs(one - other).max() <= ALIKE * np.abs(one).max()
        if alike and not np.array_equal(sight.raw[first], sight.raw[second]):
            message = f"{sight.cameras[first]} and {sight.cameras[second]} are fed the same matrices"
            yield Finding(
                "cameras-alike", "error", sight.cameras[second], message, "check the kinds in the sidecar"
            )


def _nothing(sight: Sight, index: int) -> Finding | None:
    """Return a finding if a camera sees none of the points."""
    empty = [number for number, shares in enumerate(sight.grids) if not shares[index]]
    if not empty and sight.network[index].any():
        return None
    if empty:
        which = "the model's grid" if len(sight.grids) == 1 else f"grid {empty[0]} of the model"
        message = f"it sees no query of {which}"
    else:
        message = "it sees no point 5 to 40 m around the car, on the ground or 1 m above it"
    mend = (
        "check the camera's pose, the units, and the grid's range_m; `specialize profile show` "
        "prints where it looks"
    )
    return Finding("nothing-seen", "error", "", message, mend)


def _share(sight: Sight, index: int) -> Finding | None:
    """Compare what the network's image shows with what the lens sees."""
    lens, network = sight.lens[index], sight.network[index]
    if lens.sum() < 20:
        return None
    both = float((lens & network).sum())
    share, excess = both / float(lens.sum()), 1 - both / float(max(network.sum(), 1))
    if share >= DOUBTFUL_SHARE and excess <= DOUBTFUL_EXCESS:
        return None
    told = f"the network's image shows {100 * share:.0f} % of the surroundings that the lens sees"
    if excess > DOUBTFUL_EXCESS:
        told += f", and {100 * excess:.0f} % of what it counts as visible is outside the raw image"
    fitting = _fitting_scale(sight, index)
    guess = f"; a scale {fitting:.3g} times as large would explain it" if fitting else ""
    severity = "error" if share < LEAST_SHARE else "warning"
    mend = "check `scale`, `crop_px` and `size_px` of the sidecar against the model's image preparation"
    return Finding("view-share", severity, "", told + guess, mend)  # type: ignore[arg-type]


def _ghosts(sight: Sight, index: int) -> Iterator[Finding]:
    """Yield a finding about a camera if the model counts points as visible that its lens cannot see."""
    view, network = sight.views[index], sight.network[index]
    if not isinstance(view, Through) or not network.any():
        return
    share = float((network & view.beyond(sight.points)).sum()) / float(network.sum())
    if share > MOST_GHOSTS:
        message = (
            f"{100 * share:.0f} % of the points that the model counts as visible are beyond the lens's limit of "
            f"{math.degrees(view.lens.limit_rad):.0f} degrees: the formula maps points behind the camera into the "
            "image"
        )
        mend = (
            "the build reproduces the model's rule; to avoid it, train and export the model with a "
            "mask that tests the angle"
        )
        yield Finding("lens-fold", "warning", sight.cameras[index], message, mend)


def _fitting_scale(sight: Sight, index: int) -> float:
    """Return the factor on the scale that makes the network's image show what the lens sees, or 0."""
    if isinstance(sight.views[index], Through):
        return 0.0
    for factor in (0.5, 2.0, 0.25, 4.0, 2 / 3, 1.5):
        matrix = np.diag([factor, factor, 1.0, 1.0]) @ sight.matrices[index]
        network, lens = seen(matrix, sight.sizes_px[index], sight.points), sight.lens[index]
        if (network & lens).sum() >= 0.95 * (network | lens).sum():
            return factor
    return 0.0


def _fed(spec: ModelSpec, profile: CalibrationProfile) -> Fed:
    """Return the calibration that the model is fed, in its own pixels, by kind."""
    kinds = {name: spec.kind_of(name) for name in spec.calibration_inputs}
    arrays = spec.calibration_arrays(profile)
    ego = profile.ego_from_lidar
    return Fed(
        {
            kind.kind: np.asarray(arrays[name], np.float64)
            for name, kind in kinds.items()
            if kind.stride == 1.0 and not kind.parameters
        },
        None if ego is None else np.broadcast_to(ego, (len(profile.cameras), 4, 4)),
    )


def _ground_m(spec: ModelSpec, profile: CalibrationProfile) -> float:
    """Return the height of the ground in the lidar frame, from the profile, else from the model."""
    if profile.ego_from_lidar is not None:
        return -float(profile.ego_from_lidar[2, 3])
    points = spec.points
    if points is not None and points.height_m is not None:
        return -sum(points.height_m) / 2
    return 0.0 if points is not None and points.origin == "ego" else -GROUND_BELOW_LIDAR_M


def _grid_shares(
    grid: GridSpec, views: Sequence[View], sizes_px: tuple[tuple[int, int], ...], depth_m: float
) -> Floats:
    """Return (N,) the share of a grid's queries that each camera sees, sampled on a coarser grid of the same range."""
    return np.asarray(seen_queries(views, sizes_px, coarse_points(grid), depth_m).mean(axis=1), np.float64)


@functools.lru_cache(maxsize=16)
def coarse_points(grid: GridSpec) -> Floats:
    """Return the points (Q, D, 3) of a grid with few rows and columns, cached for all vehicles of a fleet."""
    axes = grid.order or ("yx" if len(grid.shape) == 2 else "zyx")
    coarse = tuple(
        count if axis == "z" else min(count, GRID_SIDE) for axis, count in zip(axes, grid.shape, strict=True)
    )
    points = Grid(coarse, grid.range_m, grid.anchors, grid.order).points()
    points.flags.writeable = False
    return points


def image_findings(spec: ModelSpec, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Finding]:
    """Yield findings about image inputs whose size the sidecar does not state, and feature maps as large as an image.

    Args:
        spec: The model.
        shapes: Shape by name of each input that remains at run time.
    """
    stated = {image.size_px for image in (spec.images or (spec.image,))}
    for name, shape in shapes.items():
        size = _image_size(shape)
        if size is None and (found := _map_size(shape)) in stated:
            width, height = found
            message = (
                f"the sidecar's image is {width} x {height}, the size of {name}, a feature map of "
                f"{shape[-3]} channels"
            )
            yield Finding("image-size", "warning", "", message, _MAP_MEND)
        if size is None or size in stated:
            continue
        sizes = " or ".join(f"{width} x {height}" for width, height in sorted(stated))
        message = (
            f"the graph's input {name} takes images of {size[0]} x {size[1]}, but the sidecar states {sizes}"
        )
        if (size[1], size[0]) in stated:
            message += ": width and height are swapped"
        mend = f"write size_px: [{size[0]}, {size[1]}], and check `scale`"
        yield Finding("image-size", "error", "", message, mend)


def _map_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return width and height of an input of feature maps, or zeros for other inputs."""
    if len(shape) < 4 or shape[-3] <= _MOST_COLOURS:
        return 0, 0
    return shape[-1], shape[-2]


def _image_size(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return width and height of an input of images with three colours, or None for other inputs."""
    if len(shape) < 4:
        return None
    *_, colours, height, width = shape
    if colours != 3:
        *_, height, width, colours = shape
    return (width, height) if colours == 3 and min(width, height) >= LEAST_IMAGE_PX else None
