"""A portable program in the place of compiling: found and proven where an engine with tables is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import onnx_ir as ir
from msgspec import structs

from specialize.binding.capacity import Capacity, make_rooms, needs_of
from specialize.binding.query_contents import hide_contents
from specialize.binding.relink.assemble import NotPortableError
from specialize.binding.relink.checksum import sealed
from specialize.binding.relink.learn import Tried, learn
from specialize.binding.table_inputs import Program
from specialize.binding.table_program import BEVPOOL, GRAPH, PROGRAM, RELINK
from specialize.calibration.profile import CalibrationProfile
from specialize.graph.io import read_graph
from specialize.passes.externalize import Array, read_tables
from specialize.rows.capacity import Room
from specialize.visibility.plan import VisibilityPlan


def linked_program(
    program: Program,
    tried: Sequence[CalibrationProfile],
    expected: Sequence[dict[str, Array]],
    far: Sequence[CalibrationProfile],
    own: tuple[VisibilityPlan, ...],
) -> Program:
    """Return what makes tables with a portable program, or with the reason for none.

    Args:
        program: What makes tables by compiling.
        tried: Vehicles that fit its room.
        expected: Their tables.
        far: Vehicles that need not fit.
        own: What the first vehicle sees, one plan per grid.
    """
    rooms = dict(program.packing.rooms)
    near = [Tried(each, tables, rooms) for each, tables in zip(tried, expected, strict=True)]
    try:
        away = [_far(program, each) for each in far]
        model = read_graph(program.path)
        hide_contents(model, program.spec)  # tables follow from the calibration alone
        link = learn(model, program.spec, program.tables, near, away, own)
    except NotPortableError as error:
        return dataclasses.replace(program, declined=str(error))
    graph = b"" if link.graph is None else ir.to_proto(link.graph).SerializeToString(deterministic=True)
    return dataclasses.replace(
        program,
        link=link.program,
        graph=graph,
        no_graph=link.no_graph,
        bevpool=link.bevpool,
        no_bevpool=link.no_bevpool,
    )


def _far(program: Program, profile: CalibrationProfile) -> Tried:
    """Return a vehicle that need not fit the engine's room, with its tables in room of its own.

    Raises:
        NotPortableError: It has no tables like those of the engine.
    """
    alone = dataclasses.replace(program, packing=dataclasses.replace(program.packing, rooms=()))
    sites = alone.compile(profile)[0].sites
    most = {site.where: site.queries for site in sites}
    needed = make_rooms([needs_of(sites)], Capacity(), alone.packing, program.cameras, most)
    rooms = {site: _as_deep(room, program.packing.room(site)) for site, room in needed.items()}
    model = alone.with_rooms(rooms).compile(profile)[0].model
    names = model.graph.initializers
    if not all(any(member in names for member in table.members) for table in program.tables):
        raise NotPortableError("tables that a vehicle far away does not have")
    return Tried(profile, read_tables(model, program.tables), rooms)


def _as_deep(room: Room, engine: Room | None) -> Room:
    """Return a room whose sums have blocks on as many levels as those of the engine, or on more."""
    if engine is None or len(engine.sums) != len(room.sums):
        return room
    sums = []
    for own, wanted in zip(room.sums, engine.sums, strict=True):
        missing = len(wanted.blocks) - len(own.blocks) if own.scattered and wanted.scattered else 0
        sums.append(structs.replace(own, blocks=own.blocks + (1,) * missing))
    return Room(room.slots, tuple(sums))


def files_of(program: Program) -> dict[str, bytes]:
    """Return what makes tables, as files of a build."""
    files = {PROGRAM: program.path.read_bytes()}
    if program.link is not None:
        files[RELINK] = sealed(program.link.to_bytes())
    if program.bevpool is not None:
        files[BEVPOOL] = sealed(program.bevpool.to_bytes())
    return files | ({GRAPH: program.graph} if program.graph else {})
