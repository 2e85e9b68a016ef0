"""Rigs with cameras off in a fleet's plan: what `--without` would make, for every vehicle, before a camera dies."""

from __future__ import annotations

import dataclasses
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest

from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.many import images_of
from specialize.calibration.off import off_name, without
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import write_table
from specialize.cli.render_fleet import plan_text
from specialize.errors import InputError, UsageError
from specialize.fleet import survey
from specialize.fleet.builds import FleetPlan
from specialize.fleet.footprint import Admission, Survey
from specialize.fleet.footprints import Footprints
from specialize.fleet.lock import default_lock, lock_of, lock_text, read_lock, write_lock
from specialize.fleet.plan import plan_fleet
from specialize.fleet.report_builds import build_parts
from specialize.fleet.request import FleetRequest
from specialize.fleet.subsets import Subsets, missing_at, missing_of
from specialize.fleet.survey import Found, SurveyChunk, chunks_of
from specialize.fleet.vehicle import identify
from specialize.model.parts import ImagePrep
from specialize.model.spec import ModelSpec
from specialize.model.visible import plans_digest, visible_sets
from tests.calibration import authored
from tests.fleet.fleets import FOREIGN, profile_of, write_fleet, write_rig
from tests.fleet.test_plan import planned
from tests.fleet.test_survey import MODELS, TINY, line, motley
from tests.plausibility.test_many import moved
from tests.shared_files import calibrations, profile_document

COLUMNS = ("digests", "own", "reach", "fan_in")


def surveyed(table: Path, spec: ModelSpec, most: int, allow: tuple[str, ...] = ()) -> Found:
    """Return what becomes of the first group of a table and of its rigs with cameras off."""
    files = survey.Vehicles(table)
    admission = Admission(Survey(spec, with_bits=bool(spec.grids)), allow)
    return SurveyChunk(admission, Subsets(most, len(files)))(chunks_of(files)[0])


def rows_of(parts: tuple[Footprints, ...]) -> dict[int, list[object]]:
    """Return the row of each rig by its place."""
    return {
        int(part.places[row]): [
            part.cameras,
            *(getattr(part, name)[row].tolist() for name in COLUMNS),
            part.names[row],
        ]
        for part in parts
        for row in range(len(part))
    }


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every vehicle be looked at by itself."""
    monkeypatch.setattr(survey, "together", lambda _, alike, *more: ([], [], np.zeros(len(alike), bool)))


@pytest.mark.parametrize(
    ("model", "allow", "most"),
    [
        ("tiny", (), 1),
        ("tiny", FOREIGN, 2),
        ("several grids", FOREIGN, 1),
        ("upright grid", (), 1),
        ("no grid", (), 1),
    ],
)
def test_a_table_is_surveyed_as_its_rigs_are(
    tmp_path: Path, model: str, allow: tuple[str, ...], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers, digests and refusals of rigs with cameras off are those of one rig after the other."""
    rigs = motley()[:: 2 * most]
    off = [
        dataclasses.replace(without(rigs[0], rigs[0].camera_names()[:1]), vehicle=f"off_{n}")
        for n in range(4)
    ]
    write_table([*rigs, *off], tmp_path / "fleet.parquet")
    at_once = surveyed(tmp_path / "fleet.parquet", MODELS[model], most, allow)
    alone(monkeypatch)
    each = surveyed(tmp_path / "fleet.parquet", MODELS[model], most, allow)
    assert at_once.failed == each.failed and each.failed
    assert rows_of(at_once.degraded) == rows_of(each.degraded)
    assert bool(at_once.degraded) == (model != "no grid")


def test_real_rigs_are_surveyed_as_each_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real rigs and neighbours of them, without one and two cameras, at once as one by one."""
    rng = np.random.default_rng(4)
    rigs = [parse_profile(profile_document(path), str(path)) for path in calibrations()[::60]]
    near = [
        dataclasses.replace(moved(rig, rng, 0.003, 0.003), vehicle=f"{number}_{copy}")
        for number, rig in enumerate(rigs)
        for copy in range(4)
    ]
    spec = msgspec.structs.replace(TINY, image=ImagePrep(size_px=(1600, 928)), points=None, cameras=())
    write_table(near, tmp_path / "fleet.parquet")
    at_once = surveyed(tmp_path / "fleet.parquet", spec, 2, ("image-overflow", "view-share"))
    alone(monkeypatch)
    each = surveyed(tmp_path / "fleet.parquet", spec, 2, ("image-overflow", "view-share"))
    assert (rows_of(at_once.degraded), at_once.failed) == (rows_of(each.degraded), each.failed)
    assert len(rows_of(each.degraded)) > 20


def test_usual_vehicles_are_not_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cars and vans of one line never need the code for one vehicle, whichever cameras are off."""
    write_table(line(authored.CAR42, 20, 1, "car") + line(authored.VAN, 20, 2, "van"), tmp_path / "f.parquet")
    monkeypatch.setattr(survey, "load_profile", None)
    assert len(rows_of(surveyed(tmp_path / "f.parquet", TINY, 2).degraded)) == 40 * 21


def apart(car: CalibrationProfile, metres: float) -> CalibrationProfile:
    """Return a car whose left cameras are shifted: the front one to the right, the rear one to the left."""
    shifts = {"CAM_FRONT_LEFT": -metres, "CAM_BACK_LEFT": metres}
    cameras = []
    for camera in car.cameras:
        assert camera.camera_from_lidar is not None and camera.intrinsic is not None
        pose = camera.camera_from_lidar.copy()
        assert car.ego_from_lidar is not None
        pose[:3, 3] -= pose[:3, :3] @ car.ego_from_lidar[1, :3] * shifts.get(camera.name, 0.0)
        image = images_of(camera.intrinsic, pose)
        cameras.append(dataclasses.replace(camera, camera_from_lidar=pose, image_from_lidar=image))
    return dataclasses.replace(car, cameras=tuple(cameras), vehicle=f"apart_{car.vehicle}")


def test_errors_of_degraded_rigs_alone_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cameras on wrong sides may average to a right place; without one of them the rig is refused."""
    cars = line(authored.CAR42, 5, 1, "car")
    table = tmp_path / "fleet.parquet"
    write_table([*cars, *(apart(car, 3.0) for car in cars)], table)
    whole, degraded = (surveyed(table, TINY, most) for most in (0, 1))
    assert (len(whole.failed), len(degraded.failed)) == (0, 5)
    assert all(
        "-without-CAM_BACK_LEFT: expected a calibration that fits" in one.reason for _, one in degraded.failed
    )
    alone(monkeypatch)
    assert surveyed(table, TINY, 1).failed == degraded.failed


@pytest.mark.parametrize("mode", ["exact", "tables", "envelope", "auto"])
def test_each_rig_is_that_of_without(tmp_path: Path, mode: str) -> None:
    """Digests, pairs and names of every member are those of the profile without these cameras."""
    write_fleet(tmp_path, authored.CAR42, 2)
    plan = planned(tmp_path, mode, subsets=2)  # type: ignore[arg-type]
    names = load_profile(tmp_path / "car_00001.yaml").camera_names()
    subsets = [(), *combinations(names, 1), *combinations(names, 2)]
    members = {one.vehicle: one for build in plan.builds for one in build.members}
    assert set(members) == {off_name(f"car_0000{n}", off) for n in (1, 2) for off in subsets}
    for one in members.values():
        rig = without(load_profile(one.path), one.without)
        (seen,) = visible_sets(TINY, rig)
        named = identify(one.path, rig, TINY, plans_digest([seen]), one.without)
        assert (one.vehicle, one.profile, one.plan, one.calibration) == (
            named.vehicle, named.profile, named.plan, named.calibration,
        )  # fmt: skip
        assert one.pairs == sum(seen.lengths)
    assert (plan.vehicles, plan.rigs) == (2, 2 * len(subsets))


def test_exact_builds_of_all_rigs_are_planned(tmp_path: Path) -> None:
    """One for each whole vehicle, as without subsets, and one for each set of cameras that may be missing."""
    write_fleet(tmp_path, authored.CAR42, 2)
    plan, plain = planned(tmp_path, "exact", subsets=1), planned(tmp_path, "exact")
    assert len(plan.builds) == 2 * 7 == plan.at_least
    assert {one.key for one in plain.builds} < {one.key for one in plan.builds}
    assert len({one.key for one in plan.builds}) == 14
    assert plan.builds[1].lengths[0][0] == 0 and plan.builds[1].made_from == "car_00001-without-CAM_FRONT"
    assert [one.vehicles for one in plan.builds[1].kinds] == [1]


@pytest.mark.parametrize("mode", ["tables", "envelope"])
def test_shared_builds_serve_degraded_rigs_as_they_are(tmp_path: Path, mode: str) -> None:
    """Keys, capacity, overhead and room are those of the whole vehicles; a rig with a camera off adds nothing."""
    write_fleet(tmp_path, authored.CAR42, 3)
    (build,), (plain,) = planned(tmp_path, mode, subsets=1).builds, planned(tmp_path, mode).builds  # type: ignore[arg-type]
    for name in ("key", "lengths", "overhead", "fan_in", "made_from", "room", "room_over", "kinds"):
        assert getattr(build, name) == getattr(plain, name), name
    assert {one.adds for one in build.members if one.without} == {0}
    assert [one.vehicle for one in build.members if not one.without] == list(plain.vehicles)
    assert len(build.members) == 3 * 7
    assert build_parts(build)


def test_auto_counts_the_builds_of_degraded_rigs(tmp_path: Path) -> None:
    """One vehicle needs one exact build, or seven with a camera missing: then one engine with tables is fewer."""
    write_fleet(tmp_path, authored.CAR42, 1)
    assert [one.mode for one in planned(tmp_path).builds] == ["exact"]
    assert [one.mode for one in planned(tmp_path, subsets=1).builds] == ["tables"]
    assert [one.mode for one in planned(tmp_path, "envelope", subsets=1).builds] == ["envelope"]


def test_rigs_that_are_equal_without_a_camera_share_its_build(tmp_path: Path) -> None:
    """Cars that differ in one camera are equal without it, and so is a car that lost it."""
    car = authored.CAR42
    write_rig(tmp_path, dataclasses.replace(car, vehicle="a"))
    write_rig(tmp_path, dataclasses.replace(authored.knocked(car, "CAM_BACK", 1.0), vehicle="b"))
    lost = dataclasses.replace(without(load_profile(tmp_path / "a.yaml"), ("CAM_BACK",)), vehicle="c")
    (tmp_path / "c.yaml").write_text(dump_profile(lost))
    plan = planned(tmp_path, "exact", subsets=1)
    assert [one.vehicles for one in plan.builds if len(one.members) > 1] == [
        ("c", "a-without-CAM_BACK", "b-without-CAM_BACK")
    ]
    lock = lock_of(plan)
    assert len(lock.builds) == 6 + 6 + 1 + 5 + 1 - 1 and len(lock.vehicles) == 7 + 7 + 6


def test_a_camera_that_is_off_is_not_taken_off_again(tmp_path: Path) -> None:
    """The rigs of a vehicle with a camera off are those of its working cameras; the last one stays."""
    rig = profile_of(authored.WIDE4)
    names = rig.camera_names()
    half = without(rig, names[:2])
    assert [off for _, off in missing_of(half, 2)] == [(names[2],), (names[3],)]
    assert [off for _, off in missing_of(without(rig, names[:3]), 2)] == []
    assert [missing_at(names, number) for number, _ in missing_of(rig, 2)] == [
        off for _, off in missing_of(rig, 2)
    ]
    assert len(missing_of(rig, 2)) == 4 + 6


def test_a_rig_of_one_camera_has_no_subset(tmp_path: Path) -> None:
    """It is not in the plan, and the reason says what was expected; the others are planned."""
    wide = profile_of(authored.WIDE4)
    one = dataclasses.replace(wide, cameras=wide.cameras[:1], vehicle="mono")
    write_table([one, *line(authored.CAR42, 5, 1, "car")], tmp_path / "fleet.parquet")
    allow = (*FOREIGN, "nothing-seen")
    request = FleetRequest.of(folder=tmp_path / "fleet.parquet", mode="tables", subsets=1, allow=allow)
    plan = plan_fleet(request, jobs=1)
    assert plan.vehicles == 5
    assert [each.reason.splitlines()[0] for each in plan.failed] == [
        "mono: --subsets: expected at least two cameras that work, got 1"
    ]
    write_table([one], tmp_path / "mono.parquet")
    with pytest.raises(InputError, match="at least two cameras that work"):
        plan_fleet(dataclasses.replace(request, folder=tmp_path / "mono.parquet"), jobs=1)
    with pytest.raises(UsageError, match="--subsets"):
        FleetRequest(folder=tmp_path, subsets=3)


def test_four_cameras_and_other_designs(tmp_path: Path) -> None:
    """Designs with other cameras have rigs of their own; a name that a rig has already is refused."""
    write_fleet(tmp_path, authored.CAR42, 2)
    write_rig(tmp_path, authored.WIDE4)
    plan = planned(tmp_path, "tables", subsets=1, allow=FOREIGN)
    assert sorted(len(one.members) for one in plan.builds) == [5, 14]
    write_rig(tmp_path, dataclasses.replace(authored.CAR42, vehicle="car_00001-without-CAM_BACK"))
    with pytest.raises(InputError, match=r"(?s)a name other than that of.*--subsets has one for each"):
        planned(tmp_path, "tables", subsets=1, allow=FOREIGN)


@pytest.mark.parametrize("mode", ["exact", "tables"])
@pytest.mark.parametrize("form", ["folder", "table"])
def test_the_lock_keeps_them(tmp_path: Path, mode: str, form: str) -> None:
    """What is read is what was planned, cameras and all, and writing it again gives the same bytes."""
    cars = line(authored.CAR42, 4, 1, "car")
    place = tmp_path / "fleet.parquet"
    if form == "table":
        write_table([*cars[2:], *cars[:2]], place)
    else:
        place = tmp_path / "fleet"
        write_fleet(place, authored.CAR42, 4)
    plan = plan_fleet(FleetRequest.of(folder=place, mode=mode, subsets=2), jobs=1)
    lock, file = lock_of(plan), default_lock(place)
    write_lock(lock, file)
    again = read_lock(file)
    assert again.request.subsets == 2 and len(again.vehicles) == 4 * 22
    for key, build in lock.builds.items():
        assert [one.vehicle for one in again.builds[key].members] == [one.vehicle for one in build.members]
        assert [one.without for one in again.builds[key].members] == [one.without for one in build.members]
        assert [one.path.resolve() for one in again.builds[key].members] == [
            one.path.resolve() for one in build.members
        ]
    assert {one.numbers for one in again.vehicles.values()} == {one.numbers for one in lock.vehicles.values()}
    contents = {path.name: path.read_bytes() for path in sorted(tmp_path.rglob("*lock*"))}
    write_lock(again, file)
    assert {path.name: path.read_bytes() for path in sorted(tmp_path.rglob("*lock*"))} == contents


def test_a_lock_without_subsets_has_no_column_for_them(tmp_path: Path) -> None:
    """Nothing but the request tells of them, in lines as in tables."""
    write_fleet(tmp_path, authored.CAR42, 2)
    lock = lock_of(planned(tmp_path, "tables"))
    assert "without" not in lock_text(lock, tmp_path)


def test_processes_find_the_same(tmp_path: Path) -> None:
    """Two processes plan what one does, of a folder as of a table."""
    write_fleet(tmp_path / "cars", authored.CAR42, 3)
    write_table(line(authored.CAR42, 6, 1, "car"), tmp_path / "cars.parquet")

    def found(place: Path, jobs: int) -> FleetPlan:
        request = FleetRequest.of(folder=place, mode="exact", subsets=1)
        return dataclasses.replace(plan_fleet(request, jobs=jobs), seconds=0.0)

    for place in (tmp_path / "cars", tmp_path / "cars.parquet"):
        assert found(place, 2) == found(place, 1)


def test_the_text_says_what_shared_builds_mean(tmp_path: Path) -> None:
    """How many rigs there are, and that each needs tables of its own."""
    write_fleet(tmp_path, authored.CAR42, 2)
    text = "\n".join(str(part) for part in plan_text(planned(tmp_path, "tables", subsets=1), None))
    assert "2 vehicles and 12 rigs with cameras off, 1 build" in text
    assert "each needs tables of its own, NAME-without-CAMERA" in text
    envelope = "\n".join(str(part) for part in plan_text(planned(tmp_path, "envelope", subsets=1), None))
    assert "feed each its calibration with the camera off" in envelope
    assert "cameras off" not in "\n".join(map(str, plan_text(planned(tmp_path, "tables"), None)))
