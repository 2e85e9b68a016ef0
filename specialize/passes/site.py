"""What is said about a place where rows were dropped: how many there were, how many are computed, who sees what."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from specialize.graph.axes import size_of
from specialize.graph.notes import node_name
from specialize.rows.arrange import Arrangement, group_of
from specialize.rows.axes import Axes, Axis
from specialize.rows.capacity import Room
from specialize.rows.emit import Emitter
from specialize.rows.expr import Apply, Base, Constant
from specialize.rows.sinks import Sink

Bools = npt.NDArray[np.bool_]
MOST_CAMERAS = 64
"""Longest axis that may be that of the cameras."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The demanded rows of a site, told apart along one of their axes.

    Attributes:
        visible: Demanded rows per index of the axis.
        seen: Which queries read a row of which index, (indices, queries).
    """

    visible: tuple[int, ...]
    seen: Bools


@dataclass(frozen=True, slots=True, eq=False)
class CompactedSite:
    """One place where rows were dropped.

    Attributes:
        where: The node whose output is now computed from fewer rows.
        queries: Rows of the result; of each camera where no sum over cameras follows.
        visible: Demanded rows per group; per camera once `by_camera` has found those.
        lengths: Rows computed per group, padding included.
        rows_before: Rows of the input model.
        seen: Which queries read a row of which group, (groups, queries).
        replaced: Names of the nodes that computed the rows of the input model.
        room: What its rows need, in the terms in which room can be kept for others.
        splits: The demanded rows along each axis that may be that of the cameras.
        kind: `camera` if its rows are pairs of camera and query; `pooled` if they are not, or not known to be.
    """

    where: str
    queries: int
    visible: tuple[int, ...]
    lengths: tuple[int, ...]
    rows_before: int
    seen: npt.NDArray[np.bool_] = field(repr=False)
    replaced: frozenset[str] = field(repr=False)
    room: Room = field(default=Room((), ()), repr=False)
    splits: tuple[Split, ...] = field(default=(), repr=False)
    kind: Literal["camera", "pooled"] = "pooled"

    def by_camera(self, cameras: int) -> CompactedSite:
        """Return the site with its rows told apart by camera, if they are pairs of one camera and one query each.

        Rows of which several of one camera add up in one query are points that are pooled.

        Args:
            cameras: Number of cameras, N.
        """
        if self.kind == "camera":
            return self
        if not self.visible:  # no camera sees any query
            unseen = np.zeros((cameras, self.queries), dtype=np.bool_)
            return replace(self, visible=(0,) * cameras, seen=unseen, kind="camera")
        for split in (Split(self.visible, self.seen), *self.splits):
            if len(split.visible) == cameras and int(split.seen.sum()) == sum(split.visible):
                return replace(self, visible=split.visible, seen=split.seen, kind="camera")
        return self

    @property
    def pairs(self) -> int:
        """Demanded rows of all cameras together."""
        return sum(self.visible)

    @property
    def rows_computed(self) -> int:
        """Rows that the specialized graph computes, padding included."""
        return sum(self.lengths)


def describe(sink: Sink, axes: Axes, emitter: Emitter, replaced: list[str]) -> CompactedSite:
    """Return the figures of a site: those of the work with the most groups and rows.

    Where cameras are worked on one by one, each is a work of its own, and all of them count.
    """
    bases = [(base, at) for base, at in emitter.arrangements if not isinstance(base, Constant)]
    applied = [(base, at) for base, at in bases if isinstance(base, Apply)]
    work = {id(base): (base, at) for base, at in applied or bases}
    best, best_at = max(
        work.values(), key=lambda each: (len(each[1].groups), size_of(axes.resolve(each[0].rows)))
    )
    chosen = [(best, best_at)]
    summed = [id(term.base) for term in sink.value.terms]
    if id(best) in summed:
        chosen = [
            work[key] for key in summed if key in work and len(work[key][1].groups) == len(best_at.groups)
        ]
    before = sum(size_of(axes.resolve(base.rows)) for base, _ in chosen)
    seen = _each_its_own(np.concatenate([_seen(sink, base, at, at.groups) for base, at in chosen]), before)
    return CompactedSite(
        where=node_name(sink.node),
        queries=seen.shape[1],
        visible=tuple(number for _, at in chosen for number in _visible(at, at.groups)),
        lengths=tuple(length for _, at in chosen for length in at.lengths),
        rows_before=before,
        seen=seen,
        replaced=frozenset(replaced),
        room=Room(tuple(emitter.slots), tuple(emitter.sums)),
        splits=_splits(sink, axes, chosen[0], before) if len(chosen) == 1 else (),
    )


def _splits(sink: Sink, axes: Axes, work: tuple[Base, Arrangement], before: int) -> tuple[Split, ...]:
    """Return the rows of a work along each of their axes, those of its groups first."""
    base, at = work
    rows = axes.resolve(base.rows)
    chosen = [factor for factor in (*at.groups, *rows) if factor.size <= MOST_CAMERAS]
    return tuple(
        Split(tuple(_visible(at, (factor,))), _each_its_own(_seen(sink, base, at, (factor,)), before))
        for factor in dict.fromkeys(chosen)
    )


def _each_its_own(seen: Bools, before: int) -> Bools:
    """Return which of its own rows each group reads, if the result still has a row for every group and query."""
    groups, rows = seen.shape
    if groups < 2 or rows != before or rows % groups:
        return seen
    blocks, own = seen.reshape(groups, groups, -1), np.arange(groups)
    diagonal = blocks[own, own]
    return diagonal if diagonal.sum() == seen.sum() else seen


def _visible(at: Arrangement, groups: Axis) -> list[int]:
    """Return the demanded rows per group."""
    numbers = group_of(at.rows, groups, at.index[at.filled])
    return [int(number) for number in np.bincount(numbers, minlength=size_of(groups))]


def _seen(sink: Sink, base: Base, at: Arrangement, groups: Axis) -> Bools:
    """Return which result rows read a row of which group, (groups, queries); nothing if the base is deeper inside."""
    found = np.zeros((size_of(groups), sink.value.terms[0].map.rows_out), dtype=np.bool_)
    for term in sink.value.terms:
        if term.base is base:
            entries = term.map.matrix.tocoo()
            found[group_of(at.rows, groups, entries.col), entries.row] = True
    return found
