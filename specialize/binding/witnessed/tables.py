"""The tables of a vehicle compared with the witness before they are loaded.

Sums and gathers decode to pairs of camera and query, which must be the visible sets. Places in the image must be where
the points of those pairs fall: which column is which point is found when the engine is built, and kept with it. What
the model's own graph computes from the calibration is computed again by a plain run of that graph.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specialize.binding.witnessed.disagreement import GRAPH_HINT, MADE, disagree, sidecar_as_written
from specialize.model.spec import ModelSpec
from specialize.rows.capacity import Room
from specialize.rows.table_input import Table, folded_name
from specialize.witness import rows
from specialize.witness.pooling import Reading
from specialize.witness.rig import Rig
from specialize.witness.rows import Ints
from specialize.witness.tables import Column, Marks, columns_of, marks_of, narrowed, wrong_places
from specialize.witness.through import seen_pairs

Arrays = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is known of an engine's tables since it was built.

    Attributes:
        columns: Per table of places in the image what its columns are.
        whole: Sites, sorted, that compute every pair that is seen; others leave pairs out, as their model does.
        order: Order of the axes of cells that lifted points are added to; empty if that is not known.
        pools: What the tables of poolings are; nothing where only a run of the graph shows it.
    """

    columns: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    order: str = ""
    pools: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """What the places of a site hold: whose they are, which query reads each, and where the points fall."""

    where: str
    lengths: tuple[int, ...]
    reader: Ints
    queries: int
    marks: Marks
    unread: int


class TablesWitness:
    """Compares the tables of one vehicle.

    Args:
        tables: The tables.
        rooms: What is kept for rows, by site.
        spec: The model.
        rig: The vehicle, as the witness has it.
        contents: The tables' contents by name.

    Raises:
        VerificationError: A sum or a gather is not of the visible sets.
    """

    def __init__(
        self, tables: Sequence[Table], rooms: Mapping[str, Room], spec: ModelSpec, rig: Rig, contents: Arrays
    ) -> None:
        self.tables, self.contents, self._rig = tables, contents, rig
        self._sidecar = sidecar_as_written(spec, len(rig.eyes))
        self.how: dict[str, str] = {}
        self.held = {
            held.where: held
            for table in tables
            for member in table.members
            if _label(member) == "back" and (held := self._hold(table.name, _site(member), rooms)) is not None
        }
        for table in tables:
            if _label(table.members[0]) == "rows":
                self._require_rows(table)

    def learn(self) -> Recipe:
        """Return what the tables of places in the image are, and which sites compute every pair that is seen."""
        columns = {}
        for table, held in self._places():
            found = columns_of(self.contents[table.name], len(held.reader), held.marks)
            if found:
                columns[table.name] = found
        return Recipe(columns, tuple(sorted(where for where, held in self.held.items() if not held.unread)))

    def narrow(self, recipe: Recipe) -> Recipe:
        """Return a recipe whose places reach no further out of the images than they do for this vehicle."""
        columns = dict(recipe.columns)
        for table, held in self._places():
            if table.name in columns:
                array = self.contents[table.name]
                columns[table.name] = narrowed(array, len(held.reader), held.marks, columns[table.name])
        return replace(recipe, columns=columns)

    def require(self, recipe: Recipe) -> None:
        """Compare the tables of places in the image, and require every pair that is seen.

        Raises:
            VerificationError: A value is not where its point falls, or a pair that is seen is not read.
        """
        for where in (site for site in recipe.whole if site in self.held):
            if self.held[where].unread:
                disagree(
                    f"tables of site {where}",
                    "every pair that is surely seen",
                    f"{self.held[where].unread} fewer",
                )
        for table, held in self._places():
            columns = recipe.columns.get(table.name)
            if columns is None:
                continue
            array = self.contents[table.name]
            wrong, compared = wrong_places(array, len(held.reader), held.marks, columns)
            if len(wrong):
                disagree(table.name, "where the points fall in the images", f"{len(wrong)} rows elsewhere")
            self.how[table.name] = f"where points fall: {compared:,} of {array.size:,} values"

    def _places(self) -> list[tuple[Table, _Held]]:
        found = []
        for table in self.tables:
            held = next((self.held[_site(name)] for name in table.members if _site(name) in self.held), None)
            if _label(table.members[0]) == "table" and held is not None:
                found.append((table, held))
        return found

    def _hold(self, table: str, where: str, rooms: Mapping[str, Room]) -> _Held | None:
        sums, lengths = self.contents[table], _lengths(rooms.get(where), len(self._rig.eyes))
        for grid in self._sidecar.grids if lengths else ():
            queries = int(np.prod(grid.shape))
            reader = rows.query_of_places(sums, queries, lengths)
            if isinstance(reader, str):
                continue
            seen = seen_pairs(self._rig, self._sidecar, grid)
            read = rows.pairs_of_places(reader, queries, lengths)
            if (wrong := int((read & ~seen.possibly).sum())) > 0:
                disagree(
                    f"{table} of site {where}", "pairs that are seen", f"{wrong} that are not", GRAPH_HINT
                )
            self.how[table] = f"pairs that are seen: {int(read.sum()):,}"
            marks = marks_of(self._rig, self._sidecar, grid, reader, lengths)
            return _Held(where, lengths, reader, queries, marks, int((seen.surely & ~read).sum()))
        return None

    def _require_rows(self, table: Table) -> None:
        for member in table.members:
            held = self.held.get(_site(member))
            if held is None:
                continue
            wrong = rows.wrong_rows(self.contents[table.name], held.reader, held.queries, held.lengths)
            if wrong is not None and len(wrong):
                disagree(
                    f"{table.name} of site {held.where}",
                    "the rows that its sums read",
                    f"{len(wrong)} others",
                )
            if wrong is not None:
                self.how[table.name] = f"the rows that sums read: {int((held.reader >= 0).sum()):,}"


def compare_folded(program: Path, tables: Sequence[Table], contents: Arrays, fed: Arrays) -> dict[str, str]:
    """Compute the tables that the model's graph computes by a plain run of it; return those that were compared.

    Raises:
        VerificationError: A table differs from what the graph computes.
    """
    from specialize.binding.witnessed.plain_run import run_values

    wanted = {
        table.name: folded_name(table.members[0]) for table in tables if not table.members[0].startswith(MADE)
    }
    computed = run_values(program, sorted(set(wanted.values())), fed)
    how = {}
    for name, value in wanted.items():
        if value not in computed:
            continue
        expected, given = computed[value], contents[name]
        same = expected.size == given.size and np.allclose(
            given.reshape(-1), expected.reshape(-1), rtol=1e-5, atol=1e-6 * _scale(expected)
        )
        if not same:
            disagree(name, f"the value {value!r} that the model's graph computes", "another")
        how[name] = f"a plain run of the model's graph up to {value!r}: {given.size:,} values"
    return how


def _scale(array: npt.NDArray[np.generic]) -> float:
    return float(np.abs(array.astype(np.float64)).max(initial=0.0))


def _lengths(room: Room | None, cameras: int) -> tuple[int, ...]:
    """Return the places of every camera where rows are summed; nothing if the room does not say."""
    slots = () if room is None else room.slots
    whole = [each for each in slots if len(each) == cameras]
    if whole:
        return whole[-1]
    return (
        tuple(length for (length,) in slots)
        if all(len(each) == 1 for each in slots) and len(slots) == cameras
        else ()
    )


def _label(member: str) -> str:
    return re.sub(r"\d+$", "", member.rsplit("/", 1)[-1]) if member.startswith(MADE) else ""


def _site(member: str) -> str:
    return member.removeprefix(MADE).rpartition("/")[0]
