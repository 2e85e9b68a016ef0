"""One engine for many vehicles: compile it with room for others, find its tables, and prove what makes them.

The graph is compiled for the vehicle and for imaginary ones whose every camera is turned, moved and refocused. What
differs between them are tables; anything else that differs means that no one engine serves them all. The part of
the model that the tables follow from is then cut out, and must give the same tables.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.binding.capacity import (
    Capacity,
    capacity_json,
    make_rooms,
    needs_of,
    parse_capacity,
    pools,
)
from specialize.binding.capacity_file import Needs
from specialize.binding.learn_program import files_of, linked_program
from specialize.binding.query_contents import hide_contents
from specialize.binding.table_inputs import Program
from specialize.binding.table_program import PROGRAM
from specialize.calibration.folder import load_profiles
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import DeclinedError, InternalError
from specialize.graph.closure import Closure
from specialize.graph.declined import Declined
from specialize.graph.io import read_graph, write_graph
from specialize.graph.notes import node_name
from specialize.model.spec import ModelSpec
from specialize.passes.externalize import (
    Array,
    contents_equal,
    externalize,
    find_tables,
    prune,
    read_tables,
    require_alike,
    signature,
    vanished,
)
from specialize.passes.look_up import look_up
from specialize.passes.pipeline import Specialized, tidied
from specialize.passes.site import CompactedSite
from specialize.request import BuildRequest
from specialize.rows.arrange import Packing
from specialize.rows.table_input import MADE, Table
from specialize.visibility.perturb import Move, at_the_edge, perturbed, rotation
from specialize.visibility.plan import VisibilityPlan
from specialize.visibility.pyramid import Deviation

MOST_VEHICLES = 4
"""Vehicles whose tables verification runs."""

FAR_VEHICLES = 3
_FAR = Deviation(rotation_rad=0.3, translation_m=0.5, focal_ratio=0.1, principal_point_px=5.0)
"""How far the vehicles are from the build's own that tell tables apart which are equal by chance."""

LOOKED_UP = Declined(
    "looked-up", "cells look up pixels one by one, and which ones is no table but part of the graph"
)
"""Why a look-up volume has no tables."""

_SUPERFLUOUS = "rows that the calibration makes superfluous"


def _no_tables(model: str, alone: Specialized) -> DeclinedError:
    """Return why nothing of a graph becomes a table; the graph is changed."""
    found = f"none; {LOOKED_UP.text}" if look_up(alone.model) else "none"
    return DeclinedError(model, _SUPERFLUOUS, found, "use --mode exact")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tabulated:
    """An engine with its tables.

    Attributes:
        compiled: The engine.
        files: What makes tables, as files.
        tables: The tables.
        vehicles: Vehicles and their tables, the build's own first.
        maker: What makes tables.
        options: What the manifest keeps.
    """

    compiled: Specialized
    files: dict[str, bytes]
    tables: tuple[Table, ...]
    vehicles: tuple[tuple[CalibrationProfile, dict[str, Array]], ...]
    maker: Program
    options: dict[str, object]


def tabulate(
    request: BuildRequest,
    profile: CalibrationProfile,
    spec: ModelSpec,
    prepared: Path,
    plans: Sequence[VisibilityPlan],
) -> Tabulated:
    """Compile a prepared graph to an engine with tables; `plans` are what the cameras of the profile see.

    Raises:
        DeclinedError: There is nothing to make tables of, or no one graph serves two calibrations.
        InputError: The capacity is less than a vehicle needs.
        StaleError: A vehicle of `--capacity-over` has other cameras.
    """
    over = load_profiles(request.capacity_over)
    packing, names = Packing(request.layout, request.align, many=True), profile.camera_names()
    whole = Program(prepared, spec, names, packing)
    alone = whole.compile(profile)[0]
    if not alone.sites:
        raise _no_tables(request.model, alone)
    cutter = _Cutter(whole, alone)
    part = cutter.cut(alone.sites)
    near = _near(profile)
    needs = _needs(part, alone, over, near)
    capacity = parse_capacity(request.capacity, over=bool(over))
    most = {site.where: site.queries for site in alone.sites}
    rooms = make_rooms(needs, capacity, packing, names, most)
    engines = [whole.with_rooms(rooms).compile(each) for each in near]
    tables = _tables(part, [engine.model for engine, _ in engines], engines[0][1], profile, cutter.origins())
    require_alike([engine.model for engine, _ in engines], tables, engines[0][1])
    expected = [read_tables(engine.model, tables) for engine, _ in engines]
    compiling = _program(cutter, rooms, tables, near, expected)
    program = linked_program(compiling, near, expected, _far(profile), tuple(plans))
    engine = engines[0][0]
    notes = (*engine.notes, *externalize(engine.model, tables))
    # rounding moves points of a pooling to other cells, and sums with them: it is proven with the graph's own
    proven = compiling if any(pools(room) for room in rooms.values()) else program
    vehicles = tuple((each, proven.contents(each)) for each in (profile, *over[: MOST_VEHICLES - 1]))
    held = capacity_json(engine.sites, rooms, plans, sum(array.nbytes for array in vehicles[0][1].values()))
    return Tabulated(
        compiled=tidied(Specialized(engine.model, engine.sites, notes)),
        files=files_of(program),
        tables=tables,
        vehicles=vehicles,
        maker=program,
        options={**program.to_json(), "capacity": held},
    )


def _needs(
    part: Program, alone: Specialized, over: Sequence[CalibrationProfile], near: Sequence[CalibrationProfile]
) -> Sequence[Needs]:
    """Return what the build's own vehicle needs, then what others do that it has to have room for."""
    needs: list[Needs] = [needs_of(alone.sites), *(needs_of(part.compile(other)[0].sites) for other in over)]
    if any(pools(room) for room in needs[0].values()):  # of turned cameras, other points fall into the grid
        needs += [needs_of(part.compile(other)[0].sites) for other in near[1:]]
    return needs


def _program(
    cutter: _Cutter,
    rooms: Needs,
    tables: tuple[Table, ...],
    tried: Sequence[CalibrationProfile],
    expected: Sequence[dict[str, Array]],
) -> Program:
    """Return what makes tables, cut out around as few sites as do.

    Raises:
        InternalError: No part of the model makes the tables of the whole.
    """
    every = cutter.alone.sites
    few = [site for site in every if site.where in _representatives(tables, every)]
    for sites in (few, every):
        found = _proven(cutter.cut(sites, tables).with_rooms(rooms), tables, tried, expected)
        if found is not None:
            return found
    raise InternalError("tables", "the same tables from a part of the model as from the whole", "others")


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Cuts out the part of a model that tables follow from.

    Attributes:
        whole: The model.
        alone: The model, compiled for the build's own vehicle.
    """

    whole: Program
    alone: Specialized

    def cut(self, sites: Sequence[CompactedSite], tables: Sequence[Table] = ()) -> Program:
        """Return the part around some sites, as a file beside the model."""
        model = read_graph(self.whole.path)
        kept = frozenset(name for site in sites for name in site.replaced)
        others = frozenset(name for site in self.alone.sites for name in site.replaced) - kept
        prune(model, self.alone.model, vanished(model, self.alone.model) - others, kept, tables)
        path = self.whole.path.with_name(PROGRAM)
        write_graph(model, path)
        return dataclasses.replace(self.whole, path=path)

    def origins(self) -> dict[str, frozenset[str]]:
        """Return by site which values of the calibration's share its work reads."""
        model, spec = read_graph(self.whole.path), self.whole.spec
        hide_contents(model, spec)
        closure = Closure(model, [*spec.calibration_inputs, *spec.other_inputs])
        nodes = {node_name(node): node for node in model.graph}
        return {
            f"{MADE}{site.where}/": frozenset(
                str(value.name)
                for name in site.replaced
                for value in (nodes[name].inputs if name in nodes else ())
                if value is not None and value in closure and not closure.reads(nodes[name])
            )
            for site in self.alone.sites
        }


def _tables(
    part: Program,
    models: Sequence[ir.Model],
    shared: frozenset[str],
    profile: CalibrationProfile,
    origins: Mapping[str, frozenset[str]],
) -> tuple[Table, ...]:
    """Return what differs between the engines; what is equal for vehicles far away as well is one table.

    The far vehicles are compiled with the room that each needs itself.
    """
    found = []
    for far in _far(profile):
        sites = part.compile(far)[0].sites
        most = {site.where: site.queries for site in sites}
        rooms = make_rooms([needs_of(sites)], Capacity(), part.packing, part.cameras, most)
        found.append(part.with_rooms(rooms).compile(far)[0].model)
    return find_tables(models, found, shared, origins)


def _far(profile: CalibrationProfile) -> tuple[CalibrationProfile, ...]:
    """Return vehicles far from this one."""
    return tuple(at_the_edge(profile, [_FAR] * len(profile.cameras), FAR_VEHICLES))


def _near(profile: CalibrationProfile) -> list[CalibrationProfile]:
    """Return a vehicle and two that differ from it in every number and see a little less, so that they fit."""
    probes = [profile]
    for share in (1.0, 2.0):
        move = Move(
            rotation_rad=np.array([1.1e-3, -0.7e-3, 0.9e-3]) * share,
            translation_m=np.array([2e-3, -3e-3, 1e-3]) * share,
            focal_ratio=np.array([0.05, 0.06]) * share,
            principal_point_px=np.array([0.3, -0.2]) * share,
        )
        turned = perturbed(profile, [move] * len(profile.cameras))
        if profile.ego_from_lidar is not None:
            ego = rotation(move.rotation_rad) @ profile.ego_from_lidar
            turned = dataclasses.replace(turned, ego_from_lidar=ego)
        probes.append(turned)
    return probes


def _representatives(tables: Sequence[Table], sites: Sequence[CompactedSite]) -> set[str]:
    """Return the names of few sites in which every table occurs."""
    kept: set[str] = set()
    for table in tables:
        holders = [
            site.where
            for site in sites
            if any(member.startswith(f"specialize/{site.where}/") for member in table.members)
        ]
        if holders and not kept.intersection(holders):
            kept.add(holders[0])
    return kept


def _proven(
    part: Program,
    tables: tuple[Table, ...],
    tried: Sequence[CalibrationProfile],
    expected: Sequence[dict[str, Array]],
) -> Program | None:
    """Return a part of a model as what makes tables; None if it makes others than the whole model."""
    signatures = set()
    for profile, wanted in zip(tried, expected, strict=True):
        compiled, shared = part.compile(profile)
        names = compiled.model.graph.initializers
        if not all(any(member in names for member in table.members) for table in tables):
            return None
        if not contents_equal(read_tables(compiled.model, tables), wanted):
            return None
        signatures.add(signature(compiled.model, tables, shared))
    if len(signatures) > 1:
        return None
    return dataclasses.replace(part, tables=tables, signature=signatures.pop())
