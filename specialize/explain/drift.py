"""Check whether a build fits a calibration: compare two calibrations, in millimetres and in queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from specialize.artifact import Build
from specialize.artifact.place import folder_name
from specialize.binding.envelope_file import pairs_outside
from specialize.calibration.delta import ProfileDelta, compare
from specialize.calibration.load import load_profile
from specialize.calibration.off import cameras_off, off_name
from specialize.calibration.off import without as take_off
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.command import rebuild
from specialize.explain.plan import resolve_spec
from specialize.model.baked import with_lenses
from specialize.model.spec import ModelSpec, parse_spec
from specialize.model.visible import visible_sets
from specialize.request import DriftOutcome, QueryChange
from specialize.vehicle.expect import state_of
from specialize.visibility.delta import compare_plans
from specialize.visibility.plan import VisibilityPlan

Plans = tuple[VisibilityPlan, ...]


def check(build_dir: Path | str, calib: Path | str, without: tuple[str, ...] = ()) -> DriftOutcome:
    """Compare the calibration that a build was made for with today's; needs neither model nor torch.

    Cameras in `without` are taken off today.

    Raises:
        InputError: The build or the profile cannot be read, or a file of the build is not the one that was written.
    """
    build = Build.intact(Path(build_dir))
    spec = parse_spec(build.manifest.spec, f"{build_dir}: spec of the manifest")
    before, after = build.calibration(), take_off(load_profile(calib), without)
    found = _drift(spec, (build.folder, Path(calib)), before, after)
    state, reason = state_of(build, before, after)
    off = cameras_off(before), cameras_off(after)
    beside = build.folder.parent / folder_name(off_name(after.vehicle, off[1]))
    drift = dataclasses.replace(
        found.outcome,
        again=rebuild(
            build.manifest, Path(calib), after.vehicle, build.folder if off[0] == off[1] else beside, without
        ),
        allowed=build.manifest.allowed,
        state=state,
        reason=reason,
    )
    if build.manifest.mode == "envelope":
        return _in_envelope(build, found.plans[1], drift)
    if build.manifest.mode == "tables":
        return _in_capacity(build, found.plans[1], drift)
    return drift


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """How two calibrations differ, with what was compared.

    Attributes:
        outcome: The difference.
        plans: The visible sets of both, one plan per grid; empty if the cameras themselves differ.
        profiles: Both calibrations.
    """

    outcome: DriftOutcome
    plans: tuple[Plans, Plans]
    profiles: tuple[CalibrationProfile, CalibrationProfile]


def diff(
    first: Path | str, second: Path | str, model: str = "bevformer_tiny", model_spec: Path | None = None
) -> DriftOutcome:
    """Return how two calibrations differ for a model, as `difference` finds it."""
    return difference(first, second, model, model_spec).outcome


def difference(
    first: Path | str,
    second: Path | str,
    model: str = "bevformer_tiny",
    model_spec: Path | None = None,
    bake_lenses: bool = False,
    off: Sequence[str] = (),
) -> Difference:
    """Compare two calibrations for a model, or for it with lenses baked in; what was compared stays at hand.

    Args:
        first: A profile.
        second: Another.
        model: Name of a built-in model, or path of an ONNX file.
        model_spec: Sidecar of such a file.
        bake_lenses: Whether lenses take the place of the model's own projection.
        off: Names of cameras that are off in both.

    Raises:
        InputError: A profile or the sidecar cannot be read.
        UsageError: There is no such built-in model, or no such camera.
    """
    spec = resolve_spec(model, model_spec)
    if bake_lenses:
        spec = with_lenses(spec)
    one, other = (take_off(load_profile(path), off) for path in (first, second))
    return _drift(spec, (Path(first), Path(second)), one, other)


def _in_envelope(build: Build, plans: Plans, drift: DriftOutcome) -> DriftOutcome:
    """Return whether a build whose calibration is an input may be fed with another one."""
    if _other_cameras(drift.delta):
        return drift
    outside = pairs_outside(build.folder, plans)
    inside = not any(outside)
    verdict = "inside envelope" if inside else "outside envelope"
    return dataclasses.replace(drift, fresh=inside, verdict=verdict, outside=outside)


def _in_capacity(build: Build, plans: Plans, drift: DriftOutcome) -> DriftOutcome:
    """Return whether an engine with tables serves another calibration as well, with a table of its own."""
    if _other_cameras(drift.delta) or drift.fresh:
        return drift
    capacity: Mapping[str, Any] = build.manifest.options["tables"]["capacity"]
    seeing = max((int(plan.superset.sum(axis=0).max()) for plan in plans), default=0)
    over = np.zeros(len(drift.delta.cameras), np.int64)
    for lengths, plan in zip(capacity["lengths"], plans, strict=True):
        if lengths is not None:
            over += np.maximum(plan.superset.sum(axis=1) - np.array(lengths), 0)
    most = capacity["cameras_per_query"]  # None where rows are pooled only
    fits = not over.any() and (most is None or seeing <= int(most))
    return dataclasses.replace(
        drift, verdict="other table" if fits else "beyond capacity", outside=tuple(int(rows) for rows in over)
    )


def _drift(
    spec: ModelSpec, places: tuple[Path, Path], before: CalibrationProfile, after: CalibrationProfile
) -> Difference:
    delta = compare(before, after)
    comparable = not _other_cameras(delta)
    same_inputs = comparable and _same_inputs(spec, before, after)
    through = spec.lens is not None or not any(
        camera.is_raw for each in (before, after) for camera in each.cameras
    )
    plans = (visible_sets(spec, before), visible_sets(spec, after)) if comparable and through else ((), ())
    queries = _queries(*plans)
    outcome = DriftOutcome(
        before=places[0],
        after=places[1],
        model=spec.name,
        digests=(before.digest, after.digest),
        fresh=delta.same and same_inputs,
        verdict=_verdict(delta, queries, same_inputs),
        delta=delta,
        queries=queries,
        vehicles=(before.vehicle, after.vehicle),
        off=(cameras_off(before), cameras_off(after)),
    )
    return Difference(outcome, plans, (before, after))


def _queries(before: Plans, after: Plans) -> tuple[QueryChange, ...]:
    """Return the change of every camera's visible queries, in camera order."""
    grids = [compare_plans(old, new).cameras for old, new in zip(before, after, strict=True)]
    return tuple(
        QueryChange(
            gained=sum(len(change.gained) for change in changes),
            lost=sum(len(change.lost) for change in changes),
            kept=sum(change.kept for change in changes),
        )
        for changes in zip(*grids, strict=True)
    )


def _other_cameras(delta: ProfileDelta) -> bool:
    return bool(delta.added or delta.removed or delta.reordered)


def _same_inputs(spec: ModelSpec, before: CalibrationProfile, after: CalibrationProfile) -> bool:
    """Return whether the model's calibration inputs get the same numbers, which may be more than the cameras."""
    first, second = spec.calibration_arrays(before), spec.calibration_arrays(after)
    return all(np.array_equal(array, second[name]) for name, array in first.items())


def _verdict(delta: ProfileDelta, queries: tuple[QueryChange, ...], same_inputs: bool) -> str:
    if _other_cameras(delta):
        return "other cameras"
    if delta.same and same_inputs:
        return "same"
    changed = any(change.gained or change.lost for change in queries)
    return "other queries" if changed else "other numbers"
