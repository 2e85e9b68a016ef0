"""Verify a build: run both models on the same frames and compare them; count all forms on their actual graphs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from specialize.artifact.describe import left_for_cost
from specialize.binding.modes import Fed
from specialize.compiler.original import count_once, form_of
from specialize.compiler.specialize import Compilation, rebatched
from specialize.costs import FormsReport, compare_forms, count
from specialize.model.spec import ModelSpec
from specialize.passes.pipeline import Specialized, bind_graph
from specialize.passes.site import CompactedSite
from specialize.request import BuildRequest
from specialize.text.progress import Say
from specialize.verify import (
    Frames,
    SiteRows,
    Subject,
    TensorInfo,
    Tolerance,
    VerifyReport,
    compare_models,
    make_frames,
    model_inputs,
    prove,
    require_free,
)

THREADS = 2
"""Threads per operator while models are compared."""


def count_forms(compiled: Compilation) -> FormsReport:
    """Count the original, the re-batched and the specialized form, each on its real graph.

    The original is the model that the proof compares with; this calibration is bound in it, so that every shape is a
    number.
    """
    replaced = frozenset(name for site in compiled.sites for name in site.replaced)
    padded = _padded(compiled)
    reports = {
        "original": count_once(_file_key(compiled), compiled.original, compiled.constants, replaced),
        "rebatched": count(padded.model),
        "specialized": count(compiled.graph),
    }
    pairs = {
        "original": sum(site.rows_before for site in compiled.sites),
        "rebatched": sum(site.rows_computed for site in padded.sites),
        "specialized": sum(site.rows_computed for site in compiled.sites),
    }
    cameras = len(compiled.profile.cameras)
    form = form_of(compiled.prepared.look(), compiled.constants, compiled.sites, cameras)
    return compare_forms(reports, pairs, form)


def _file_key(compiled: Compilation) -> str:
    """Return what the file of the original is, whatever folder it lies in."""
    return f"{compiled.generic.entry.key} {compiled.original.relative_to(compiled.parts).as_posix()}"


def _padded(compiled: Compilation) -> Specialized:
    """Return the re-batched form, from the graph that is bound already if there is one."""
    left, spare = left_for_cost(compiled.notes), compiled.binding.spare
    bound = None if spare is None else spare.take()
    if bound is None:
        bound = bind_graph(compiled.prepared.copy(), compiled.constants)
    return rebatched(bound, left)


@dataclass(frozen=True, slots=True)
class Shown(Sequence[Mapping[str, np.ndarray]]):
    """Frames that are fed with several calibrations in turn, one calibration per frame."""

    frames: Sequence[Mapping[str, np.ndarray]] | Frames
    cases: Sequence[Mapping[str, np.ndarray]]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, frame: Any) -> Any:
        return {**self.frames[frame], **self.cases[frame % len(self.cases)]}


def prove_equal(request: BuildRequest, compiled: Compilation, candidate: Path, say: Say) -> VerifyReport:
    """Return the comparison of the specialized model with the original.

    Args:
        request: What was asked for.
        compiled: The compilation.
        candidate: The specialized model as it was written, in a form that ONNX Runtime runs.
        say: Says what is done.

    Raises:
        VerificationError: Both differ, or the comparison could not have failed.
    """
    report = compare_with_original(
        compiled.original, candidate, compiled.generic.spec, compiled.binding.fed, request.frames, request.seed,
        say, compiled.profile.camera_names(), request.allow, () if request.mode == "envelope" else compiled.sites,
    )  # fmt: skip
    report.require_passed()
    report.require_power(request.allow)
    return report


def compare_with_original(
    original: Path,
    candidate: Path,
    spec: ModelSpec,
    fed: Fed,
    frames: int,
    seed: int,
    say: Say,
    cameras: tuple[str, ...] = (),
    allowed: Collection[str] = (),
    sites: Iterable[CompactedSite] = (),
) -> VerifyReport:
    """Run both models on seeded frames, and show what their comparison could find.

    Args:
        original: The model that the build is made from.
        candidate: The specialized model; each takes what it has as inputs of the calibration and of its tables.
        spec: What the original's graph does not say.
        fed: What is fed beside the frames.
        frames: Number of frames; every calibration that is fed gets one at least.
        seed: Their starting point.
        say: Says what is done.
        cameras: Names of the cameras, in the order of the model.
        allowed: What a person accepts of a proof.
        sites: Where the specialized model drops rows, as far as the calibration alone says which.

    Raises:
        InputError: The sidecar has a rule that no frame would follow.
        VerificationError: The specialized model does not run.
    """
    frames = max(frames, len(fed.cases))
    free = _free(original, spec, fed)
    subject = Subject(
        path=original,
        threads=THREADS,
        cameras=cameras,
        free=free,
        switches=frozenset(name for name, rule in spec.inputs.items() if rule.values),
        turned=fed.turned,
        spare=make_frames(free, spec.inputs, seed, frames + 1),
        sites=tuple(SiteRows(site.where, site.seen) for site in sites),
    )
    shown = Shown(make_frames(free, spec.inputs, seed, frames), fed.cases)
    return prove(subject, candidate, shown, fed.extra_outputs, allowed, _progress(say, frames))


def compare_frames(
    original: Path,
    candidate: Path,
    spec: ModelSpec,
    fed: Fed,
    given: Sequence[Mapping[str, np.ndarray]] | Frames,
    tolerances: Mapping[str, Tolerance],
    say: Say,
    runtime: str = "onnxruntime",
) -> VerifyReport:
    """Run both models on given frames, within given tolerances.

    Args:
        original: The model that the build is made from.
        candidate: The specialized model.
        spec: What the original's graph does not say.
        fed: What is fed beside the frames.
        given: The frames.
        tolerances: By output name.
        say: Says what is done.
        runtime: Runtime of the specialized model.
    """
    _free(original, spec, fed)
    return compare_models(
        original,
        candidate,
        Shown(given, fed.cases),
        tolerances,
        extra_outputs=fed.extra_outputs,
        runtime=runtime,
        progress=_progress(say, len(given)),
    )


def _free(original: Path, spec: ModelSpec, fed: Fed) -> dict[str, TensorInfo]:
    """Return the inputs that nothing but the frames determines."""
    wanted = model_inputs(original, fed.cases[0])
    require_free(spec.inputs, wanted, fed.cases[0])
    return {name: info for name, info in wanted.items() if name not in fed.cases[0]}


def _progress(say: Say, frames: int) -> Callable[[str, int], None]:
    return lambda stage, frame: say(f"verifying: {stage}, frame {frame + 1} of {frames}")
