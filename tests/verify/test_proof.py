"""A proof follows the scale and the conditioning of each output, and says what it can show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.errors import VerificationError
from specialize.model.parts import InputRule
from specialize.verify import compare_arrays, compare_models, study
from specialize.verify.conditioning import Noise, bound_of, nudged
from specialize.verify.either import nearer
from specialize.verify.opened import SiteRows, open_at
from specialize.verify.tolerance import EXACT, TOLERANCES
from tests.graphs import GraphMaker
from tests.verify.proofs import (
    Mutation,
    amplifying_pair,
    count_twice,
    fixed_pair,
    flip_corners,
    judged,
    shift_steps,
    shuffle_rows,
    stepping_pair,
    swap_cameras,
    tiny_pair,
)

FLOAT32 = TOLERANCES["float32"]
MUTATIONS = [swap_cameras, shuffle_rows, flip_corners]


def test_a_right_model_passes_at_every_scale(tmp_path: Path) -> None:
    """The bound follows the output: what is allowed shrinks with it, relative to the scale it stays the same."""
    shares = []
    for factor in (1.0, 1e-6):
        report = tiny_pair(tmp_path, factor).prove()
        report.require_passed()
        (output,) = report.outputs.values()
        shares.append(output.tolerance.atol / min(1.0, judged(report).scale))
        assert output.margin < 0.5
    assert shares[1] == pytest.approx(shares[0], rel=0.5)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@pytest.mark.parametrize("factor", [1.0, 1e-6])
def test_a_wrong_model_fails_at_every_scale(tmp_path: Path, mutation: Mutation, factor: float) -> None:
    """Cameras swapped, rows shuffled, corners flipped: also where outputs are far below the table's floor."""
    pair = tiny_pair(tmp_path, factor).mutated(mutation)
    with pytest.raises(VerificationError, match="output 'bev'"):
        pair.prove().require_passed()


def test_lengths_of_the_vehicle_in_the_original_are_told(tmp_path: Path) -> None:
    """An original that runs with this calibration alone is proven; what turned cameras do is not shown."""
    pair = fixed_pair(tmp_path)
    report = pair.prove()
    report.require_passed()
    report.require_power()
    assert report.power is not None
    assert [each.kind for each in report.power.influences] == ["input"]
    (line,) = [line for line in report.power.not_shown if line.startswith("the calibration")]
    assert "row counts of this vehicle are in its file" in line


def test_the_table_alone_would_pass_tiny_outputs(tmp_path: Path) -> None:
    """Without its scale, an output of 1e-6 passes whatever it is: this is what the bound is for."""
    pair = tiny_pair(tmp_path, 1e-6).mutated(swap_cameras)
    shown = [{name: pair.subject.spare.one(0, name) for name in pair.subject.free} | dict(pair.calibration)]
    assert compare_models(pair.subject.path, pair.candidate, shown).passed


def test_an_ill_conditioned_output_is_judged_by_its_own_noise(tmp_path: Path) -> None:
    """Rounding amplified beyond the table is no fault: the report passes and says how far the original moves."""
    pair = amplifying_pair(tmp_path, 100.0)
    frames = [{"rows": pair.subject.spare.one(frame, "rows")} for frame in range(3)]
    assert not compare_models(pair.subject.path, pair.candidate, frames).passed
    report = pair.prove()
    report.require_passed()
    assert judged(report).rule == "ill-conditioned"
    assert FLOAT32.rtol < judged(report).rtol < 0.08
    assert "ill-conditioned: the original itself moves by" in " ".join(report.notes)


def test_each_state_has_its_own_noise(tmp_path: Path) -> None:
    """A switch that is off makes another model: what fails there is judged by the noise of such a frame."""
    pair = amplifying_pair(tmp_path, 100.0, switched=True)
    said: list[str] = []
    report = pair.prove(frames=4, progress=lambda stage, frame: said.append(f"{stage}, frame {frame}"))
    report.require_passed()
    studied = [line for line in said if line.startswith("one unit in the last place")]
    assert studied == [f"one unit in the last place, frame {frame}" for frame in (3, 0, 3)]
    with pytest.raises(VerificationError, match="output 'out'"):
        pair.mutated(count_twice).prove(frames=4).require_passed()


def test_noise_beyond_the_cap_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Where rounding alone moves an output as far as a fault would, a proof shows nothing; that is no bug."""
    pair = amplifying_pair(tmp_path, 1e5)
    with pytest.raises(VerificationError) as raised:
        pair.prove().require_passed()
    assert "ill-conditioned: the original itself moves by" in raised.value.hint
    assert "--allow ill-conditioned" in raised.value.hint
    assert "bug" not in raised.value.hint
    report = pair.prove("ill-conditioned")
    report.require_passed()
    assert judged(report).rule == "ill-conditioned"


def test_an_equal_model_needs_no_allowance(tmp_path: Path) -> None:
    """Equality to the bit is evidence however much the original amplifies: the strict bound comes first."""
    pair = amplifying_pair(tmp_path, 1e5)
    same = type(pair)(pair.subject, pair.subject.path, {}, {})
    report = same.prove()
    report.require_passed()
    (output,) = report.outputs.values()
    assert output.max_abs == 0.0


def test_a_bound_is_never_looser_than_the_table_without_need() -> None:
    """Little noise tightens the bound, much noise keeps the table; only noise near the table itself widens it."""
    calm = bound_of(FLOAT32, "float32", Noise(1.0, 1e-8, 0.0))
    assert (calm.rule, calm.strict.rtol) == ("floor", pytest.approx(32 * 2.0**-23))
    usual = bound_of(FLOAT32, "float32", Noise(1.0, 1e-6, 0.0))
    assert (usual.rule, usual.strict.rtol) == ("noise", pytest.approx(64e-6))
    rough = bound_of(FLOAT32, "float32", Noise(1.0, 0.0, 1e-5))
    assert (rough.rule, rough.strict, rough.wide) == ("table", FLOAT32, FLOAT32)
    ill = bound_of(FLOAT32, "float32", Noise(1.0, 1e-3, 0.0))
    assert (ill.strict, ill.wide.rtol, ill.lenient) == (FLOAT32, pytest.approx(8e-3), True)
    assert not bound_of(FLOAT32, "float32", Noise(1.0, 0.02, 0.0)).lenient


def test_integers_differ_only_by_allowance() -> None:
    """An index that rounding moves in the original may differ if a person says so, else it must be equal."""
    bound = bound_of(EXACT, "int64", Noise(1.0, 0.001, 0.0))
    assert bound.strict == EXACT
    assert not bound.lenient
    assert bound.wide.mismatches == pytest.approx(0.008)
    assert bound_of(EXACT, "int64", Noise(1.0, 0.001, 0.0), lenient=True).lenient


def test_one_unit_in_the_last_place_is_one(tmp_path: Path) -> None:
    """Every number becomes a neighbour, zeros and switches stay."""
    feed = {"x": np.array([0.0, 1.0, -2.0], np.float32), "flag": np.ones(1, np.float32), "n": np.arange(3)}
    moved = nudged(feed, frozenset({"flag"}))
    up, down = (np.nextafter(feed["x"], np.float32(to)) for to in (np.inf, -np.inf))
    assert moved["x"][0] == 0.0
    assert all(value in (a, b) for value, a, b in zip(moved["x"][1:], up[1:], down[1:], strict=True))
    assert moved["flag"] is feed["flag"]
    assert moved["n"] is feed["n"]


def test_a_proof_says_what_moves_the_outputs(tmp_path: Path) -> None:
    """Every camera, every other input and the calibration move the output by much more than is allowed."""
    report = tiny_pair(tmp_path).prove()
    assert report.power is not None
    assert report.power.not_shown == ()
    kinds = [each.kind for each in report.power.influences]
    assert kinds == ["camera"] * 6 + ["input", "calibration"]
    assert all(each.factor > 100 for each in report.power.influences)
    report.require_power()


def test_inputs_of_zeros_make_an_empty_proof(tmp_path: Path) -> None:
    """With features of zeros even swapped cameras are equal, so equality counts for nothing."""
    pair = tiny_pair(tmp_path, features=InputRule(scale=0.0)).mutated(swap_cameras)
    report = pair.prove()
    report.require_passed()
    with pytest.raises(VerificationError, match="no camera's features influence an output"):
        report.require_power()
    report.require_power(("empty-proof",))


def test_what_is_not_shown_is_said(tmp_path: Path) -> None:
    """An input that is the same in every frame may do anything or nothing: the report says so."""
    report = tiny_pair(tmp_path, query=InputRule(values=(0.5,))).prove()
    report.require_power()
    assert "not shown: input 'query' has the same values in every frame" in report.notes


def test_every_row_of_a_site_is_shown_to_matter(tmp_path: Path) -> None:
    """Each pair's row changes with its camera's features and with no other's; shuffled rows move the output."""
    report = tiny_pair(tmp_path).prove()
    assert report.power is not None
    (site,) = report.power.sites
    assert site.pairs == site.moved > 0
    assert site.elsewhere == 0
    assert site.shown


def test_rows_that_do_not_matter_are_counted(tmp_path: Path) -> None:
    """A build that claims to compute other rows than the original reads is reported, pair by pair."""
    pair = tiny_pair(tmp_path)
    (site,) = pair.subject.sites
    wrong = np.roll(site.seen, 1, axis=1)
    subject = replace(pair.subject, sites=(replace(site, seen=wrong),))
    report = replace(pair, subject=subject).prove()
    assert report.power is not None
    (found,) = report.power.sites
    assert found.elsewhere == int((site.seen & ~wrong).sum()) > 0
    assert found.moved == int((site.seen & wrong).sum())
    assert not found.shown
    assert "rows change with a camera, but not through its rows" in " ".join(report.notes)


def test_a_site_that_the_original_does_not_have_is_said(tmp_path: Path) -> None:
    """What cannot be asked at a site is a line of the report."""
    pair = tiny_pair(tmp_path)
    subject = replace(pair.subject, sites=(replace(pair.subject.sites[0], where="gone"),))
    report = replace(pair, subject=subject).prove()
    assert "not shown: single rows of site gone: the original has no such result" in report.notes


def test_a_value_that_the_original_does_not_determine_may_be_either(tmp_path: Path) -> None:
    """A point on a border falls to one side or the other: both are right, nothing else is, and it is counted."""
    first = np.arange(1.0, 1001.0, dtype=np.float32).reshape(100, 10)
    second = first.copy()
    second[3, 4] += 5.0
    both = [nearer(first, second, got, FLOAT32) for got in (first, second)]
    assert [count for _, count in both] == [1, 1]
    assert np.array_equal(both[0][0], first)
    assert np.array_equal(both[1][0], second)
    wrong = second.copy()
    wrong[3, 4] += 1.0
    wrong[7, 7] += 5.0
    wanted, _ = nearer(first, second, wrong, FLOAT32)
    assert compare_arrays(wanted, wrong, FLOAT32).failures == 2


def test_a_border_is_told_from_a_fault(tmp_path: Path) -> None:
    """A model that steps at a border that rounding crosses passes as either of both, with the count; a shift fails."""
    pair = stepping_pair(tmp_path)
    frames = [{"rows": pair.subject.spare.one(frame, "rows")} for frame in range(3)]
    assert not compare_models(pair.subject.path, pair.candidate, frames).passed
    report = pair.prove()
    report.require_passed()
    assert 0 < judged(report).unsettled <= 0.01 * 3 * 20000
    assert "may equal either" in " ".join(report.notes)
    with pytest.raises(VerificationError, match="output 'out'"):
        pair.mutated(shift_steps).prove().require_passed()


def test_a_site_without_a_shape_is_not_opened(tmp_path: Path) -> None:
    """A result whose shape depends on data cannot be replaced by an input; the others are."""
    make = GraphMaker()
    rows = make.input("rows", (4, 3))
    kept = make.op("Compress", rows, make.op("Greater", make.input("x", (4,)), make.const(0.0)), axis=0)
    doubled = make.op("Add", rows, rows)
    model = make.model(out=make.op("ReduceSum", kept), other=make.op("ReduceSum", doubled))
    onnx.save(model, tmp_path / "m.onnx")
    sites = [
        SiteRows(f"{operator}_{value}", np.ones((2, 4), np.bool_))
        for operator, value in (("Compress", kept), ("Add", doubled))
    ]
    feed = {"rows": np.ones((4, 3), np.float32), "x": np.ones(4, np.float32)}
    assert list(open_at(tmp_path / "m.onnx", sites, feed, 1, tmp_path).outputs) == [1]


def test_a_model_that_cannot_be_cut_is_studied_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that the runtime does not take are no reason to stop: the whole original runs in their place."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    monkeypatch.setattr(study, "cut", lambda *args: study.Cut(broken, broken, {}, {}))
    report = tiny_pair(tmp_path).prove()
    report.require_passed()
    assert report.power is not None
    assert all(each.shown for each in report.power.influences)
    assert len(report.power.influences) == 8
