"""The tables of a pooling compared with the witness, without the graph that they are for.

When an engine is built, its own graph is run (`witnessed_frustum`), and what its tables are is read once: which are
weights, blocks and cells, and by which axes rows are numbered. The manifest keeps that. The tables of any vehicle are
then compared point by point with where the witness says that points land.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import yaml

from specialize.binding.capacity_file import Needs
from specialize.binding.relink.members import levels_of, members_of, site_of
from specialize.binding.witnessed.disagreement import disagree, sidecar_as_written
from specialize.model.spec import ModelSpec
from specialize.rows.capacity import SIDE_BY_SIDE
from specialize.rows.table_input import MADE, Table
from specialize.witness.frustum import Frustum, Landing, frustums_of, land
from specialize.witness.pooling import (
    POINT_AXES,
    Reading,
    axes_of,
    points_of,
    read_arrays,
    read_places,
    wrong_numbers,
    wrong_points,
)
from specialize.witness.rig import Rig

Arrays = Mapping[str, npt.NDArray[np.generic]]
WHERE = "tables of the pooling"


def _landed(spec: ModelSpec, rig: Rig) -> list[tuple[Frustum, Landing]]:
    """Return the frustum and where its points land, for every grid of cells; nothing where that is not known."""
    found = []
    for frustum in frustums_of(yaml.safe_load(spec.to_text())):
        landing = land(rig, sidecar_as_written(spec, len(rig.eyes)), frustum)
        if not isinstance(landing, str):
            found.append((frustum, landing))
    return found


def learn_pools(
    tables: Sequence[Table], rooms: Needs, spec: ModelSpec, rig: Rig, contents: Arrays, orders: Sequence[str]
) -> tuple[Reading, ...]:
    """Return what the tables of poolings are; nothing if that cannot be read from them.

    Args:
        tables: The engine's tables.
        rooms: Its rooms, by site.
        spec: The model.
        rig: A vehicle, as the witness has it.
        contents: Its tables, by name.
        orders: Per grid of cells the order of its axes, as a run of the graph found it; empty if it is not known.
    """
    grids = list(zip(_landed(spec, rig), orders, strict=False))
    found = []
    for site, room in rooms.items():
        levels = levels_of(room)
        members = members_of(tables, site, len(levels)) if levels else None
        rows = [table.name for table in tables if any(_is_rows(each, site) for each in table.members)]
        if members is not None:
            for grid, (landed, order) in enumerate(grids):
                bare = Reading(members.weights, members.blocks, members.cells, (), order, grid)
                read = _learned(bare, rows, contents, *landed) if order else []
                found += read
                if read:
                    break
    return tuple(found)


def _is_rows(member: str, site: str) -> bool:
    return member.startswith(f"{MADE}{site}/rows") and site_of(member) == site


def _learned(
    bare: Reading, rows: Sequence[str], contents: Arrays, frustum: Frustum, landing: Landing
) -> list[Reading]:
    """Return the reading of one pooling: none of other cells, or if no table reads points right."""
    if contents[bare.cells].size != int(np.prod(frustum.cells)) * SIDE_BY_SIDE:
        return []
    cells = read_places(bare, contents, int(np.prod(frustum.cells)))
    if isinstance(cells, str):
        return []
    used, sizes = np.flatnonzero(cells >= 0), landing.cell.shape
    held = {name: contents[name].reshape(-1).astype(np.int64) for name in rows}
    held = {name: each[used] for name, each in held.items() if len(each) == len(cells)}
    for name, axes in itertools.product(held, ("".join(each) for each in itertools.permutations(POINT_AXES))):
        points = points_of(held[name], axes, sizes)
        if points is None or wrong_points(points, cells[used], landing, frustum.cells, bare.order):
            continue
        named = [(other, axes_of(each, points, sizes)) for other, each in held.items()]
        if len(named) == len(rows) and all(by for _, by in named):
            read = tuple((other, by) for other, by in named if by)
            return [dataclasses.replace(bare, rows=read)]
    return []


def require_pools(readings: Sequence[Reading], spec: ModelSpec, rig: Rig, contents: Arrays) -> dict[str, str]:
    """Compare the tables of poolings; return what each was compared with, by name.

    Raises:
        VerificationError: A point is added to another cell than it lands in, or is left out.
    """
    landed = _landed(spec, rig) if readings else []
    how: dict[str, str] = {}
    for reading in readings if landed else ():
        frustum, landing = landed[reading.grid]
        cells = read_places(reading, contents, int(np.prod(frustum.cells)))
        if isinstance(cells, str):
            disagree(WHERE, "sums of points", cells)
        used, sizes = np.flatnonzero(cells >= 0), landing.cell.shape
        held = {name: contents[name].reshape(-1).astype(np.int64)[used] for name, _ in reading.rows}
        whole, axes = next(each for each in reading.rows if len(each[1]) == len(sizes))
        points = points_of(held[whole], axes, sizes)
        if points is None:
            disagree(f"{WHERE}, {whole}", "numbers of points", "others")
        wrong = wrong_points(points, cells[used], landing, frustum.cells, reading.order)
        if wrong:
            disagree(WHERE, "the points that land in each cell", f"{wrong:,} that do not")
        for name, by in reading.rows:
            wrong = wrong_numbers(held[name], by, points, sizes)
            if wrong:
                disagree(f"{WHERE}, {name}", "the rows of the points", f"{wrong:,} others")
        read = f"cells of {len(used):,} points"
        how |= dict.fromkeys((*reading.weights, *reading.blocks, reading.cells, *held), read)
    return how


def require_bevpool(arrays: Arrays, spec: ModelSpec, rig: Rig) -> None:
    """Compare the arrays of `BEVPoolV2` of a vehicle.

    Raises:
        VerificationError: They add a point to another cell than it lands in, or leave one out.
    """
    landed = _landed(spec, rig)
    if not landed:
        disagree("arrays of the pooling", "a frustum, to compare them with", "none")
    frustum, landing = landed[0]
    read = read_arrays(arrays, landing.cell.shape, int(np.prod(frustum.cells)))
    if isinstance(read, str):
        disagree("arrays of the pooling", "points sorted by cell", read)
    wrong = wrong_points(read.points, read.cells, landing, frustum.cells, "z, y, x")
    if wrong:
        disagree("arrays of the pooling", "the points that land in each cell", f"{wrong:,} that do not")
