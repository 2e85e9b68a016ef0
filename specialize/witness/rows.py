"""Decode which pairs the constants of a specialized graph compute, from its gather indices and sums.

The rows of all cameras follow one another, each camera's in `lengths` places. A query's result is the sum of a few
places, `sums` (Q, k); the number of all places stands for none. So the query that reads a place determines the pair
that the place holds. If no sum over cameras follows, `sums` is (N, Q, k): the places of each query of each camera.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from specialize.witness.sight import Bools

Ints = npt.NDArray[np.int64]


def query_of_places(sums: npt.NDArray[np.generic], queries: int, lengths: Sequence[int]) -> Ints | str:
    """Return which query reads each place, (places,), -1 for none; or why the sums cannot be read back.

    Sums of N * Q * k places are those of each camera apart if every place that is read is that camera's own; of one
    camera, both readings are the same.
    """
    places = sum(lengths)
    if queries == 0 or sums.size % queries:
        return f"{sums.size} places for {queries} queries"
    index = sums.reshape(queries, -1).astype(np.int64)
    if index.size and not 0 <= int(index.min()) <= int(index.max()) <= places:
        return f"places up to {int(index.max())} of {places}"
    reader = np.full(places, -1, np.int64)
    used = np.flatnonzero(index.ravel() < places)
    read = index.ravel()[used]
    if len(np.unique(read)) != len(read):
        return "a place that is read twice"
    width, rest = divmod(index.size, len(lengths) * queries)
    apart = not rest and np.array_equal(camera_of_places(lengths)[read], used // (width * queries))
    reader[read] = used // width % queries if apart else used // index.shape[1]
    return reader


def camera_of_places(lengths: Sequence[int]) -> Ints:
    """Return whose place each is, (places,)."""
    return np.repeat(np.arange(len(lengths), dtype=np.int64), np.asarray(lengths, np.int64))


def pairs_of_places(reader: Ints, queries: int, lengths: Sequence[int]) -> Bools:
    """Return (N, Q): the pairs that are computed and read."""
    found = np.zeros((len(lengths), queries), np.bool_)
    used = reader >= 0
    found[camera_of_places(lengths)[used], reader[used]] = True
    return found


def wrong_rows(
    rows: npt.NDArray[np.generic], reader: Ints, queries: int, lengths: Sequence[int]
) -> Ints | None:
    """Return the places, in use, whose gathered row is not the pair that is read from there.

    Rows are numbered by query, or by camera and query in either order; None if they are numbered otherwise.
    """
    used = np.flatnonzero(reader >= 0)
    if rows.size != len(reader) or not len(used):
        return None
    query, camera = reader[used], camera_of_places(lengths)[used]
    given = rows.reshape(-1).astype(np.int64)[used]
    ways = (query, camera * queries + query, query * len(lengths) + camera)
    wrong = min((given != way for way in ways), key=np.count_nonzero)
    return used[wrong] if 2 * np.count_nonzero(wrong) < len(used) else None
