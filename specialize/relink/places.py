"""Where the rows of visible pairs stand, and inverses of matrices: operators that numpy does not have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class DoesNotFitError(Exception):
    """A calibration needs more than the tables have.

    Attributes:
        wanted: Rows per group; or, for a sum, the most cameras that see one query.
        kept: What there is room for.
        is_sum: Whether it is a sum.
    """

    def __init__(self, wanted: tuple[int, ...], kept: tuple[int, ...], is_sum: bool) -> None:
        super().__init__(wanted, kept, is_sum)
        self.wanted, self.kept, self.is_sum = wanted, kept, is_sum


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
        raise DoesNotFitError(tuple(map(int, wanted)), tuple(map(int, lengths)), is_sum=False)
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
        raise DoesNotFitError((most,), (fan_in,), is_sum=True)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    place = np.cumsum(seen, axis=1) - 1 + starts[:, None]  # (N, Q)
    slot = np.cumsum(seen, axis=0) - 1
    back = np.full((seen.shape[1], fan_in), spare, np.int64)
    camera, query = np.nonzero(seen)
    back[query, slot[camera, query]] = place[camera, query]
    return back


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
