"""A model with large values is run in pieces, and gives what it gives whole."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnx.parser
import pytest

from specialize.verify import pieces, site_runs
from specialize.verify.by_rows import ByRows, by_rows
from specialize.verify.runtime import open_model, open_unoptimized

ROWS, LARGE = 60, 6000
BODY = """
    k = Exp(x)
    shared = MatMul(k, w)
    wide = Unsqueeze(shared, last)
    many = Mul(wide, points)
    first = ReduceSum <keepdims = 0> (many, last)
    q = Tanh(first)
    there = Add(q, shared)
    again = Unsqueeze(there, last)
    more = Mul(again, points)
    squares = Mul(more, more)
    second = ReduceSum <keepdims = 0> (squares, last)
    y = Add(second, shared)
    z = Neg(first)
"""
"""Two sums over (2, ROWS, 6, 10), of which the second reads the first, and both what is computed before."""


ODD = {
    "both results of a node": "wide = Unsqueeze(x, two) many = Mul(wide, points) y, z = TopK <axis = 2> (many, two)",
    "a constant": "wide = Unsqueeze(x, two) many = Mul(wide, points) y = ReduceSum(many, two)",
    "a sequence between": "all = SplitToSequence <axis = 0> (x, half) a = SequenceAt(all, zero) "
    "wide = Unsqueeze(a, two) many = Mul(wide, points) y = ReduceSum(many, two) b = SequenceAt(all, one) "
    "more = Unsqueeze(b, two) most = Mul(more, points) z = ReduceSum(most, two)",
    "an axis of one row removed": "wide = Unsqueeze(x, two) flat = Squeeze(wide) again = Unsqueeze(flat, two) "
    "many = Mul(again, points) y = ReduceSum(many, two) z = Neg(y)",
    "a size copied from another axis": "wide = Unsqueeze(x, two) many = Mul(wide, points) "
    "sum = ReduceSum <keepdims = 0> (many, two) front = Unsqueeze(sum, first) four = Reshape(front, copied) "
    "last = Unsqueeze(four, five) more = Mul(last, points) y = ReduceSum(more, five) z = Neg(y)",
}
"""What models with a large value, made of (40, 40) rows x, have beside it."""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a model, of which values of more than `LARGE` bytes are large, and parts of more than 2,000 run by rows."""
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> whole (float[2,{ROWS},6] x) => '
        f"(float[2,{ROWS},6] y, float[2,{ROWS},6] z) {{{BODY}}}"
    )
    random = np.random.default_rng(0)
    for name, array in {
        "w": random.standard_normal((6, 6)).astype(np.float32),
        "points": random.standard_normal(10).astype(np.float32),
        "last": np.array([3]),
    }.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    onnx.save(model, tmp_path / "model.onnx")
    monkeypatch.setattr(pieces, "LARGE", LARGE)
    yield tmp_path / "model.onnx"


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> list[ByRows | None]:
    """Return a list that takes how each part was cut."""
    found: list[ByRows | None] = []

    def spied(*arguments: object) -> ByRows | None:
        found.append(partial(by_rows, most=2000)(*arguments))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(site_runs, "by_rows", spied)
    return found


def feed() -> dict[str, np.ndarray]:
    """Return an input of the model."""
    return {"x": np.random.default_rng(1).standard_normal((2, ROWS, 6)).astype(np.float32)}


def test_pieces_give_what_the_whole_gives(path: Path, cuts: list[ByRows | None]) -> None:
    """In the order of the file to the last bit; each sum runs for some rows, and reads what was computed before."""
    assert pieces.pieces_of(path).exits == ("first", "second")
    found = pieces.open_in_order(path, 1).run(feed())
    wanted = open_unoptimized(path, 1).run(feed())
    assert list(found) == list(wanted) == ["y", "z"]
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
    assert [each.step < each.count == ROWS for each in cuts] == [True, True]
    assert {value for each in cuts for value, _ in each.feeds.values()} == {"shared/cut", "first/cut"}


def test_a_reference_runs_in_pieces(path: Path, cuts: list[ByRows | None]) -> None:
    """What a proof compares with is computed by rows, and a report says so."""
    for runner in (pieces.open_reference(path, "onnxruntime", 1), pieces.open_original(path, 1)):
        for name, array in open_model(path, "onnxruntime", 1).run(feed()).items():
            np.testing.assert_allclose(runner.run(feed())[name], array, rtol=1e-5, atol=1e-6)
    assert cuts and None not in cuts
    (line,) = pieces.lines_of(path)
    assert line.startswith("2 steps of the original ran for some rows at a time, because one value between")


def test_some_values_are_asked_for(path: Path, cuts: list[ByRows | None]) -> None:
    """Named values are outputs and inputs alike; what no later piece reads is dropped."""
    found = pieces.pieces_of(path).run(["q", "x", "second"], feed(), 1)
    assert sorted(found) == ["q", "second", "x"]
    np.testing.assert_array_equal(found["x"], feed()["x"])


def test_a_wanted_value_does_not_wait_for_other_exits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`z` follows from the first sum alone: it is computed before the second sum, not with `y` at the end."""
    calls: list[tuple[str, ...]] = []
    whole = pieces._whole

    def spied(net: object, names: list[str], *rest: object) -> dict[str, np.ndarray]:
        calls.append(tuple(names))
        return whole(net, names, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pieces, "_whole", spied)
    pieces.open_original(path, 1).run(feed())
    assert [names for names in calls if {"y", "z"} & {*names}] == [("z",), ("y",)]


def test_values_are_put_away_as_soon_as_nothing_follows_from_them(path: Path) -> None:
    """`z` is put away while the second sum is still to come, `second` when `y` is made."""
    order: list[str] = []

    class Noted(dict[str, np.ndarray]):
        def update(self, *given: dict[str, np.ndarray]) -> None:
            order.append(" ".join(sorted(given[0])))
            super().update(*given)

    noted = Noted()
    names = ["z", "second", "x", "y"]
    pieces.pieces_of(path).run_into(noted, names, feed(), 1)
    assert order == ["x z", "second y", ""]
    for name, array in pieces.pieces_of(path).run(names, feed(), 1).items():
        np.testing.assert_array_equal(noted[name], array)


def test_freed_memory_is_given_back_where_it_can_be(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each exit and at the end; a C library that cannot is left alone."""
    calls: list[int] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=calls.append))
    pieces.open_original(path, 1).run(feed())
    assert calls == [0, 0, 0]
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert set(pieces.open_original(path, 1).run(feed())) == {"y", "z"}


def test_inputs_may_be_called_as_cut_values_are(path: Path, cuts: list[ByRows | None]) -> None:
    """A head that is cut behind its backbone has inputs `NAME/cut`."""
    model = onnx.load(path)
    model.graph.input[0].name = model.graph.node[0].input[0] = "x/cut"
    onnx.save(model, path)
    given = {"x/cut": feed()["x"]}
    for name, array in open_unoptimized(path, 1).run(given).items():
        np.testing.assert_array_equal(pieces.open_in_order(path, 1).run(given)[name], array)
    assert None not in cuts


def test_a_small_model_runs_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No value is large: nothing is cut, and nothing said."""
    monkeypatch.setattr(pieces, "LARGE", 1 << 20)
    assert pieces.pieces_of(path) is None and pieces.lines_of(path) == ()


def test_no_model_is_for_others_to_refuse(tmp_path: Path) -> None:
    """A file that is no model has no pieces."""
    (tmp_path / "no.onnx").write_text("no model")
    assert pieces.pieces_of(tmp_path / "no.onnx") is None


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_odd_models_give_what_they_give_whole(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row at a time, with shapes and types as they are."""
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> whole (float[40,40] x) => (y, z) {{{body}}}'
    )
    points = np.random.default_rng(0).standard_normal(20).astype(np.float32)
    numbers = {
        "zero": 0,
        "one": 1,
        "two": [2],
        "five": [4],
        "half": 20,
        "first": [0],
        "copied": [1, 1, 0, -1],
    }
    for name, array in {"points": points, **numbers}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    if "z =" not in body:
        model.graph.output[1].name = "points"
    onnx.save(model, tmp_path / "model.onnx")
    monkeypatch.setattr(pieces, "LARGE", 50_000)
    monkeypatch.setattr(site_runs, "by_rows", partial(by_rows, most=100))
    given = {"x": np.random.default_rng(1).standard_normal((40, 40)).astype(np.float32)}
    assert pieces.pieces_of(tmp_path / "model.onnx") is not None
    found = pieces.open_in_order(tmp_path / "model.onnx", 1).run(given)
    for name, array in open_unoptimized(tmp_path / "model.onnx", 1).run(given).items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-5)


def test_a_value_may_be_called_as_another_that_is_cut(path: Path) -> None:
    """`shared` is cut, and there is a value `shared/cut`, which is live at the same time."""
    model = onnx.load(path)
    for node in model.graph.node:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                names[at] = "shared/cut" if name == "q" else name
    sums = onnx.helper.make_node("Sub", ["second", "shared/cut"], ["left"])
    model.graph.node.insert(len(model.graph.node) - 2, sums)
    model.graph.node[-2].input[0] = "left"
    onnx.save(model, path)
    found = pieces.open_in_order(path, 1).run(feed())
    for name, array in open_unoptimized(path, 1).run(feed()).items():
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-5)
