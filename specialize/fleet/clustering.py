"""Which vehicles share a build: the fewest groups that a heuristic finds, and a bound that no plan beats.

A group may share a build if the rows of its joint cover exceed no member's own rows by more than the
overhead. Every part of such a group is such a group too. Finding the fewest groups is NP-hard (it contains clique
cover), so:

1. *Cells.* Vehicles of one kind come one by one, in the order of their files. Each joins the cell that grows least,
   if that cell stays within half of the overhead, else it begins a cell. At most `TRIALS` cells are tried, those whose
   lengths promise least growth. One pass, linear in vehicles; only cells are kept, not vehicles. Vehicles that change
   no cell, nearly all of a large fleet, are placed many at a time.
2. *Groups.* Two cells conflict if together they break the overhead. The graph of conflicts is coloured by several
   of networkx's greedy orders; a colour is a set of cells without conflicts, which is then packed first-fit, for
   three cells may break what each two keep. First-fit over the cells, largest first, is a further candidate. The
   fewest groups win, then the fewest rows. Above `MOST_CELLS` cells only first-fit is tried.
3. *Bound.* Vehicles any two of which conflict need a build each: a clique among the first vehicles of the cells is
   a number of builds that no plan goes below. Where it equals the number of groups, the plan is the best.

Nothing is drawn at random: the same fleet gives the same groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import networkx as nx
import numpy as np

from specialize.fleet.footprint import Cover, Ints, Packing, Space

Graph: TypeAlias = "nx.Graph[int]"
Steps: TypeAlias = "list[tuple[int, int]]"
Strategy = Literal["largest_first", "saturation_largest_first", "smallest_last"]

TRIALS = 48
MOST_CELLS = 384
FEWEST_AT_ONCE, MOST_AT_ONCE, MOST_TOGETHER = 16, 512, 1 << 16
"""Vehicles that are placed together, the more the longer none has changed a cell; and most pairs with cells."""
LARGEST_EXACT_CLIQUE = 48
STRATEGIES: tuple[Strategy, ...] = ("largest_first", "saturation_largest_first", "smallest_last")


@dataclass(frozen=True, slots=True)
class Limit:
    """What groups must keep.

    Attributes:
        space: How covers join.
        packing: What they cost.
        overhead: Share of further rows that a vehicle may compute; 0.05 is 5 %.
    """

    space: Space
    packing: Packing
    overhead: float

    def rows(self, cover: Cover) -> int:
        """Return the rows that a build for this cover computes."""
        return int(self.packing.rows(self.space.visible(cover)))

    def allows(self, rows: int, least: int, share: float = 1.0) -> bool:
        """Return whether a vehicle with `least` rows of its own may compute `rows`."""
        return rows <= least * (1 + share * self.overhead)


@dataclass(slots=True, eq=False)
class Cell:
    """Vehicles that share a cover.

    Attributes:
        cover: Their joint cover.
        rows: What a build for it computes.
        least: Fewest rows that a member's own build computes.
        members: Indices of the vehicles, ascending within a cell.
        witness: Cover and own rows of its first vehicle, for the bound.
        steps: Vehicles that made the cover grow, and by how many rows; None for a cell made of several.
    """

    cover: Cover
    rows: int
    least: int
    members: list[int]
    witness: tuple[Cover, int]
    steps: Steps | None


class Cells:
    """Cells that grow as vehicles come; see step 1."""

    def __init__(self, limit: Limit, share: float = 0.5) -> None:
        self.limit = limit
        self.share = share
        self.found: list[Cell] = []
        # What candidates are judged by, one row per cell, grown by doubling.
        self._visible: Ints = np.zeros((0, 0, 0), np.int64)  # (K, G, N)
        self._rows: Ints = np.zeros((0, 2), np.int64)  # rows of the cell, least rows of a member

    def add(self, indices: Ints, own: Ints, covers: Cover) -> None:
        """Put vehicles into the cells that grow least, or into new ones, one after another.

        Args:
            indices: Which vehicles, V of them, ascending and after those added before.
            own: (V, G, N) queries that each camera sees.
            covers: (V, ...) what each makes a build compute.
        """
        rows = self.limit.packing.rows(own)  # (V,)
        start, step = 0, FEWEST_AT_ONCE
        while start < len(rows):
            part = slice(start, start + step)
            count = self._placed(indices[part], rows[part], covers[part])
            start += count
            if count == step:
                step = min(2 * step, MOST_AT_ONCE, max(FEWEST_AT_ONCE, MOST_TOGETHER // len(self.found)))
            elif start < len(rows):
                self._add_one(int(indices[start]), int(rows[start]), covers[start])
                start, step = start + 1, max(step // 2, FEWEST_AT_ONCE)

    def _placed(self, indices: Ints, own: Ints, covers: Cover) -> int:
        """Place the first vehicles up to one that changes a cell, or that needs trials; return how many."""
        count = len(self.found)
        if not count:
            return 0
        rows, least = self._rows[:count].T
        visible = self.limit.space.visible(covers)
        joint = self.limit.packing.rows(np.maximum(self._visible[:count], visible[:, None]))  # (V, K)
        allowed = joint <= np.minimum(least, own[:, None]) * (1 + self.share * self.limit.overhead)
        grows = np.where(allowed, joint - rows, np.iinfo(np.int64).max)
        chosen = grows.argmin(axis=1)  # the first of those that grow least, as in `_candidates`
        same = allowed.any(axis=1) & (own >= least[chosen])
        for place in np.unique(chosen[same]):
            which = np.flatnonzero(same & (chosen == place))
            same[which] = self.limit.space.holds(self.found[place].cover, covers[which])
        end = len(same) if same.all() else int(same.argmin())
        for place in np.unique(chosen[:end]):
            self.found[place].members += indices[:end][chosen[:end] == place].tolist()
        return end

    def _add_one(self, index: int, own: int, cover: Cover) -> None:
        visible = self.limit.space.visible(cover)
        for place in self._candidates(visible, own):
            cell = self.found[place]
            joint = self.limit.space.join(cell.cover, cover)
            rows, least = self.limit.rows(joint), min(cell.least, own)
            if self.limit.allows(rows, least, self.share):
                if cell.steps is not None and rows > cell.rows:
                    cell.steps.append((index, rows - cell.rows))
                cell.cover, cell.rows, cell.least = joint, rows, least
                cell.members.append(index)
                self._note(place)
                return
        rows = int(self.limit.packing.rows(visible))
        self.found.append(Cell(cover.copy(), rows, own, [index], (cover.copy(), own), [(index, rows)]))
        self._note(len(self.found) - 1)

    def _candidates(self, visible: Ints, own: int) -> Ints:
        """Return the cells that may do, least growth first, judged by lengths: a joint cover has no fewer."""
        count = len(self.found)
        if not count:
            return np.zeros(0, np.int64)
        rows, least = self._rows[:count].T
        joint = self.limit.packing.rows(np.maximum(self._visible[:count], visible))
        possible = np.flatnonzero(joint <= np.minimum(least, own) * (1 + self.share * self.limit.overhead))
        return possible[np.argsort((joint - rows)[possible], kind="stable")][:TRIALS]

    def _note(self, place: int) -> None:
        cell = self.found[place]
        visible = self.limit.space.visible(cell.cover)
        if place >= len(self._rows):
            size = max(16, 2 * place)
            self._rows = np.resize(self._rows, (size, 2)) if place else np.zeros((size, 2), np.int64)
            grown = np.zeros((size, *visible.shape), np.int64)
            grown[:place] = self._visible[:place] if place else 0
            self._visible = grown
        self._visible[place] = visible
        self._rows[place] = cell.rows, cell.least


@dataclass(frozen=True, slots=True)
class Clustering:
    """Groups of cells and the bound.

    Attributes:
        groups: One cell per group, members ascending, in the order of their first members.
        at_least: No plan has fewer groups.
    """

    groups: tuple[Cell, ...]
    at_least: int


def cluster(cells: Sequence[Cell], limit: Limit) -> Clustering:
    """Merge cells into as few groups as the heuristic finds; see steps 2 and 3."""
    ordered = sorted(cells, key=lambda cell: (-cell.rows, cell.members[0]))
    candidates = [_first_fit(ordered, limit)]
    if len(ordered) <= MOST_CELLS:
        conflicts = _conflicts([(cell.cover, cell.least) for cell in ordered], limit)
        candidates += [_by_colour(ordered, conflicts, name, limit) for name in STRATEGIES]
    best = min(candidates, key=lambda groups: (len(groups), sum(g.rows * len(g.members) for g in groups)))
    for group in best:
        group.members.sort()
    return Clustering(tuple(sorted(best, key=lambda group: group.members[0])), _bound(cells, limit))


def _by_colour(ordered: list[Cell], conflicts: Graph, strategy: Strategy, limit: Limit) -> list[Cell]:
    colours: dict[int, int] = nx.greedy_color(conflicts, strategy=strategy)
    groups: list[Cell] = []
    for colour in sorted(set(colours.values())):
        groups += _first_fit([ordered[node] for node in sorted(colours) if colours[node] == colour], limit)
    return _first_fit(sorted(groups, key=lambda cell: (-cell.rows, cell.members[0])), limit)


def _first_fit(ordered: Iterable[Cell], limit: Limit) -> list[Cell]:
    """Put every cell into the first group that it fits."""
    cells = Cells(limit, share=1.0)
    for cell in ordered:
        _place(cells.found, cell, limit)
    return cells.found


def _place(groups: list[Cell], cell: Cell, limit: Limit) -> None:
    for group in groups[-TRIALS:]:
        joint = limit.space.join(group.cover, cell.cover)
        rows, least = limit.rows(joint), min(group.least, cell.least)
        if limit.allows(rows, least):
            group.cover, group.rows, group.least = joint, rows, least
            group.members += cell.members
            group.steps = None
            return
    groups.append(Cell(cell.cover, cell.rows, cell.least, list(cell.members), cell.witness, cell.steps))


def _conflicts(covers: Sequence[tuple[Cover, int]], limit: Limit) -> Graph:
    """Return the graph whose edges join what cannot share a build."""
    graph: Graph = nx.Graph()
    graph.add_nodes_from(range(len(covers)))
    for a, (first, least_a) in enumerate(covers):
        for b in range(a):
            second, least_b = covers[b]
            if not limit.allows(limit.rows(limit.space.join(first, second)), min(least_a, least_b)):
                graph.add_edge(b, a)
    return graph


def _bound(cells: Sequence[Cell], limit: Limit) -> int:
    """Return a number of vehicles any two of which need different builds."""
    witnesses = [cell.witness for cell in cells[:MOST_CELLS]]
    conflicts = _conflicts(witnesses, limit)
    if len(witnesses) <= LARGEST_EXACT_CLIQUE:
        return len(nx.max_weight_clique(conflicts, weight=None)[0])
    clique: list[int] = []
    for node in sorted(conflicts, key=lambda one: (-conflicts.degree[one], one)):
        if all(conflicts.has_edge(node, other) for other in clique):
            clique.append(node)
    return len(clique)
