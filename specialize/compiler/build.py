"""The compiler: from a calibration and a model to a build that is proven and tied to both.

`build` is the whole flow; `Compilation` is what it hands from step to step. Nothing here knows a model by name.
What needs a graph or a runtime is imported when it is needed: a build that is up to date says so without.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from specialize.artifact import Build, BuildKey
from specialize.artifact.measured import read_measured
from specialize.artifact.place import folder_name, require_replaceable
from specialize.calibration.folder import load_profiles
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.generic import PREPARED, GenericModel, Say, generic_model, model_again, spec_of
from specialize.compiler.laps import Watch
from specialize.digest import digest
from specialize.errors import InputError, UsageError
from specialize.files.atomic import only_one
from specialize.model.spec import parse_spec
from specialize.plausibility.fit import require_fit
from specialize.request import BuildOutcome, BuildRequest
from specialize.store import open_store
from specialize.targets.refuse_early import require_taken

if TYPE_CHECKING:
    from specialize.costs import FormsReport
    from specialize.verify import VerifyReport


def quiet(line: str) -> None:
    """Say nothing."""


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
    watch = Watch()
    profile = load_profile(request.calib)
    require_taken(request.target, request.attention, request.precision)
    require_fits(request, profile)
    store = open_store()
    generic = generic_model(request, store, say)
    watch.lap("model")
    key = build_key(request, profile, generic)
    folder = request.output or Path("build") / folder_name(profile.vehicle)
    replaced = None if request.replace else generic.name
    require_replaceable(folder, replaced)  # before anything is written beside it
    with only_one(folder.parent / f".{folder.name}.lock", f"build {folder}", on_wait=say):
        done = _up_to_date(folder, key)
        if done is not None:
            found = read_measured(folder, done.manifest.digest)
            return BuildOutcome(build_dir=folder, up_to_date=True, manifest=done.manifest, measured=found)
        require_replaceable(folder, replaced)
        with generic.unpacked(store) as parts:
            from specialize.compiler.publish import prove_and_publish
            from specialize.compiler.specialize import specialize

            say(f"specializing {generic.name} for {profile.vehicle}")
            compiled = specialize(request, profile, generic, parts, watch)
            made = prove_and_publish(request, compiled, key, folder, watch, say)
    return BuildOutcome(
        build_dir=folder, up_to_date=False, manifest=made.manifest, seconds=watch.seconds,
        warnings=made.measured.contradictions if made.measured else (), measured=made.measured,
    )  # fmt: skip


def costs(request: BuildRequest, say: Say = quiet) -> FormsReport:
    """Count the zero-padded, re-batched and specialized forms of a model for one calibration.

    Raises:
        InputError: Profile, model or sidecar are wrong.
        DeclinedError: There is nothing to specialize.
    """
    from specialize.compiler.prove import count_forms
    from specialize.compiler.specialize import specialize

    profile = load_profile(request.calib)
    require_fits(request, profile)
    store = open_store()
    generic = generic_model(request, store, say)
    with generic.unpacked(store) as parts:
        return count_forms(specialize(request, profile, generic, parts, Watch()))


def verify(
    build_dir: Path, frames: int = 4, say: Say = quiet, frames_dir: Path | None = None
) -> VerifyReport:
    """Compare a build with the model that it was made from, once more.

    Args:
        build_dir: Folder of the build.
        frames: Number of seeded frames to compare.
        say: Says what is done.
        frames_dir: Of a converted build: frames to compare instead of seeded ones.

    Raises:
        InputError: The build is damaged, or its original cannot be had any more.
        VerificationError: The comparison could not have failed.
    """
    from specialize.binding.modes import fed_to
    from specialize.compiler.prove import compare_with_original
    from specialize.targets.lower import runnable_file
    from specialize.verify import require_power

    made = Build.intact(build_dir)
    if frames_dir is not None and made.manifest.precision is None:
        raise UsageError("--frames-dir", "a build of another precision than float32", str(build_dir))
    spec = parse_spec(made.manifest.spec, f"{build_dir}: spec of the manifest")
    store = open_store()
    generic = model_again(made.manifest.source, spec, store, say)
    if generic.digest != made.manifest.digests.model:
        raise InputError(f"{build_dir}: model", made.manifest.digests.model, generic.digest, "build again")
    with generic.unpacked(store) as parts:
        fed = fed_to(made, spec, parts / PREPARED)
        if made.manifest.precision is not None:
            from specialize.compiler.convert import verify_converted

            return verify_converted(made, generic.reference(parts), spec, fed, frames, frames_dir, say)
        candidate = runnable_file(made.model, parts / "runnable.onnx")
        cameras, allowed = made.manifest.cameras, made.manifest.allowed
        original = generic.reference(parts)
        report = compare_with_original(original, candidate, spec, fed, frames, 0, say, cameras, allowed)
        require_power(report, allowed)
        return report


def build_key(request: BuildRequest, profile: CalibrationProfile, generic: GenericModel) -> BuildKey:
    """Return the key of a build: everything that can change a byte of it."""
    return BuildKey(
        **request.in_key(),
        vehicle=profile.vehicle,
        profile=profile.digest,
        calibration=digest(generic.spec.calibration_arrays(profile)),
        model=generic.digest,
        name=generic.name,
        spec=digest(generic.spec.to_text()),
        mode=request.mode,
        frames_digest=_frames_digest(request.frames_dir),
        tolerance=request.tolerance or "",
        capacity=request.capacity or "",
        envelope_over=tuple(profile.digest for profile in load_profiles(request.envelope_over)),
        count_outside=request.count_outside,
        capacity_over=tuple(profile.digest for profile in load_profiles(request.capacity_over)),
        allow_unchanged=request.allow_unchanged,
        keep_every_site=request.keep_every_site,
    )


def require_fits(request: BuildRequest, profile: CalibrationProfile) -> None:
    """Refuse calibrations that do not fit the model, before anything is exported or run.

    Raises:
        InputError: One has errors that are not allowed.
    """
    spec = spec_of(request)
    require_fit(profile, spec, request.allow, str(request.calib))
    for other in (*load_profiles(request.envelope_over), *load_profiles(request.capacity_over)):
        require_fit(other, spec, request.allow, f"profile of {other.vehicle}")


def _frames_digest(folder: Path | None) -> str:
    """Return the digest of a folder of frames; empty without a folder."""
    if folder is None:
        return ""
    from specialize.precision.frames import frames_digest

    return frames_digest(folder)


def _up_to_date(folder: Path, key: BuildKey) -> Build | None:
    """Return the build that is there if it was made from the same key and is whole."""
    try:
        found = Build.open(folder)
        if found.manifest.digests.build != key.digest():
            return None
        found.require_intact()
    except InputError:
        return None
    return found
