"""Compute which of a model's queries a vehicle's cameras see, without the model itself."""

from __future__ import annotations

from specialize.calibration.profile import CalibrationProfile
from specialize.digest import digest
from specialize.model.spec import ModelSpec
from specialize.visibility.plan import VisibilityPlan, plan_of


def visible_sets(spec: ModelSpec, profile: CalibrationProfile) -> tuple[VisibilityPlan, ...]:
    """Return one plan per grid of the model.

    Raises:
        InputError: The profile does not have the cameras that the model wants.
    """
    projection, rule = spec.projection(profile), spec.visibility_rule()
    return tuple(plan_of(projection, grid.grid(), rule) for grid in spec.grids)


def plans_digest(plans: tuple[VisibilityPlan, ...]) -> str:
    """Return the digest of all visible sets of one model; for one grid that of its plan."""
    return plans[0].digest if len(plans) == 1 else digest([plan.digest for plan in plans])
