"""Define `contract.bin`, what a build expects of a calibration; docs/reference/vehicle-files.md has the format."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.binding.relink.checksum import sealed
from specialize.vehicle.binary import (
    PREFIX,
    VERSION,
    Bytes,
    FileRefusedError,
    is_name,
    padded,
    require_file,
)
from specialize.vehicle.frustum import FRUSTUM, Frustum, parse_frustum
from specialize.vehicle.words import LENS_BYTES, MODES, MOST_CAMERAS, MOST_GRIDS, NAME_BYTES, Reason

KIND = b"SPZCTRCT"
READS_APART, READS_EGO, HAS_EGO, HAS_FRUSTUM, HAS_LENSES = 1, 2, 4, 8, 16
HAS_PAIRS, HAS_LENGTHS = 1, 2
LARGEST_NUMBER = 1e9
NUMBERS = ("scale", "crop_px", "allowed", "intrinsic", "camera_from_lidar", "image_from_lidar")
"""Fields of a camera that hold numbers, which are finite."""

HEADER = np.dtype(
    [
        *PREFIX,
        ("build", "V32"),
        ("profile", "V32"),
        ("cameras", "<u4"),
        ("grids", "<u4"),
        ("reads", "<u4"),
        ("fan_in", "<u4"),
        ("relink_at", "<u8"),
        ("relink_size", "<u8"),
        ("ego_from_lidar", "<f8", 16),
        ("min_depth", "<f8"),
        ("rounding", "<f8"),
        ("vehicle", f"S{NAME_BYTES}"),
    ]
)
CAMERA = np.dtype(
    [
        ("name", f"S{NAME_BYTES}"),
        ("size_px", "<u4", 2),
        ("network_px", "<u4", 2),
        ("has", "<u4"),
        ("zero", "<u4"),
        ("scale", "<f8"),
        ("crop_px", "<f8", 2),
        ("allowed", "<f8", 4),
        ("intrinsic", "<f8", 9),
        ("camera_from_lidar", "<f8", 16),
        ("image_from_lidar", "<f8", 16),
    ]
)
GRID = np.dtype(
    [
        ("kind", "<u4"),
        ("count", "<u4", 3),
        ("has", "<u4"),
        ("order", "u1", 4),
        ("largest", "<f8", 3),
    ]
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Grid:
    """One grid of queries.

    Attributes:
        axes: Coordinates of x, y and z, metres.
        order: The axes that queries are numbered over, slowest first: `yx`, `zyx`, ...; of two, points along the third
            are one query.
        largest: (3,) largest magnitude or extent per axis, metres.
        lengths: (N,) rows that an engine with tables has per camera; None if they are not known.
        pairs: (N, Q) pairs that the build computes; None in mode `tables`.
    """

    axes: tuple[Floats, Floats, Floats]
    order: str
    largest: Floats
    lengths: npt.NDArray[np.uint32] | None = None
    pairs: Bools | None = None

    @property
    def every_axis(self) -> str:
        """All three axes in the order of queries and of the points in them, slowest first."""
        return self.order + "".join(axis for axis in "xyz" if axis not in self.order)

    def to_bytes(self) -> bytes:
        """Return the record."""
        record = np.zeros((), GRID)
        record["kind"], record["count"] = len(self.order), [len(axis) for axis in self.axes]
        record["order"][:3] = ["xyz".index(axis) for axis in self.every_axis]
        record["has"] = HAS_PAIRS * (self.pairs is not None) + HAS_LENGTHS * (self.lengths is not None)
        record["largest"] = self.largest
        parts = [record.tobytes(), *(axis.astype("<f8").tobytes() for axis in self.axes)]
        if self.lengths is not None:
            parts.append(padded(self.lengths.astype("<u4").tobytes()))
        if self.pairs is not None:
            parts.append(padded(np.packbits(self.pairs, axis=1).tobytes()))
        return b"".join(parts)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Contract:
    """What a build expects of a calibration.

    Attributes:
        mode: `exact`, `envelope` or `tables`.
        vehicle: Name of the vehicle that was built for.
        build: Digest of the build key, 32 bytes.
        profile: Digest of the profile, 32 bytes.
        cameras: (N,) records of `CAMERA`, in the order of the model.
        reads: `READS_APART`, `READS_EGO` and `HAS_EGO`, added up.
        ego_from_lidar: (16,) of the vehicle that was built for; zeros if it is not known.
        fan_in: Cameras that may see one query, in mode `tables`.
        min_depth: Least depth of a point that is seen, metres.
        rounding: Share of what is added up within which float32 may change whether a point is seen.
        grids: The grids of queries.
        relink: The program that makes tables; empty without one.
        frustum: What the model lifts, if the program adds it to cells in a way that is known.
        lenses: (N, LENS_BYTES) what was known of the cameras' lenses; None if no camera had one.
    """

    mode: str
    vehicle: bytes
    build: bytes
    profile: bytes
    cameras: npt.NDArray[np.void]
    reads: int
    ego_from_lidar: Floats
    fan_in: int
    min_depth: float
    rounding: float
    grids: tuple[Grid, ...]
    relink: bytes = b""
    frustum: Frustum | None = None
    lenses: Bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the content of `contract.bin`."""
        header = np.zeros((), HEADER)
        header["kind"], header["version"], header["own"] = KIND, VERSION, MODES.index(self.mode)
        header["build"], header["profile"] = np.void(self.build), np.void(self.profile)
        header["cameras"], header["grids"] = len(self.cameras), len(self.grids)
        for name in ("reads", "fan_in", "ego_from_lidar", "min_depth", "rounding", "vehicle"):
            header[name] = getattr(self, name)
        header["reads"] += HAS_FRUSTUM * (self.frustum is not None) + HAS_LENSES * (self.lenses is not None)
        body = self.cameras.tobytes() + (b"" if self.lenses is None else self.lenses.tobytes())
        body += b"".join(grid.to_bytes() for grid in self.grids)
        body += b"" if self.frustum is None else self.frustum.to_bytes()
        if self.relink:
            header["relink_at"] = HEADER.itemsize + len(body)
            header["relink_size"] = len(padded(self.relink))
        return sealed(header.tobytes() + body + padded(self.relink))


def parse_contract(data: bytes) -> Contract:
    """Return what `Contract.to_bytes` wrote.

    Raises:
        FileRefusedError: The bytes are not that.
    """
    require_file(data, KIND, HEADER.itemsize)
    header = np.frombuffer(data, HEADER, 1)[0]
    count, grids = int(header["cameras"]), int(header["grids"])
    modes, reads = int(header["own"]), int(header["reads"])
    lenses_at = HEADER.itemsize + count * CAMERA.itemsize
    known = count * LENS_BYTES * bool(reads & HAS_LENSES)
    at = lenses_at + known
    if modes > 2 or reads > 31 or not 0 < count <= MOST_CAMERAS or grids > MOST_GRIDS or len(data) < at:
        raise FileRefusedError(Reason.MALFORMED)
    cameras = np.frombuffer(data, CAMERA, count, HEADER.itemsize)
    _require_header(data, header, cameras)
    found = []
    for _ in range(grids):
        grid, at = _parse_grid(data, at, count)
        if modes != MODES.index("tables") and grid.pairs is None:
            raise FileRefusedError(Reason.MALFORMED)
        found.append(grid)
    frustum = parse_frustum(data, at) if reads & HAS_FRUSTUM else None
    at += FRUSTUM.itemsize if frustum is not None else 0
    start, size = int(header["relink_at"]), int(header["relink_size"])
    none, last = (start, size, at) == (0, 0, len(data)), start == at and len(data) - at == size != 0
    if not (none or last) or (modes == MODES.index("envelope") and not found):
        raise FileRefusedError(Reason.MALFORMED)
    return Contract(
        mode=MODES[modes],
        vehicle=bytes(header["vehicle"]),
        build=bytes(header["build"]),
        profile=bytes(header["profile"]),
        cameras=cameras,
        reads=reads & ~(HAS_FRUSTUM | HAS_LENSES),
        ego_from_lidar=header["ego_from_lidar"],
        fan_in=int(header["fan_in"]),
        min_depth=float(header["min_depth"]),
        rounding=float(header["rounding"]),
        grids=tuple(found),
        relink=data[start:] if last else b"",
        frustum=frustum,
        lenses=np.frombuffer(data, np.uint8, known, lenses_at).reshape(count, -1) if known else None,
    )


def _require_header(data: bytes, header: np.void, cameras: npt.NDArray[np.void]) -> None:
    names = [data[272 : 272 + NAME_BYTES]]
    for index in range(len(cameras)):
        start = HEADER.itemsize + index * CAMERA.itemsize
        names.append(data[start : start + NAME_BYTES])
    numbers = [header["ego_from_lidar"], [header["min_depth"], header["rounding"]]]
    numbers += [cameras[name] for name in NUMBERS]
    has_bits = (cameras["has"] >= 1) & (cameras["has"] <= 3) & (cameras["zero"] == 0)
    ego = not header["reads"] & READS_EGO or header["reads"] & HAS_EGO
    if not (all(map(is_name, names)) and all(map(_in_range, numbers)) and has_bits.all() and ego):
        raise FileRefusedError(Reason.MALFORMED)


def _parse_grid(data: bytes, at: int, cameras: int) -> tuple[Grid, int]:
    """Return the grid record at a place, and where the next one begins."""
    if len(data) - at < GRID.itemsize:
        raise FileRefusedError(Reason.MALFORMED)
    record = np.frombuffer(data, GRID, 1, at)[0]
    count = [int(number) for number in record["count"]]
    order = [int(axis) for axis in record["order"]]
    known = (
        record["kind"] in (2, 3) and record["has"] <= 3 and order[3] == 0 and sorted(order[:3]) == [0, 1, 2]
    )
    if not known or not all(0 < size <= 65536 for size in count) or math.prod(count) > 1 << 26:
        raise FileRefusedError(Reason.MALFORMED)
    named = "".join("xyz"[axis] for axis in order[: int(record["kind"])])
    queries = math.prod(count["xyz".index(axis)] for axis in named)
    sizes = [8 * number for number in count]
    sizes.append(-(-4 * cameras // 8) * 8 if record["has"] & HAS_LENGTHS else 0)
    sizes.append(-(-((queries + 7) // 8 * cameras) // 8) * 8 if record["has"] & HAS_PAIRS else 0)
    if len(data) - at < GRID.itemsize + sum(sizes):
        raise FileRefusedError(Reason.MALFORMED)
    parts = list(_split(data, at + GRID.itemsize, sizes))
    x, y, z = (np.frombuffer(part, "<f8") for part in parts[:3])
    if not all(map(_in_range, (x, y, z, record["largest"]))):
        raise FileRefusedError(Reason.MALFORMED)
    lengths = np.frombuffer(parts[3], "<u4", cameras) if parts[3] else None
    pairs = None
    if parts[4]:
        packed = np.frombuffer(parts[4], np.uint8, (queries + 7) // 8 * cameras).reshape(cameras, -1)
        pairs = np.unpackbits(packed, axis=1, count=queries).astype(np.bool_)
    grid = Grid(axes=(x, y, z), order=named, largest=record["largest"], lengths=lengths, pairs=pairs)
    return grid, at + GRID.itemsize + sum(sizes)


def _split(data: bytes, at: int, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield data[at : at + size]
        at += size


def _in_range(numbers: npt.ArrayLike) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((np.abs(np.asarray(numbers)) <= LARGEST_NUMBER).all())
