"""Tables of places, read back: they hold where points fall inside the image, ahead of the camera, or everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from specialize.witness.tables import Column, Marks, columns_of, narrowed, projected, wrong_places

MATRIX = np.array([[50.0, 0, 50, 0], [0, 50.0, 40, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
SIZE = (100, 80)
LEAST = 0.1
POINTS = np.random.default_rng(0).uniform((-4, -3, -2), (4, 3, 5), size=(200, 1, 3))
MARKS = projected(MATRIX, POINTS, SIZE, LEAST)


def _table(least: float = LEAST) -> np.ndarray:
    """Return places (P, 2) as a graph in float32 computes them: from 0 to 1, times 2, less 1."""
    x, y, z = POINTS[:, 0].astype(np.float32).T
    depth = np.maximum(z, np.float32(least))
    return np.stack([(50 * x + 50 * z) / depth / 100, (50 * y + 40 * z) / depth / 80], axis=1) * 2 - 1


def _columns(table: np.ndarray, marks: Marks = MARKS) -> tuple[Column, ...]:
    return columns_of(table, len(POINTS), marks)


def test_reaches_contain_each_other() -> None:
    """A point inside the image is ahead, and one ahead is one of all."""
    inside, ahead, every = (MARKS.reached[reach] for reach in ("inside", "ahead", "all"))
    assert (inside <= ahead).all() and (ahead <= every).all()
    assert 0 < inside.sum() < ahead.sum() < every.sum()


@pytest.mark.parametrize(
    ("table", "reach"),
    [
        (_table(), "all"),
        (np.where(POINTS[:, 0, 2:] < LEAST, 0.0, _table()), "ahead"),
        (np.clip(_table(), -1.0, 1.0), "inside"),
    ],
    ids=["as it is", "nothing behind", "clipped"],
)
def test_a_column_reaches_as_far_as_its_points_fall_there(table: np.ndarray, reach: str) -> None:
    """What a model does with points out of sight is learned, and compared no further."""
    columns = _columns(table)
    assert [(column.axis, column.reach) for column in columns] == [(0, reach), (1, reach)]
    wrong, compared = wrong_places(table, len(POINTS), MARKS, columns)
    assert not len(wrong)
    assert compared == 2 * int(MARKS.reached[reach].sum())


def test_a_wrong_value_is_found_as_far_as_the_column_reaches() -> None:
    """A tenth more is found behind the camera if that is compared, and not if the model clips there."""
    behind = int(np.flatnonzero(POINTS[:, 0, 2] < -1.0)[0])
    wrong = _table()
    wrong[behind] *= 1.1
    assert wrong_places(wrong, len(POINTS), MARKS, _columns(_table()))[0].tolist() == [behind]
    clipped = _columns(np.clip(_table(), -1.0, 1.0))
    assert not len(wrong_places(wrong, len(POINTS), MARKS, clipped)[0])


def test_another_vehicle_narrows_a_column() -> None:
    """What the first vehicle has no point for, a second one shows: the model clips."""
    columns = _columns(_table())
    assert [each.reach for each in narrowed(np.clip(_table(), -1.0, 1.0), len(POINTS), MARKS, columns)] == [
        "inside",
        "inside",
    ]
    assert narrowed(_table(), len(POINTS), MARKS, columns) == columns
