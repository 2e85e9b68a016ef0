"""Measure what compiling takes by the number of nodes, beside onnxsim on the same files, if that is installed.

usage: python benchmarks/compile.py [--rounds N] [--results FOLDER] [--write PAGE]

The synthetic graphs are re-batched sites in a row, exported with nothing folded: mostly shape arithmetic, as raw
exports are. The others are BEVFormer-tiny as two tools export it. Each run is a process of its own, from the file of
the export to that of the specialized graph, imports not counted; see `tools/forms.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import RESULTS, commit, write_results  # noqa: E402  the checkout, not an installed package
from specialize.files.scratch import temporary_folder  # noqa: E402  the checkout, not an installed package
from tools.forms import TOOLS, CompileTime, export_detectors, time_compile, write_synthetic  # noqa: E402  likewise
from tools.marks import Marks  # noqa: E402  likewise

SCHEMA = "specialize/benchmarks-compile@1"
NODES = (1_000, 10_000, 100_000)
ROUNDS = 3
MARKS = Marks("compile")
PAGE = ROOT / "docs" / "concepts" / "costs.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One graph: its nodes before and after, and medians of what each tool took; 0 where it is not installed.

    Attributes:
        nodes: In the file.
        after: In the specialized graph.
        cpu_s: Processor time of compiling.
        cpu_us_per_node: The same for each node of the file, in microseconds.
        peak_mib: Memory beyond that of the process with everything imported.
        onnxsim_after: Nodes that onnxsim leaves.
        onnxsim_cpu_s: Processor time of onnxsim.
        onnxsim_peak_mib: Its memory.
    """

    nodes: int
    after: int
    cpu_s: float
    cpu_us_per_node: float
    peak_mib: int
    onnxsim_after: int
    onnxsim_cpu_s: float
    onnxsim_peak_mib: int


def main() -> None:
    """Measure every graph, print the figures, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", type=Path, help="page that takes the table")
    chosen = parser.parse_args()
    tools = TOOLS if importlib.util.find_spec("onnxsim") else TOOLS[:1]
    with temporary_folder("compile") as folder:
        paths = {
            f"synthetic, {count:,}": write_synthetic(folder / f"chain{count}.onnx", chain(count))
            for count in NODES
        }
        figures = {
            name: figure(time_compile(name, path, chosen.rounds, tools))
            for name, path in {**paths, **export_detectors(folder)}.items()
        }
    write_results(chosen.results / "compile.json", SCHEMA, figures, rounds=chosen.rounds, commit=commit())
    data = json.loads((chosen.results / "compile.json").read_text())
    print(table(data))
    if chosen.write:
        MARKS.write(chosen.write, table(data))


def figure(taken: list[CompileTime]) -> Figure:
    """Return what the tools took on one graph; onnxsim may be missing."""
    ours = taken[0]
    others = taken[1] if len(taken) > 1 else None
    return Figure(
        nodes=ours.nodes[0],
        after=ours.nodes[1],
        cpu_s=ours.cpu_seconds,
        cpu_us_per_node=round(1e6 * ours.cpu_seconds / ours.nodes[0], 1),
        peak_mib=ours.peak_mib,
        onnxsim_after=others.nodes[1] if others else 0,
        onnxsim_cpu_s=others.cpu_seconds if others else 0.0,
        onnxsim_peak_mib=others.peak_mib if others else 0,
    )


def chain(least: int) -> onnx.ModelProto:
    """Return one exported site again and again, each reading the queries of the one before.

    An exporter that traces as many sites takes minutes.
    """
    from tests.synthetic.attention import Model, Style
    from tests.synthetic.exporting import export

    one = Model(Style(form="rebatched"))
    layer = export(one, one.example(), fold=False)
    made = onnx.ModelProto()
    made.CopyFrom(layer)
    del made.graph.node[:], made.graph.initializer[:], made.graph.value_info[:]
    shared = {value.name for value in layer.graph.input} - {"query"}
    query, copies = "query", -(-least // len(layer.graph.node))
    for number in range(copies):
        names = dict.fromkeys(shared | {""}, "") | {"query": query}
        query = layer.graph.output[0].name if number == copies - 1 else f"{number}/queries"
        _append(made.graph, layer.graph, names | {layer.graph.output[0].name: query}, f"{number}/")
    return made


def _append(made: onnx.GraphProto, layer: onnx.GraphProto, names: Mapping[str, str], prefix: str) -> None:
    """Add the nodes and weights of a layer to a graph; an empty name in `names` means that the name stays."""

    def called(name: str) -> str:
        return (names[name] or name) if name in names else f"{prefix}{name}"

    for node in layer.node:
        copy = made.node.add()
        copy.CopyFrom(node)
        copy.name = f"{prefix}{node.name}"
        copy.input[:] = [called(name) for name in node.input]
        copy.output[:] = [called(name) for name in node.output]
    for tensor in layer.initializer:
        made.initializer.add().CopyFrom(tensor)
        made.initializer[-1].name = called(tensor.name)


def table(data: Mapping[str, Any]) -> str:
    """Return the figures as a table of Markdown."""
    rows = [
        "| graph | nodes | after | processor time | for each node | peak memory | onnxsim | after | peak memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in data["figures"].items():
        missing = not one["onnxsim_after"]
        onnxsim = (
            "- | - | -"
            if missing
            else f"{one['onnxsim_cpu_s']:.2f} s | {one['onnxsim_after']:,} | {one['onnxsim_peak_mib']} MiB"
        )
        rows.append(
            f"| {name} | {one['nodes']:,} | {one['after']:,} | {one['cpu_s']:.2f} s | "
            f"{one['cpu_us_per_node']:.0f} µs | {one['peak_mib']} MiB | {onnxsim} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
