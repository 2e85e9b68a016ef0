"""A site is drawn in a few steps: cameras side by side, chains of element-wise operators, no reshapes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.artifact import Build
from specialize.artifact.drawing import Drawing, Step
from specialize.cli.output import to_text
from specialize.cli.render_graph import graph_text
from specialize.compiler.build import build
from specialize.compiler.drawing import draw_site
from specialize.report.lanes import as_text
from specialize.request import BuildRequest
from tests.artifact.examples import manifest
from tests.cli.running import CAR42, run_here
from tests.costs.graphs import Builder
from tests.end_to_end.tiny_model import GRID, write_tiny
from tests.golden_files import check_golden


def _graph(builder: Builder) -> ir.Graph:
    """Return the graph with all shapes filled in."""
    proto = onnx.shape_inference.infer_shapes(ir.to_proto(builder.model()), data_prop=True)
    return ir.from_proto(proto).graph


def test_what_is_done_side_by_side_is_one_step() -> None:
    """Two halves that get the same treatment are one step each time, with both shapes."""
    b = Builder()
    x = b.input(5, 8)
    halves = [
        b("Relu", b("Slice", x, np.array([start]), np.array([stop]), np.array([0])))
        for start, stop in ((0, 2), (2, 5))
    ]
    b("Concat", *halves, axis=0)
    steps = draw_site(_graph(b), {str(node.name) for node in b.nodes})
    assert [(step.what, step.times, step.shape) for step in steps[1:]] == [
        ("Slice", 2, "2..3 x 8"),
        ("Relu", 2, "2..3 x 8"),
        ("Concat", 1, "5 x 8"),
    ]
    assert [step.values for step in steps] == [40, 40, 40, 40]


def test_chains_are_one_step_and_reshapes_none() -> None:
    """Element-wise operators in a row are one step, a bias belongs to its product, a reshape is not drawn."""
    b = Builder()
    x = b.input(4, 8)
    product = b("Add", b("MatMul", x, np.ones((8, 6), np.float32)), np.ones(6, np.float32))
    flat = b("Reshape", product, np.array([24]))
    for _ in range(6):
        flat = b("Mul", flat, np.full(1, 2.0, np.float32))
    steps = draw_site(_graph(b), {str(node.name) for node in b.nodes})
    assert [step.what for step in steps[1:]] == ["MatMul, Add", "Mul, Mul, Mul and 3 more"]


def test_what_depends_on_the_calibration_alone_is_told_apart() -> None:
    """A tensor from a calibration input enters as calibration, one from any other input as an input."""
    b = Builder()
    x, matrix = b.input(4, 4), b.input(4, 4)
    b("Mul", b("Relu", x), b("Sqrt", matrix))
    (last,) = (str(node.name) for node in b.nodes if node.op_type == "Mul")
    steps = draw_site(_graph(b), {last}, {str(matrix.name)})
    assert [step.kind for step in steps] == ["input", "calibration", "work"]


def _step(*after: int, kind: str = "work") -> Step:
    return Step(what="x", times=1, kind=kind, shape="1", values=1, after=after)  # type: ignore[arg-type]


def test_lanes_keep_what_is_read_later() -> None:
    """A result read twice keeps its lane until its last reader; a lane that ended is used again."""
    steps = [_step(kind="input"), _step(0), _step(0, 1), _step(kind="calibration"), _step(2, 3)]
    assert as_text(steps) == ("○  ", "├─●", "●─╯", "│ ◇", "●─╯")
    crossed = [_step(kind="input"), _step(kind="input"), _step(0), _step(1, 2), _step(0, 3)]
    assert as_text(crossed) == ("○    ", "│ ○  ", "├─┼─●", "│ ●─╯", "●─╯  ")


def test_a_build_is_drawn(tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The drawing of a build has the rows of its largest site, and fewer numbers after than before."""
    request = BuildRequest(calib=CAR42, model=str(write_tiny(tmp_path / "model")), output=tmp_path / "car42")
    outcome = build(request)
    (drawing,) = outcome.manifest.drawings
    assert drawing.rows == (6 * GRID.queries, outcome.manifest.sites[0].rows_computed)
    largest = [max(step.values for step in steps) for steps in (drawing.before, drawing.after)]
    assert largest[1] < largest[0]
    ran = run_here(capsys, "inspect", outcome.build_dir, "--graph")
    assert ran.code == 0 and "before: 288 rows" in ran.out and "GridSample x6" in ran.out
    html = (outcome.build_dir / "report.html").read_text(encoding="utf-8")
    assert html.count('class="edges"') == 2 and "GridSample" in html


def test_a_drawing_reads_as_agreed() -> None:
    """What `inspect --graph` shows has lanes, steps, shapes and numbers, before and after."""
    steps = [_step(kind="input"), _step(0), _step(0, 1), _step(kind="calibration"), _step(2, 3)]
    drawing = Drawing(site=1, rows=(15000, 2822), before=tuple(steps), after=tuple(steps[:3]))
    made = msgspec.structs.replace(manifest(), drawings=(drawing,))
    check_golden("graph.txt", to_text(graph_text(Build(Path("build/car42"), made))))
    text = to_text(graph_text(Build(Path("build/car42"), manifest())))
    assert "build again" in text
