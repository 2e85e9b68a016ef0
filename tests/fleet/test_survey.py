"""Fleets surveyed as arrays against the survey of each vehicle: the same numbers, digests, plans and refusals."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize import zoo
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.table import write_table
from specialize.errors import InputError
from specialize.files.resources import resource_dir
from specialize.fleet import survey, told_apart
from specialize.fleet.builds import FleetPlan
from specialize.fleet.clustering import Cells, Limit
from specialize.fleet.executors import executor_of
from specialize.fleet.footprint import Admission, Packing, Space, Survey
from specialize.fleet.median import shape_of
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest, PlanMode
from specialize.fleet.survey import Chunk, Found, SurveyChunk, chunks_of
from specialize.fleet.told_apart import APART, Telling
from specialize.model.parts import ImagePrep
from specialize.model.spec import GridSpec, ModelSpec
from specialize.model.visible import visible_sets
from tests.calibration import authored
from tests.calibration.rig_blunders import BLUNDERS
from tests.calibration.wrong_rigs import bare
from tests.fleet.fleets import FOREIGN, profile_of
from tests.fleet.test_clustering import SPACES, camera_sets, columns
from tests.fleet.test_kinds import design
from tests.plausibility.test_many import moved
from tests.shared_files import calibrations, profile_document

TINY = zoo.spec("bevformer_tiny")
BOX = (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0)
SEVERAL = msgspec.structs.replace(
    TINY,
    grids=(GridSpec(shape=(30, 40), range_m=BOX, anchors=2), GridSpec(shape=(4, 20, 21), range_m=BOX)),
)
UPRIGHT = msgspec.structs.replace(TINY, grids=(GridSpec(shape=(8, 50), range_m=BOX, anchors=4, order="zy"),))
GRIDLESS = msgspec.structs.replace(TINY, grids=())
MODELS = {"tiny": TINY, "several grids": SEVERAL, "upright grid": UPRIGHT, "no grid": GRIDLESS}


def line(rig: authored.Rig, count: int, seed: int, word: str) -> list[CalibrationProfile]:
    """Return vehicles of one design that are off by a few millimetres and milliradians."""
    rng = np.random.default_rng(seed)
    one = profile_of(rig)
    return [
        dataclasses.replace(moved(one, rng, 0.002, 0.002), vehicle=f"{word}_{number:03}")
        for number in range(count)
    ]


def motley() -> list[CalibrationProfile]:
    """Return cars, vans, twins, bare matrices, cars without a frame, foreign rigs, lenses, and every mistake."""
    cars, vans = line(authored.CAR42, 9, 1, "car"), line(authored.VAN, 7, 2, "van")
    twins = [dataclasses.replace(cars[0], vehicle=f"twin_{number}") for number in range(3)]
    matrices = [dataclasses.replace(bare(one), vehicle=f"bare_{one.vehicle}") for one in cars]
    free = [dataclasses.replace(one, ego_from_lidar=None, vehicle=f"free_{one.vehicle}") for one in cars[:5]]
    foreign = [dataclasses.replace(profile_of(authored.WIDE4), vehicle=f"wide_{n}") for n in range(5)]
    lenses = load_profile(resource_dir("calib_profiles") / "fisheye4.yaml")
    wrong = [
        dataclasses.replace(one, vehicle=f"wrong_{number}_{copy}")
        for number, (one, *_) in enumerate(BLUNDERS.values())
        for copy in range(2)
    ]
    mixed = [*cars, *twins, *matrices, *vans, *free, *foreign, lenses, *wrong]
    order = np.random.default_rng(0).permutation(len(mixed))
    return [mixed[index] for index in order]


def surveyed(table: Path, spec: ModelSpec, allow: Sequence[str] = (), bits: bool = True) -> Found:
    """Return what becomes of the first group of a table."""
    chunk = chunks_of(survey.Vehicles(table))[0]
    return SurveyChunk(Admission(Survey(spec, with_bits=bits and bool(spec.grids)), tuple(allow)))(chunk)


def assert_equal(one: Found, other: Found) -> None:
    """Compare everything that is found but the numbers that kinds are told from, which may differ by rounding."""
    assert one.failed == other.failed
    assert {part.shape for part in one.parts} == {part.shape for part in other.parts}
    for part in one.parts:
        same = next(each for each in other.parts if each.shape == part.shape)
        assert part.footprints.cameras == same.footprints.cameras
        for name in ("places", "names", "digests", "own", "reach", "fan_in"):
            assert np.array_equal(getattr(part.footprints, name), getattr(same.footprints, name)), name
            assert getattr(part.footprints, name).dtype == getattr(same.footprints, name).dtype
        assert np.allclose(part.values, same.values, rtol=1e-9, atol=1e-12)
        assert (part.bits is None) == (same.bits is None)
        if part.bits is not None and same.bits is not None:
            assert np.array_equal(part.bits, same.bits)


@pytest.mark.parametrize("allow", [(), FOREIGN], ids=["strict", "allowed"])
@pytest.mark.parametrize("model", MODELS)
def test_a_table_is_surveyed_as_its_vehicles_are(
    tmp_path: Path, model: str, allow: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Footprints, digests, bits and the text of every refusal are those of one vehicle after the other."""
    write_table(motley(), tmp_path / "fleet.parquet")
    at_once = surveyed(tmp_path / "fleet.parquet", MODELS[model], allow)
    taken = []
    monkeypatch.setattr(
        survey,
        "together",
        lambda _, alike, *more: taken.append(alike) or ([], [], np.zeros(len(alike), bool)),
    )
    alone = surveyed(tmp_path / "fleet.parquet", MODELS[model], allow)
    assert taken and alone.failed
    assert_equal(at_once, alone)


def test_real_rigs_are_surveyed_as_each_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every real rig and neighbours of it, on a grid of voxels and one of pillars."""
    rng = np.random.default_rng(4)
    rigs = [parse_profile(profile_document(path), str(path)) for path in calibrations()[::9]]
    near = [
        dataclasses.replace(moved(rig, rng, 0.003, 0.003), vehicle=f"{number}_{copy}")
        for number, rig in enumerate(rigs)
        for copy in range(5)
    ]
    spec = msgspec.structs.replace(SEVERAL, image=ImagePrep(size_px=(1600, 928)), points=None, cameras=())
    write_table(near[:1000], tmp_path / "fleet.parquet")
    at_once = surveyed(tmp_path / "fleet.parquet", spec)
    monkeypatch.setattr(survey, "together", lambda _, alike, *more: ([], [], np.zeros(len(alike), bool)))
    assert_equal(at_once, surveyed(tmp_path / "fleet.parquet", spec))


def test_usual_vehicles_are_not_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cars and vans of one line never need the code for one vehicle."""
    write_table(line(authored.CAR42, 20, 1, "car") + line(authored.VAN, 20, 2, "van"), tmp_path / "f.parquet")
    monkeypatch.setattr(survey, "load_profile", None)
    found = surveyed(tmp_path / "f.parquet", TINY)
    assert sum(len(part.footprints) for part in found.parts) == 40


def planned(fleet: Path, mode: PlanMode, **options: object) -> FleetPlan:
    """Return the plan of a fleet in this process."""
    return plan_fleet(FleetRequest.of(folder=fleet, mode=mode, **options), jobs=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["tables", "envelope", "exact", "auto"])
@pytest.mark.parametrize("overhead", [0.0, 0.01, 0.05, 0.5])
def test_what_vehicles_add_follows_from_what_they_see(
    tmp_path: Path, mode: PlanMode, overhead: float
) -> None:
    """Rows, overheads and additions of every build equal those counted from the visible sets, one after another."""
    vehicles = line(authored.CAR42, 8, 1, "car") + line(authored.VAN, 6, 2, "van")
    write_table(vehicles, tmp_path / "fleet.parquet")
    plan = planned(tmp_path / "fleet.parquet", mode, max_overhead=overhead)
    for build in plan.builds:
        seen = [visible_sets(TINY, load_profile(one.path))[0] for one in build.members]
        sets = [one.superset for one in seen]
        if build.mode == "envelope":
            rows = [int(np.logical_or.reduce(sets[: index + 1]).sum()) for index in range(len(sets))]
        elif build.mode == "tables":
            lengths = [one.sum(axis=1) for one in sets]
            rows = [int(np.max(lengths[: index + 1], axis=0).sum()) for index in range(len(sets))]
        else:
            rows = [seen[0].pairs] * len(sets)
        assert [one.adds for one in build.members] == np.diff(rows, prepend=0).tolist()
        assert [one.pairs for one in build.members] == [one.pairs for one in seen]
        assert build.pairs == rows[-1]
        assert build.overhead <= overhead or len(build.members) == 1  # rounding decides some of its own pairs
    served = [one.vehicle for build in plan.builds for one in build.members]
    assert sorted(served) == sorted(one.vehicle for one in vehicles)
    assert plan.at_least <= len(plan.builds)


def test_plans_of_tables_are_the_same_with_any_workers(tmp_path: Path) -> None:
    """One process, two, and a dask cluster give equal builds, members and kinds."""
    write_table(
        line(authored.CAR42, 1100, 1, "car") + line(authored.VAN, 30, 2, "van"), tmp_path / "f.parquet"
    )
    request = FleetRequest.of(folder=tmp_path / "f.parquet", mode="envelope", max_overhead=0.02)
    one, two = plan_fleet(request, jobs=1), plan_fleet(request, jobs=2)
    with executor_of("dask", jobs=2) as executor:
        third = plan_fleet(request, executor=executor)
    assert one.builds == two.builds == third.builds
    assert one.kinds == two.kinds == third.kinds
    assert [kind.vehicles for kind in one.kinds] == [1100, 30]


def test_kinds_are_named(tmp_path: Path) -> None:
    """A plan says which kinds there are, and which of them every build serves; kinds that see alike may share one."""
    vans = line(authored.VAN, 4, 2, "van")
    write_table(line(authored.CAR42, 6, 1, "car") + vans, tmp_path / "fleet.parquet")
    plan = planned(tmp_path / "fleet.parquet", "envelope", max_overhead=0.005)
    assert [(one.kind, one.vehicles, one.first) for one in plan.kinds] == [
        (1, 6, "car_000"),
        (2, 4, "van_000"),
    ]
    assert [[(one.kind, one.vehicles) for one in build.kinds] for build in plan.builds] == [
        [(1, 6)],
        [(2, 4)],
    ]
    shared = planned(tmp_path / "fleet.parquet", "tables", max_overhead=1.0)
    assert [[(one.kind, one.vehicles) for one in build.kinds] for build in shared.builds] == [
        [(1, 6), (2, 4)]
    ]


def test_two_rows_of_one_name_are_refused(tmp_path: Path) -> None:
    """A table that names a vehicle twice is no fleet."""
    cars = line(authored.CAR42, 5, 1, "car")
    write_table([*cars, cars[2]], tmp_path / "fleet.parquet")
    with pytest.raises(InputError, match=r"expected a name other than that of .*car_002"):
        planned(tmp_path / "fleet.parquet", "tables")


@given(camera_sets(), st.sampled_from([0.0, 0.05, 0.3, 2.0]), st.sampled_from(SPACES), st.booleans())
def test_cells_do_not_depend_on_how_many_come_at_once(
    sets: list[np.ndarray], overhead: float, space: Space, apart: bool
) -> None:
    """Vehicles placed together, in parts, and one after another by the rule itself make the same cells."""
    sets = [*sets, *sets[::-1], *sets] * (3 if apart else 1)
    if apart:
        sets = [np.roll(one, index % 3, axis=1) for index, one in enumerate(sets)]
    limit = Limit(space, Packing(), overhead)
    own, covers = columns(sets, space)
    whole, parts, single = Cells(limit), Cells(limit), Cells(limit)
    whole.add(np.arange(len(sets)), own, covers)
    for start in range(0, len(sets), 5):
        part = slice(start, start + 5)
        parts.add(np.arange(len(sets))[part], own[part], covers[part])
    for index, rows in enumerate(limit.packing.rows(own)):
        single._add_one(index, int(rows), covers[index])
    for other in (whole, parts):
        assert len(other.found) == len(single.found)
        for one, same in zip(other.found, single.found, strict=True):
            assert (one.members, one.rows, one.least, one.steps) == (
                same.members,
                same.rows,
                same.least,
                same.steps,
            )
            assert np.array_equal(one.cover, same.cover)


def test_a_kind_too_rare_for_the_sample_is_a_kind() -> None:
    """Vehicles far from every kind of the sample are told apart among themselves; one knocked vehicle is no kind."""
    shape = shape_of(profile_of(authored.CAR42))
    common, rare = design(60), design(3, 0.5, seed=1)
    telling = Telling.of([(shape, common[:20])], sampled=True)
    knocked = design(1, 0.2, seed=3)
    values = np.concatenate([common, rare, knocked])
    found = telling.kinds(shape, np.arange(len(values)), values)
    assert set(found[:60]) == {0} and set(found[60:]) == {APART}
    places, kinds = telling.rest()
    assert places.tolist() == [60, 61, 62, 63]
    assert kinds.tolist()[:3] == [1, 1, 1]


def test_a_sample_tells_what_all_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds of a fleet told from a sample are those told from all of it, numbers and first vehicles included."""
    vehicles = line(authored.CAR42, 40, 1, "car") + line(authored.VAN, 30, 2, "van")
    write_table(vehicles[::2] + vehicles[1::2], tmp_path / "fleet.parquet")
    whole = planned(tmp_path / "fleet.parquet", "tables")
    monkeypatch.setattr("specialize.fleet.grouping.SAMPLED", 16)
    monkeypatch.setattr(told_apart, "SAMPLED", 16)
    sampled = planned(tmp_path / "fleet.parquet", "tables")
    assert whole.kinds == sampled.kinds and whole.builds == sampled.builds


def test_damaged_groups_stop_no_other(tmp_path: Path) -> None:
    """Rows of a group that cannot be read fail one by one, each with the reason; other groups are planned."""
    table = tmp_path / "fleet.parquet"
    write_table(line(authored.CAR42, 1030, 1, "car"), table)
    content = bytearray(table.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 64] = bytes(64)
    table.write_bytes(bytes(content))
    plan = planned(table, "tables")
    assert plan.vehicles == 6 and len(plan.failed) == 1024
    assert all("readable Parquet file" in one.reason for one in plan.failed[:3])
    assert plan.failed[0].path == table / "car_000"


def test_a_table_with_other_groups_is_read_row_by_row(tmp_path: Path) -> None:
    """Places are counted by groups of 1,024 rows; where a group has others, names say which row is meant."""
    write_table(line(authored.CAR42, 8, 1, "car"), tmp_path / "fleet.parquet")
    work = SurveyChunk(Admission(Survey(TINY, with_bits=False)))
    found = work(Chunk(0, table=tmp_path / "fleet.parquet", count=7))
    assert [part.footprints.places.tolist() for part in found.parts] == [[0, 1, 2, 3, 4, 5, 6]]
    whole = work(Chunk(0, table=tmp_path / "fleet.parquet", count=8))
    assert found.parts[0].footprints.digests.tolist() == whole.parts[0].footprints.digests[:7].tolist()
