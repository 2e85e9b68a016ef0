"""Read a group of a table's rows as arrays, the rows of vehicles with the same cameras together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specialize.calibration.load import parse_profile
from specialize.calibration.many import Alike, Ints, Numbers
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import place_of, read_group
from specialize.calibration.table_row import document_of
from specialize.errors import SpecializeError

MOST_LAYOUTS = 16
"""Layouts that the rows of a group may have before the rest is read one by one."""
FEWEST = 4
"""Rows of one layout that are worth arrays."""
_MATRICES = {"intrinsic": 9, "lidar2cam": 16, "lidar2img": 16}
_SQUARE = {9: (3, 3), 16: (4, 4)}


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The rows of a group.

    Attributes:
        names: (R,) the vehicles, as the rows name them.
        parts: Vehicles that are alike, and which rows they are, ascending.
        others: Rows that only `load` can judge, ascending.
    """

    names: npt.NDArray[np.object_]
    parts: tuple[tuple[Alike, Ints], ...]
    others: Ints


def read_alike(table: Path, number: int) -> Group:
    """Return a group of rows as arrays.

    Raises:
        InputError: The file is no table of profiles, or has no such group.
        UsageError: pyarrow is not installed.
    """
    rows = read_group(table, number)
    columns = _Columns(rows)
    parts: list[tuple[Alike, Ints]] = []
    layouts = columns.layouts()
    others = [columns.odd]
    for places in layouts:
        alike, which = _vehicles(table, columns, places)
        if alike is not None:
            parts.append((alike, which))
            others.append(np.setdiff1d(places, which))
        else:
            others.append(places)
    return Group(columns.names, tuple(parts), np.sort(np.concatenate(others)))


def _vehicles(table: Path, columns: _Columns, places: Ints) -> tuple[Alike | None, Ints]:
    """Return the rows of one layout that are surely profiles with the digests that they state, and which these are."""
    if len(places) < FEWEST:
        return None, places[:0]
    numbers = columns.numbers(places)
    if numbers is None:
        return None, places[:0]
    sound = np.flatnonzero(numbers.sound())
    example = columns.example(places[sound], table)
    if example is None or any(camera.lens is not None for camera in example.cameras):
        return None, places[:0]
    alike = numbers.some(sound).vehicles(example)
    stated = (alike.digests == columns.digests[places[sound]]).all(axis=1)
    return alike.some(stated), places[sound[stated]]


class _Columns:
    """The columns of some rows, and which rows have the same layout."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self.names: npt.NDArray[np.object_] = rows.column("vehicle").to_numpy()
        digests = rows.column("digest").combine_chunks()
        self._cameras = rows.column("cameras").combine_chunks()
        self._ego = rows.column("lidar2ego").combine_chunks()
        notes = rows.column("notes").to_pylist()
        self._starts = _offsets(self._cameras)
        self._camera = self._cameras.flatten()
        odd = np.array([note is not None and not note.strip() for note in notes], bool)
        odd |= np.array([name is None for name in self.names], bool)
        odd |= _nulls(digests) | _nulls(self._cameras)
        if self._camera.null_count or self._any_null():
            odd[:] = True
        self.odd: Ints = np.flatnonzero(odd)
        self._usual: Ints = np.flatnonzero(~odd)
        self.digests = np.zeros((len(digests), 32), np.uint8)
        if len(self._usual):
            whole = digests.fill_null(bytes(32))
            self.digests[:] = np.frombuffer(whole.buffers()[1], np.uint8)[: 32 * len(whole)].reshape(-1, 32)

    def example(self, rows: Ints, table: Path) -> CalibrationProfile | None:
        """Return the first of some rows as a profile, if it is one."""
        for row in self._rows.take(rows[:1]).to_pylist():
            try:
                return parse_profile(document_of(row, str(table)), str(place_of(table, row["vehicle"])))
            except SpecializeError:
                break
        return None

    def _any_null(self) -> bool:
        """Whether a camera lacks what every camera has, or a list of numbers lacks one."""
        must = ("name", "width_px", "height_px")
        lists = (*_MATRICES, "distortion")
        return any(self._camera.field(name).null_count for name in must) or any(
            self._camera.field(name).flatten().null_count for name in lists
        )

    def layouts(self) -> list[Ints]:
        """Return the rows of each layout, ascending; what is left after `MOST_LAYOUTS` becomes odd."""
        counts = np.diff(self._starts)
        found: list[Ints] = []
        left = self._usual
        if not len(left):
            return found
        codes, ego = self._codes(), _lengths(self._ego)
        while len(left) and len(found) < MOST_LAYOUTS:
            first = left[0]
            same = left[(counts[left] == counts[first]) & (ego[left] == ego[first])]
            each = codes[self._starts[same][:, None] + np.arange(counts[first])]  # (R, N, 9)
            found.append(same[(each == each[0]).all(axis=(1, 2))])
            left = np.setdiff1d(left, found[-1], assume_unique=True)
        self.odd = np.sort(np.concatenate([self.odd, left]))
        return found

    def _codes(self) -> Ints:
        """Return (C, 9): what must be equal for cameras to be alike, as numbers."""
        texts = [
            self._camera.field(name).dictionary_encode().indices.fill_null(-1).to_numpy()
            for name in ("name", "distortion_model", "more")
        ]
        sizes = [self._camera.field(name).to_numpy() for name in ("width_px", "height_px")]
        lists = [_lengths(self._camera.field(name)) for name in (*_MATRICES, "distortion")]
        return np.column_stack([each.astype(np.int64) for each in (*texts, *sizes, *lists)])

    def numbers(self, rows: Ints) -> Numbers | None:
        """Return the numbers of rows of one layout; None if they have not what arrays are made of."""
        count = int(self._starts[rows[0] + 1] - self._starts[rows[0]])
        if not count:
            return None
        place = self._starts[rows][:, None] + np.arange(count)  # (V, N), places among all cameras
        matrices, complete = {}, True
        for name, size in _MATRICES.items():
            lists = self._camera.field(name)
            lengths = _lengths(lists)[place[0]]
            if (lengths == size).all():
                matrices[name] = _values(lists, place, size).reshape(*place.shape, *_SQUARE[size])
            complete &= bool((lengths == size).all() or (lengths == -1).all())
        ego = _lengths(self._ego)[rows[0]]
        if (
            not complete
            or tuple(matrices) not in (("intrinsic", "lidar2cam"), ("lidar2img",))
            or ego not in (-1, 16)
        ):
            return None
        bent = self._camera.field("distortion")
        return Numbers(
            self.names[rows],
            matrices,
            [
                _values(bent, place[:, camera], max(0, int(_lengths(bent)[place[0, camera]])))
                for camera in range(count)
            ],
            None if ego < 0 else _poses(_values(self._ego, rows, 16)),
        )


def _poses(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (V, 4, 4) of (V, 16); as in a profile the last row is not read."""
    poses = numbers.reshape(-1, 4, 4).copy()
    poses[:, 3] = (0.0, 0.0, 0.0, 1.0)
    return poses


def _values(lists: Any, place: Ints, size: int) -> npt.NDArray[np.float64]:
    """Return the numbers (..., size) of lists at some places (...,)."""
    values = lists.values.to_numpy()
    starts = lists.offsets.to_numpy()[place]
    return np.asarray(values[starts[..., None] + np.arange(size)], np.float64)


def _offsets(lists: Any) -> Ints:
    """Return (R + 1,): where each list starts among the values of all, and where the last ends."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return np.asarray(offsets - offsets[0])


def _lengths(lists: Any) -> Ints:
    """Return the length of each list, -1 of null."""
    lengths = np.diff(lists.offsets.to_numpy().astype(np.int64))
    return np.where(_nulls(lists), -1, lengths)


def _nulls(array: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False), bool)
