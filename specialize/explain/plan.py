"""Plan the visible sets of a vehicle for a model, without the model itself, and find a model's sidecar by name."""

from __future__ import annotations

from pathlib import Path

from specialize import zoo
from specialize.artifact.manifest import Site, SiteCamera
from specialize.calibration.load import load_profile
from specialize.calibration.off import without
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, UsageError
from specialize.files.atomic import explained, make_room
from specialize.model.baked import require_lenses, with_lenses
from specialize.model.content import pairs_cut_away, pairs_without_content
from specialize.model.spec import ModelSpec, read_spec
from specialize.model.visible import plans_digest, visible_sets
from specialize.plausibility.fit import require_fit, require_known_codes
from specialize.text.record import Record
from specialize.visibility.npz import write_plan
from specialize.visibility.plan import VisibilityPlan


class PlanDigests(Record, frozen=True, kw_only=True):
    """What a plan is tied to.

    Attributes:
        profile: Digest of the calibration.
        plan: Digest of the visible sets.
    """

    profile: str
    plan: str


class PlanOutcome(Record, frozen=True, kw_only=True):
    """`specialize plan --json`.

    Attributes:
        output: The file.
        model: Name of the model.
        vehicle: Name of the vehicle.
        digests: What the plan is tied to.
        sites: One entry per grid of the model.
        seen_by: Per grid, number of queries seen by 0, 1, 2, ... cameras.
        borderline: Per grid, number of points within rounding of an image border.
        without_content: Per camera, visible pairs whose pixels undistortion leaves without content.
        cut_away: Per camera, pairs that its raw image shows and the undistorted one does not.
        warnings: What a person should know about the calibration.
    """

    output: Path
    model: str
    vehicle: str
    digests: PlanDigests
    sites: tuple[Site, ...]
    seen_by: tuple[tuple[int, ...], ...]
    borderline: tuple[int, ...]
    without_content: tuple[int, ...] = ()
    cut_away: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


def resolve_spec(model: str, model_spec: Path | None = None) -> ModelSpec:
    """Return the sidecar of a built-in model or of an ONNX file.

    Raises:
        UsageError: There is no such built-in model.
        InputError: The sidecar is missing or wrong.
    """
    if model_spec is not None:
        return read_spec(model_spec)
    if model.endswith(".onnx"):
        sidecar = Path(model).with_suffix(".model.yaml")
        if not sidecar.exists() and not Path(model).exists():
            raise InputError("--model", "the name of a built-in model or an ONNX file", repr(model))
        return read_spec(sidecar)
    return zoo.spec(model)


def write_tables(
    calib: Path,
    model: str,
    output: Path,
    model_spec: Path | None = None,
    align: int = 1,
    allow: tuple[str, ...] = (),
    bake_lenses: bool = False,
    off: tuple[str, ...] = (),
) -> PlanOutcome:
    """Write the visible sets of a vehicle for a model, or for it with the vehicle's lenses, as an `.npz` of tables.

    Cameras in `off` are taken off.

    Raises:
        InputError: Profile or sidecar are wrong or do not fit each other, or the sidecar names no grid.
        UsageError: There is no such built-in model or finding, or `align` is no number of at least 1.
    """
    if align < 1:
        raise UsageError("--align", "a number of at least 1", str(align))
    require_known_codes(allow)
    profile, spec = without(load_profile(calib), off), resolve_spec(model, model_spec)
    if bake_lenses:
        spec = with_lenses(spec)
        require_lenses(profile)
    fit = require_fit(profile, spec, allow, str(calib))
    make_room(output)
    plans = visible_sets(spec, profile)
    if not plans:
        raise InputError(spec.name, "a grid of queries in its sidecar", "none", "add `grids:` to the sidecar")
    with explained(output):
        write_plan(plans[0] if len(plans) == 1 else _named(plans), output, align)
    return PlanOutcome(
        output=output,
        model=spec.name,
        vehicle=profile.vehicle,
        digests=PlanDigests(profile=profile.digest, plan=plans_digest(plans)),
        sites=tuple(_site(plan, profile, align) for plan in plans),
        seen_by=tuple(tuple(int(count) for count in plan.seen_by_k) for plan in plans),
        borderline=tuple(len(plan.borderline) for plan in plans),
        without_content=pairs_without_content(spec, profile, plans),
        cut_away=pairs_cut_away(profile, plans),
        warnings=fit.warnings,
    )


def _named(plans: tuple[VisibilityPlan, ...]) -> dict[str, VisibilityPlan]:
    return {f"grid{index}": plan for index, plan in enumerate(plans)}


def _site(plan: VisibilityPlan, profile: CalibrationProfile, align: int) -> Site:
    lengths = [int(length) for length in plan.lengths]
    cameras = zip(profile.camera_names(), lengths, strict=True)
    return Site(
        queries=plan.grid.queries,
        cameras=tuple(SiteCamera(name=name, visible=length) for name, length in cameras),
        longest=plan.longest,
        pairs=plan.pairs,
        rows_computed=sum(-(-length // align) * align for length in lengths),
    )
