"""Verify an existing build again: its files against the model that it was made from."""

from __future__ import annotations

from pathlib import Path

import msgspec

from specialize.artifact import Build
from specialize.binding.modes import fed_to
from specialize.compiler.bake import original_of, prove_cut_of
from specialize.compiler.convert import verify_converted
from specialize.compiler.generic import PREPARED
from specialize.compiler.prove import compare_with_original
from specialize.errors import UsageError
from specialize.evidence.comparison import VerifyReport
from specialize.model.spec import ModelSpec, parse_spec
from specialize.report.baked import baked_line, cut_line
from specialize.targets.lower import runnable_file
from specialize.text.progress import Say, quiet


def verify(
    build_dir: Path, frames: int = 4, say: Say = quiet, frames_dir: Path | None = None
) -> VerifyReport:
    """Compare a build with the model that it was made from, again.

    Args:
        build_dir: Folder of the build.
        frames: Number of seeded frames to compare.
        say: Called with lines of progress.
        frames_dir: Of a converted build: frames to compare instead of seeded ones.

    Raises:
        InputError: The build is damaged, or its original is no longer available.
        VerificationError: The comparison could not have failed.
    """
    made = Build.intact(build_dir)
    if frames_dir is not None and made.manifest.precision is None:
        raise UsageError("--frames-dir", "a build of another precision than float32", str(build_dir))
    spec = parse_spec(made.manifest.spec, f"{build_dir}: spec of the manifest")
    with original_of(made, spec, say) as (parts, original):
        report = _compared(made, spec, parts, original, frames, frames_dir, say)
        return report if made.manifest.baked is None else _with_cut(made, original, report, say)


def _compared(
    made: Build, spec: ModelSpec, parts: Path, original: Path, frames: int, frames_dir: Path | None, say: Say
) -> VerifyReport:
    """Return the comparison of a build with the model that it was made from, or of a converted one with its own."""
    fed = fed_to(made, spec, parts / PREPARED)
    if made.manifest.precision is not None:
        return verify_converted(made, original, spec, fed, frames, frames_dir, say)
    candidate = runnable_file(made.model, parts / "runnable.onnx")
    cameras, allowed = made.manifest.cameras, made.manifest.allowed
    report = compare_with_original(original, candidate, spec, fed, frames, 0, say, cameras, allowed)
    report.require_power(allowed)
    return report


def _with_cut(made: Build, original: Path, report: VerifyReport, say: Say) -> VerifyReport:
    """Return a report that says what lenses changed, after proving again that nothing else was exchanged.

    Raises:
        VerificationError: Something else was.
    """
    baked = made.manifest.baked
    assert baked is not None
    cut = prove_cut_of(made, original, say)
    lines = (baked_line(baked), cut_line(msgspec.structs.replace(baked, cut=cut)))
    return msgspec.structs.replace(report, notes=(*report.notes, *lines))
