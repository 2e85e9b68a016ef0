"""Write the report of a build into its directory, from what is in that directory alone."""

from __future__ import annotations

from pathlib import Path

from specialize.artifact.build import Build
from specialize.bench.report import BenchReport
from specialize.calibration.load import load_profile
from specialize.files import write_file
from specialize.model import parse_spec
from specialize.planning import visible_sets
from specialize.report.build import build_page
from specialize.report.render import render

FILE_NAME = "report.html"


def build_report(folder: Path, bench: BenchReport | None = None) -> str:
    """Return the report of a build on disk; the model itself is not read.

    Raises:
        InputError: The directory is no build, or its profile or sidecar cannot be read.
    """
    build = Build.open(folder)
    spec = parse_spec(build.manifest.spec, f"{folder}: spec")
    plans = visible_sets(spec, load_profile(build.profile))
    return render("build.html", build_page(build.manifest, plans, bench))


def write_build_report(folder: Path, bench: BenchReport | None = None) -> Path:
    """Write `report.html` beside the manifest and return its path; see `build_report`."""
    path = folder / FILE_NAME
    write_file(path, build_report(folder, bench))
    return path
