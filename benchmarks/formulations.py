"""Time equal formulations of deformable attention at the sizes of six sites; write them beside the machine's name.

usage: python benchmarks/formulations.py [--only NAME ...] [--rounds N] [--threads N] [--results FOLDER]

Each site is made from its model's sidecar and car42: places are the reference points of the visible queries plus seeded
offsets of a few pixels, features and weights are seeded. What is timed reads features, places and weights, and gives
one row per visible pair: the sampling of a site, without projections, softmax and the sum over cameras. Beside it stand
the zero-padded and the re-batched form of the same site, GridSample alone, and the time that a copy of as many bytes
as are sampled takes. Forms take turns; on one thread processor time counts, else wall time. Times that were stored for
other sites and threads stay.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.attention_sites import ALONE, HEADS, SITES, Site, feed, look, rounded, rows_of, write_subject  # noqa: E402
from benchmarks.run import RESULTS  # noqa: E402  the checkout, not an installed package
from benchmarks.turns import Times, add_figures, times_of  # noqa: E402
from specialize.bench.worker import OPEN  # noqa: E402
from specialize.compiler.tuning import Runs, candidates, spreads  # noqa: E402
from specialize.files.scratch import temporary_folder  # noqa: E402
from specialize.lowering.formulations import GRID_SAMPLE  # noqa: E402
from specialize.text.units import counted  # noqa: E402

SCHEMA = "specialize/benchmarks-formulations@1"
ROUNDS = 9
PADDED, REBATCHED = "zero-padded", "re-batched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Times):
    """Times of one site; the first form is GridSample as it is written without `--attention`.

    Attributes:
        pairs: Visible pairs of a camera and a query.
        all_pairs: All pairs, which the zero-padded form computes.
        longest: Pairs that the re-batched form computes.
        samples: Places that are sampled per head.
        sampled_bytes: Bytes of what is sampled there.
    """

    pairs: int
    all_pairs: int
    longest: int
    samples: int
    sampled_bytes: int


def main() -> None:
    """Measure sites, print the figures, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=list(SITES), choices=list(SITES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runtime", choices=("onnxruntime", "openvino", "tvm"), default="onnxruntime")
    parser.add_argument(
        "--command", default="", help="times a runtime that is not here, as `specialize tune` says"
    )
    parser.add_argument("--version", default="", help="with --command: name and version of what it runs")
    parser.add_argument("--without", nargs="*", default=[], metavar="FORM", help="forms to leave out")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    path = chosen.results / "formulations.json"
    if chosen.runtime not in OPEN and not (chosen.command and chosen.version):
        parser.error(f"{chosen.runtime} is not here: --command and --version say what times it")
    how = Runs(
        runtime=chosen.runtime, threads=chosen.threads, rounds=chosen.rounds, command=chosen.command or None
    )
    for name in chosen.only:
        figure = measure(SITES[name], how, chosen.without, chosen.version)
        print(name, json.dumps(figure.median_ms), json.dumps(figure.faster), flush=True)
        write(path, {f"{name}, {counted(chosen.threads, 'thread')}, {chosen.runtime}": figure})


def write(path: Path, figures: dict[str, Figure]) -> Path:
    """Add figures to those of a file, with machine and versions."""
    return add_figures(path, SCHEMA, Figure, figures)


def measure(site: Site, how: Runs, without: Sequence[str] = (), version: str = "") -> Figure:
    """Time all forms of a site that a runtime runs, GridSample first; `version` is what a command runs."""
    places, seen = look(site)
    lengths = [rounded(int(rows.sum()), site.multiple) for rows in seen]
    longest = max(lengths)
    if site.layout == "padded":
        lengths = [longest] * len(lengths)
    packed = [rows_of(points, rows, count) for points, rows, count in zip(places, seen, lengths, strict=True)]
    forms = dict.fromkeys((GRID_SAMPLE, *candidates(how.runtime, how.runtime), ALONE))
    with temporary_folder("formulations") as folder:
        fed = feed(site, packed)
        subjects = {
            form: write_subject(site, fed, lengths, form, folder / f"{number}.onnx")
            for number, form in enumerate(forms)
            if form not in without
        }
        even = [rows_of(points, rows, longest) for points, rows in zip(places, seen, strict=True)]
        alike = [longest] * len(even)
        subjects[REBATCHED] = write_subject(
            site, feed(site, even), alike, GRID_SAMPLE, folder / "even.onnx", True
        )
        if PADDED not in without:
            alike = [len(rows) for rows in places]
            subjects[PADDED] = write_subject(
                site, feed(site, list(places)), alike, GRID_SAMPLE, folder / "all.onnx", True
            )
        runtime, seconds, ratios = spreads(subjects, how, print)
    samples = sum(lengths) * HEADS * site.points * len(site.levels)
    sampled_bytes = 4 * samples * site.channels
    return Figure(
        runtime=version or runtime, rounds=how.rounds,
        pairs=int(seen.sum()), all_pairs=seen.size, longest=longest * len(seen), samples=samples,
        sampled_bytes=sampled_bytes, **times_of(seconds, ratios, sampled_bytes),
    )  # fmt: skip


if __name__ == "__main__":
    main()
