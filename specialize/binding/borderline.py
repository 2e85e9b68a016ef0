"""Pairs of camera and query that rounding decides, and what a build's portable program made of them."""

from __future__ import annotations

import numpy as np

from specialize.binding.relink.kinds import calibration_of
from specialize.binding.relink.program import MASKED, Program
from specialize.binding.relink.run import Machine
from specialize.calibration.profile import CalibrationProfile
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.request import BorderlinePair


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
