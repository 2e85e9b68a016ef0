"""What a plan and its lock keep of many vehicles: columns in parts, and the same answers as vehicle by vehicle."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import Vehicles, write_table
from specialize.fleet import lock_table, sharing
from specialize.fleet.builds import locked
from specialize.fleet.footprints import Footprints, Gathered, Members, digests_of, order_of
from specialize.fleet.lock import lock_of, read_lock, write_lock
from specialize.fleet.lock_table import LockedVehicles
from specialize.fleet.plan import plan_fleet
from specialize.fleet.report_builds import members_parts
from specialize.fleet.request import FleetRequest, PlanMode
from specialize.fleet.tasks import work_of
from tests.calibration import authored
from tests.fleet.test_survey import line

ODD = ("a b", "a", "a%b", "ä", "a~b", "A-1", "a/b", "a.b", "z", "0", "車", "a_b", "a+b")


def vehicles(count: int = 30) -> list[CalibrationProfile]:
    """Return cars and vans whose names are in no order."""
    cars = line(authored.CAR42, count, 1, "car") + line(authored.VAN, count // 2, 2, "a van")
    return [cars[index] for index in np.random.default_rng(1).permutation(len(cars))]


def requested(fleet: Path, mode: PlanMode = "tables") -> FleetRequest:
    """Return a request with room for more than one build."""
    return FleetRequest.of(
        folder=fleet, mode=mode, max_overhead=0.01, spare=0.02 if mode == "tables" else 0.0
    )


@pytest.mark.parametrize("mode", ["tables", "envelope", "exact"])
def test_plans_and_locks_do_not_depend_on_the_size_of_parts(
    tmp_path: Path, mode: PlanMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vehicles counted a few at a time add, need and have room for what they do at once."""
    write_table(vehicles(), tmp_path / "fleet.parquet")
    whole = plan_fleet(requested(tmp_path / "fleet.parquet", mode), jobs=1)
    monkeypatch.setattr(sharing, "AT_ONCE", 4)
    parts = plan_fleet(requested(tmp_path / "fleet.parquet", mode), jobs=1)
    assert whole.builds == parts.builds
    for one in whole.builds:
        assert one.room or mode == "exact"


def test_a_lock_holds_its_vehicles_as_they_were_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read again, every build has its vehicles in the same order, with the same digests, whatever groups hold them."""
    write_table(vehicles(), tmp_path / "fleet.parquet")
    plan = plan_fleet(requested(tmp_path / "fleet.parquet"), jobs=1)
    texts = []
    for group in (1 << 16, 7):
        monkeypatch.setattr(lock_table, "GROUP", group)
        write_lock(lock_of(plan), tmp_path / "fleet.lock")
        again = read_lock(tmp_path / "fleet.lock")
        texts.append((tmp_path / "fleet.lock").read_text().splitlines()[:-1])
        for build in plan.builds:
            kept = again.builds[build.key].members
            assert isinstance(kept, LockedVehicles)
            assert kept == locked(build).members
            assert list(kept) == [kept[index] for index in range(len(kept))]
            assert kept[-1] == list(kept)[-1] and kept[0].vehicle == build.made_from
            assert again.builds[build.key].vehicles == locked(build).vehicles
            every = np.arange(len(kept))
            assert np.array_equal(digests_of(kept, every), digests_of(locked(build).members, every))
    assert texts[0] == texts[1]


def test_no_vehicle_is_lost_where_two_groups_need_one_capacity(tmp_path: Path) -> None:
    """Spare rows beyond the overhead keep even equal vehicles apart; their engine is one, and its lock has them all."""
    cars = line(authored.CAR42, 3, 1, "car")
    twins = [dataclasses.replace(one, vehicle=f"twin_{one.vehicle}") for one in cars]
    write_table([*cars, *twins], tmp_path / "fleet.parquet")
    request = FleetRequest.of(folder=tmp_path / "fleet.parquet", mode="tables", max_overhead=0.01, spare=0.1)
    plan = plan_fleet(request, jobs=1)
    assert len({build.key for build in plan.builds}) == len(plan.builds) >= plan.at_least
    assert sorted(lock_of(plan).vehicles) == sorted(one.vehicle for one in (*cars, *twins))


def test_an_engine_is_built_from_one_vehicle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a table's lock the tables' engines need one row each; no other vehicle is made."""
    write_table(vehicles(), tmp_path / "fleet.parquet")
    write_lock(lock_of(plan_fleet(requested(tmp_path / "fleet.parquet"), jobs=1)), tmp_path / "fleet.lock")
    lock = read_lock(tmp_path / "fleet.lock")
    made = []
    of = lock_table.vehicles_of
    monkeypatch.setattr(lock_table, "vehicles_of", lambda *given: made.append(given) or of(*given))
    work = work_of(lock, "", tables=False)
    assert len(made) == len(work.tasks) == len(lock.builds)
    assert [task.members[0].vehicle for task in work.tasks] == [task.build.made_from for task in work.tasks]
    assert len(work_of(lock, "", tables=True).tasks[0].members) == len(next(iter(lock.in_order())).members)


@pytest.mark.parametrize("names", [ODD, tuple(f"car_{number}" for number in range(12))])
def test_paths_are_sorted_without_being_made(tmp_path: Path, names: tuple[str, ...]) -> None:
    """The order of rows is that of the texts of their paths, whatever names hold."""
    one = line(authored.CAR42, 1, 1, "car")[0]
    write_table([dataclasses.replace(one, vehicle=name) for name in names], tmp_path / "f.parquet")
    files = Vehicles(tmp_path / "f.parquet")
    places = np.arange(len(names))[::-1]
    paths = [str(files[int(place)]) for place in places]
    assert [paths[index] for index in order_of(files, places)] == sorted(paths)
    assert order_of(list(files), places).tolist() == order_of(files, places).tolist()


def test_members_that_add_most_are_named_first(tmp_path: Path) -> None:
    """Columns give the table of members that a list of them gives."""
    write_table(vehicles(), tmp_path / "fleet.parquet")
    for build in plan_fleet(requested(tmp_path / "fleet.parquet"), jobs=1).builds:
        assert isinstance(build.members, Members)
        listed = dataclasses.replace(build, members=list(build.members))
        assert members_parts(build) == members_parts(listed)


def test_vehicles_that_come_out_of_order_are_put_in_order() -> None:
    """Parts of a chunk may follow each other in any order: places ascend in the whole."""

    def part(places: list[int]) -> Footprints:
        numbers = np.array(places)
        rows = np.zeros((len(places), 1, 2), np.int32)
        names = np.array([f"car_{place}" for place in places], object)
        return Footprints(
            ("a", "b"), numbers, names, np.zeros((len(places), 3, 32), np.uint8), rows, rows, rows[:, 0, 0]
        )

    gathered = Gathered(("a", "b"))
    for places in ([0, 3], [1, 2], [5, 6]):
        gathered.add(part(places))
    whole = gathered.whole()
    assert whole.places.tolist() == [0, 1, 2, 3, 5, 6]
    assert whole.names.tolist() == [f"car_{place}" for place in whole.places]
