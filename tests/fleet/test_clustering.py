"""Clustering: groups that keep their promise, few of them, and a bound that holds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.fleet.clustering import Cells, Clustering, Limit, cluster
from specialize.fleet.footprint import Cover, EnvelopeSpace, Ints, Packing, Space, TablesSpace, pack


def grouped(sets: list[np.ndarray], overhead: float, space: Space) -> Clustering:
    """Return the clustering of camera sets (N, Q)."""
    limit = Limit(space, Packing(), overhead)
    cells = Cells(limit)
    own, covers = columns(sets, space)
    cells.add(np.arange(len(sets)), own, covers)
    return cluster(cells.found, limit)


def columns(sets: list[np.ndarray], space: Space) -> tuple[Ints, Cover]:
    """Return the lengths (V, 1, N) of camera sets (N, Q) without tolerance, and their covers."""
    own = np.stack([seen.sum(axis=1, dtype=np.int64)[None] for seen in sets])
    return own, np.stack([pack(seen) for seen in sets]) if isinstance(space, EnvelopeSpace) else own


def allowed(sets: list[np.ndarray], members: tuple[int, ...], overhead: float, space: Space) -> bool:
    """Say whether vehicles may share a build, from the definition alone."""
    if isinstance(space, EnvelopeSpace):
        rows = int(np.logical_or.reduce([sets[m] for m in members]).sum())
    else:
        rows = int(np.max([sets[m].sum(axis=1) for m in members], axis=0).sum())
    return rows <= min(int(sets[m].sum()) for m in members) * (1 + overhead)


def fewest(sets: list[np.ndarray], overhead: float, space: Space) -> int:
    """Return the true minimum by trying all partitions."""
    best = len(sets)

    def extend(index: int, groups: list[tuple[int, ...]]) -> None:
        nonlocal best
        if len(groups) >= best and index < len(sets):
            return
        if index == len(sets):
            best = min(best, len(groups))
            return
        for place, group in enumerate(groups):
            if allowed(sets, (*group, index), overhead, space):
                extend(index + 1, [*groups[:place], (*group, index), *groups[place + 1 :]])
        extend(index + 1, [*groups, (index,)])

    extend(0, [])
    return best


@st.composite
def camera_sets(draw: st.DrawFn) -> list[np.ndarray]:
    """Draw up to seven vehicles, each one of a few kinds with a few pairs more."""
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    kinds = [rng.random((2, 130)) < 0.4 for _ in range(draw(st.integers(1, 3)))]
    count = draw(st.integers(1, 7))
    return [kinds[int(rng.integers(len(kinds)))] | (rng.random((2, 130)) < 0.03) for _ in range(count)]


SPACES: list[Space] = [EnvelopeSpace((0,)), TablesSpace()]


@given(camera_sets(), st.sampled_from([0.0, 0.05, 0.1, 0.3, 1.0]), st.sampled_from(SPACES))
def test_groups_keep_the_overhead_and_the_bound_holds(
    sets: list[np.ndarray], overhead: float, space: Space
) -> None:
    """Every vehicle is in one group, every group keeps the overhead, and bound <= minimum <= groups."""
    found = grouped(sets, overhead, space)
    members = [tuple(group.members) for group in found.groups]
    assert sorted(itertools.chain(*members)) == list(range(len(sets)))
    assert all(allowed(sets, group, overhead, space) for group in members)
    assert found.at_least <= fewest(sets, overhead, space) <= len(members)


@given(camera_sets(), st.sampled_from([0.05, 0.3]))
def test_a_groups_cover_is_what_its_members_need(sets: list[np.ndarray], overhead: float) -> None:
    """The cover of a group is the union of its members, and its rows are counted from that."""
    space = EnvelopeSpace((0,))
    for group in grouped(sets, overhead, space).groups:
        union = np.logical_or.reduce([sets[m] for m in group.members])
        assert np.array_equal(group.cover, pack(union))
        assert group.rows == union.sum()


def test_kinds_of_vehicles_fall_apart() -> None:
    """Two kinds that share nothing give two groups, and the bound says that it is the best."""
    left, right = np.zeros((2, 128), bool), np.zeros((2, 128), bool)
    left[:, :40], right[:, 60:100] = True, True
    found = grouped([left, right, left, right, left], 0.1, EnvelopeSpace((0,)))
    assert [group.members for group in found.groups] == [[0, 2, 4], [1, 3]]
    assert found.at_least == 2


def test_tables_care_for_lengths_only() -> None:
    """Vehicles that see different queries, but as many, share tables and no envelope."""
    left, right = np.zeros((2, 128), bool), np.zeros((2, 128), bool)
    left[:, :40], right[:, 60:100] = True, True
    assert len(grouped([left, right], 0.0, TablesSpace()).groups) == 1
    assert len(grouped([left, right], 0.1, EnvelopeSpace((0,))).groups) == 2


def test_pairwise_agreement_is_not_enough() -> None:
    """Three vehicles any two of which may share a build, but not all three, get two builds."""
    sets = []
    for part in range(3):
        seen = np.zeros((2, 128), bool)
        seen[:, :50] = True
        seen[0, 60 + 10 * part : 70 + 10 * part] = True
        sets.append(seen)
    found = grouped(sets, 0.1, EnvelopeSpace((0,)))
    assert [len(group.members) for group in found.groups] == [2, 1]
    assert found.at_least == 1


@given(camera_sets())
def test_the_order_of_arrival_changes_no_promise(sets: list[np.ndarray]) -> None:
    """Vehicles that come in reverse still make groups that keep the overhead, the same every time."""
    once = [g.members for g in grouped(sets[::-1], 0.1, EnvelopeSpace((0,))).groups]
    assert once == [g.members for g in grouped(sets[::-1], 0.1, EnvelopeSpace((0,))).groups]


@pytest.mark.parametrize(
    ("packing", "expected"),
    [
        (Packing(), [5, 9]),
        (Packing(align=4), [8, 12]),
        (Packing("padded"), [9, 9]),
        (Packing("padded", 8), [16, 16]),
    ],
)
def test_rows_follow_the_layout(packing: Packing, expected: list[int]) -> None:
    """Ragged rows are rounded up camera by camera, padded ones are the longest camera's for all."""
    visible: Ints = np.array([[5, 9]])
    assert packing.lengths(visible).tolist() == [expected]
    assert int(packing.rows(visible)) == sum(expected)


def test_bits_are_counted_per_grid() -> None:
    """The bits of two grids in one cover are counted apart, whatever their sizes."""
    first, second = np.ones((3, 70), bool), np.ones((3, 5), bool)
    second[1] = False
    cover = np.concatenate([pack(first), pack(second)], axis=1)
    assert EnvelopeSpace((0, 2)).visible(cover).tolist() == [[70, 70, 70], [5, 0, 5]]


def test_spare_widens_capacities() -> None:
    """A share of spare rows is added to every capacity and rounded up."""
    assert TablesSpace(0.1).visible(np.array([[100, 1]])).tolist() == [[110, 2]]
