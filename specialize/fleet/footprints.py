"""What many vehicles make builds compute, as columns: a million of them need the memory of their numbers."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.table import Vehicles
from specialize.digests import Digests, as_bytes, as_text
from specialize.fleet.footprint import Footprint, Ints
from specialize.fleet.grown import Grown
from specialize.fleet.subsets import missing_at
from specialize.fleet.vehicle import Vehicle
from specialize.text.on_demand import OnDemand

One = TypeVar("One", bound=Vehicle)

PROFILE, PLAN, CALIBRATION = range(3)
"""Places of the digests of a vehicle."""


@dataclass(frozen=True, slots=True, eq=False)
class Footprints:
    """V vehicles with the same cameras: a row for each `Footprint`.

    Attributes:
        cameras: Names of their cameras, in order.
        places: (V,) their places in the fleet, ascending; `subsets` tells those of rigs with cameras off.
        names: (V,) their names.
        digests: (V, 3, 32) of the profile, the visible sets (zeros without grids), and what the model is fed.
        own: (V, G, N) queries that each camera sees, by exact arithmetic.
        reach: (V, G, N) queries that each camera may see.
        fan_in: (V,) most cameras that see one query.
    """

    cameras: tuple[str, ...]
    places: Ints
    names: NDArray[np.object_]
    digests: NDArray[np.uint8]
    own: NDArray[np.int32]
    reach: NDArray[np.int32]
    fan_in: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.places)

    def some(self, which: Ints) -> Footprints:
        """Return some of the vehicles, by their rows."""
        columns = (getattr(self, name)[which] for name in _COLUMNS)
        return Footprints(self.cameras, *columns)

    def rows_of(self, places: Ints | Sequence[int]) -> Ints:
        """Return in which rows the vehicles at some places of the fleet are."""
        return np.searchsorted(self.places, np.asarray(places, np.int64))

    def numbers(self) -> NDArray[np.void]:
        """Return (V,) what two vehicles of one calibration agree in, and one vehicle on two days."""
        both = np.ascontiguousarray(self.digests[:, [PROFILE, CALIBRATION]]).reshape(len(self), -1)
        return both.view(np.dtype((np.void, both.shape[1])))[:, 0]

    def vehicle(self, row: int, files: Sequence[Path]) -> Vehicle:
        """Return one vehicle of a fleet."""
        profile, plan, calibration = map(as_text, self.digests[row])
        number, place = divmod(int(self.places[row]), len(files))
        return Vehicle(
            vehicle=self.names[row], path=files[place], profile=profile, calibration=calibration,
            plan=plan if self.own.shape[1] else "", without=missing_at(self.cameras, number),
        )  # fmt: skip


_COLUMNS = ("places", "names", "digests", "own", "reach", "fan_in")


class Gathered:
    """Footprints of vehicles with the same cameras that are added in parts, none of which is kept."""

    def __init__(self, cameras: tuple[str, ...]) -> None:
        self.cameras = cameras
        self._columns = {name: Grown() for name in _COLUMNS}

    def add(self, part: Footprints) -> None:
        """Append some vehicles."""
        for name, column in self._columns.items():
            column.add(getattr(part, name))

    def whole(self) -> Footprints:
        """Return all of them in the order of their places."""
        found = Footprints(self.cameras, *(column.whole() for column in self._columns.values()))
        return found if (np.diff(found.places) > 0).all() else found.some(np.argsort(found.places))


def column_of(found: Sequence[tuple[int, Footprint]]) -> Footprints:
    """Return vehicles with the same cameras, each with its place in the fleet, as columns."""
    return Footprints(
        cameras=found[0][1].cameras,
        places=np.array([place for place, _ in found], np.int64),
        names=np.array([one.vehicle.vehicle for _, one in found], object),
        digests=np.stack([_digests(one.vehicle) for _, one in found]),
        own=np.stack([one.own for _, one in found]).astype(np.int32),
        reach=np.stack([one.reach for _, one in found]).astype(np.int32),
        fan_in=np.array([one.fan_in for _, one in found], np.int32),
    )


def _digests(one: Vehicle) -> Digests:
    texts = (one.profile, one.plan, one.calibration)
    parts = [as_bytes(text) if text else bytes(32) for text in texts]
    return np.frombuffer(b"".join(parts), np.uint8).reshape(3, 32)


class Member(Vehicle, frozen=True, kw_only=True):
    """A vehicle in a planned build.

    Attributes:
        vehicle: Its name.
        path: Its profile.
        profile: Digest of its profile.
        plan: Digest of its visible sets.
        calibration: Digest of what the model is fed.
        without: Cameras that are off; the vehicle then is a rig that is planned beside the whole one.
        pairs: Rows that its own exact build would compute.
        adds: Rows that it adds to the build, its members counted in the order of their profiles.
    """

    pairs: int
    adds: int


class Made(OnDemand[One]):
    """Vehicles of which columns are kept; each is made when it is asked for."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment]

    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """Return the names of all."""


class VehicleRows(Made[One]):
    """Vehicles of a plan.

    Attributes:
        footprints: The vehicles with these cameras.
        rows: (M,) which of them, in order.
        files: The profiles of the whole fleet.
    """

    def __init__(self, footprints: Footprints, rows: Ints, files: Sequence[Path]) -> None:
        self.footprints = footprints
        self.rows = rows
        self.files = files

    def __len__(self) -> int:
        return len(self.rows)

    def path(self, index: int) -> Path:
        """Return the profile of one vehicle."""
        return self.files[int(self.footprints.places[self.rows[index]]) % len(self.files)]

    def is_whole(self) -> NDArray[np.bool_]:
        """Return which vehicles (M,) are whole: planned with all their cameras."""
        return np.asarray(self.footprints.places[self.rows] < len(self.files))

    def names(self) -> tuple[str, ...]:
        """Return the names of all."""
        return tuple(self.footprints.names[self.rows])


class Served(VehicleRows[Vehicle]):
    """The vehicles of a build as a lock keeps them."""

    def one(self, index: int) -> Vehicle:
        """Return one vehicle."""
        return self.footprints.vehicle(int(self.rows[index]), self.files)


class Members(VehicleRows[Member]):
    """The members of a planned build.

    Attributes:
        pairs: (M,) rows that the own exact build of each would compute.
        adds: (M,) rows that each adds to the build.
    """

    def __init__(
        self, footprints: Footprints, rows: Ints, pairs: Ints, adds: Ints, files: Sequence[Path]
    ) -> None:
        super().__init__(footprints, rows, files)
        self.pairs = pairs
        self.adds = adds

    def one(self, index: int) -> Member:
        """Return one member."""
        one = self.footprints.vehicle(int(self.rows[index]), self.files)
        return Member(
            vehicle=one.vehicle, path=one.path, profile=one.profile, plan=one.plan, calibration=one.calibration,
            without=one.without, pairs=int(self.pairs[index]), adds=int(self.adds[index]),
        )  # fmt: skip

    def whole(self) -> Members:
        """Return the whole vehicles; all members if cameras of each are off."""
        whole = self.is_whole()
        if whole.all() or not whole.any():
            return self
        return Members(self.footprints, self.rows[whole], self.pairs[whole], self.adds[whole], self.files)

    def most_adding(self, count: int) -> list[Member]:
        """Return up to `count` members that add most beside the first, equal ones in the order of their paths."""
        by_path = 1 + order_of(self.files, self.footprints.places[self.rows[1:]])
        order = by_path[np.argsort(-self.adds[by_path], kind="stable")]
        return [self[int(index)] for index in order[:count]]

    def served(self, made_from: str) -> Served:
        """Return them as a lock keeps them: first the one whose profile the build carries, others by their files."""
        rows = self.rows
        if not self.is_whole().all():  # rigs of one vehicle have one path
            rows = rows[np.argsort(self.footprints.names[rows], kind="stable")]
        rows = rows[order_of(self.files, self.footprints.places[rows])]
        first = self.footprints.names[rows] == made_from
        return Served(self.footprints, np.concatenate([rows[first], rows[~first]]), self.files)


def order_of(files: Sequence[Path], places: Ints) -> Ints:
    """Return the order of some profiles (M,), by their places in a fleet, that the text of their paths gives."""
    places = places % len(files)
    if isinstance(files, Vehicles):
        return files.order_of(places)
    paths = [str(files[int(place)]) for place in places]
    return np.argsort(np.array(paths, object), kind="stable")


def names_of(vehicles: Sequence[Vehicle]) -> tuple[str, ...]:
    """Return the names of some vehicles."""
    return vehicles.names() if isinstance(vehicles, Made) else tuple(one.vehicle for one in vehicles)


def digests_of(vehicles: Sequence[Vehicle], indices: Ints) -> Digests:
    """Return the digests (R, 3, 32) of some of the vehicles; that of the visible sets is zeros if there is none."""
    if isinstance(vehicles, VehicleRows):
        return vehicles.footprints.digests[vehicles.rows[indices]]
    return np.stack([_digests(vehicles[int(index)]) for index in indices])


def missing_of_each(vehicles: Sequence[Vehicle], indices: Ints) -> NDArray[np.object_]:
    """Return the cameras (R,) that are off of each of some vehicles, as tuples."""
    found = np.empty(len(indices), object)
    for place, index in enumerate(indices):
        found[place] = vehicles[int(index)].without
    return found


def _same(one: object, other: object) -> bool:
    return one == other
