"""Lower the specialized graph for its toolchain, and write the parts of the build that exist before verification."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from specialize.artifact import BuildKey, Manifest, write_metadata
from specialize.artifact.build import MODEL, PROFILE
from specialize.artifact.describe import describe_notes
from specialize.artifact.tensors import tensors_bytes
from specialize.binding.table_program import OWN_TABLE, metadata_of
from specialize.calibration.dump import dump_profile
from specialize.compiler.describe import describe, tie
from specialize.compiler.generic import PREPARED_WEIGHTS
from specialize.compiler.original import losses
from specialize.compiler.specialize import Compilation
from specialize.costs import FormsReport
from specialize.digest import copy_file
from specialize.files.atomic import write_file
from specialize.graph.io import write_graph
from specialize.graph.notes import Note
from specialize.lowering.attention import NAME as LOWER
from specialize.request import BuildRequest
from specialize.targets import target
from specialize.targets.base import BuildFacts
from specialize.targets.lower import finish, runnable_copy
from specialize.targets.measured import why_form

CANDIDATE = "candidate.onnx"
DEFAULT_TARGET = "onnxruntime"
"""The target whose graph is the specialized one, unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A build whose model is written and not yet verified.

    Attributes:
        manifest: The manifest without the evidence.
        facts: Facts about the build for the toolchain's files.
        candidate: The model to verify, in a form that ONNX Runtime runs.
        apart: Files of the build that are not in its folder.
    """

    manifest: Manifest
    facts: BuildFacts
    candidate: Path
    apart: tuple[Path, ...] = ()


def lower(
    request: BuildRequest, compiled: Compilation, key: BuildKey, forms: FormsReport, room: Path
) -> Lowered:
    """Lower the graph in place, and write the model with everything but reports and the manifest.

    Args:
        request: What was asked for.
        compiled: The compilation; its graph is changed.
        key: Key of the build.
        forms: The counted costs, for what the manifest warns of.
        room: Folder of the build.

    Raises:
        DeclinedError: The toolchain refuses a node.
    """
    manifest = describe(request, compiled, key)
    write_metadata(compiled.graph.metadata_props, tie(manifest, compiled.sites))
    facts = _facts(request, compiled, manifest)
    candidate, notes = _finish(request, compiled, facts, room)
    _write_parts(compiled, key, room)
    weights = compiled.parts / PREPARED_WEIGHTS
    apart = (weights,) if request.leaves_weights else ()
    if not apart:
        copy_file(weights, room / PREPARED_WEIGHTS)
    elif candidate.parent == room:
        candidate = Path(shutil.copyfile(candidate, weights.with_name(CANDIDATE)))
    warnings = (*losses(forms), *_unwritten(request, notes))
    manifest = manifest.extended(describe_notes((*notes, *_written(request, manifest))), warnings)
    return Lowered(manifest=manifest, facts=facts, candidate=candidate, apart=apart)


def _write_parts(compiled: Compilation, key: BuildKey, room: Path) -> None:
    """Write the model and all that goes with it but weights, reports and the manifest."""
    write_graph(compiled.graph, room / MODEL)
    write_file(room / PROFILE, dump_profile(compiled.profile))
    for name, content in compiled.binding.files.items():
        write_file(room / name, content)
    if compiled.binding.table:
        about = metadata_of(compiled.profile, key.digest())
        write_file(room / OWN_TABLE, tensors_bytes(compiled.binding.table, about))


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


def _written(request: BuildRequest, manifest: Manifest) -> list[Note]:
    """Return how the attention of sites is written, and what decided that."""
    if all(site.kind == "pooled" for site in manifest.sites):
        return []
    reason = f"written as {why_form(target(request.target).TOOLCHAIN, request.attention)}"
    return [Note("attention", "applied", "deformable attention", reason)]


def _unwritten(request: BuildRequest, notes: tuple[Note, ...]) -> list[str]:
    """Return where attention is not written in the requested form, and why."""
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
