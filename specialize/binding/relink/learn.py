"""Find a program that makes the tables of an engine, and prove it.

The compiler makes tables by rewriting the model. Here the same tables are made by a short program: values of the
model's own share of the calibration, the rows that a mask keeps, and values picked at those rows. For each table the
few ways in which it could be made are tried on vehicles that the compiler made tables of, near ones and far ones, and
one that gives the same content for all of them is taken. A table that none gives, or an operator without an
instruction, means no program.

Programs round by their own rules, so a point within rounding of an image border may be seen by one and not by the
other. Contents are therefore compared with the graph's own masks put in the place of the program's; where the masks
differ, every pair must be one that rounding decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.binding.relink.assemble import Draft, NotPortableError
from specialize.binding.relink.bevpool import bevpool_drafts, capacity_of, order_of
from specialize.binding.relink.memory import placed
from specialize.binding.relink.pool_ways import PoolMaker
from specialize.binding.relink.pools import find_pools
from specialize.binding.relink.program import DTYPES, MOST_AXES, Program
from specialize.binding.relink.proof import Proof, frustum_of, frustums_of, landing_of
from specialize.binding.relink.share import Share, share_of
from specialize.binding.relink.way import gives
from specialize.binding.relink.ways import Pools, ways_of
from specialize.calibration.profile import CalibrationProfile
from specialize.model.spec import ModelSpec
from specialize.rows.capacity import Room
from specialize.rows.table_input import Table
from specialize.visibility.plan import VisibilityPlan

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A vehicle, the tables that the compiler made of it, and the room that these are for, by site."""

    profile: CalibrationProfile
    tables: Mapping[str, Array]
    rooms: Mapping[str, Room]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A program, and the same as a graph.

    Attributes:
        program: What makes the tables of any vehicle.
        graph: The same for runtimes of ONNX; None if there is no such graph.
        no_graph: Why there is none.
        bevpool: What makes the arrays of `BEVPoolV2` of any vehicle; None if there is no such program.
        no_bevpool: Why there is none.
    """

    program: Program
    graph: ir.Model | None
    no_graph: str = ""
    bevpool: Program | None = None
    no_bevpool: str = ""


def learn(
    model: ir.Model,
    spec: ModelSpec,
    tables: Sequence[Table],
    near: Sequence[Tried],
    far: Sequence[Tried],
    own: tuple[VisibilityPlan, ...],
) -> Learned:
    """Return a program that makes the tables of any vehicle, proven on some.

    Args:
        model: The part of the model that tables follow from; changed in place.
        spec: What the graph does not say.
        tables: The tables.
        near: Vehicles that fit the engine's room.
        own: What the first near vehicle sees, one plan per grid.
        far: Vehicles far from these, in room of their own: they tell apart what is equal for all near ones.

    Raises:
        NotPortableError: A table is made in no way that is known, or with an operator that has no instruction, or the
            program gives something else than the compiler.
    """
    tried = (*near, *far)
    share = share_of(model, spec, [each.profile for each in tried], own)
    pools = _pools(share, spec, tables, tried)
    outputs = {table.name: _table(share, pools, table, len(near), tried).number for table in tables}
    program, renamed = placed(share.assembler, outputs, len(near[0].profile.cameras))
    proof = Proof(
        program,
        share,
        {grid: renamed[draft.number] for grid, draft in share.mask_drafts().items()},
        {
            pool: renamed[draft.number]
            for pool, draft in pools.maker.owners.items()
            if draft.number in renamed
        },
        spec,
    )
    for vehicle, each in enumerate(near):
        proof.require_equal(vehicle, each.profile, each.tables)
    for vehicle, each in enumerate(tried):
        proof.require_decided(vehicle, each.profile)
    found = Learned(program, None)
    try:
        found = replace(found, graph=share.assembler.model(outputs))
    except NotPortableError as error:
        found = replace(found, no_graph=str(error))
    try:
        return replace(found, bevpool=_bevpool(share, pools, spec, near[0]))
    except NotPortableError as error:
        return replace(found, no_bevpool=str(error))


def _bevpool(share: Share, pools: Pools, spec: ModelSpec, first: Tried) -> Program:
    """Return a program that makes the arrays of `BEVPoolV2`.

    Raises:
        NotPortableError: The engine does not pool once, or no frustum says what its points and cells are.
    """
    used = [
        (site, pool) for site, each in pools.by_site.items() for pool in each if pool in pools.maker.owners
    ]
    frustum, landing = frustum_of(spec), landing_of(spec, first.profile)
    if len(used) != 1:
        raise NotPortableError(f"an engine with {len(used)} poolings, where one was expected")
    if frustum is None or landing is None:
        raise NotPortableError("the sidecar declares no frustum, which defines points and cells")
    ((site, pool),) = used
    order = order_of(pool.owner(share, 0), landing, frustum)
    room = capacity_of(first.rooms[site], pool.cells)
    made = bevpool_drafts(pools.maker, pool, order, frustum.cells, room)
    outputs = {name: draft.number for name, draft in made.items()}
    return placed(share.assembler, outputs, len(first.profile.cameras))[0]


def _pools(share: Share, spec: ModelSpec, tables: Sequence[Table], tried: Sequence[Tried]) -> Pools:
    """Return what the poolings of the engine are made of."""
    frustums = frustums_of(spec)
    frustum = frustums[0] if frustums else None
    axes = () if frustum is None else (len(tried[0].profile.cameras), *frustum.shape)
    cells = [tuple(each.cells) for each in frustums]
    rooms, contents = [each.rooms for each in tried], [each.tables for each in tried]
    found = find_pools(share, tables, rooms, contents, axes, cells)
    return Pools(PoolMaker(share), found)


def _table(share: Share, pools: Pools, table: Table, near: int, tried: Sequence[Tried]) -> Draft:
    """Return a table as an array of the program, in the type and shape of its content."""
    contents = [each.tables[table.name] for each in tried]
    shape, dtype = contents[0].shape, contents[0].dtype.newbyteorder("<")
    elsewhere = [
        {way.key: way for way in ways_of(table, share, each.rooms, each.tables[table.name].size, pools)}
        for each in tried[near:]
    ]
    reasons = []
    for way in ways_of(table, share, tried[0].rooms, contents[0].size, pools):
        same = [way] * near + [ways[way.key] for ways in elsewhere if way.key in ways]
        if len(same) < len(tried) or not all(
            gives(each, vehicle, contents[vehicle]) for vehicle, each in enumerate(same)
        ):
            continue
        try:
            made = way.make()
        except NotPortableError as error:
            reasons.append(str(error))
            continue
        if dtype not in DTYPES or len(shape) > MOST_AXES:
            raise NotPortableError(f"table {table.name!r} of type {dtype.name} with {len(shape)} axes")
        return share.assembler.reshape(share.assembler.cast(made, DTYPES.index(dtype)), shape)
    why = "; ".join(dict.fromkeys(reasons)) or "which follows from the calibration in no way that is known"
    raise NotPortableError(f"table {table.name!r}: {why}")
