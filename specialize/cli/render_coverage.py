"""What a rig sees, and what is left of it when cameras are missing, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from specialize.explain.coverage import Case, Coverage, GridCoverage
from specialize.report.coverage import place_text
from specialize.text.document import Column, Document, Table, table
from specialize.text.units import count, counted, percent, times

SEEN_BY = ("seen by\n0", "\n1", "\n2", "\n3+")
MOST_PLACES = 2
"""Places that the text names of each case; the JSON has all."""


def coverage_text(found: Coverage) -> Document:
    """Return what `specialize profile coverage` shows."""
    off = f", without {', '.join(found.off)}" if found.off else ""
    head = f"{found.vehicle}{off}: what its cameras see of the cells of {found.model}"
    return (head, *(part for grid in found.grids for part in _grid_parts(grid)))


def _grid_parts(grid: GridCoverage) -> Iterator[str | Table]:
    whole = grid.cases[0]
    rows = [(_between(ring.from_m, ring.to_m), ring.seen_by) for ring in whole.rings]
    yield table(
        "distance", "cells", *SEEN_BY,
        rows=[(name, count(sum(seen)), *_shares(seen)) for name, seen in [*rows, ("all", whole.seen_by)]],
    )  # fmt: skip
    yield table(
        "missing", *SEEN_BY, "cells that\ngo blind", "pairs", "fewer than\nzero-padded",
        rows=[_case(case, grid) for case in grid.cases],
    )  # fmt: skip
    blind = [row for case in grid.cases for row in _places(case)]
    if blind:
        yield table("missing", Column("blind cells", "words"), "cells", rows=blind)


def _case(case: Case, grid: GridCoverage) -> tuple[str, ...]:
    fewer = times(grid.dense_pairs / case.pairs) if case.pairs else "-"
    return _missing(case), *_shares(case.seen_by), count(case.goes_blind), count(case.pairs), fewer


def _places(case: Case) -> Iterator[tuple[str, str, str]]:
    for place in case.blind[:MOST_PLACES]:
        where = place_text(place.nearest_m, place.farthest_m, place.side)
        yield _missing(case), where, count(place.cells)
    if rest := case.blind[MOST_PLACES:]:
        yield _missing(case), counted(len(rest), "further place"), count(sum(place.cells for place in rest))


def _missing(case: Case) -> str:
    return ", ".join(case.missing) or "none"


def _between(start: float, end: float | None) -> str:
    return f"from {start:.0f} m" if end is None else f"{start:.0f} to {end:.0f} m"


def _shares(seen: Sequence[int]) -> list[str]:
    return [percent(cells / max(sum(seen), 1), 1) for cells in seen]
