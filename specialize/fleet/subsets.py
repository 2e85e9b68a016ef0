"""Rigs with cameras off, planned before a camera dies: a further member of the plan for each, NAME-without-CAMERA.

In a fleet of F profiles a vehicle has the place of its profile, and its rig without the cameras of set `number` has
`place + number * F`. So whole vehicles come before all others, and the place tells whose rig it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.off import cameras_off
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError

MOST = 2
"""How many cameras may be missing at once."""

Names = tuple[str, ...]
Ints = NDArray[np.int64]
Camera = TypeVar("Camera")
Place = TypeVar("Place", int, Ints)


def sets_of(cameras: Sequence[Camera], most: int) -> list[tuple[Camera, ...]]:
    """Return the sets of up to `most` cameras of a rig, single ones first, in the order of the cameras."""
    return [names for size in range(1, most + 1) for names in combinations(cameras, size)]


def missing_at(cameras: Sequence[str], number: int) -> Names:
    """Return the cameras that are off in the rig with a number; none in number 0."""
    return sets_of(cameras, MOST)[number - 1] if number else ()


def missing_of(profile: CalibrationProfile, most: int) -> list[tuple[int, Names]]:
    """Return which up to `most` cameras of a vehicle may be missing, and the numbers of these sets.

    Cameras that are off already are in none, and one camera stays.
    """
    off = set(cameras_off(profile))
    names = profile.camera_names()
    return [
        (number, missing)
        for number, missing in enumerate(sets_of(names, most), start=1)
        if not off.intersection(missing) and len(off) + len(missing) < len(names)
    ]


def require_missing(profile: CalibrationProfile, most: int) -> list[tuple[int, Names]]:
    """Return what `missing_of` does.

    Raises:
        InputError: No camera of the vehicle can be missing.
    """
    found = missing_of(profile, most)
    if most and not found:
        hint = "leave the vehicle out, or plan it without --subsets: with no camera it sees nothing"
        count = len(profile.cameras) - len(cameras_off(profile))
        raise InputError(f"{profile.vehicle}: --subsets", "at least two cameras that work", str(count), hint)
    return found


@dataclass(frozen=True, slots=True)
class Subsets:
    """Which rigs of a fleet are planned beside those of its vehicles.

    Attributes:
        most: How many cameras are missing at most; 0 plans whole vehicles only.
        fleet: Number of profiles of the fleet.
    """

    most: int = 0
    fleet: int = 0

    def place(self, place: Place, number: int) -> Place:
        """Return the place of the rig with a number of the vehicles at some places."""
        return place + number * self.fleet

    def by_place(self, cameras: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the number and the places of the cameras of each set that may be missing of some, all of which work."""
        for number, missing in enumerate(sets_of(range(cameras), self.most), start=1):
            if len(missing) < cameras:
                yield number, missing


NO_SUBSETS = Subsets()


def with_subsets(rows: Ints, places: Ints, fleet: int) -> Ints:
    """Return some rows and those of the same vehicles with cameras off, ascending.

    Args:
        rows: (R,) rows of whole vehicles.
        places: (V,) the place of every row, ascending.
        fleet: Number of profiles of the fleet.
    """
    whole = int(np.searchsorted(places, fleet))
    if whole == len(places):
        return rows
    further = whole + np.flatnonzero(np.isin(places[whole:] % fleet, places[rows]))
    return np.concatenate([rows, further])
