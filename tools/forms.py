"""Measure what the compiler makes of the forms that detectors are exported in, and how long it takes.

Sites: one spatial cross-attention of BEVFormer on ONNX Runtime, forms in turn: zero-padded as exported; re-batched,
calibration bound by hand and simplified by onnxsim, which is what a careful user has otherwise; and specialized.
Compile: from the file of a raw export to the file of the specialized graph, against onnxsim on the same graph.
The exit code is 1 if a figure is not reached.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from specialize.bench import Subject, bench_models
from specialize.bench.worker import open_onnxruntime
from specialize.files.scratch import temporary_folder
from specialize.graph.io import read_graph, write_graph
from specialize.passes.bind import bind
from specialize.passes.fold_affine import fold_affine
from specialize.passes.pipeline import specialize_graph
from specialize.rows.arrange import Packing
from tests.synthetic.exporting import export, simplified
from tools.forms_worker import silent

SCHEMA = "specialize/evidence-forms@1"
REPOSITORY = Path(__file__).parents[1]
LEAST_FASTER = {"zero-padded": 4.0, "re-batched, onnxsim": 1.2}
"""How many times less CPU time a specialized site takes, work on rows only."""
MOST_TIMES_ONNXSIM = 2.2
"""About twice, of processor time."""
MOST_SECONDS = 60.0
NODES = 20_000
OWN = "specialized"
TOOLS = ("specialize", "onnxsim")
WARM_UP = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTime:
    """One form of a site.

    Attributes:
        model: Whose site it is.
        part: `rows`, or `site` with the projections of image features and of the result.
        form: How it is written.
        milliseconds: Median processor time of one run, one thread.
        ratio: Median of this form's time over that of the specialized one, round by round.
        peak_mib: Peak memory beyond that of the runtime alone.
        nodes: Of the graph.
    """

    model: str
    part: str
    form: str
    milliseconds: float
    ratio: float
    peak_mib: int
    nodes: int

    @property
    def reached(self) -> bool:
        """Return whether the specialized site is as much faster as it should be."""
        return self.part != "rows" or self.ratio >= LEAST_FASTER.get(self.form, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileTime:
    """One graph through one tool, each run in a process of its own, imports not counted.

    Attributes:
        graph: What it is.
        tool: `specialize` or `onnxsim`.
        nodes: Before and after.
        seconds: Median wall time, reading and writing included.
        cpu_seconds: Median processor time.
        peak_mib: Peak memory of the process beyond what it held with everything imported.
        file_mib: Size of the graph's file with its weights.
    """

    graph: str
    tool: str
    nodes: tuple[int, int]
    seconds: float
    cpu_seconds: float
    peak_mib: int
    file_mib: int


def time_sites(model: str, rounds: int, folder: Path) -> list[SiteTime]:
    """Time the forms of one site of a model, with and without projections."""
    found = []
    for part in ("rows", "site"):
        subjects = write_sites(model, part, folder)
        peaks = bench_models(subjects, rounds=1, threads=1, shares=False).forms
        times = processor_times(subjects, rounds)
        for form, seconds in times.items():
            found.append(
                SiteTime(
                    model=model,
                    part=part,
                    form=form,
                    milliseconds=round(float(np.median(seconds)) * 1e3, 2),
                    ratio=round(float(np.median(seconds / times[OWN])), 3),
                    peak_mib=(peaks[form].peak_bytes - peaks[form].idle_bytes) >> 20,
                    nodes=len(onnx.load(str(subjects[form].path), load_external_data=False).graph.node),
                )
            )
    return found


def processor_times(subjects: Mapping[str, Subject], rounds: int) -> dict[str, np.ndarray]:
    """Return the processor time of every run in seconds, forms in turn, in rotating order, one thread.

    Unlike wall time it hardly depends on what else the machine does.
    """
    runs = {form: open_onnxruntime(subject.path, subject.feed, 1)[0] for form, subject in subjects.items()}
    taken: dict[str, list[float]] = {form: [] for form in subjects}
    forms = list(subjects)
    for number in range(-WARM_UP, rounds):
        for form in forms[number % len(forms) :] + forms[: number % len(forms)]:
            start = time.process_time()
            runs[form]()
            if number >= 0:
                taken[form].append(time.process_time() - start)
    return {form: np.array(seconds) for form, seconds in taken.items()}


def write_sites(model: str, part: str, folder: Path) -> dict[str, Subject]:
    """Write a site in every form and return what to run."""
    from tests.synthetic.detector import CAR42, FORMS, SiteAlone, matrices

    feeds, paths, bound = {}, {}, {"lidar2img": matrices(CAR42, model)}
    for form in FORMS:
        site = SiteAlone(model, form, projected=part == "site")
        inputs = site.example()
        feeds = {name: value.numpy() for name, value in inputs.items()}
        paths[form] = folder / f"{model}-{part}-{form}.onnx"
        onnx.save(export(site, inputs, 16), str(paths[form]))
    by_hand = read_graph(paths["rebatched"])
    bind(by_hand, bound)
    with silent():
        simple = simplified(ir.to_proto(by_hand), "onnxsim")
    onnx.save(simple, str(folder / f"{model}-{part}-by-hand.onnx"))
    found = {
        "zero-padded": Subject(paths["original"], feeds),
        "re-batched, onnxsim": Subject(folder / f"{model}-{part}-by-hand.onnx", feeds),
    }
    for layout, name in (("padded", "specialized, padded"), ("ragged", OWN)):
        made = specialize_graph(read_graph(paths["rebatched"]), bound, Packing(layout))  # type: ignore[arg-type]
        fold_affine(made.model)
        path = folder / f"{model}-{part}-{layout}.onnx"
        write_graph(made.model, path)
        found[name] = Subject(path, feeds)
    return found


def write_graphs(folder: Path) -> dict[str, Path]:
    """Write the raw exports that compile time is measured on, each with the calibration to bind beside it."""
    return {**export_detectors(folder), "synthetic": write_synthetic(folder / "synthetic.onnx", many_nodes())}


def export_detectors(folder: Path) -> dict[str, Path]:
    """Write BEVFormer-tiny in the forms of its raw exports, each with its calibration beside it."""
    from tests.synthetic.detector import CAR42, FORMS, export_detector, matrices

    found = {f"bevformer_tiny, {form}": export_detector(form, folder / f"{form}.onnx") for form in FORMS}
    for path in found.values():
        np.save(path.with_suffix(".npy"), matrices(CAR42))
    return found


def write_synthetic(path: Path, model: onnx.ModelProto) -> Path:
    """Write a graph of synthetic sites, its calibration beside it."""
    from tests.synthetic.attention import Style, calibration

    onnx.save(model, str(path))
    np.save(path.with_suffix(".npy"), calibration(Style(), 0.3))
    return path


def many_nodes(least: int = NODES) -> onnx.ModelProto:
    """Return tiny re-batched sites one after the other, nothing folded: mostly shape arithmetic."""
    from tests.synthetic.attention import Model, Style

    style, exports = Style(form="rebatched"), []
    for layers in (1, 2):
        model = Model(*[style] * layers)
        exports.append(len(export(model, model.example(), fold=False).graph.node))
    layers = 1 + -(-(least - exports[0]) // (exports[1] - exports[0]))
    model = Model(*[style] * layers)
    return export(model, model.example(), fold=False)


def time_compile(graph: str, path: Path, rounds: int, tools: Sequence[str] = TOOLS) -> list[CompileTime]:
    """Run tools in turn, each run in a process of its own."""
    runs: dict[str, list[dict[str, float]]] = {tool: [] for tool in tools}
    for _ in range(rounds):
        for tool, taken in runs.items():
            command = [sys.executable, "-m", "tools.forms_worker", tool, str(path)]
            done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
            taken.append(json.loads(done.stdout.splitlines()[-1]))
    nodes = len(onnx.load(str(path), load_external_data=False).graph.node)
    return [
        CompileTime(
            graph=graph,
            tool=tool,
            nodes=(nodes, int(taken[0]["nodes"])),
            seconds=round(statistics.median(run["seconds"] for run in taken), 2),
            cpu_seconds=round(statistics.median(run["cpu_seconds"] for run in taken), 2),
            peak_mib=int(statistics.median(run["peak_mib"] for run in taken)),
            file_mib=path.stat().st_size >> 20,
        )
        for tool, taken in runs.items()
    ]


def shortfalls(sites: Sequence[SiteTime], compiled: Sequence[CompileTime]) -> list[str]:
    """Return which figures are not reached."""
    found = [
        f"{site.model}, {site.form}: {site.ratio:.2f} times, expected {LEAST_FASTER[site.form]:.1f}"
        for site in sites
        if not site.reached
    ]
    others = {taken.graph: taken for taken in compiled if taken.tool == "onnxsim"}
    for taken in compiled:
        if taken.tool == "onnxsim":
            continue
        most = MOST_TIMES_ONNXSIM * others[taken.graph].cpu_seconds
        if taken.cpu_seconds > most:
            found.append(
                f"{taken.graph}: {taken.cpu_seconds:.1f} s of processor, expected at most {most:.1f} s"
            )
        if taken.seconds > MOST_SECONDS:
            found.append(f"{taken.graph}: {taken.seconds:.1f} s, expected at most {MOST_SECONDS:.0f} s")
    return found


def site_table(found: Sequence[SiteTime]) -> str:
    """Return a Markdown table of sites; nothing if there are none."""
    head = ["site", "work", "form", "median", "over specialized", "peak memory", "nodes"]
    rows = [
        [s.model, s.part, s.form, f"{s.milliseconds:.1f} ms", f"{s.ratio:.2f}", f"{s.peak_mib} MiB", f"{s.nodes}"]
        for s in found
    ]  # fmt: skip
    return _table(head, rows)


def compile_table(found: Sequence[CompileTime]) -> str:
    """Return a Markdown table of compile times; nothing if there are none."""
    head = ["graph", "tool", "nodes", "after", "seconds", "of processor", "peak memory", "file"]
    rows = [
        [c.graph, c.tool, f"{c.nodes[0]:,}", f"{c.nodes[1]:,}", f"{c.seconds:.1f}", f"{c.cpu_seconds:.1f}",
         f"{c.peak_mib} MiB", f"{c.file_mib} MiB"]
        for c in found
    ]  # fmt: skip
    return _table(head, rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    return (
        ""
        if not rows
        else "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print it, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["sites", "compile"], help="measure this alone")
    parser.add_argument(
        "--model", action="append", help="whose site; bevformer_tiny without it, several times"
    )
    parser.add_argument("--rounds", type=int, default=11, help="timed runs of each form")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args(arguments)
    with temporary_folder("forms") as folder:
        sites, compiled = [], []
        for model in (asked.model or ["bevformer_tiny"]) if asked.only != "compile" else []:
            sites += time_sites(model, asked.rounds, folder)
        for graph, path in write_graphs(folder).items() if asked.only != "sites" else ():
            compiled += time_compile(graph, path, min(asked.rounds, 3))
    missing = shortfalls(sites, compiled)
    figures = {"sites": [asdict(site) for site in sites], "compile": [asdict(taken) for taken in compiled]}
    if asked.json:
        print(json.dumps({"schema": SCHEMA, **figures, "not_reached": missing}, indent=2))
    else:
        print("\n\n".join([table for table in (site_table(sites), compile_table(compiled)) if table]))
        print("".join(f"\nnot reached: {line}" for line in missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
