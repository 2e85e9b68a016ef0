"""Measure which inputs the time of a specialized model depends on: what is left to compute in every frame, and why.

usage: python -m tools.frame_shares BUILD ... [--write]

Every node is put into the class of the inputs that it depends on, through any number of others. ONNX Runtime's own
profile gives each node's time, on one thread, with its optimisations off, because fused nodes belong to no class. So
the shares are those of the graph as it is written; a runtime that fuses spends a little less on element-wise work.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from specialize.artifact import Build
from specialize.bench.worker import kernel_times
from specialize.compiler.measure import feed_of
from specialize.files.scratch import temporary_folder
from specialize.model.spec import parse_spec
from tools.marks import Marks

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results" / "frame-shares.json"
PAGE = REPOSITORY / "docs" / "concepts" / "costs.md"
SCHEMA = "specialize/frame-shares@1"
MARKS = Marks("frame shares")
RUNS = 3

Class = tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure builds, print the table, and write it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("builds", nargs="+", type=Path, help="builds for ONNX Runtime, in mode exact")
    parser.add_argument("--write", action="store_true", help="write the results and the table of the page")
    given = parser.parse_args(arguments)
    known = json.loads(RESULTS.read_text())["models"] if RESULTS.exists() else {}
    for path in given.builds:
        made = Build.intact(path)
        known[made.manifest.model] = measure(made)
    data = {
        "schema": SCHEMA,
        "machine": platform.machine(),
        "runtime": f"onnxruntime {onnxruntime.__version__}",
        "models": dict(sorted(known.items())),
    }
    if given.write:
        RESULTS.write_text(json.dumps(data, indent=1) + "\n")
        MARKS.write(PAGE, table(data))
    print(table(data))
    return 0


def measure(made: Build) -> dict[str, Any]:
    """Return by class of inputs the nodes and their share of the time of one frame."""
    graph = onnx.load(made.model, load_external_data=False).graph
    classes = classes_of(graph)
    feed = feed_of(made.model, parse_spec(made.manifest.spec, f"{made.folder}: spec"), {})
    seconds = profile(made.model, feed)
    total = sum(seconds.values())
    nodes, spent = Counter(classes.values()), Counter[Class]()
    for name, value in seconds.items():
        spent[classes[name]] += value
    embeddings = sum(seconds.get(name, 0.0) for name in embeddings_of(graph, classes))
    return {
        "build": made.manifest.digests.build,
        "seconds": round(total, 4),
        "classes": {
            " ".join(each): {"nodes": nodes[each], "share": round(spent[each] / total, 5)}
            for each in sorted(nodes, key=lambda each: -spent[each])
        },
        "embeddings": round(embeddings / total, 5),
    }


def classes_of(graph: onnx.GraphProto) -> dict[str, Class]:
    """Return by name of each node the inputs that it depends on, sorted."""
    reached: dict[str, frozenset[str]] = {value.name: frozenset([value.name]) for value in graph.input}
    found: dict[str, Class] = {}
    for node in graph.node:
        here = frozenset[str]().union(*(reached.get(name, frozenset()) for name in node.input))
        reached.update(dict.fromkeys(node.output, here))
        found[node.name] = tuple(sorted(here))
    return found


def embeddings_of(graph: onnx.GraphProto, classes: Mapping[str, Class]) -> list[str]:
    """Return the names of nodes that add a constant to what images alone decide, behind the last convolution."""
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    last = max((place for place, node in enumerate(graph.node) if node.op_type == "Conv"), default=-1)
    return [
        node.name
        for place, node in enumerate(graph.node)
        if place > last
        and node.op_type == "Add"
        and len(classes[node.name]) == 1
        and any(len(constants.get(name, ())) > 1 for name in node.input)
    ]


def profile(path: Path, feed: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return seconds of one run by name of each node."""
    with temporary_folder("frame-shares") as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling, options.profile_file_prefix = True, str(folder / "profile")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        used = {value.name: feed[value.name] for value in session.get_inputs()}
        for _ in range(RUNS):
            session.run(None, used)
        times = kernel_times(session)
    seconds: Counter[str] = Counter()
    for name, _, spent in times:
        seconds[name] += spent / RUNS
    return dict(seconds)


def table(data: Mapping[str, Any]) -> str:
    """Return the shares as a table of Markdown: per model the classes that take a thousandth or more."""
    rows = ["| model | depends on | nodes | share of the time |", "| --- | --- | ---: | ---: |"]
    for model, measured in data["models"].items():
        small = {"nodes": 0, "share": 0.0}
        for inputs, one in measured["classes"].items():
            if one["share"] >= 0.001:
                rows.append(_row(model, ", ".join(f"`{name}`" for name in inputs.split()) or "nothing", one))
            else:
                small = {key: small[key] + one[key] for key in small}
        rows.append(_row(model, "other classes, each below 0.1 %", small))
        rows.append(
            f"| {model} | of `img`: adding embeddings to features | | {100 * measured['embeddings']:.2f} % |"
        )
    return "\n".join(rows)


def _row(model: str, inputs: str, one: Mapping[str, Any]) -> str:
    return f"| {model} | {inputs} | {one['nodes']} | {100 * one['share']:.2f} % |"


if __name__ == "__main__":
    sys.exit(main())
