"""Arrays are compared element by element, and nothing hides behind something larger."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specialize.errors import UsageError
from specialize.text.record import to_json
from specialize.verify import scale
from specialize.verify.compare import compare_arrays, merge
from specialize.verify.scale import element_scale
from specialize.verify.tolerance import EXACT, TOLERANCES, Tolerance, tolerance_for

FLOAT32 = TOLERANCES["float32"]


def _features(seed: int = 0, shape: tuple[int, ...] = (2500, 1, 256)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_equal_arrays_differ_by_nothing() -> None:
    """Equal arrays pass with zero difference and cosine 1."""
    report = compare_arrays(_features(), _features(), FLOAT32)
    assert report.passed and report.max_abs == report.max_rel == report.margin == 0.0
    assert report.cosine == pytest.approx(1.0) and report.reason == ""


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_large_integers_are_told_apart(dtype: str) -> None:
    """Integers beyond what float64 counts are compared as integers, negative ones and the extremes too."""
    limits = np.iinfo(dtype)
    values = np.array([2**53, 2**53 + 1, limits.max, limits.min], dtype)
    assert compare_arrays(values, values.copy(), EXACT).passed
    others = values + np.array([1, -1, -1, 1]).astype(dtype)
    report = compare_arrays(values, others, EXACT)
    assert (report.failures, report.max_abs) == (4, 1.0)
    apart = compare_arrays(values[3:], values[2:3], EXACT)
    assert apart.max_abs == float(limits.max - limits.min)


def test_a_scale_that_overflows_allows_nothing() -> None:
    """Values whose squares float64 does not hold are not equal to whatever."""
    values = np.array([[1e200, 3e200]])
    assert compare_arrays(values, values.copy(), FLOAT32).passed
    assert not compare_arrays(values, -values, FLOAT32).passed


def test_rounding_passes() -> None:
    """A difference of a few float32 units in the last place is within tolerance."""
    features = _features()
    report = compare_arrays(features, features * np.float32(1 + 3e-6), FLOAT32)
    assert report.passed and 0 < report.margin < 0.5


def test_one_wrong_value_among_640000_is_named() -> None:
    """A single wrong feature of one query fails, and the report names index and both values."""
    wanted, got = _features(), _features()
    got[1234, 0, 7] += 0.01
    report = compare_arrays(wanted, got, FLOAT32, frame=3)
    assert not report.passed and report.failures == 1
    assert report.worst.index == (1234, 0, 7) and report.worst.frame == 3
    assert report.worst.reference == wanted[1234, 0, 7] and report.worst.candidate == got[1234, 0, 7]
    assert report.cosine > 0.9999999  # a cosine of the whole tensor would have missed it


def test_a_huge_row_does_not_hide_a_wrong_small_row() -> None:
    """With values of 1e9 in one row, an error of 0.01 in another row is still seen."""
    wanted = _features()
    wanted[7] *= 1e9
    got = wanted.copy()
    got[8] += 0.01
    report = compare_arrays(wanted, got, FLOAT32)
    assert not report.passed and report.worst.index[0] == 8


def test_a_huge_column_does_not_hide_a_wrong_small_column() -> None:
    """With boxes' metres beside their sines, an error in the sines is measured by the sines."""
    wanted = _features(shape=(6, 1, 900, 10))
    wanted[..., 0] *= 1e6
    got = wanted.copy()
    got[2, 0, 5, 6] += 0.01
    report = compare_arrays(wanted, got, FLOAT32)
    assert not report.passed and report.worst.index == (2, 0, 5, 6)


def test_a_huge_value_is_still_allowed_its_own_rounding() -> None:
    """A value of 1e9 may differ by its own rounding although its row is small."""
    wanted = _features()
    wanted[7, 0, 3] = 1e9
    got = wanted.copy()
    got[7, 0, 3] += 1e4
    assert compare_arrays(wanted, got, FLOAT32).passed


@settings(max_examples=40, deadline=None)
@given(row=st.integers(0, 99), magnitude=st.floats(-6, 6), seed=st.integers(0, 1000))
def test_a_lost_row_is_seen_at_any_scale(row: int, magnitude: float, seed: int) -> None:
    """Whatever the tensor's scale, a row that became zero fails, unless it is below the absolute floor."""
    wanted = (_features(seed, (100, 16)) * 10.0**magnitude).astype(np.float32)
    got = wanted.copy()
    got[row] = 0
    report = compare_arrays(wanted, got, FLOAT32)
    if np.abs(wanted[row]).max() > 2 * FLOAT32.atol:
        assert not report.passed and report.worst.index[0] == row


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_fails(bad: float) -> None:
    """NaN or infinity in the candidate alone, the reference alone, or both at one place fails."""
    wanted, got = _features(shape=(10, 4)), _features(shape=(10, 4))
    got[3, 2] = bad
    for a, b in [(wanted, got), (got, wanted), (got, got)]:
        report = compare_arrays(a, b, FLOAT32)
        assert not report.passed and report.worst.index == (3, 2) and "NaN or infinite" in report.reason


def test_infinity_passes_only_where_it_is_meant_and_equal() -> None:
    """A mask of minus infinity passes if allowed and equal, and fails if it moved or changed sign."""
    allowed = Tolerance(1e-5, 1e-4, nonfinite=True)
    wanted, moved = _features(shape=(10, 4)), _features(shape=(10, 4))
    wanted[3, 2] = -np.inf
    moved[3, 1] = -np.inf
    flipped = wanted.copy()
    flipped[3, 2] = np.inf
    assert compare_arrays(wanted, wanted, allowed).passed
    assert not compare_arrays(wanted, moved, allowed).passed
    assert not compare_arrays(wanted, flipped, allowed).passed


def test_integers_are_exact_unless_ties_are_allowed() -> None:
    """One label of a hundred that differs fails, and passes when two in a hundred may."""
    wanted, got = np.arange(100), np.arange(100)
    got[40] += 1
    assert not compare_arrays(wanted, got, EXACT).passed
    assert compare_arrays(wanted, got, Tolerance(0, 0, mismatches=0.02)).passed


def test_booleans_are_exact() -> None:
    """A boolean that flipped fails."""
    assert not compare_arrays(np.array([True, False]), np.array([True, True]), EXACT).passed


def test_empty_and_scalar_outputs_are_compared() -> None:
    """An output without elements passes; a scalar is compared as itself."""
    empty = np.zeros((0, 4), np.float32)
    assert compare_arrays(empty, empty, FLOAT32).passed
    assert not compare_arrays(np.float32(1.0) + np.zeros(()), np.zeros(()) + 1.1, FLOAT32).passed


def test_scale_is_local() -> None:
    """An element is measured by itself or by the smaller of its row and column, never by the whole tensor."""
    values = np.ones((8, 8))
    values[0] *= 100.0
    values[:, 1] *= 1000.0
    scale = element_scale(values).reshape(8, 8)
    assert scale[4, 4] == pytest.approx(1.0)
    assert scale[0, 4] == pytest.approx(100.0) and scale[4, 1] == pytest.approx(1000.0)


def test_merge_keeps_the_failing_frame() -> None:
    """Of a passing and a failing frame the failing one is reported, whatever their order."""
    good = compare_arrays(_features(), _features(), FLOAT32, 0)
    wrong = compare_arrays(_features(), _features(1), FLOAT32, 1)
    for joined in (merge(good, wrong), merge(wrong, good)):
        assert not joined.passed and joined.worst.frame == 1
        assert joined.max_abs == wrong.max_abs and joined.cosine == wrong.cosine


def test_every_number_of_a_report_survives_json() -> None:
    """A report with infinities is valid, strict JSON."""
    got = _features(shape=(4, 4))
    got[0, 0] = np.nan
    text = json.dumps(to_json(compare_arrays(_features(shape=(4, 4)), got, FLOAT32)), allow_nan=False)
    assert json.loads(text)["worst"]["candidate"] == "nan"


def test_the_table_has_an_order() -> None:
    """Fewer bits allow more, and a dtype without an entry must be exact."""
    order = [TOLERANCES[name] for name in ("float64", "float32", "float16", "bfloat16")]
    assert order == sorted(order, key=lambda entry: entry.rtol)
    assert tolerance_for("label", np.dtype("int64"), {}) == EXACT
    assert tolerance_for("bev", np.dtype("float32"), {"bev": EXACT}) == EXACT


def test_a_senseless_tolerance_is_refused() -> None:
    """A negative, infinite or NaN tolerance is an error, not a comparison that always passes."""
    for numbers in [(-1.0, 0.0), (0.0, float("inf")), (float("nan"), 0.0)]:
        with pytest.raises(UsageError):
            Tolerance(*numbers)


@pytest.mark.parametrize("at_once", [1, 7, 40])
@pytest.mark.parametrize("shape", [(6, 7, 5), (3, 4), (12,), (40, 1), ()])
def test_rows_compared_at_a_time_give_what_all_give(
    shape: tuple[int, ...], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is that of all values at once; of the cosine, sums are added in another order."""
    random = np.random.default_rng(len(shape))
    wanted = np.asarray(random.standard_normal(shape) * 10.0 ** random.integers(-3, 3, size=shape))
    got = wanted * (1 + 1e-4 * random.standard_normal(shape))
    for array in (got, np.where(random.random(shape) < 0.2, np.nan, got)):
        whole = compare_arrays(wanted, array, FLOAT32)
        monkeypatch.setattr(scale, "AT_ONCE", at_once)
        found = compare_arrays(wanted, array, FLOAT32)
        monkeypatch.undo()
        assert found.cosine == pytest.approx(whole.cosine, abs=1e-12)
        assert repr(msgspec.structs.replace(found, cosine=whole.cosine)) == repr(whole)  # NaN is not NaN
