"""What compiling takes grows with the number of nodes, and the page says what was measured."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from benchmarks import compile as benchmark
from benchmarks.run import RESULTS
from specialize.graph.io import read_graph, write_graph
from specialize.passes.fold_affine import fold_affine
from specialize.passes.pipeline import specialize_graph
from specialize.rows.arrange import Packing
from tools.forms import write_synthetic

DATA = json.loads((RESULTS / "compile.json").read_text())


def test_the_page_has_the_stored_table() -> None:
    """Every figure of the table stands in the results."""
    text = benchmark.PAGE.read_text()
    assert text == benchmark.MARKS.filled(text, benchmark.table(DATA))


def test_stored_figures_are_complete() -> None:
    """Graphs of a thousand to a hundred thousand nodes and two exports of a detector, each by both tools."""
    sizes = {name: figure["nodes"] for name, figure in DATA["figures"].items()}
    assert [sizes[f"synthetic, {count:,}"] >= count for count in benchmark.NODES] == [True] * 3
    assert sum(name.startswith("bevformer_tiny") for name in sizes) == 2
    for figure in DATA["figures"].values():
        assert figure["onnxsim_after"] > 0
        assert figure["cpu_us_per_node"] == pytest.approx(1e6 * figure["cpu_s"] / figure["nodes"], abs=0.1)


def test_without_onnxsim_the_table_has_dashes() -> None:
    """A tool that is not installed has no figures."""
    time = benchmark.CompileTime(
        graph="g", tool="specialize", nodes=(2000, 10), seconds=2.0, cpu_seconds=0.4, peak_mib=3, file_mib=1
    )
    alone = benchmark.figure([time])
    (line,) = benchmark.table({"figures": {"g": asdict(alone)}}).splitlines()[2:]
    assert line == "| g | 2,000 | 10 | 0.40 s | 200 µs | 3 MiB | - | - | - |"


@pytest.mark.torch
def test_a_chain_of_sites_is_one_model(tmp_path: Path) -> None:
    """It computes what a site does to what the site before gave, and the specialized graph computes the same."""
    path = write_synthetic(tmp_path / "chain.onnx", benchmark.chain(1_000))
    bound = np.load(path.with_suffix(".npy"))
    made = compiled(path, bound)
    write_graph(made, tmp_path / "made.onnx")
    random = np.random.default_rng(0)
    one, two = (onnxruntime.InferenceSession(str(each)) for each in (path, tmp_path / "made.onnx"))
    feed = {
        value.name: random.standard_normal(value.shape).astype(np.float32)
        for value in one.get_inputs()
        if value.name != "lidar2img"
    }
    (wanted,) = one.run(None, feed | {"lidar2img": bound.astype(np.float32)})
    np.testing.assert_allclose(two.run(None, feed)[0], wanted, rtol=1e-4, atol=1e-5)
    assert len(onnx.load(path).graph.node) >= 1_000 > 5 * len(made.graph)


@pytest.mark.torch
def test_steps_grow_with_the_nodes(tmp_path: Path) -> None:
    """Twice as many layers take twice as many calls of Python functions, what is the same for all left out."""
    two, four, eight = (calls(tmp_path, layers) for layers in (2, 4, 8))
    assert (eight - four) / (four - two) < 2.1


def calls(folder: Path, layers: int) -> int:
    """Return how many Python functions are called while a chain of some layers is compiled."""
    chain = benchmark.chain(layers * len(benchmark.chain(1).graph.node))
    path = write_synthetic(folder / f"chain{layers}.onnx", chain)
    bound, count = np.load(path.with_suffix(".npy")), 0

    def counted(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counted)
    try:
        compiled(path, bound)
    finally:
        sys.setprofile(None)
    return count


def compiled(path: Path, bound: np.ndarray) -> ir.Model:
    """Return the specialized graph of a file."""
    done = specialize_graph(read_graph(path), {"lidar2img": bound}, Packing("ragged"))
    fold_affine(done.model)
    return done.model
