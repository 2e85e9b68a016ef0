"""One engine for many vehicles: compile it with room for others, find its tables, and prove what makes them.

The graph is compiled for the vehicle and for two imaginary ones whose every camera is turned, moved and refocused. What
differs between the three are tables; anything else that differs means that no one engine serves them all. The part
of the model that the tables follow from is then cut out, and must give the same tables for all three.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specialize.calibration.folder import load_profiles
from specialize.calibration.profile import CalibrationProfile
from specialize.capacity import make_rooms, needs_of, parse_capacity
from specialize.errors import DeclinedError, InternalError
from specialize.graph.closure import Closure
from specialize.graph.io import read_graph, write_graph
from specialize.model import ModelSpec
from specialize.passes.pipeline import Specialized, tidied
from specialize.passes.site import CompactedSite
from specialize.passes.tables import (
    Array,
    Table,
    contents_equal,
    externalize,
    find_tables,
    prune,
    read_tables,
    signature,
)
from specialize.request import BuildRequest
from specialize.rows.arrange import Packing
from specialize.tables import PROGRAM, Program
from specialize.visibility.perturb import Move, perturbed, rotation

MOST_VEHICLES = 4
"""Vehicles whose tables verification runs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tabulated:
    """An engine with its tables.

    Attributes:
        compiled: The engine.
        program: What makes tables, as a file.
        vehicles: Vehicles and their tables, the build's own first.
        options: What the manifest keeps.
    """

    compiled: Specialized
    program: bytes
    vehicles: tuple[tuple[CalibrationProfile, dict[str, Array]], ...]
    options: dict[str, object]


def tabulate(
    request: BuildRequest, profile: CalibrationProfile, spec: ModelSpec, prepared: Path
) -> Tabulated:
    """Compile a prepared graph to an engine with tables.

    Raises:
        DeclinedError: There is nothing to make tables of, or no one graph serves two calibrations.
        InputError: The capacity is less than a vehicle needs.
        StaleError: A vehicle of `--capacity-over` has other cameras.
    """
    over = load_profiles(request.capacity_over)
    packing = Packing(request.layout, request.align)
    whole = Program(prepared, spec, profile.camera_names(), packing)
    alone = whole.compile(profile)[0]
    if not alone.sites:
        hint = "use --mode exact"
        raise DeclinedError(request.model, "rows that the calibration makes superfluous", "none", hint)
    part = _cut(whole, alone.sites, ())
    needs = [needs_of(alone.sites), *(needs_of(part.compile(other)[0].sites) for other in over)]
    capacity = parse_capacity(request.capacity, over=bool(over))
    rooms = make_rooms(needs, capacity, packing, profile.camera_names())
    roomy = dataclasses.replace(whole, packing=dataclasses.replace(packing, rooms=tuple(rooms.items())))
    tried = _probes(profile)
    engines = [roomy.compile(each) for each in tried]
    tables = find_tables([engine.model for engine, _ in engines], engines[0][1])
    expected = [read_tables(engine.model, tables) for engine, _ in engines]
    few = [site for site in alone.sites if site.where in _representatives(tables, alone.sites)]
    program = _proven(roomy, few, tables, tried, expected) or _proven(
        roomy, alone.sites, tables, tried, expected
    )
    if program is None:
        raise InternalError("tables", "the same tables from a part of the model as from the whole", "others")
    engine = engines[0][0]
    compiled = Specialized(engine.model, engine.sites, (*engine.notes, *externalize(engine.model, tables)))
    return Tabulated(
        compiled=tidied(compiled),
        program=program.path.read_bytes(),
        vehicles=tuple((each, program.contents(each)) for each in (profile, *over[: MOST_VEHICLES - 1])),
        options=program.to_json(),
    )


def _probes(profile: CalibrationProfile) -> list[CalibrationProfile]:
    """Return a vehicle and two that differ from it in every number and see a little less."""
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


def _cut(whole: Program, sites: Sequence[CompactedSite], tables: Sequence[Table]) -> Program:
    """Return the part of a model that the tables of some sites follow from, as a file beside the model."""
    model = read_graph(whole.path)
    closure = Closure(model, [*whole.spec.calibration_inputs, *whole.spec.other_inputs])
    prune(model, closure, frozenset(name for site in sites for name in site.replaced), tables)
    path = whole.path.with_name(PROGRAM)
    write_graph(model, path)
    return dataclasses.replace(whole, path=path)


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
    roomy: Program,
    sites: Sequence[CompactedSite],
    tables: tuple[Table, ...],
    tried: Sequence[CalibrationProfile],
    expected: Sequence[dict[str, Array]],
) -> Program | None:
    """Return what makes tables from the part around some sites; None if it makes others than the whole model."""
    part = _cut(roomy, sites, tables)
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
