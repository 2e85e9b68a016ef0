"""Kinds of vehicles: which designs a fleet has, told apart by where cameras sit, before anything is called an outlier.

Two cameras are as far apart as the largest of three shares: their turn of `TURN_RAD`, their shift of `SHIFT_M`, the
ratio of their focal lengths of `ZOOM`. Two vehicles are as far apart as half of their cameras are, so that a
vehicle with a knocked camera, or with two of six, stays where it belongs. Designs differ by centimetres and degrees,
vehicles of one design by millimetres; a kind ends where

    distance > max(1, SPREADS * (spread of one kind + spread of the other))

between the medians of two kinds; the spread is the median distance of a kind's vehicles from its median.

1. *Seeds.* Vehicles come in the order of their files; each that is far from every seed is a new one. Far is 1, or
   twice the distance to the nearest other vehicle that a quarter of the vehicles keep to, if that is more.
2. *Rounds.* Each vehicle goes to the nearest median, kinds that are too near each other become one, and medians are
   taken again, until nothing changes.
3. A kind that only one vehicle has is none: that vehicle is far from the nearest kind, which is what outliers are.

Each round is linear in vehicles; nothing is drawn at random.
"""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from specialize.fleet.median import FOCAL, POSE, Floats, Shape, median_values

TURN_RAD = math.radians(1)
SHIFT_M = 0.03
ZOOM = 0.02
SPREADS = 3.0
# More seeds than designs that any fleet has: vehicles that scatter so much go to the nearest.
MOST_SEEDS = 128
# Vehicles whose nearest other one is looked for, evenly spread.
SAMPLED = 32
ROUNDS = 16
# Vehicles that are compared together; of a million only their numbers are kept, not what is computed from them.
AT_ONCE = 1 << 13
FEWEST = 2

Labels = NDArray[np.intp]


def kinds_of(values: Floats, pinhole: NDArray[np.bool_]) -> Floats:
    """Return the median (K, N, 12 or more) of each kind, the one with most vehicles first.

    Args:
        values: (V, N, 12 or more), the rows of `Measured` of V vehicles of one shape.
        pinhole: (N,) whether a camera's focal length can be compared.
    """
    centres = _seeds(values, pinhole)
    labels = nearest(values, centres, pinhole)
    for _ in range(ROUNDS):
        centres = _joined(values, labels, pinhole)
        before, labels = labels, nearest(values, centres, pinhole)
        if np.array_equal(before, labels):
            break
    counts = np.bincount(labels, minlength=len(centres))
    kept = np.flatnonzero(counts >= FEWEST)
    if not len(kept):
        return median_values(values)[None]
    labels = nearest(values, centres[kept], pinhole)
    order = sorted(range(len(kept)), key=lambda kind: (-int((labels == kind).sum()), _first(labels, kind)))
    return np.stack([median_values(values, np.flatnonzero(labels == kind)) for kind in order])


def pinholes(shape: Shape) -> NDArray[np.bool_]:
    """Return (N,) whether the focal length of a camera can be compared; parameters of lenses have other meanings."""
    return np.array([lens is None for *_, lens in shape])


def nearest(values: Floats, centres: Floats, pinhole: NDArray[np.bool_]) -> Labels:
    """Return for each of V vehicles which of K medians (K, N, 12 or more) is nearest."""
    far = np.stack([distances(values, centre, pinhole) for centre in centres])  # (K, V)
    return np.asarray(far.argmin(axis=0))


def distances(
    values: Floats, centre: Floats, pinhole: NDArray[np.bool_], rows: NDArray[np.intp] | None = None
) -> Floats:
    """Return how far each of V vehicles, or those in some rows, is from one.

    Args:
        values: (V, N, 12 or more).
        centre: (N, 12 or more).
        pinhole: (N,) whether a camera's focal length can be compared.
        rows: (R,) which vehicles; None for all.
    """
    count = len(values) if rows is None else len(rows)
    found = np.empty(count)
    for start in range(0, count, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        found[part] = _distances(values[part] if rows is None else values[rows[part]], centre, pinhole)
    return found


def _distances(values: Floats, centre: Floats, pinhole: NDArray[np.bool_]) -> Floats:
    cosines = np.abs((values[:, :, :4] * centre[:, :4]).sum(axis=-1))
    turn = 2 * np.arccos(np.minimum(cosines, 1)) / TURN_RAD
    shift = np.linalg.norm(values[:, :, 4:POSE] - centre[:, 4:POSE], axis=-1) / SHIFT_M
    focal, middle = values[:, pinhole, FOCAL], centre[pinhole, FOCAL]
    zoom = np.zeros_like(turn)
    zoom[:, pinhole] = np.abs(np.log(focal / middle)) / ZOOM
    cameras = np.sort(np.max([turn, shift, zoom], axis=0), axis=1)  # (V, N)
    return np.asarray(cameras[:, (cameras.shape[1] - 1) // 2])


def _seeds(values: Floats, pinhole: NDArray[np.bool_]) -> Floats:
    """Return vehicles that are far from each other; every other one is near one of them, up to `MOST_SEEDS`."""
    far = max(1.0, 2 * _usual_gap(values, pinhole))
    seeds: list[Floats] = []
    left = np.arange(len(values))
    while len(left) and len(seeds) < MOST_SEEDS:
        seeds.append(values[left[0]])
        left = left[distances(values, seeds[-1], pinhole, left) > far]
    return np.stack(seeds)


def _usual_gap(values: Floats, pinhole: NDArray[np.bool_]) -> float:
    """Return the distance within which a quarter of the vehicles have another one."""
    gaps = []
    for index in np.unique(np.linspace(0, len(values) - 1, SAMPLED).astype(int)):
        far = distances(values, values[index], pinhole)
        far[index] = np.inf
        gaps.append(float(far.min()))
    return float(np.quantile(gaps, 0.25)) if len(values) > 1 else 0.0


def _joined(values: Floats, labels: Labels, pinhole: NDArray[np.bool_]) -> Floats:
    """Return the medians of the kinds after those that are too near each other have become one."""
    parts = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    centres = np.stack([median_values(values, part) for part in parts])
    pairs = list(zip(parts, centres, strict=True))
    spreads = np.array([np.median(distances(values, centre, pinhole, part)) for part, centre in pairs])
    near: nx.Graph[int] = nx.Graph()
    near.add_nodes_from(range(len(parts)))
    for kind, centre in enumerate(centres):
        allowed = np.maximum(1, SPREADS * (spreads + spreads[kind]))
        reached = np.flatnonzero(distances(centres, centre, pinhole) <= allowed)
        near.add_edges_from((kind, int(other)) for other in reached)
    groups = [sorted(group) for group in nx.connected_components(near)]
    return np.stack(
        [
            centres[group[0]]
            if len(group) == 1
            else median_values(values, np.concatenate([parts[k] for k in group]))
            for group in groups
        ]
    )


def _first(labels: Labels, kind: int) -> int:
    """Return the first vehicle of a kind."""
    return int(np.flatnonzero(labels == kind)[0])
