"""Publish a verified build: the manifest with its evidence, the report, and a digest of every file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from specialize.artifact import Manifest, record_files, write_manifest
from specialize.artifact.build import MODEL
from specialize.artifact.drawing import Drawing
from specialize.compiler.specialize import Compilation
from specialize.evidence.comparison import VerifyReport
from specialize.evidence.costs import FormsReport
from specialize.report.write import write_new_report
from specialize.verify.written import read_written


def publish(
    room: Path,
    manifest: Manifest,
    compiled: Compilation,
    forms: FormsReport,
    drawings: tuple[Drawing, ...],
    proof: VerifyReport,
    apart: Collection[Path] = (),
) -> Manifest:
    """Write report and manifest into the folder of a build, which is complete afterwards; return the manifest.

    Args:
        room: The folder, with the model and all files of the toolchain.
        manifest: All of the manifest but the evidence.
        compiled: The compilation.
        forms: The counted costs.
        drawings: The largest attention site before and after.
        proof: The comparison with the original.
        apart: Files of the build that are not in its folder.
    """
    manifest = manifest.extended((), read_written(room / MODEL).warnings())
    manifest = manifest.with_evidence(proof, forms, drawings)
    write_new_report(room, manifest, compiled.plans, compiled.profile, compiled.generic.spec)
    return write_manifest(room, record_files(room, manifest, apart))
