"""Write the report of a build into its directory, from what is in that directory alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specialize.artifact.build import Build
from specialize.artifact.manifest import Manifest
from specialize.artifact.measured import read_measured
from specialize.calibration.profile import CalibrationProfile
from specialize.files.atomic import write_file
from specialize.model.spec import ModelSpec, parse_spec
from specialize.model.visible import visible_sets
from specialize.report.build import build_page
from specialize.report.html import to_html
from specialize.report.photos import photos_of
from specialize.report.rig import rig_parts
from specialize.visibility.plan import VisibilityPlan

if TYPE_CHECKING:
    from specialize.bench.report import BuildBench

FILE_NAME = "report.html"


def build_report(folder: Path, bench: BuildBench | None = None, images: Path | None = None) -> str:
    """Return the report of a build on disk; the model itself is not read.

    Raises:
        InputError: The directory is no build, or its profile or sidecar cannot be read, or an image.
    """
    build = Build.intact(folder)
    spec = parse_spec(build.manifest.spec, f"{folder}: spec")
    measured, profile = read_measured(folder, build.manifest.digest), build.calibration()
    rig = rig_parts(profile, spec, {} if images is None else photos_of(profile, images))
    return to_html(build_page(build.manifest, visible_sets(spec, profile), bench, measured, rig))


def write_new_report(
    folder: Path,
    manifest: Manifest,
    plans: Sequence[VisibilityPlan],
    profile: CalibrationProfile,
    spec: ModelSpec,
) -> None:
    """Write `report.html` into the directory of a build that has no manifest yet."""
    write_file(folder / FILE_NAME, to_html(build_page(manifest, plans, rig=rig_parts(profile, spec))))


def write_build_report(
    folder: Path, output: Path | None = None, bench: BuildBench | None = None, images: Path | None = None
) -> Path:
    """Write the report of a build and return where it is; see `build_report`.

    The report of a build is one of its files with a digest, so it is never written over: without `output`, a report
    that differs from it, because it has times (a benchmark's, or those that the build measured once) or images, or is
    made by another version, goes beside the build.
    """
    text = build_report(folder, bench, images)
    path = output or folder / FILE_NAME
    if output is None and path.is_file():
        if path.read_bytes() == text.encode():
            return path
        path = folder.parent / f"{folder.resolve().name}.{FILE_NAME}"
    write_file(path, text)
    return path
