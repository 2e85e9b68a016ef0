"""Determine which pairs are seen through lenses, and compute the lens parameters that a model is fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from specialize.witness.lens import EyeLens, seen_through
from specialize.witness.moves import Moves
from specialize.witness.rig import Eye, Floats, Grid, Preparation, Rig, Sidecar
from specialize.witness.sight import FLOAT32_ROUNDINGS, Bools, Pairs, network_from_lidar, pairs, reach_of

FORMULA_PX = 0.02
"""How far a float32 graph may be off in the lens's formula alone, for exact coordinates, in network pixels."""
WIDER = 4.0
"""Factor on the roundings of coordinates: a graph may add them up in any order, and normalise them."""

_PINHOLE_IN = {
    "brown_conrady": {},
    "mei": {"xi": 0.0},
    "eucm": {"alpha": 0.0, "beta": 1.0},
    "double_sphere": {"xi": 0.0, "alpha": 0.0},
}
_POWERS_OF_PX = {
    **dict.fromkeys(("fx", "fy", "cx", "cy", "skew", *(f"a{power}" for power in range(6))), 1),
    **{f"b{power}": -power for power in range(6)},
}


def seen_pairs(rig: Rig, sidecar: Sidecar, grid: Grid) -> Pairs:
    """Return what every camera sees of a grid's queries, by matrices or through lenses, as the model does it."""
    if not sidecar.lens:
        return pairs(network_from_lidar(rig, sidecar), sidecar, grid)
    points = grid.points()
    every = [
        pairs_of(eye, prep, points, sidecar) for eye, prep in zip(rig.eyes, sidecar.preparations, strict=True)
    ]
    surely, possibly, outside = (np.stack(each) for each in zip(*every, strict=True))
    return Pairs(surely, possibly, outside)


def pairs_of(eye: Eye, prep: Preparation, points: Floats, sidecar: Sidecar) -> tuple[Bools, Bools, Floats]:
    """Return (Q,) what one camera surely and possibly sees, and how far its innermost point is outside, px.

    A point is looked at where it is, and moved along each axis by what rounding may move its coordinates.
    """
    lens, inside, steps = _looked_at(eye, points, sidecar)
    outside = np.stack([_outside_px(lens, prep, inside + step, sidecar) for step in steps])  # (7, Q, D)
    surely = np.logical_and.reduce(outside < -FORMULA_PX).any(axis=-1)
    possibly = np.logical_or.reduce(outside < FORMULA_PX).any(axis=-1)
    return np.asarray(surely), np.asarray(possibly), outside[0].min(axis=-1)


def _looked_at(eye: Eye, points: Floats, sidecar: Sidecar) -> tuple[EyeLens, Floats, Floats]:
    """Return a camera's lens, points in its frame, and (7, 3) what rounding may move these by, none first."""
    pose = eye.camera_from_lidar
    assert pose is not None
    inside = points @ pose[:3, :3].T + pose[:3, 3]
    moved = WIDER * FLOAT32_ROUNDINGS * 2.0**-24 * (np.abs(pose[:3]) @ np.append(reach_of(points), 1.0))
    steps = np.concatenate([np.zeros((1, 3)), np.diag(moved), -np.diag(moved)])
    return lens_for(eye, sidecar), inside, steps


def moved_outside_px(
    eye: Eye, prep: Preparation, sidecar: Sidecar, points: Floats, poses: Floats, moves: Moves
) -> Floats:
    """Return (...) how far outside of a moved camera's image points (..., 3) fall; infinite where nothing is seen.

    Args:
        eye: The camera, with a lens.
        prep: Its image preparation.
        sidecar: The model.
        points: In the lidar frame, m.
        poses: (..., 4, 4) camera_from_lidar after the moves, which broadcast against the points.
        moves: Whose focal lengths and principal points count here.
    """
    lens = lens_for(eye, sidecar)
    inside = np.einsum("...ij,...j->...i", poses[..., :3, :3], points) + poses[..., :3, 3]
    return _outside_px(lens, prep, inside, sidecar, moves.focal_ratio, moves.centre_px)


def _outside_px(
    lens: EyeLens,
    prep: Preparation,
    points: Floats,
    sidecar: Sidecar,
    focal_ratio: Floats | None = None,
    centre_px: Floats | None = None,
) -> Floats:
    """Return (...) how far outside of the network's image points fall; infinite where nothing is seen."""
    raw, valid = seen_through(lens, points, by_formula=sidecar.by_formula, least_m=sidecar.min_depth_m)
    if focal_ratio is not None and centre_px is not None:
        centre = np.array([lens.values["cx"], lens.values["cy"]]) - lens.centre
        raw = centre + centre_px + (1 + focal_ratio) * (raw - centre)
    (left, top), (width, height) = prep.crop_px, prep.size_px
    u, v = prep.scale * raw[..., 0] - left, prep.scale * raw[..., 1] - top
    with np.errstate(invalid="ignore"):
        outside = np.maximum.reduce([-u, u - width, -v, v - height])
    return np.where(valid & np.isfinite(outside), outside, np.inf)


def lens_for(eye: Eye, sidecar: Sidecar) -> EyeLens:
    """Return the lens of a camera as one of the model that the graph projects through, pixels counted as it does."""
    own, model = eye.lens, sidecar.lens
    if own is None:
        k = eye.intrinsic
        assert k is not None
        own = EyeLens(
            "pinhole", {"fx": k[0, 0], "fy": k[1, 1], "cx": k[0, 2], "cy": k[1, 2], "skew": k[0, 1]}
        )
    shift = sidecar.centre - own.centre
    moved = {name: own.values[name] + shift for name in ("cx", "cy")}
    own = replace(own, values={**own.values, **moved}, centre=0.0)
    if own.model == model or model not in _PINHOLE_IN:
        return own
    nothing = {**dict.fromkeys(("k1", "k2", "k3", "p1", "p2"), 0.0), **_PINHOLE_IN[model]}
    return replace(own, model=model, values={**nothing, **own.values})


def fed_parameters(rig: Rig, sidecar: Sidecar, names: Sequence[str], prepared: bool) -> Floats:
    """Return (N, len(names)) parameters of every camera's lens, of its raw or of its network image."""
    rows = []
    for eye, prep in zip(rig.eyes, sidecar.preparations, strict=True):
        lens = lens_for(eye, sidecar)
        values = dict(_prepared(lens, prep) if prepared else lens.values)
        rows.append([limit_rad(lens) if name == "max_angle" else values[name] for name in names])
    return np.array(rows, np.float64)


def lens_matrix(eye: Eye, prep: Preparation, sidecar: Sidecar, prepared: bool) -> Floats:
    """Return (4, 4) with focal lengths, skew and centre of a camera's lens."""
    lens = lens_for(eye, sidecar)
    v = _prepared(lens, prep) if prepared else lens.values
    found = np.eye(4)
    found[0, :3], found[1, 1:3] = (v["fx"], v["skew"], v["cx"]), (v["fy"], v["cy"])
    return found


def limit_rad(lens: EyeLens) -> float:
    """Return the angle up to which a lens sees, by bisection along its columns."""
    low, high = 0.0, np.pi
    if _sees(lens, high * (1 - 1e-15)):
        return min(high, lens.widest_rad)
    for _ in range(70):
        middle = (low + high) / 2
        low, high = (middle, high) if _sees(lens, middle) else (low, middle)
    return (low + high) / 2


def _sees(lens: EyeLens, angle: float) -> bool:
    ray = np.array([np.sin(angle), 0.0, np.cos(angle)])
    return bool(seen_through(lens, ray)[1])


def _prepared(lens: EyeLens, prep: Preparation) -> Mapping[str, float]:
    powers = dict(_POWERS_OF_PX) | (
        dict.fromkeys(("k1", "k2", "k3", "k4"), 1) if lens.model == "radial_poly" else {}
    )
    values = {name: value * prep.scale ** powers.get(name, 0) for name, value in lens.values.items()}
    half = lens.centre * (1 - prep.scale)
    return values | {
        name: values[name] + half - crop for name, crop in zip(("cx", "cy"), prep.crop_px, strict=True)
    }


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where points (Q, D) fall in one camera's network image.

    Attributes:
        shares: (Q, D, 2) u / width and v / height; 0 where nothing is seen.
        slack: (Q, D) how far rounding may move that.
        inside: (Q, D) surely inside the image.
        imaged: (Q, D) surely imaged by the lens, inside the image or not.
    """

    shares: Floats
    slack: Floats
    inside: Bools
    imaged: Bools


def places_of(eye: Eye, prep: Preparation, points: Floats, sidecar: Sidecar) -> Places:
    """Return where points (Q, D, 3) of the lidar frame fall, looked at as `pairs_of` looks at them."""
    lens, inside, steps = _looked_at(eye, points, sidecar)
    size = np.array(prep.size_px, np.float64)
    every = [
        seen_through(lens, inside + step, by_formula=sidecar.by_formula, least_m=sidecar.min_depth_m)
        for step in steps
    ]
    raw, valid = np.stack([each[0] for each in every]), np.stack([each[1] for each in every])
    shares = (prep.scale * raw - np.array(prep.crop_px)) / size  # (7, Q, D, 2)
    with np.errstate(invalid="ignore"):
        spread = np.abs(shares - shares[0]).max(axis=(0, -1)) * 2 + FORMULA_PX / size.min()
        within = ((shares > FORMULA_PX / size) & (shares < 1 - FORMULA_PX / size)).all(axis=-1)
    imaged = np.asarray(np.logical_and.reduce(valid))
    inside_all = np.asarray(np.logical_and.reduce(within)) & imaged
    return Places(np.nan_to_num(shares[0]), np.where(imaged, spread, 0.0), inside_all, imaged)


AWAY = 16.0
"""How many images away a point has to be put that no lens sees, by the meaning of the kind."""
NUDGE_M = 1e-9
"""Moves of a point for which a limit that it crosses is within rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedPoints:
    """Points (Q, D) of a grid in the images of N cameras.

    Attributes:
        points: (N, Q, D, 4) columns and rows times depth, depth, and 1; through a lens the depth is the distance.
        doubtful: (N, Q, D) within rounding of the limit of a lens.
    """

    points: Floats
    doubtful: Bools


def projected_points(rig: Rig, sidecar: Sidecar, grid: Grid) -> ProjectedPoints:
    """Return where the points of a grid fall, by the cameras' own lenses, and by matrices where there is none."""
    points = grid.points()
    found, doubtful = [], []
    for eye, prep in zip(rig.eyes, sidecar.preparations, strict=True):
        if eye.lens is None or not sidecar.lens:
            homogeneous = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)
            image = homogeneous @ (prep.matrix() @ eye.image_from_lidar).T
            found.append(np.concatenate([image[..., :3], np.ones_like(image[..., :1])], axis=-1))
            doubtful.append(np.zeros(points.shape[:-1], np.bool_))
            continue
        place, unsure = _projected(eye, prep, points, sidecar)
        found.append(place)
        doubtful.append(unsure)
    return ProjectedPoints(np.stack(found), np.stack(doubtful))


def _projected(eye: Eye, prep: Preparation, points: Floats, sidecar: Sidecar) -> tuple[Floats, Bools]:
    pose = eye.camera_from_lidar
    assert pose is not None
    lens, inside = lens_for(eye, sidecar), points @ pose[:3, :3].T + pose[:3, 3]
    raw, valid = seen_through(lens, inside)
    network = prep.scale * raw - np.array(prep.crop_px)
    distance = np.sqrt((inside * inside).sum(axis=-1, keepdims=True))
    seen = np.concatenate([network * distance, distance], axis=-1)
    unseen = np.array([AWAY * prep.size_px[0], AWAY * prep.size_px[1], -1.0])
    place = np.where(valid[..., None], seen, unseen)
    steps = NUDGE_M * np.concatenate([np.eye(3), -np.eye(3)])
    moved = [seen_through(lens, inside + step)[1] for step in steps]
    unsure = np.logical_or.reduce([each != valid for each in moved])
    return np.concatenate([place, np.ones_like(distance)], axis=-1), np.asarray(unsure)
