"""The benchmarks measure what they say, and the stored figures are of all that is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import plans, run


def test_a_figure_is_of_as_many_processes_as_asked_for(tmp_path: Path) -> None:
    """One process more runs before them, unmeasured; the median lies between the extremes."""
    note = tmp_path / "runs"
    figure = run.measure(["-c", f"open({str(note)!r}, 'a').write('x')"], rounds=3)
    assert note.read_text() == "xxxx" and figure.rounds == 3
    assert 0 < figure.lowest_s <= figure.median_s <= figure.highest_s


def test_a_command_that_fails_has_no_figure() -> None:
    """An exit code that is not the expected one ends the run."""
    assert run.measure(["-c", "raise SystemExit(3)"], rounds=1, code=3).rounds == 1
    with pytest.raises(SystemExit, match="expected exit code 0, got 3"):
        run.measure(["-c", "raise SystemExit(3)"], rounds=1)


def test_every_case_runs(tmp_path: Path) -> None:
    """Each command ends as expected on a build of car42."""
    room = run.make_build(tmp_path / "car42")
    for name, arguments in run.CASES.items():
        assert run.measure(arguments(room), 1, run.FAILING.get(name, 0)).rounds == 1


def test_stored_figures_are_complete(tmp_path: Path) -> None:
    """The file in the repository has every case, the machine and the version, as a run writes them."""
    stored = json.loads((run.RESULTS / "commands.json").read_text())
    figure = run.Figure(rounds=1, median_s=1.0, lowest_s=1.0, highest_s=1.0)
    written = json.loads(run.write(tmp_path, dict.fromkeys(run.CASES, figure)).read_text())
    assert stored.keys() == written.keys() and stored["schema"] == run.SCHEMA
    assert stored["machine"].keys() == written["machine"].keys() and all(stored["machine"].values())
    assert list(stored["figures"]) == list(run.CASES)
    assert all(value.keys() == written["figures"]["help"].keys() for value in stored["figures"].values())


def test_stored_plans_are_complete(tmp_path: Path) -> None:
    """The file in the repository has every rig, and ratios that are those of its medians."""
    stored = json.loads((run.RESULTS / "plans.json").read_text())
    rigs = plans.rigs()
    few = {name: rigs[name] for name in (plans.PINHOLES, "fisheye4")}
    written = json.loads(plans.write(tmp_path, plans.measure(few, 1)).read_text())
    assert stored.keys() == written.keys() and stored["schema"] == plans.SCHEMA
    assert list(stored["figures"]) == list(rigs)
    pinholes = stored["figures"][plans.PINHOLES]["median_ms"]
    for name, figure in stored["figures"].items():
        assert figure.keys() == written["figures"]["fisheye4"].keys()
        assert figure["cameras"] == len(rigs[name][0].size_px)
        assert figure["times_pinholes"] == pytest.approx(figure["median_ms"] / pinholes, abs=0.01)
