"""What is recorded for proofs at the sites: generic values, and nothing where one frame shows too little."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from specialize.errors import DeclinedError
from specialize.verify.at_sites import Kept, prove_at_sites
from specialize.verify.recording import Pair, record

FIRST = np.array([1, 0, 2, 0, 1, 0, 3, 1], np.float32)  # what sees nothing is zero
SECOND = np.array([1, 1, 2, 2, 1, 1, 3, 1], np.float32)  # sees all that the first one does, and more
FRAME = {"x": np.linspace(0.5, 2.0, 8, dtype=np.float32)}


def pair(folder: Path, calib: np.ndarray, original: str, built: str, **tables: np.ndarray) -> Pair:
    """Write an original and a specialized model with tables, each of which computes `out` from `x`."""
    folder.mkdir()
    for name, inputs, body in (
        ("original", "float[8] x, float[8] calib", original),
        ("built", "float[8] x", built),
    ):
        given = {"k": np.full(8, 2, np.float32), **(tables if name == "built" else {})}
        inputs += ", bool[1] flag" if "flag" in body else ""
        made = onnx.parser.parse_model(
            f'<ir_version: 8, opset_import: ["" : 17]> agraph ({inputs}) => (float[8] out) {{ {body} }}'
        )
        made.graph.initializer.extend(onnx.numpy_helper.from_array(each, key) for key, each in given.items())
        onnx.save(made, folder / f"{name}.onnx")
    return Pair(
        original=folder / "original.onnx",
        specialized=folder / "built.onnx",
        calibration={"calib": calib},
        threads=1,
    )


def kept_of(first: Pair, frame: dict[str, np.ndarray] = FRAME, turned: float = 1.1) -> Kept:
    """Record and return it as a store would."""
    turned_by = {"calib": first.calibration["calib"] * np.float32(turned)}
    recording = record(first, frame, 0, turned_by, Path(tempfile.mkdtemp(dir=first.original.parent)))
    return Kept(recording.about, "sha256:0", recording.arrays)


def test_a_table_of_the_first_vehicle_behind_the_site_is_not_recorded(tmp_path: Path) -> None:
    """Where the first vehicle has zeros, a node behind the site may drop rows that another vehicle needs."""
    original = "s = Mul(x, calib)  t = Mul(s, k)  out = Tanh(t)"
    built = "s = Mul(x, c)  t = Mul(s, d)  out = Tanh(t)"
    right = pair(tmp_path / "right", FIRST, original, built, c=FIRST, d=np.full(8, 2, np.float32))
    assert set(kept_of(right).about.noise) == {"s"}
    wrong = pair(tmp_path / "wrong", FIRST, original, built, c=FIRST, d=2 * np.sign(FIRST))
    with pytest.raises(DeclinedError, match="behind its sites from generic ones"):
        kept_of(wrong)


def test_zeros_of_the_first_vehicle_hide_no_table(tmp_path: Path) -> None:
    """A second mask that is still the first vehicle's is refused, although its recorded values are zero there."""
    original = "s = Mul(x, calib)  t = Tanh(s)  out = Mul(t, calib)"
    built = "s = Mul(x, c)  t = Tanh(s)  out = Mul(t, d)"
    kept = kept_of(pair(tmp_path / "first", FIRST, original, built, c=FIRST, d=FIRST))
    assert prove_at_sites(pair(tmp_path / "second", SECOND, original, built, c=SECOND, d=SECOND), kept).passed
    stale = pair(tmp_path / "stale", SECOND, original, built, c=SECOND, d=FIRST)
    assert not prove_at_sites(stale, kept).outputs["out"].passed


def test_a_value_that_the_frame_hides_is_not_recorded(tmp_path: Path) -> None:
    """Without history, as in this frame, any table of the second site would pass."""
    original = "s = Mul(x, calib)  h = Relu(x)  t = Mul(h, calib)  out = Add(s, t)"
    built = original.replace("calib", "c")
    first = pair(tmp_path / "first", FIRST, original, built, c=FIRST)
    assert set(kept_of(first).about.noise) == {"s", "t"}
    with pytest.raises(DeclinedError, match="'t' does not"):
        kept_of(first, {"x": -FRAME["x"]})


def test_a_site_that_follows_a_switch_is_not_recorded(tmp_path: Path) -> None:
    """One frame shows one of two tables; the frames of a whole proof show both."""
    original = "s = Mul(x, calib)  e = Exp(calib)  t = Where(flag, calib, e)  out = Mul(s, t)"
    built = "s = Mul(x, c)  t = Where(flag, c, e)  out = Mul(s, t)"
    first = pair(tmp_path / "first", FIRST, original, built, c=FIRST, e=np.exp(FIRST))
    frame = {**FRAME, "flag": np.array([True])}
    with pytest.raises(DeclinedError, match="'flag' follows a switch"):
        record(first, frame, 0, {"calib": FIRST + 1}, tmp_path, ["flag"])
