"""The report of a difference says what moved, whether a build may be shared, and which cells change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from specialize.explain import drift
from specialize.explain.drift import difference
from specialize.files.resources import resource_dir
from specialize.report.diff import diff_report
from specialize.visibility.delta import compare_plans
from tests.cli.running import CAR42, CAR43, run_here
from tests.report import pages

PROFILES = resource_dir("calib_profiles")


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def _page(first: Path | str, second: Path | str) -> str:
    """Return the report of the difference between two calibrations for BEVFormer-tiny."""
    found = difference(first, second, "bevformer_tiny")
    return diff_report(found.outcome, *found.plans, found.profiles)


@pytest.fixture(scope="module")
def html() -> str:
    """Return the report of the difference between car42 and car43."""
    return _page(PROFILES / "car42.yaml", PROFILES / "car43.yaml")


def test_two_cars_of_one_type_differ_in_queries(html: str) -> None:
    """The verdict, the most moved camera and the number of changed pairs are stated."""
    text = _text(html)
    assert "What differs? Queries" in text and "No, not an exact one" in text
    first, second = pages.plans()[0], pages.plans(calib="car43.yaml")[0]
    delta = compare_plans(first, second)
    assert f"{delta.gained} gained, {delta.lost} lost" in text
    for change in delta.cameras:
        assert f"{len(change.gained)} {len(change.lost)} {change.kept:,} " in text


def test_rigs_are_called_by_their_vehicles_if_these_differ(html: str) -> None:
    """Two vehicles are named; one vehicle is shown before and now."""
    text = _text(html)
    assert "lens, car42 lens, car43" in text and "Now" not in text
    same = _text(_page(PROFILES / "car42.yaml", PROFILES / "car42.yaml"))
    assert "lens, Before lens, Now" in same and "No cell goes blind" in same


def test_it_stands_alone_and_repeats(html: str) -> None:
    """Nothing is loaded from anywhere, no path is inside, and the same profiles give the same bytes."""
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", html)
    assert str(PROFILES) not in html
    assert _page(PROFILES / "car42.yaml", PROFILES / "car43.yaml") == html


def test_the_same_calibration_changes_nothing() -> None:
    """A profile against itself is the same, and one build serves both."""
    text = _text(_page(PROFILES / "car42.yaml", PROFILES / "car42.yaml"))
    assert "What differs? Nothing" in text and "May one build serve both? Yes" in text
    assert text.count("the same cells") == 6


def test_other_cameras_are_not_compared_cell_by_cell() -> None:
    """Rigs with other cameras get a verdict and no map."""
    html = _page(PROFILES / "car42.yaml", PROFILES / "reference" / "wide4.yaml")
    assert "the cameras themselves differ" in html and "nothing to compare cell by cell" in html
    assert "added: FRONT, RIGHT" in html and "removed: CAM_FRONT" in html


def test_a_hostile_name_is_text(tmp_path: Path) -> None:
    """A vehicle named like markup is shown as its name."""
    hostile = tmp_path / "a.yaml"
    text = (PROFILES / "car42.yaml").read_text(encoding="utf-8")
    hostile.write_text(re.sub(r"(?m)^vehicle:.*$", 'vehicle: "<b>x</b>"', text), encoding="utf-8")
    html = _page(hostile, PROFILES / "car43.yaml")
    assert "<b>x</b>" not in html and "&lt;b&gt;x" in html


def test_the_command_computes_everything_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is laid out from what is printed: each profile is read once and planned once."""
    calls = Counter()  # type: ignore[var-annotated]
    for name, function in (("load_profile", drift.load_profile), ("visible_sets", drift.visible_sets)):

        def counted(*given: object, name: str = name, function: Callable[..., object] = function) -> object:
            calls[name] += 1
            return function(*given)

        monkeypatch.setattr(f"specialize.explain.drift.{name}", counted)
        monkeypatch.setattr(f"specialize.report.diff.{name}", counted, raising=False)
    assert run_here(capsys, "diff", CAR42, CAR43, "--report", tmp_path / "diff.html").code == 3
    assert calls == {"load_profile": 2, "visible_sets": 2}


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`diff --report` writes the page beside what it prints, and exits as without it."""
    ran = run_here(capsys, "diff", CAR42, CAR43, "--report", tmp_path / "diff.html", "--json")
    assert ran.code == 3 and f"report: {tmp_path / 'diff.html'}" in ran.err
    text = (tmp_path / "diff.html").read_text(encoding="utf-8")
    assert text == _page(CAR42, CAR43) and "Cells gained and lost" in text
