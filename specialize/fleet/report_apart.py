"""Outliers as pictures: a tick for every vehicle on a strip for every camera."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specialize.fleet.differences import FleetDifferences
from specialize.fleet.outliers import FEWEST, LEAST, MIXED, Outlier
from specialize.text.document import Heading, Part, Table, View, table, words
from specialize.text.units import counted, three

Floats = NDArray[np.float64]

_WORDS = {
    "rotation_mrad": ("turned, mrad", "mrad"),
    "translation_mm": ("shifted, mm", "mm"),
    "focal_percent": ("focal length, %", "% focal length"),
    "principal_point_px": ("principal point, px", "px principal point"),
}
_PLACES = 160  # vehicles at the same place share a tick
# Heights of a tick, of ten: of one vehicle, of the most at one place, of those that are outliers.
_LOW, _HIGH, _FULL = 4.0, 8.0, 10.0


@dataclass(frozen=True, slots=True)
class Strip:
    """One camera's distances from the median of its kind, a tick where vehicles are, in a box of 100 by 10.

    Attributes:
        camera: Its name.
        ticks: Path of the vehicles within the limit, higher where there are more.
        apart: Path of those beyond it, of full height.
        limit: Where the limit stands, in the box; empty if there is none.
        largest: The largest distance, as text.
        farthest: The vehicle that it belongs to.
    """

    camera: str
    ticks: str
    apart: str
    limit: str
    largest: str
    farthest: str


@dataclass(frozen=True, slots=True)
class StripChart:
    """One quantity of all cameras of a kind, on one axis that begins at zero."""

    title: str
    end: str
    strips: tuple[Strip, ...]


def apart_parts(found: FleetDifferences) -> tuple[Part, ...]:
    """Return, for each kind of vehicles, one chart per quantity that differs at all."""
    parts: list[Part] = []
    for index, group in enumerate(found.groups):
        if group.count == 1:
            continue  # it is its own median
        values = found.vehicles.values[index][..., : len(LEAST)]  # (V, N, 4)
        names = found.vehicles.names[found.vehicles.of_group(index)].tolist()
        cameras = group.median.camera_names()
        charts = tuple(
            _chart(_WORDS[quantity][0], cameras, names, values[..., column], group.limits[:, column])
            for column, quantity in enumerate(LEAST)
            if values[..., column].any()
        )
        title = f"{counted(group.count, 'vehicle')} with {counted(len(cameras), 'camera')}"
        if len(found.groups) > 1:
            title = f"Kind {index + 1}: {title}"
        parts += [Heading(title, 3), View("charts", charts)]
    return tuple(parts)


def verdict(found: FleetDifferences) -> str:
    """Return in one line how many vehicles are outliers, how many have too few peers, and if the fleet is mixed."""
    few = sum(group.count for group in found.groups if group.count < FEWEST)
    if few == len(found.vehicles):
        return f"no vehicle is judged: outliers are found among {FEWEST} or more of a kind"
    unjudged = f"; {counted(few, 'vehicle')} with fewer than {FEWEST} of a kind not judged" if few else ""
    if not found.outliers:
        return f"no camera is an outlier{unjudged}"
    apart = len({outlier.vehicle for outlier in found.outliers})
    outliers = "is an outlier" if apart == 1 else "are outliers"
    text = f"{apart} of {counted(len(found.vehicles), 'vehicle')} {outliers}{unjudged}"
    if apart > MIXED * len(found.vehicles):
        text += "; so many that these may be kinds that differ in few cameras: give each kind its own folder"
    return text


def outliers_table(outliers: Iterable[Outlier]) -> Table:
    """Return the cameras that are outliers, with what the rule allows."""
    rows = (
        (
            one.vehicle,
            one.camera,
            f"{three(round(one.value, 2))} {_WORDS[one.quantity][1]}",
            three(round(one.limit, 2)),
        )
        for one in outliers
    )
    return table(*words("vehicle", "camera"), "from the median", "allowed", rows=rows)


def _chart(
    title: str, cameras: Sequence[str], vehicles: Sequence[str], values: Floats, allowed: Floats
) -> StripChart:
    """Return one quantity of all cameras.

    Args:
        title: The quantity and its unit.
        cameras: Names of the N cameras.
        vehicles: Names of the V vehicles.
        values: (V, N) distances from the median.
        allowed: (N,) limits; infinite where there is none.
    """
    finite = allowed[np.isfinite(allowed)]
    end = 1.05 * max(float(values.max()), float(finite.max(initial=0.0)))
    strips = []
    for camera, name in enumerate(cameras):
        distances, limit = values[:, camera], float(allowed[camera])
        strips.append(
            Strip(
                camera=name,
                ticks=_ticks(distances[distances <= limit] / end),
                apart=_ticks(distances[distances > limit] / end, least=_FULL),
                limit=f"{100 * limit / end:.2f}" if np.isfinite(limit) else "",
                largest=three(round(float(distances.max()), 2)),
                farthest=vehicles[int(distances.argmax())],
            )
        )
    return StripChart(title, three(round(end, 2)), tuple(strips))


def _ticks(shares: Floats, least: float = _LOW) -> str:
    """Return the path of ticks that stand at shares of the axis, between `least` and the full height."""
    places, numbers = np.unique(np.floor(shares * _PLACES).astype(int), return_counts=True)
    most = max(2, numbers.max(initial=0))
    heights = least + max(0.0, _HIGH - least) * (numbers - 1) / (most - 1)
    marks = zip((100 * (places + 0.5) / _PLACES).tolist(), heights.tolist(), strict=True)
    return "".join(f"M{x:.4g} 10v-{height:.3g}" for x, height in marks)
