"""Making a build from a compilation: written aside, proven against the original, and only then put in its place."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from specialize.artifact import BuildKey, Manifest, record_files, write_manifest, write_metadata
from specialize.artifact.build import MODEL, PROFILE
from specialize.artifact.describe import describe_notes
from specialize.artifact.measured import Measured, write_measured
from specialize.artifact.tensors import tensors_bytes
from specialize.binding.table_program import OWN_TABLE, metadata_of
from specialize.calibration.dump import dump_profile
from specialize.compiler.convert import plan_conversion
from specialize.compiler.drawing import draw_largest
from specialize.compiler.generic import PREPARED_WEIGHTS, Say
from specialize.compiler.laps import Watch
from specialize.compiler.measure import measure_once
from specialize.compiler.original import losses
from specialize.compiler.prove import compare_with_original, count_forms
from specialize.compiler.specialize import Compilation, describe, tie
from specialize.files.atomic import publish_directory, write_file
from specialize.graph.io import write_graph
from specialize.graph.notes import Note
from specialize.lowering.attention import NAME as LOWER
from specialize.report import write_new_report
from specialize.request import BuildRequest
from specialize.targets.base import BuildFacts
from specialize.targets.lower import finish, runnable_copy
from specialize.verify import VerifyReport, require_power
from specialize.verify.written import read_written

DEFAULT_TARGET = "onnxruntime"
"""The target whose graph is the specialized one as it is."""


@dataclass(frozen=True, slots=True)
class Made:
    """A build that was published, and what was measured of it, if anything was."""

    manifest: Manifest
    measured: Measured | None


def prove_and_publish(
    request: BuildRequest, compiled: Compilation, key: BuildKey, folder: Path, watch: Watch, say: Say
) -> Made:
    """Write the build aside, run it against the original, and put it in its place only if both agree."""
    manifest = describe(request, compiled, key)
    conversion = None if request.precision == "float32" else plan_conversion(request, compiled)
    write_metadata(compiled.graph.metadata_props, tie(manifest, compiled.sites))
    forms, drawings = count_forms(compiled), draw_largest(compiled)
    manifest = msgspec.structs.replace(manifest, warnings=(*manifest.warnings, *losses(forms)))
    watch.lap("count")
    with publish_directory(folder) as room:
        facts = _facts(request, compiled, manifest)
        candidate, notes = _finish(request, compiled, facts, room)
        manifest = manifest.with_passes((*manifest.passes, *describe_notes(notes)))
        manifest = msgspec.structs.replace(
            manifest, warnings=(*manifest.warnings, *_unwritten(request, notes))
        )
        _write_parts(compiled, key, room)
        watch.lap("write")
        report = _proven(request, compiled, candidate, say)
        watch.lap("verify")
        measured = measure_once(compiled, candidate, forms, say) if request.measure else None
        watch.lap("measure")
        if conversion is not None:
            manifest = conversion.carry_out(manifest, facts, room, candidate, compiled.parts, say)
            watch.lap("convert")
        written = read_written(room / MODEL)
        manifest = msgspec.structs.replace(manifest, warnings=(*manifest.warnings, *written.warnings()))
        manifest = manifest.with_evidence(report.to_json(), forms.to_json(), drawings)
        write_new_report(room, manifest, compiled.plans)
        manifest = record_files(room, manifest)
        manifest = write_manifest(room, manifest)
        watch.lap("report")
    if measured is not None:
        measured = write_measured(folder, manifest.digest, measured)
    return Made(manifest, measured)


def _write_parts(compiled: Compilation, key: BuildKey, room: Path) -> None:
    """Write the model and all that goes with it but reports and the manifest."""
    write_graph(compiled.graph, room / MODEL)
    shutil.copyfile(compiled.parts / PREPARED_WEIGHTS, room / PREPARED_WEIGHTS)
    write_file(room / PROFILE, dump_profile(compiled.profile))
    for name, content in compiled.binding.files.items():
        write_file(room / name, content)
    if compiled.binding.table:
        about = metadata_of(compiled.profile, key.digest())
        write_file(room / OWN_TABLE, tensors_bytes(compiled.binding.table, about))


def _proven(request: BuildRequest, compiled: Compilation, candidate: Path, say: Say) -> VerifyReport:
    """Return the comparison with the original.

    Raises:
        VerificationError: Both differ, or the comparison could not have failed.
    """
    original = compiled.original
    report = compare_with_original(
        original, candidate, compiled.generic.spec, compiled.binding.fed, request.frames, request.seed,
        say, compiled.profile.camera_names(), request.allow, () if request.mode == "envelope" else compiled.sites,
    )  # fmt: skip
    report.require_passed()
    require_power(report, request.allow)
    return report


def _facts(request: BuildRequest, compiled: Compilation, manifest: Manifest) -> BuildFacts:
    """Return what files of a toolchain say about a build in float32."""
    return BuildFacts(
        vehicle=manifest.vehicle,
        cameras=manifest.cameras,
        lengths=tuple(site.lengths for site in compiled.sites),
        profile=manifest.digests.profile,
        plan=manifest.digests.plan,
        mode=request.mode,
    )


def _unwritten(request: BuildRequest, notes: tuple[Note, ...]) -> list[str]:
    """Return where attention is not written in the form that was asked for, and why."""
    return [
        f"--attention {request.attention}: {note.where}: {note.reason}"
        for note in notes
        if request.attention and note.pass_name == LOWER and note.verdict == "declined"
    ]


def _finish(
    request: BuildRequest, compiled: Compilation, facts: BuildFacts, room: Path
) -> tuple[Path, tuple[Note, ...]]:
    """Bring the graph to the form that the target wants; return the model to prove, and what was done.

    What ONNX Runtime cannot run, because it has a toolchain's own operators, is proven in a form that says the same
    in standard operators.
    """
    if request.target == DEFAULT_TARGET and not request.attention:
        return room / MODEL, ()
    finished = finish(compiled.graph, request.target, room, facts, request.attention or None)
    if finished.runnable:
        return room / MODEL, finished.notes
    runnable = compiled.parts / "runnable.onnx"
    write_graph(runnable_copy(compiled.graph), runnable)
    return runnable, finished.notes
