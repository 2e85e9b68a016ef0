"""Build: compile a calibration and a model to a folder that is verified and tied to both.

`build` reads and decides whether there is anything to do; `_make` calls one stage after the other. `Compilation` is
what they hand on. Nothing here knows a model by name. What needs a graph or a runtime is imported only when a build
is made: one that is up to date says so without.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from specialize.artifact import Build, BuildKey
from specialize.artifact.measured import read_measured, write_measured
from specialize.artifact.place import folder_name, require_replaceable
from specialize.calibration.folder import load_profiles
from specialize.calibration.load import load_profile
from specialize.calibration.off import cameras_off, off_name, without
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.bake import bake
from specialize.compiler.garbage import own_garbage
from specialize.compiler.generic import GenericModel, generic_model, spec_of
from specialize.compiler.key import build_key
from specialize.compiler.laps import Laps
from specialize.errors import InputError, UsageError
from specialize.files.atomic import publish_directory
from specialize.files.exclusive import only_one
from specialize.model.baked import require_lenses
from specialize.plausibility.fit import require_fit
from specialize.request import BuildOutcome, BuildRequest
from specialize.store import Store, open_store
from specialize.targets.refuse_early import require_taken
from specialize.text.progress import Say, quiet

if TYPE_CHECKING:
    from specialize.compiler.specialize import Compilation
    from specialize.evidence.costs import FormsReport


@own_garbage()
def build(request: BuildRequest, say: Say = quiet) -> BuildOutcome:
    """Specialize a model for one calibration, prove it, and leave a build behind.

    Raises:
        UsageError: The target does not write attention in that form.
        InputError: Profile, model or sidecar are wrong or do not fit each other, or the folder has files that
            no build wrote, or a build of another model that may not be replaced.
        DeclinedError: There is nothing to specialize, and `allow_unchanged` was not asked for; or the target takes
            no model in that precision.
        VerificationError: The specialized model differs from the original; nothing is left behind.
    """
    laps = Laps()
    profile = without(load_profile(request.calib), request.without)
    require_taken(request.target, request.attention, request.precision)
    require_fits(request, profile)
    store = open_store()
    generic, base = _models(request, profile, store, say)
    laps.lap("model")
    key = build_key(request, profile, generic)
    folder = request.output or Path("build") / folder_name(off_name(profile.vehicle, cameras_off(profile)))
    replaced = None if request.replace else generic.name
    require_replaceable(folder, replaced)  # before anything is written beside it
    with only_one(folder.parent / f".{folder.name}.lock", f"build {folder}", on_wait=say):
        done = None if request.tune else _up_to_date(folder, key, request)
        if done is not None:
            return done
        require_replaceable(folder, replaced)
        with generic.unpacked(store) as parts:
            from specialize.compiler.specialize import specialize

            say(f"specializing {generic.name} for {profile.vehicle}")
            compiled = specialize(request, profile, generic, parts, laps)
            if not request.tune:
                return _make(request, compiled, base, key, folder, laps, say)
            return _make_tuned(request, compiled, base, store, folder, laps, say)


def _models(
    request: BuildRequest, profile: CalibrationProfile, store: Store, say: Say
) -> tuple[GenericModel, GenericModel]:
    """Return the model that is built, and the user's: the same, unless lenses are baked in."""
    base = generic_model(request, store, say)
    return (bake(base, profile, store, say) if request.bake_lenses else base), base


def _make_tuned(
    request: BuildRequest, compiled: Compilation, base: GenericModel, store: Store, folder: Path, laps: Laps,
    say: Say,
) -> BuildOutcome:  # fmt: skip
    """Choose the formulation of attention, which counts in the key, and make the build unless it is there."""
    from specialize.compiler.tuning import tuned

    tuning = tuned(request, compiled, store, say)
    laps.lap("tune")
    request = replace(request, attention=tuning.option(), tune=False)
    key = build_key(request, compiled.profile, compiled.generic)
    done = _up_to_date(folder, key, request)
    made = done or _make(request, compiled, base, key, folder, laps, say)
    return replace(made, tuning=tuning)


def _make(
    request: BuildRequest, compiled: Compilation, base: GenericModel, key: BuildKey, folder: Path, laps: Laps,
    say: Say,
) -> BuildOutcome:  # fmt: skip
    """Count, lower, prove, measure, convert and publish; the folder appears only if all of that succeeds."""
    from specialize.compiler.convert import plan_conversion
    from specialize.compiler.describe import with_baked
    from specialize.compiler.drawing import draw_largest
    from specialize.compiler.lower import lower
    from specialize.compiler.measure import measure_once
    from specialize.compiler.prove import count_forms
    from specialize.compiler.proven import proven
    from specialize.compiler.publish import publish

    conversion = plan_conversion(request, compiled)
    forms, drawings = count_forms(compiled), draw_largest(compiled)
    gc.collect()  # what the other forms were, before models are run
    laps.lap("count")
    with publish_directory(folder, lasting=not request.for_store) as room:
        lowered = lower(request, compiled, key, forms, room)
        laps.lap("write")
        proof = proven(request, compiled, lowered.candidate, key, say)
        laps.lap("verify")
        measured = measure_once(compiled, lowered.candidate, forms, say) if request.measure else None
        laps.lap("measure")
        manifest = lowered.manifest
        if request.bake_lenses:
            manifest = with_baked(request, manifest, compiled, base, say)
        if conversion is not None:
            manifest = conversion.carry_out(
                manifest, lowered.facts, room, lowered.candidate, compiled.parts, say
            )
            laps.lap("convert")
        manifest = publish(room, manifest, compiled, forms, drawings, proof, lowered.apart)
        laps.lap("report")
    if measured is not None:
        measured = write_measured(folder, manifest.digest, measured)
    return BuildOutcome(
        build_dir=folder, up_to_date=False, manifest=manifest, seconds=laps.seconds,
        warnings=measured.contradictions if measured else (), measured=measured,
    )  # fmt: skip


def costs(request: BuildRequest, say: Say = quiet) -> FormsReport:
    """Count the zero-padded, re-batched and specialized forms of a model for one calibration.

    Raises:
        InputError: Profile, model or sidecar are wrong.
        DeclinedError: There is nothing to specialize.
    """
    from specialize.compiler.prove import count_forms
    from specialize.compiler.specialize import specialize

    profile = without(load_profile(request.calib), request.without)
    require_fits(request, profile)
    store = open_store()
    generic, _ = _models(request, profile, store, say)
    with generic.unpacked(store) as parts:
        return count_forms(specialize(request, profile, generic, parts, Laps()))


def require_fits(request: BuildRequest, profile: CalibrationProfile) -> None:
    """Refuse calibrations that do not fit the model, before anything is exported or run.

    Raises:
        InputError: One has errors that are not allowed.
        UsageError: The model is given tables, which are bound in mode exact alone.
    """
    spec = spec_of(request)
    if request.mode != "exact" and spec.pooled_by_tables():
        hint = (
            "feed the model's own inputs on the vehicle: `specialize table --bevpool` makes these five arrays"
        )
        raise UsageError(
            "--mode", "exact for a model whose inputs are the tables of its pooling", request.mode, hint
        )
    if request.bake_lenses:
        require_lenses(profile)
    require_fit(profile, spec, request.allow, str(request.calib))
    for other in (*load_profiles(request.envelope_over), *load_profiles(request.capacity_over)):
        require_fit(other, spec, request.allow, f"profile of {other.vehicle}")


def _up_to_date(folder: Path, key: BuildKey, request: BuildRequest) -> BuildOutcome | None:
    """Return the build that is there if it was made from the same key, is proven as asked, and is undamaged."""
    try:
        found = Build.open(folder)
        if found.manifest.digests.build != key.digest():
            return None
        if request.proof == "whole" and found.manifest.verify.proof != "whole":
            return None
        found.require_intact()
    except InputError:
        return None
    measured = read_measured(folder, found.manifest.digest)
    return BuildOutcome(build_dir=folder, up_to_date=True, manifest=found.manifest, measured=measured)
