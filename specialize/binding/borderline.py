"""Pairs and lifted points that rounding decides, and what a build's portable program made of them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from specialize.binding.outcome import BorderlinePair, BorderlinePoint
from specialize.binding.relink.kinds import calibration_of
from specialize.binding.relink.landing import Landed, land
from specialize.binding.relink.program import MASKED, POOLED, Op, Program
from specialize.binding.relink.run import Machine
from specialize.calibration.profile import CalibrationProfile
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets

Ints = npt.NDArray[np.int64]


def borderline_pairs(
    program: Program, spec: ModelSpec, profile: CalibrationProfile
) -> tuple[BorderlinePair, ...]:
    """Return the pairs within rounding of an image border, by grid, camera and query.

    Raises:
        DoesNotFitError: The tables have too few places.
    """
    plans = visible_sets(spec, profile)
    if not any(len(plan.borderline) for plan in plans):
        return ()
    machine = Machine(program, calibration_of(profile), {})
    queries = [plan.grid.queries for plan in plans]
    found = []
    for grid, plan in enumerate(plans):
        seen = np.zeros_like(plan.seen)
        for each in program.instructions:
            if each.op in MASKED and each.words[4] == queries[grid]:
                seen |= machine.read(each.words[1]).reshape(seen.shape)
        for camera, query in plan.borderline:
            known = queries.count(queries[grid]) == 1
            kept = bool(seen[camera, query]) if known else None
            name = profile.cameras[int(camera)].name
            found.append(BorderlinePair(camera=name, grid=grid, query=int(query), kept=kept))
    return tuple(found)


def borderline_points(
    program: Program, spec: ModelSpec, profile: CalibrationProfile
) -> tuple[BorderlinePoint, ...]:
    """Return the lifted points within rounding of a cell's border, by camera, depth, row and column.

    None are named where the sidecar declares no frustum, or the profile has no intrinsics and poses.

    Raises:
        DoesNotFitError: The tables have too few places.
    """
    landed = land(spec, profile)
    if landed is None or spec.frustum is None or not landed.doubtful.any():
        return ()
    cells = cells_of(program, spec, profile, landed)
    points = np.flatnonzero(landed.doubtful)
    numbers = np.unravel_index(points, (len(profile.cameras), *spec.frustum.shape))
    found = []
    for point, camera, depth, row, column in zip(points, *numbers, strict=True):
        cell = -1 if cells is None else int(cells[point])
        found.append(
            BorderlinePoint(
                camera=profile.cameras[int(camera)].name,
                depth=int(depth),
                row=int(row),
                column=int(column),
                cell=cell if cell >= 0 else None,
                kept=None if cells is None else cell >= 0,
            )
        )
    return tuple(found)


def cells_of(program: Program, spec: ModelSpec, profile: CalibrationProfile, landed: Landed) -> Ints | None:
    """Return the cells (points,) that a program adds the points of the frustum to, -1 for none, as the model counts.

    None if it pools other points, or in more than one way, so that one cannot say which.

    Raises:
        DoesNotFitError: The tables have too few places.
    """
    slot = slot_of_cells(program, spec)
    if slot is None:
        return None
    cells = Machine(program, calibration_of(profile), {}).read(slot).reshape(-1).astype(np.int64)
    sure = ~landed.doubtful
    named = np.full(int(landed.cells.max(initial=0)) + 2, -1, np.int64)  # the last for points outside
    named[landed.cells[sure]] = cells[sure]
    kept = cells[sure & (cells >= 0)]
    one_to_one = len(np.unique(kept)) == len(np.unique(landed.cells[sure & (landed.cells >= 0)]))
    return (
        cells if one_to_one and (named[landed.cells[sure]] == cells[sure]).all() and named[-1] < 0 else None
    )


def slot_of_cells(program: Program, spec: ModelSpec) -> int | None:
    """Return the slot that holds the cell of every point of the frustum; None if there is not exactly one."""
    if spec.frustum is None:
        return None
    points, cells = program.cameras * math.prod(spec.frustum.shape), math.prod(spec.frustum.cells)
    found = {
        each.words[1]
        for each in program.instructions
        if each.op in POOLED
        and program.slots[each.words[1]].size == points
        and program.slots[each.words[0 if each.op is Op.COUNT else 2]].size == cells
    }
    return found.pop() if len(found) == 1 else None
