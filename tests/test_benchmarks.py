"""The benchmarks measure what they say, and the stored figures are of all that is measured."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import compare, fleets, plans, run
from benchmarks.simulated_fleet import designs, write_fleet
from specialize.calibration.load import load_profile
from specialize.calibration.table import Vehicles, read_digests


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


def test_simulated_fleets_are_fleets(tmp_path: Path) -> None:
    """Rows made as arrays are profiles with the digests that they state, a few millimetres from their designs."""
    write_fleet(tmp_path / "fleet.parquet", 30)
    for index, path in enumerate(Vehicles(tmp_path / "fleet.parquet")):
        profile, design = load_profile(path), designs()[index % 3]
        assert profile.camera_names() == design.camera_names()
        apart = np.abs(profile.image_from_lidar() - design.image_from_lidar())
        assert 0 < apart.max() < 0.05 * np.abs(design.image_from_lidar()).max()


def test_a_fleets_figure_is_of_its_plan(tmp_path: Path) -> None:
    """What a plan took is measured in a process of its own, and written beside figures that are there already."""
    case = "tables of bevformer_tiny"
    figure = fleets.measure(case, fleets.fleet(tmp_path, 30), 30)
    assert (
        (figure.vehicles, figure.kinds) == (30, 3) and figure.most_mib > 50 and figure.processor_seconds > 0
    )
    other = dataclasses.replace(figure, vehicles=7)
    fleets.write(tmp_path, {f"{case}, 7": other})
    stored = json.loads(fleets.write(tmp_path, {f"{case}, 30": figure}).read_text())
    assert list(stored["figures"]) == [f"{case}, 7", f"{case}, 30"]


def test_the_page_has_the_figures_of_the_file() -> None:
    """Every figure of simulated fleets is a row of the page, and every such row is a figure."""
    stored = json.loads((run.RESULTS / fleets.FILE).read_text())
    assert stored["schema"] == fleets.SCHEMA and all(stored["machine"].values())
    rows = [fleets.page_row(name, fleets.Figure(**figure)) for name, figure in stored["figures"].items()]
    page = (run.ROOT / "docs" / "concepts" / "fleet-plan.md").read_text().splitlines()
    assert [line for line in page if line.startswith(tuple(f"| {case} |" for case in fleets.CASES))] == rows


def test_fleets_are_compared_with_a_state_of_which_some_were_recalibrated(tmp_path: Path) -> None:
    """Every hundredth vehicle has other digests in the later state, and the commands that compare are measured."""
    table, later = (fleets.fleet(tmp_path, 300, again) for again in (0, 100))
    stated = [read_digests(path).digests for path in (table, later)]
    assert np.flatnonzero((stated[0] != stated[1]).any(axis=1)).tolist() == [0, 100, 200]
    for case, kinds in (("diff", 3), ("diff since", 0)):
        figure = fleets.measure(case, table, 300)
        assert (figure.vehicles, figure.kinds, figure.builds) == (300, kinds, 0)


def test_two_trees_are_measured_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every round runs both, and a command that one of them does not have has no figures."""
    note = tmp_path / "runs"
    code = f"import os; open({str(note)!r}, 'a').write(os.environ['PYTHONPATH'] + chr(10))"
    monkeypatch.setattr(
        compare, "CASES", {"quick": lambda room: ["-c", code], "bad": lambda room: ["-c", "1 / 0"]}
    )
    found = compare.compare("quick", tmp_path, tmp_path, 3)
    assert found is not None and 0 < found.low <= found.ratio <= found.high
    runs = note.read_text().split()
    assert runs.count(str(tmp_path)) == runs.count(str(run.ROOT)) == 4
    assert {*runs[2:4]} == {str(tmp_path), str(run.ROOT)}
    assert compare.compare("bad", tmp_path, tmp_path, 1) is None
    assert "not there" in compare.line(None)


def test_what_is_no_commit_is_named() -> None:
    """An unknown commit ends the comparison."""
    with pytest.raises(SystemExit, match="no-such-commit: expected a commit"):
        compare.main(["no-such-commit", "--rounds", "1", "--only", "help"])
