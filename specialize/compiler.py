"""The compiler: from a calibration and a model to a build that is proven and tied to both.

`build` is the whole flow; `Compilation` is what it hands from step to step. Nothing here knows a model by name.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from specialize.artifact import Build, BuildKey, Manifest, record_files, write_manifest, write_metadata
from specialize.artifact.build import MODEL, PROFILE
from specialize.binding import fed_to
from specialize.calibration.dump import dump_profile
from specialize.calibration.folder import load_profiles
from specialize.calibration.load import load_profile
from specialize.digest import digest
from specialize.errors import InputError
from specialize.evidence import compare_with_original, count_forms
from specialize.files import only_one, publish_directory, write_file
from specialize.flops import FormsReport
from specialize.graph.io import write_graph
from specialize.model import parse_spec
from specialize.request import BuildOutcome, BuildRequest
from specialize.sources import GRAPH, PREPARED, PREPARED_WEIGHTS, Say, generic_model, model_again
from specialize.specializing import Compilation, Watch, describe, specialize, tie
from specialize.store import open_store
from specialize.verify import VerifyReport
from specialize.version import code_version


def quiet(line: str) -> None:
    """Say nothing."""


def build(request: BuildRequest, say: Say = quiet) -> BuildOutcome:
    """Specialize a model for one calibration, prove it, and leave a build behind.

    Raises:
        InputError: Profile, model or sidecar are wrong.
        DeclinedError: There is nothing to specialize, and `allow_unchanged` was not asked for.
        VerificationError: The specialized model differs from the original; nothing is left behind.
    """
    watch = Watch()
    profile = load_profile(request.calib)
    store = open_store()
    generic = generic_model(request, store, say)
    watch.lap("model")
    key = build_key(request, profile.vehicle, profile.digest, generic.digest, generic.spec.to_text())
    folder = request.output or Path("build") / profile.vehicle
    with only_one(folder.parent / f".{folder.name}.lock", f"build {folder}", on_wait=say):
        done = _up_to_date(folder, key)
        if done is not None:
            return BuildOutcome(build_dir=folder, up_to_date=True, manifest=done.manifest)
        with generic.unpacked(store) as parts:
            say(f"specializing {generic.name} for {profile.vehicle}")
            compiled = specialize(request, profile, generic, parts, watch)
            manifest = _prove_and_publish(request, compiled, key, folder, watch, say)
    return BuildOutcome(build_dir=folder, up_to_date=False, manifest=manifest, seconds=watch.seconds)


def costs(request: BuildRequest, say: Say = quiet) -> FormsReport:
    """Count the zero-padded, re-batched and specialized forms of a model for one calibration.

    Raises:
        InputError: Profile, model or sidecar are wrong.
        DeclinedError: There is nothing to specialize.
    """
    profile, store = load_profile(request.calib), open_store()
    generic = generic_model(request, store, say)
    with generic.unpacked(store) as parts:
        return count_forms(specialize(request, profile, generic, parts, Watch()))


def verify(build_dir: Path, frames: int = 4, say: Say = quiet) -> VerifyReport:
    """Compare a build with the model that it was made from, once more.

    Raises:
        InputError: The build is damaged, or its original cannot be had any more.
    """
    made = Build.open(build_dir)
    made.require_intact()
    spec = parse_spec(made.manifest.spec, f"{build_dir}: spec of the manifest")
    store = open_store()
    generic = model_again(made.manifest.source, spec, store, say)
    if generic.digest != made.manifest.digests.model:
        raise InputError(f"{build_dir}: model", made.manifest.digests.model, generic.digest, "build again")
    with generic.unpacked(store) as parts:
        fed = fed_to(made, spec, parts / PREPARED)
        return compare_with_original(parts / GRAPH, made.model, spec, fed, frames, 0, say)


def build_key(request: BuildRequest, vehicle: str, profile: str, model: str, spec: str) -> BuildKey:
    """Return the key of a build, from the digests of the profile and the model and the sidecar's text."""
    return BuildKey(
        vehicle=vehicle,
        profile=profile,
        model=model,
        spec=digest(spec),
        target=request.target,
        mode=request.mode,
        layout=request.layout,
        align=request.align,
        tolerance=request.tolerance or "",
        capacity=request.capacity or "",
        envelope_over=tuple(profile.digest for profile in load_profiles(request.envelope_over)),
        count_outside=request.count_outside,
        capacity_over=tuple(profile.digest for profile in load_profiles(request.capacity_over)),
        frames=request.frames,
        seed=request.seed,
        allow_unchanged=request.allow_unchanged,
        compiler=code_version(),
    )


def _prove_and_publish(
    request: BuildRequest, compiled: Compilation, key: BuildKey, folder: Path, watch: Watch, say: Say
) -> Manifest:
    """Write the build aside, run it against the original, and put it in its place only if both agree."""
    manifest = describe(request, compiled, key)
    write_metadata(compiled.graph.metadata_props, tie(manifest, compiled.sites))
    forms = count_forms(compiled)
    watch.lap("count")
    with publish_directory(folder) as room:
        write_graph(compiled.graph, room / MODEL)
        shutil.copyfile(compiled.parts / PREPARED_WEIGHTS, room / PREPARED_WEIGHTS)
        write_file(room / PROFILE, dump_profile(compiled.profile))
        for name, content in compiled.binding.files.items():
            write_file(room / name, content)
        watch.lap("write")
        original, spec = compiled.parts / GRAPH, compiled.generic.spec
        report = compare_with_original(
            original, room / MODEL, spec, compiled.binding.fed, request.frames, request.seed, say
        )
        report.require_passed()
        watch.lap("verify")
        manifest = record_files(room, manifest.with_evidence(report.to_json(), forms.to_json()))
        write_manifest(room, manifest)
    return manifest


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
