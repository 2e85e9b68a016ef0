"""Where the rows of visible pairs stand, and inverses of matrices: operators that numpy does not have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class DoesNotFitError(Exception):
    """A calibration needs more than the tables have.

    Attributes:
        wanted: Rows per group; for a sum, the most cameras that see one query; for a cell, its rows; or blocks.
        kept: What there is room for.
        what: `rows`, `sum`, `fan-in` (rows of one cell), or `blocks` of so many rows as `size` says.
        size: Rows of a block.
    """

    def __init__(self, wanted: tuple[int, ...], kept: tuple[int, ...], what: str, size: int = 1) -> None:
        super().__init__(wanted, kept, what, size)
        self.wanted, self.kept, self.what, self.size = wanted, kept, what, size


def rows_of(seen: npt.NDArray[np.bool_], lengths: Ints) -> Ints:
    """Return the pair `n * Q + q` at every place: a camera's queries ascending, then its last one again.

    Args:
        seen: (N, Q).
        lengths: (N,) places per camera.

    Raises:
        DoesNotFitError: A camera sees more queries than it has places.
    """
    wanted = seen.sum(axis=1)
    if (wanted > lengths).any():
        raise DoesNotFitError(tuple(map(int, wanted)), tuple(map(int, lengths)), "rows")
    places = []
    for camera, (row, length) in enumerate(zip(seen, lengths, strict=True)):
        queries = np.flatnonzero(row)
        last = queries[-1] if len(queries) else 0
        padded = np.full(int(length), last, np.int64)
        padded[: len(queries)] = queries
        places.append(camera * seen.shape[1] + padded)
    return np.concatenate(places)


def back_of(seen: npt.NDArray[np.bool_], lengths: Ints, fan_in: int, spare: int) -> Ints:
    """Return (Q, fan_in): the places of each query's rows, in the order of cameras, then `spare`.

    Args:
        seen: (N, Q).
        lengths: (N,) places per camera.
        fan_in: Cameras that may see one query.
        spare: The place of a row of zeros.

    Raises:
        DoesNotFitError: More cameras see a query.
    """
    most = int(seen.sum(axis=0).max(initial=0))
    if most > fan_in:
        raise DoesNotFitError((most,), (fan_in,), "sum")
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    place = np.cumsum(seen, axis=1) - 1 + starts[:, None]  # (N, Q)
    slot = np.cumsum(seen, axis=0) - 1
    back = np.full((seen.shape[1], fan_in), spare, np.int64)
    camera, query = np.nonzero(seen)
    back[query, slot[camera, query]] = place[camera, query]
    return back


def counts_of(values: Ints, cells: int, most: int) -> Ints:
    """Return how many of the values are 0, 1, ... and `cells - 1`, (cells,); others are left out.

    Raises:
        DoesNotFitError: One of them occurs more than `most` times.
    """
    counts = np.bincount(values[(values >= 0) & (values < cells)], minlength=cells)
    largest = int(counts.max(initial=0))
    if largest > most:
        raise DoesNotFitError((largest,), (most,), "fan-in")
    return counts


def cut_of(values: Ints, cells: int, places: int, size: int) -> Ints:
    """Return the numbers of the values sorted by value, every value from a multiple of `size` on; -1 elsewhere.

    Args:
        values: The values; those outside of 0 to `cells - 1` are left out.
        cells: Number of values that count.
        places: Places of the result.
        size: Places of a block; a block holds one value.

    Raises:
        DoesNotFitError: There are too few blocks.
        ValueError: Places are not whole blocks.
    """
    if size < 1 or places % size:
        raise ValueError("places that do not form blocks")
    inside = np.flatnonzero((values >= 0) & (values < cells))
    own = values[inside]
    counts = np.bincount(own, minlength=cells)
    used = -(-counts // size)
    if int(used.sum()) > places // size:
        raise DoesNotFitError((int(used.sum()),), (places // size,), "blocks", size)
    order = np.argsort(own, kind="stable")
    within = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
    cut = np.full(places, -1, np.int64)
    cut[np.repeat((np.cumsum(used) - used) * size, counts) + within] = inside[order]
    return cut


def listed_of(values: Ints, cells: int, width: int, spare: int) -> Ints:
    """Return (cells, width): the numbers of the values that are 0, 1, ..., ascending, then `spare`.

    Raises:
        IndexError: A value occurs more than `width` times.
    """
    sorted_ = cut_of(values, cells, len(values), 1)
    sorted_ = sorted_[sorted_ >= 0]
    own = values[sorted_]
    counts = np.bincount(own, minlength=cells)
    within = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
    found = np.full((cells, width), spare, np.int64)
    found[own, within] = sorted_
    return found


def inverse_of(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the inverse of (4, 4) by Gauss and Jordan, the largest of each column as pivot, the first of equals."""
    left, right = matrix.copy(), np.eye(4)
    for column in range(4):
        pivot = column
        for row in range(column + 1, 4):
            if abs(left[row, column]) > abs(left[pivot, column]):
                pivot = row
        left[[column, pivot]], right[[column, pivot]] = left[[pivot, column]], right[[pivot, column]]
        divisor = left[column, column]
        left[column], right[column] = left[column] / divisor, right[column] / divisor
        for row in range(4):
            if row != column:
                factor = left[row, column]
                left[row], right[row] = left[row] - factor * left[column], right[row] - factor * right[column]
    return right
