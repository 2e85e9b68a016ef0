"""Originals that lose digits in a cumulative sum: a specialized model must be as close to float64 as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from specialize.errors import VerificationError
from specialize.verify.exact_sums import write_exact
from tests.graphs import GraphMaker, random_feeds, run
from tests.verify.proofs import Pair, judged, pair_of

ROWS, WIDTH = 60_000, 2
ENDS = np.arange(99, ROWS, 100)


def sorted_pair(folder: Path, fault: float = 0.0, *, through: str = "Gather") -> Pair:
    """Return an original that subtracts neighbours of a cumulative sum, and the sums of each range.

    Args:
        folder: Where both are written.
        fault: Share of the first row of each range that the specialized model leaves out.
        through: How the original reads its sums: by `Gather`, or through `Neg`, which float64 does not go through.
    """
    g = GraphMaker()
    shifted = g.op("Add", g.input("rows", (ROWS, WIDTH)), g.const(3.0))
    sums = g.op("CumSum", shifted, g.const(np.array(0)))
    read = g.op("Gather", sums, g.const(ENDS), axis=0)
    if through == "Neg":
        read = g.op("Neg", g.op("Neg", read))
    first = g.op("Slice", read, g.const([0]), g.const([1]))
    bounds = ((1, len(ENDS)), (0, len(ENDS) - 1))
    high, low = (g.op("Slice", read, g.const([start]), g.const([end])) for start, end in bounds)
    original = g.model(out=g.op("Concat", first, g.op("Sub", high, low), axis=0))
    g = GraphMaker()
    shifted = g.op("Add", g.input("rows", (ROWS, WIDTH)), g.const(3.0))
    ranges = g.op("Reshape", shifted, g.const([len(ENDS), 100, WIDTH]))
    scale = np.ones((1, 100, 1), np.float32)
    scale[0, 0, 0] -= fault
    candidate = g.model(out=g.op("ReduceSum", g.op("Mul", ranges, g.const(scale)), g.const([1]), keepdims=0))
    return pair_of(folder, original, candidate)


def test_a_sum_that_keeps_its_digits_passes(tmp_path: Path) -> None:
    """The specialized model is close to float64, the original is not, and the report says by how much."""
    report = sorted_pair(tmp_path).prove()
    report.require_passed()
    (note,) = [note for note in report.notes if "float64" in note]
    assert "the original itself differs from that by" in note
    (output,) = report.outputs.values()
    assert judged(report).rule == "float64" and output.margin < 1.0


def test_a_model_farther_than_the_original_fails(tmp_path: Path) -> None:
    """A fault that is larger than what the original loses is found."""
    with pytest.raises(VerificationError, match="output 'out'"):
        sorted_pair(tmp_path, fault=0.05).prove().require_passed()


def test_a_model_without_cumulative_sums_has_no_other_form(tmp_path: Path) -> None:
    """Sums of integers, and models without any, are left alone."""
    g = GraphMaker()
    counted = g.op("CumSum", g.input("n", (5,), TensorProto.INT64), g.const(np.array(0)))
    onnx.save(g.model(out=counted), tmp_path / "m.onnx")
    assert write_exact(tmp_path / "m.onnx", tmp_path) is None


@pytest.mark.parametrize("through", ["Gather", "Neg"])
def test_differences_are_taken_in_float64(tmp_path: Path, through: str) -> None:
    """What only moves or subtracts sums is in float64, too; what is something else gets float32."""
    pair = sorted_pair(tmp_path, through=through)
    written = write_exact(pair.subject.path, tmp_path)
    assert written is not None
    original, exact = onnx.load(pair.subject.path), onnx.load(written)
    feeds = random_feeds(original)
    wanted = np.add.reduceat(feeds["rows"].astype(np.float64) + 3.0, np.r_[0, ENDS[:-1] + 1], axis=0)
    got = run(exact, feeds)["out"]
    assert got.dtype == np.float32
    error = np.abs(got - wanted).max()
    assert error < 1e-4 if through == "Gather" else error > 1e-3


def test_sums_that_are_an_output_keep_its_name_and_type(tmp_path: Path) -> None:
    """A cumulative sum that a model gives is in float32 again."""
    g = GraphMaker()
    proto = g.model(out=g.op("CumSum", g.input("x", (5, 2)), g.const(np.array(0))))
    onnx.save(proto, tmp_path / "m.onnx")
    written = write_exact(tmp_path / "m.onnx", tmp_path)
    assert written is not None
    feeds = random_feeds(proto)
    got = run(onnx.load(written), feeds)["out"]
    np.testing.assert_allclose(got, run(proto, feeds)["out"], rtol=1e-6, atol=1e-6)
    assert got.dtype == np.float32
