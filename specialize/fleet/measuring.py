"""Read a fleet's vehicles as the numbers that kinds and medians are of, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from specialize.calibration.load import load_profile
from specialize.digests import Digests, as_bytes
from specialize.errors import SpecializeError
from specialize.fleet.footprint import Ints
from specialize.fleet.grouping import require_names_once
from specialize.fleet.grown import Grown, in_order
from specialize.fleet.load import Failed
from specialize.fleet.median import Floats, Shape, measure, measure_many, shape_of
from specialize.fleet.sampling import Crew
from specialize.fleet.survey import Chunk, chunks_of, split

Names = NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Vehicles of one shape.

    Attributes:
        shape: What they have in common.
        places: (V,) their places in the fleet, ascending.
        names: (V,) their names.
        digests: (V, 32) of their profiles.
        values: (V, N, 12 or more) the rows of `Measured`.
    """

    shape: Shape
    places: Ints
    names: Names
    digests: Digests
    values: Floats


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a chunk: its vehicles by their shapes, and those that cannot be used."""

    parts: tuple[Part, ...]
    failed: tuple[Failed, ...]


def read_chunk(chunk: Chunk) -> Read:
    """Return the vehicles of a chunk as numbers; runs in other processes."""
    groups, alone = split(chunk)
    parts = [
        Part(shape_of(alike.example), places, alike.names, alike.digests, measure_many(alike))
        for alike, places in groups
    ]
    failed: list[Failed] = []
    for place, path in alone:
        try:
            profile = load_profile(path)
            one = measure(profile)
        except SpecializeError as error:
            failed.append(Failed(path, str(error)))
            continue
        name, digest = np.array([profile.vehicle], object), np.frombuffer(as_bytes(profile.digest), np.uint8)
        parts.append(Part(one.shape, np.array([place], np.int64), name, digest[None], one.values[None]))
    return Read(tuple(_by_shape(parts)), tuple(failed))


def _by_shape(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield the vehicles of each shape together, in the order of their places."""
    for shape in dict.fromkeys(part.shape for part in parts):
        same = [part for part in parts if part.shape == shape]
        yield Part(shape, *in_order(same, "places", "names", "digests", "values"))


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredFleet:
    """A fleet as numbers.

    Attributes:
        parts: Its vehicles by their shapes, the shape of the first vehicle first.
        failed: Profiles that could not be used, in their order.
    """

    parts: tuple[Part, ...]
    failed: tuple[Failed, ...]

    def __len__(self) -> int:
        return sum(len(part.places) for part in self.parts)


@dataclass(frozen=True, slots=True)
class _Growing:
    places: Grown = field(default_factory=Grown)
    names: Grown = field(default_factory=Grown)
    digests: Grown = field(default_factory=Grown)
    values: Grown = field(default_factory=Grown)

    def add(self, part: Part, width: int | None) -> None:
        self.places.add(part.places)
        self.names.add(part.names)
        self.digests.add(part.digests)
        self.values.add(part.values[..., :width])

    def part(self, shape: Shape) -> Part:
        columns = (self.places, self.names, self.digests, self.values)
        return Part(shape, *(column.whole() for column in columns))


def measured_fleet(files: Sequence[Path], crew: Crew, width: int | None = None) -> MeasuredFleet:
    """Return all vehicles of a fleet as numbers.

    Args:
        files: The fleet.
        crew: Who reads it.
        width: How many numbers of each camera are kept; None for all.

    Raises:
        InputError: Two profiles are of vehicles with one name.
    """
    growing: dict[Shape, _Growing] = {}
    failed: list[Failed] = []
    for read in crew.in_order(chunks_of(files), read_chunk):
        failed += read.failed
        for part in read.parts:
            growing.setdefault(part.shape, _Growing()).add(part, width)
    parts = [one.part(shape) for shape, one in growing.items()]
    require_names_once([(part.places, part.names) for part in parts], files)
    return MeasuredFleet(tuple(sorted(parts, key=lambda part: int(part.places[0]))), tuple(failed))
