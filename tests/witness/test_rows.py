"""Sums and rows of a specialized graph are read back as the pairs that they are, whatever follows the cameras."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from specialize.artifact import Build
from specialize.witness.rows import camera_of_places, pairs_of_places, query_of_places, wrong_rows
from tests.end_to_end.test_build import Bench, bench

__all__ = ["bench"]

SEEN = np.array([[1, 0, 1, 0], [0, 1, 1, 0]], np.bool_)
LENGTHS = (2, 2)
NONE = 4
SUMMED = np.array([[0, NONE], [2, NONE], [1, 3], [NONE, NONE]])  # (Q, k): queries 0 and 2; 1 and 2
APART = np.array([0, NONE, 1, NONE, NONE, 2, 3, NONE])  # (N, Q, 1)
WIDE = np.stack([APART, np.full(8, NONE)], axis=1).ravel()  # (N, Q, 2)


@pytest.mark.parametrize(
    "sums", [SUMMED, SUMMED.ravel(), APART, WIDE], ids=["summed", "flat", "apart", "wide"]
)
def test_sums_and_cameras_apart_give_the_same_pairs(sums: np.ndarray) -> None:
    """Two cameras and two places a query: readings of the same size are distinguished by the owner of the places."""
    reader = query_of_places(sums, 4, LENGTHS)
    assert not isinstance(reader, str)
    assert reader.tolist() == [0, 2, 1, 2]
    np.testing.assert_array_equal(pairs_of_places(reader, 4, LENGTHS), SEEN)
    assert camera_of_places(LENGTHS).tolist() == [0, 0, 1, 1]


def test_a_place_of_another_camera_is_not_read_as_its_own() -> None:
    """Cameras exchanged where no sum follows: the pairs or the rows are not those that they should be."""
    exchanged = np.array([2, NONE, 3, NONE, NONE, 0, 1, NONE])
    reader = query_of_places(exchanged, 4, LENGTHS)
    assert not isinstance(reader, str)
    assert (pairs_of_places(reader, 4, LENGTHS) & ~SEEN).any()


def test_queries_exchanged_within_a_camera_are_wrong_rows() -> None:
    """What is gathered says which query a place is; the place where it is read must be that query's."""
    reader = query_of_places(APART, 4, LENGTHS)
    assert not isinstance(reader, str)
    wrong = wrong_rows(np.array([0, 2, 2, 1]), reader, 4, LENGTHS)
    assert wrong is None or wrong.tolist() == [2, 3]
    right = wrong_rows(np.array([0, 2, 1, 2]), reader, 4, LENGTHS)
    assert right is not None and not len(right)


def write_norm(bench: Bench) -> None:
    """Take the norm over cameras instead of the sum: no rows can be added up, each camera's stay apart."""
    model = onnx.load(bench.model)
    for node in model.graph.node:
        if node.op_type == "ReduceSum":
            node.op_type = "ReduceL2"
            node.attribute.append(onnx.helper.make_attribute("axes", [0]))
            del node.input[1:]
    onnx.save(model, bench.model)


@pytest.mark.parametrize("mode", ["exact", "tables"])
def test_a_model_without_a_sum_over_cameras_is_witnessed(bench: Bench, mode: str) -> None:
    """A right model is not refused as a fault of this package, and its pairs are compared."""
    write_norm(bench)
    bench.outcome("--mode", mode)
    build = Build.open(bench.folder / "car42")
    (site,) = build.manifest.witness.sites
    assert site.pairs == 52
    assert site.rows == 1
