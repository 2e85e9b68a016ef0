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
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import RESULTS, write_results  # noqa: E402  the checkout, not an installed package
from specialize.attention.operator import Attention, Sizes, make_attention  # noqa: E402
from specialize.bench import Subject, bench_models  # noqa: E402
from specialize.calibration.load import load_profile  # noqa: E402
from specialize.compiler.tuning import Runs, candidates  # noqa: E402
from specialize.files.scratch import temporary_folder  # noqa: E402
from specialize.graph.builder import Builder  # noqa: E402
from specialize.graph.io import write_graph  # noqa: E402
from specialize.graph.snippets import scaled, slice_of  # noqa: E402
from specialize.lowering.attention import lower_deformable_attention  # noqa: E402
from specialize.lowering.formulations import GRID_SAMPLE  # noqa: E402
from specialize.lowering.levels import flat_of, level_image, per_head  # noqa: E402
from specialize.model.visible import visible_sets  # noqa: E402
from specialize.passes.clean_up import tidy  # noqa: E402
from specialize.text.units import counted  # noqa: E402
from specialize.zoo import spec  # noqa: E402

SCHEMA = "specialize/benchmarks-formulations@1"
ROUNDS = 9
PADDED, REBATCHED, ALONE = "zero-padded", "re-batched", "GridSample alone"
COPIED_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One attention site of a model.

    Attributes:
        model: Whose sidecar says what cameras see.
        grid: Which of the model's grids.
        levels: Height and width of its maps.
        points: Points per head and level.
        channels: Of one head; there are eight heads.
        layout: `ragged`, or `padded`: all cameras in one operator.
        multiple: Rows of a camera are rounded up to a multiple of this.
    """

    model: str
    grid: int = 0
    levels: tuple[tuple[int, int], ...]
    points: int = 8
    channels: int = 32
    layout: str = "ragged"
    multiple: int = 1


BASE = ((116, 200), (58, 100), (29, 50), (15, 25))
SITES = {
    "bevformer_tiny": Site(model="bevformer_tiny", levels=((15, 25),)),
    "bevformer_small": Site(model="bevformer_small", levels=((23, 40),)),
    "bevformer_base": Site(model="bevformer_base", levels=BASE),
    "surroundocc, second volume": Site(model="surroundocc", grid=1, levels=((58, 100),), points=4),
    "bevformer_tiny, padded": Site(model="bevformer_tiny", levels=((15, 25),), layout="padded"),
    "bevformer_tiny, tables": Site(model="bevformer_tiny", levels=((15, 25),), multiple=32),
}
HEADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Times of one site, ms.

    Attributes:
        runtime: Name and version of the runtime.
        pairs: Visible pairs of a camera and a query.
        all_pairs: All pairs, which the zero-padded form computes.
        longest: Pairs that the re-batched form computes.
        samples: Places that are sampled per head.
        sampled_bytes: Bytes of what is sampled there.
        rounds: Timed runs of each form.
        median_ms: Form -> median.
        low_ms: Form -> lower quartile.
        high_ms: Form -> upper quartile.
        faster: Form -> how many times faster than GridSample as it is written without `--attention`, median by rounds.
        copy_ms: Time of a copy of the sampled bytes, at the rate of memory, on one thread.
    """

    runtime: str
    pairs: int
    all_pairs: int
    longest: int
    samples: int
    sampled_bytes: int
    rounds: int
    median_ms: dict[str, float]
    low_ms: dict[str, float]
    high_ms: dict[str, float]
    faster: dict[str, float]
    copy_ms: float


def main() -> None:
    """Measure sites, print the figures, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=list(SITES), choices=list(SITES))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runtime", choices=("onnxruntime", "openvino"), default="onnxruntime")
    parser.add_argument("--without", nargs="*", default=[], metavar="FORM", help="forms to leave out")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    path = chosen.results / "formulations.json"
    for name in chosen.only:
        figure = measure(SITES[name], chosen.rounds, chosen.threads, chosen.without, chosen.runtime)
        print(name, json.dumps(figure.median_ms), json.dumps(figure.faster), flush=True)
        write(path, {f"{name}, {counted(chosen.threads, 'thread')}, {chosen.runtime}": figure})


def write(path: Path, figures: dict[str, Figure]) -> Path:
    """Add figures to those of a file, with machine and versions."""
    stored = json.loads(path.read_text())["figures"] if path.exists() else {}
    kept = {name: Figure(**figure) for name, figure in stored.items()}
    return write_results(path, SCHEMA, kept | figures)


def measure(
    site: Site, rounds: int, threads: int, without: Sequence[str] = (), runtime: str = "onnxruntime"
) -> Figure:
    """Time all forms of a site that a runtime runs."""
    places, seen = _seen(site)
    lengths = [_rounded(int(rows.sum()), site.multiple) for rows in seen]
    longest = max(lengths)
    if site.layout == "padded":
        lengths = [longest] * len(lengths)
    packed = [_rows(points, rows, count) for points, rows, count in zip(places, seen, lengths, strict=True)]
    with temporary_folder("formulations") as folder:
        fed = _fed(site, packed)
        subjects = {
            form: _subject(site, fed, lengths, form, folder / f"{number}.onnx")
            for number, form in enumerate((*candidates(runtime, runtime), ALONE))
            if form not in without
        }
        even = [_rows(points, rows, longest) for points, rows in zip(places, seen, strict=True)]
        alike = [longest] * len(even)
        subjects[REBATCHED] = _subject(site, _fed(site, even), alike, GRID_SAMPLE, folder / "even.onnx", True)
        if PADDED not in without:
            alike = [len(rows) for rows in places]
            subjects[PADDED] = _subject(
                site, _fed(site, list(places)), alike, GRID_SAMPLE, folder / "all.onnx", True
            )
        clock = Runs(threads=threads).clock
        report = bench_models(
            subjects, rounds=rounds, runtime=runtime, threads=threads, shares=False, clock=clock
        )
    samples = sum(lengths) * HEADS * site.points * len(site.levels)
    spreads = {form: timed.seconds for form, timed in report.forms.items()}
    return Figure(
        runtime=report.runtime,
        pairs=int(seen.sum()), all_pairs=seen.size, longest=longest * len(seen), samples=samples,
        sampled_bytes=4 * samples * site.channels, rounds=rounds,
        median_ms={form: round(1e3 * each.median, 2) for form, each in spreads.items()},
        low_ms={form: round(1e3 * each.low, 2) for form, each in spreads.items()},
        high_ms={form: round(1e3 * each.high, 2) for form, each in spreads.items()},
        faster={form: round(each.median, 3) for form, each in report.ratios.items()},
        copy_ms=round(1e3 * 4 * samples * site.channels * _seconds_per_byte(), 2),
    )  # fmt: skip


def _seen(site: Site) -> tuple[np.ndarray, np.ndarray]:
    """Return where points fall, (N, Q, D, 2) as fractions of the image, and what is seen, (N, Q)."""
    about, profile = spec(site.model), load_profile(ROOT / "calib_profiles" / "car42.yaml")
    plan = visible_sets(about, profile)[site.grid]
    return np.clip(np.nan_to_num(plan.reference_points(), nan=-9.0), -9.0, 9.0), plan.seen


def _rounded(count: int, multiple: int) -> int:
    return math.ceil(count / multiple) * multiple


def _rows(points: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Return the points of some queries, (count, D, 2), the last one repeated."""
    chosen = np.flatnonzero(rows)
    return np.asarray(points[np.append(chosen, np.repeat(chosen[-1:], count - len(chosen)))])


def _fed(site: Site, rows: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return seeded features, places around the points of each camera's rows, and weights."""
    random = np.random.default_rng(0)
    places = sum(height * width for height, width in site.levels)
    shape = (sum(map(len, rows)), HEADS, len(site.levels), site.points)
    references = np.concatenate(rows)  # (V, D, 2)
    anchors = np.arange(site.points) % references.shape[1]
    sizes = np.array([(width, height) for height, width in site.levels], dtype=np.float64)
    offsets = random.normal(0.0, 2.0, (*shape, 2)) / sizes[:, None]
    weights = random.random(shape)
    return {
        "value": random.normal(size=(len(rows), places, HEADS * site.channels)).astype(np.float32),
        "locations": (references[:, None, None, anchors] + offsets).astype(np.float32).reshape(shape[0], -1),
        "weights": (weights / weights.sum((2, 3), keepdims=True)).astype(np.float32).reshape(shape[0], -1),
    }


def _subject(
    site: Site, fed: dict[str, np.ndarray], lengths: list[int], form: str, path: Path, batched: bool = False
) -> Subject:
    """Write a site in one form as a model of its own, and return it with what it is fed."""
    write_graph(_model(site, lengths, fed, batched or site.layout == "padded", form), path)
    return Subject(path, fed)


def _model(site: Site, lengths: list[int], feed: dict[str, np.ndarray], batched: bool, form: str) -> ir.Model:
    """Return a graph with one attention per camera, or one for all, in one form."""
    inputs = [
        ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(ir.DataType.FLOAT))
        for name, array in feed.items()
    ]
    end = ir.node("Identity", [inputs[0]])
    end.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph(
        inputs, end.outputs, nodes=[end], opset_imports={"": 17, "com.microsoft": 1}, name="site"
    )
    model = ir.Model(graph, ir_version=10)
    builder = Builder(graph, end, "site", {})
    counts = [sum(lengths) // len(lengths)] if batched else lengths
    batch = len(lengths) if batched else 1
    pieces = []
    for camera, count in enumerate(counts):
        sizes = Sizes(batch, count, HEADS, site.points, site.channels, site.levels)
        value = slice_of(builder, inputs[0], 0, camera, batch)
        start = sum(counts[:camera])
        locations, weights = (slice_of(builder, each, 0, start, batch * count) for each in inputs[1:])
        attention = Attention(
            sizes, builder.reshape(value, sizes.value), builder.reshape(locations, sizes.locations),
            builder.reshape(weights, sizes.weights),
        )  # fmt: skip
        made = _sampled(builder, attention) if form == ALONE else make_attention(builder, attention)
        pieces.append(builder.reshape(made, [batch * count, -1]) if form != ALONE else made)
    width = HEADS * site.channels if form != ALONE else 1
    joined = builder.node("Concat", pieces, [sum(lengths) if form != ALONE else len(pieces), width], axis=0)
    end.replace_input_with(0, joined)
    end.outputs[0].shape = joined.shape
    if form != ALONE:
        lower_deformable_attention(model, form)
    tidy(model)
    return model


def _sampled(builder: Builder, attention: Attention) -> ir.Value:
    """Return one number of what GridSample reads on every level, so that nothing else is computed, (1, 1)."""
    sizes = attention.sizes
    batch = sizes.batch * sizes.heads
    grids = scaled(builder, builder.reshape(attention.locations, flat_of(sizes, 2)), 2.0, -1.0)
    total: ir.Value | None = None
    for level, (height, width) in enumerate(sizes.levels):
        image = builder.reshape(
            level_image(builder, attention, level), [batch, sizes.channels, height, width]
        )
        grid = per_head(builder, grids, sizes, level, 2, [batch, sizes.queries, sizes.points, 2])
        shape = [batch, sizes.channels, sizes.queries, sizes.points]
        read = builder.node(
            "GridSample", [image, grid], shape, mode="bilinear", padding_mode="zeros", align_corners=0
        )
        for axis in range(4):
            read = slice_of(builder, read, axis, 0, 1)
        one = builder.reshape(read, [1, 1])
        total = one if total is None else builder.node("Add", [total, one], [1, 1])
    assert total is not None
    return total


def _seconds_per_byte() -> float:
    """Return how long a copy of one byte takes in large blocks, by processor time."""
    source, target = np.ones(COPIED_BYTES, np.uint8), np.empty(COPIED_BYTES, np.uint8)
    spent = []
    for _ in range(15):
        start = time.process_time()
        np.copyto(target, source)
        spent.append(time.process_time() - start)
    return float(np.median(spent[3:])) / COPIED_BYTES


if __name__ == "__main__":
    main()
