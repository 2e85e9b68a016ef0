"""Time view transforms before and after they are specialized for car42; write them beside the machine's name.

usage: python benchmarks/view_transforms.py [--only NAME ...] [--rounds N] [--threads N ...] [--results FOLDER]

Each view transform is a small graph (`view_sites.py`) that `specialize` builds and proves as a user's model. Timed are
the original, the original with the calibration as a constant and folded, and the model of the build. Beside them stand
what bounds the build: the Gather or GridSample of the computed points alone, for a pooling also with one sum of the
gathered rows, and a copy of as many bytes. Forms take turns, each in a process of its own; on one thread processor time
counts, else wall time. Times that were stored for other view transforms and threads stay.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import onnx

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import RESULTS, commit  # noqa: E402  the checkout, not an installed package
from benchmarks.turns import Times, add_figures, times_of  # noqa: E402
from benchmarks.view_sites import CAR42, SITES, ViewSite, Work, alone, feed_of, graph_of, work_of  # noqa: E402
from specialize.artifact.build import MODEL  # noqa: E402
from specialize.bench import Subject, bench_models  # noqa: E402
from specialize.calibration.load import load_profile  # noqa: E402
from specialize.compiler.build import build  # noqa: E402
from specialize.compiler.specialize import bound_constants  # noqa: E402
from specialize.compiler.tuning import Runs  # noqa: E402
from specialize.files.scratch import temporary_folder  # noqa: E402
from specialize.graph.io import read_graph, write_graph  # noqa: E402
from specialize.passes.pipeline import bind_graph  # noqa: E402
from specialize.request import BuildRequest  # noqa: E402
from specialize.text.units import counted  # noqa: E402

SCHEMA = "specialize/benchmarks-view-transforms@1"
FILE = "view_transforms.json"
ROUNDS = 7
ORIGINAL, FOLDED, SPECIALIZED = "original", "folded", "specialized"
ALONE, SUMMED = "reads alone", "reads and sums"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Times):
    """Times of one view transform; the first form is the original.

    Attributes:
        points: Points that the original computes.
        computed: Points that reach the result.
        results: Cells or voxels that have at least one of them.
        read_bytes: Bytes of what the computed points read.
        peak_mib: Form -> peak memory, that of the runtime not counted.
        shares: Operator -> share of the specialized form's time, by the profile of the runtime.
    """

    points: int
    computed: int
    results: int
    read_bytes: int
    peak_mib: dict[str, int]
    shares: dict[str, float]


def main() -> None:
    """Measure view transforms, print the figures, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=list(SITES), choices=list(SITES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    for name in chosen.only:
        with temporary_folder("views") as folder:
            work, subjects = work_of(SITES[name]), forms_of(SITES[name], folder)
            for threads in chosen.threads:
                figure = measure(SITES[name], work, subjects, Runs(threads=threads, rounds=chosen.rounds))
                print(name, threads, json.dumps(figure.median_ms), json.dumps(figure.shares), flush=True)
                write(chosen.results / FILE, {f"{name}, {counted(threads, 'thread')}": figure})


def write(path: Path, figures: dict[str, Figure]) -> Path:
    """Add figures to those of a file, with machine, versions and commit."""
    return add_figures(path, SCHEMA, Figure, figures, commit=commit())


def forms_of(site: ViewSite, folder: Path) -> dict[str, Subject]:
    """Write the original, build it, and return all forms, the original first.

    Raises:
        SpecializeError: The build is not equal to the original.
    """
    path, fed, work = folder / "view.onnx", feed_of(site), work_of(site)
    onnx.save(graph_of(site), path)
    path.with_suffix(".model.yaml").write_text(site.spec().to_text())
    request = BuildRequest(calib=CAR42, model=str(path), output=folder / "build", frames=1, measure=False)
    with mock.patch.dict(os.environ, {"SPECIALIZE_STORE": str(folder / "store")}):
        made = build(request)
    folded = read_graph(path)
    bind_graph(folded, bound_constants(site.spec(), load_profile(CAR42)))
    write_graph(folded, folder / "folded.onnx")
    forms = {
        ORIGINAL: Subject(path, fed),
        FOLDED: Subject(folder / "folded.onnx", fed),
        SPECIALIZED: Subject(made.build_dir / MODEL, fed),
    }
    if work.computed:
        forms[ALONE] = alone(site, work, folder / "alone.onnx")
    if site.kind == "pooling":
        forms[SUMMED] = alone(site, work, folder / "summed.onnx", summed=True)
    return forms


def measure(site: ViewSite, work: Work, subjects: Mapping[str, Subject], how: Runs) -> Figure:
    """Time all forms in turn."""
    report = bench_models(
        subjects, rounds=how.rounds, runtime=how.runtime, threads=how.threads, clock=how.clock
    )
    read = 4 * work.computed * site.channels
    times = {form: each.seconds for form, each in report.forms.items()}
    return Figure(
        runtime=report.runtime, rounds=how.rounds,
        points=work.points, computed=work.computed, results=work.results, read_bytes=read,
        peak_mib={form: (each.peak_bytes - each.idle_bytes) >> 20 for form, each in report.forms.items()},
        shares={name: round(share, 3) for name, share in report.forms[SPECIALIZED].shares.items()},
        **times_of(times, report.ratios, read),
    )  # fmt: skip


if __name__ == "__main__":
    main()
