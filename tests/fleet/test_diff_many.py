"""Fleets compared as arrays against the comparison of each vehicle: the same kinds, numbers, outliers and drift."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.calibration.delta import compare
from specialize.calibration.delta_many import compare_many
from specialize.calibration.dump import dump_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import write_table
from specialize.calibration.table_many import read_alike
from specialize.cli.results import RESULTS, found_at
from specialize.errors import InputError
from specialize.fleet import apart, survey
from specialize.fleet.apart import MOVED
from specialize.fleet.differences import fleet_diff
from specialize.fleet.drift import fleet_drift
from specialize.fleet.executors import executor_of
from specialize.fleet.grown import Grown
from specialize.fleet.median import measure, measure_many, median_profile, shape_of
from specialize.text.record import to_json
from tests.calibration import authored
from tests.fleet.fleets import profile_of
from tests.fleet.test_survey import line, motley
from tests.plausibility.test_many import moved


def said(name: str, value: object) -> Any:
    """Return what `--json` prints of a result, but times and the fleet's place."""
    made_by = RESULTS[name].made_by
    document = to_json(found_at(made_by)(value) if made_by else value)
    return {key: document[key] for key in document if key not in ("seconds", "folder", "fleet", "since")}


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every row of a table be read one by one."""
    monkeypatch.setattr(survey, "read_alike", refused)


def refused(*_: object) -> None:
    """Say that no group can be read as arrays."""
    raise InputError("group", "arrays", "none")


@pytest.mark.parametrize("model", [None, "bevformer_tiny"])
def test_a_motley_table_is_compared_as_its_vehicles_are(
    tmp_path: Path, model: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kinds, the digests of their medians, distances, queries, outliers and refusals are those of one by one."""
    table = tmp_path / "fleet.parquet"
    write_table(motley(), table)
    at_once = said("fleet-diff", fleet_diff(table, model))
    assert at_once["kinds"] >= 4 and at_once["outliers"]
    alone(monkeypatch)
    assert said("fleet-diff", fleet_diff(table, model)) == at_once


def test_vehicles_that_are_alike_are_not_compared_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cars and vans of one line never need the code for one vehicle."""
    write_table(line(authored.CAR42, 20, 1, "car") + line(authored.VAN, 20, 2, "van"), tmp_path / "f.parquet")
    monkeypatch.setattr(apart, "load_profile", None)
    monkeypatch.setattr("specialize.fleet.measuring.load_profile", None)
    found = fleet_diff(tmp_path / "f.parquet", "bevformer_tiny")
    assert [group.count for group in found.groups] == [20, 20]


def scattered(count: int, turn_rad: float, shift_m: float) -> list[CalibrationProfile]:
    """Return vehicles whose cameras are off by much, one camera turned round."""
    rng = np.random.default_rng(3)
    vehicles = [
        dataclasses.replace(
            moved(profile_of(authored.CAR42), rng, turn_rad, shift_m), vehicle=f"car_{number:02}"
        )
        for number in range(count)
    ]
    return [*vehicles, dataclasses.replace(vehicles[0], cameras=vehicles[0].cameras[::-1], vehicle="turned")]


@pytest.mark.parametrize(("turn_rad", "shift_m"), [(0.0, 0.0), (0.002, 0.002), (0.3, 0.5), (3.0, 12.0)])
def test_many_differ_from_one_as_each_does(tmp_path: Path, turn_rad: float, shift_m: float) -> None:
    """Every column of every camera, whether cameras hardly moved, turned round, or left the circles of points."""
    vehicles = scattered(12, turn_rad, shift_m)[:12]
    write_table(vehicles, tmp_path / "f.parquet")
    ((alike, _),) = read_alike(tmp_path / "f.parquet", 0).parts
    assert np.array_equal(measure_many(alike), np.stack([measure(one).values for one in vehicles]))
    first = median_profile(shape_of(vehicles[0]), measure_many(alike), "median")
    deltas = [compare(first, one).cameras for one in vehicles]
    expected = np.array(
        [[[getattr(camera, name) for name in MOVED] for camera in one] for one in deltas], float
    )
    assert np.allclose(compare_many(first, alike), expected, rtol=1e-7, atol=1e-7, equal_nan=True)
    if turn_rad == 3.0:
        assert np.isnan(expected).any() or expected[..., 4].max() > 1e3


def test_any_workers_find_the_same(tmp_path: Path) -> None:
    """One process, two, and a dask cluster say the same of a table of two groups of rows, today and since."""
    cars = line(authored.CAR42, 1100, 1, "car")
    later = [*line(authored.CAR42, 60, 5, "car"), *cars[60:1090], *line(authored.VAN, 4, 2, "van")]
    before, table = tmp_path / "before.parquet", tmp_path / "f.parquet"
    write_table(cars, before)
    write_table(later, table)
    found = [said("fleet-diff", fleet_diff(table, jobs=jobs)) for jobs in (1, 2)]
    since = [said("fleet-drift", fleet_drift(table, before, jobs=jobs)) for jobs in (1, 2)]
    with executor_of("dask", jobs=2) as executor:
        found.append(said("fleet-diff", fleet_diff(table, executor=executor)))
        since.append(said("fleet-drift", fleet_drift(table, before, executor=executor)))
    assert found[0] == found[1] == found[2]
    assert since[0] == since[1] == since[2]
    assert (since[0]["unchanged"], len(since[0]["recalibrated"])) == (1030, 60)
    assert (len(since[0]["added"]), len(since[0]["gone"])) == (4, 10)


def changed(vehicles: Sequence[CalibrationProfile]) -> list[CalibrationProfile]:
    """Return a later state: every third vehicle moved, every seventh gone, some new, some with a camera less."""
    rng = np.random.default_rng(8)
    later = []
    for number, one in enumerate(vehicles):
        if number % 7 == 3:
            continue
        plain = all(camera.lens is None and camera.intrinsic is not None for camera in one.cameras)
        if number % 3 == 0 and plain:
            one = dataclasses.replace(moved(one, rng, 0.001, 0.001), vehicle=one.vehicle)
        elif number % 11 == 1 and len(one.cameras) > 1:
            one = dataclasses.replace(one, cameras=one.cameras[1:])
        later.append(one)
    return [*later, *line(authored.VAN, 5, 9, "new")]


def test_a_motley_fleet_drifts_as_its_vehicles_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables, two folders, and rows read one by one: the same vehicles, movements, trends and refusals."""
    vehicles = motley()
    for name, state in (("before", vehicles), ("later", changed(vehicles))):
        write_table(state, tmp_path / f"{name}.parquet")
        (tmp_path / name).mkdir()
        for one in state:
            (tmp_path / name / f"{one.vehicle}.yaml").write_text(dump_profile(one))
    tables = said("fleet-drift", fleet_drift(tmp_path / "later.parquet", tmp_path / "before.parquet"))
    assert min(len(tables[name]) for name in ("recalibrated", "added", "gone", "other_cameras")) > 0
    folders = said("fleet-drift", fleet_drift(tmp_path / "later", tmp_path / "before"))
    alone(monkeypatch)
    single = said("fleet-drift", fleet_drift(tmp_path / "later.parquet", tmp_path / "before.parquet"))
    assert single == tables
    for found in (tables, folders):
        found["recalibrated"] = [{**one, "path": ""} for one in found["recalibrated"]]
        found["failed"] = len(found["failed"])
    assert folders == tables


def test_two_rows_of_one_name_are_refused(tmp_path: Path) -> None:
    """A table that names a vehicle twice is no fleet, today or before."""
    cars = line(authored.CAR42, 5, 1, "car")
    write_table(cars, tmp_path / "one.parquet")
    write_table([*cars, cars[2]], tmp_path / "two.parquet")
    for compare_two in (
        lambda: fleet_diff(tmp_path / "two.parquet"),
        lambda: fleet_drift(tmp_path / "two.parquet", tmp_path / "one.parquet"),
        lambda: fleet_drift(tmp_path / "one.parquet", tmp_path / "two.parquet"),
    ):
        with pytest.raises(InputError, match=r"expected a name other than that of .*car_002"):
            compare_two()


def test_a_column_grows_in_parts() -> None:
    """Rows added in parts are the rows added at once."""
    rows = np.arange(600).reshape(200, 3)
    grown = Grown()
    for start in range(0, 200, 7):
        grown.add(rows[start : start + 7])
    assert np.array_equal(grown.whole(), rows) and len(grown) == 200
