"""Plans of fleets: fewest builds, what they cost whom, and how far cameras may move."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from specialize.calibration.load import load_profile
from specialize.errors import InputError, UsageError
from specialize.explain.plan import resolve_spec
from specialize.fleet.builds import FleetPlan
from specialize.fleet.plan import plan_fleet
from specialize.fleet.request import FleetRequest, PlanMode
from specialize.model.visible import visible_sets
from specialize.version import code_version
from tests.calibration import authored
from tests.fleet.fleets import FOREIGN, mixed_fleet, write_fleet, write_rig

MODEL = "bevformer_tiny"


def planned(folder: Path, mode: PlanMode = "auto", **options: object) -> FleetPlan:
    """Return the plan of a folder in this process."""
    return plan_fleet(FleetRequest.of(folder=folder, model=MODEL, mode=mode, **options), jobs=1)  # type: ignore[arg-type]


def union_of(plan: FleetPlan, index: int) -> np.ndarray:
    """Return every pair that some member of a build may see, (N, Q)."""
    spec = resolve_spec(MODEL)
    members = plan.builds[index].members
    return np.logical_or.reduce(
        [visible_sets(spec, load_profile(member.path))[0].superset for member in members]
    )


def test_vehicles_of_one_line_share_one_build(tmp_path: Path) -> None:
    """Twelve cars of one assembly line need one envelope or one set of tables, within 5 %."""
    write_fleet(tmp_path, authored.CAR42, 12)
    for mode in ("envelope", "tables", "auto"):
        plan = planned(tmp_path, mode)
        assert (len(plan.builds), plan.at_least, plan.vehicles) == (1, 1, 12)
        assert 0 < plan.builds[0].overhead < 0.05


def test_exact_needs_a_build_for_every_profile(tmp_path: Path) -> None:
    """In mode exact vehicles share a build only if their calibrations are the same."""
    write_fleet(tmp_path, authored.CAR42, 3)
    twin = dataclasses.replace(authored.assembled(authored.CAR42, "car_00001"), vehicle="twin")
    write_rig(tmp_path, twin)
    plan = planned(tmp_path, "exact")
    assert [[m.vehicle for m in build.members] for build in plan.builds] == [
        ["car_00001", "twin"], ["car_00002"], ["car_00003"],
    ]  # fmt: skip
    assert [member.adds for member in plan.builds[0].members][1] == 0
    assert all(build.overhead == 0 for build in plan.builds)


def test_an_envelope_is_the_union_of_its_members(tmp_path: Path) -> None:
    """Pairs and lengths of an envelope are those of the union, and what each further car adds sums to it."""
    write_fleet(tmp_path, authored.CAR42, 5)
    build = (plan := planned(tmp_path, "envelope")).builds[0]
    union = union_of(plan, 0)
    assert build.pairs == union.sum()
    assert build.lengths == (tuple(union.sum(axis=1)),)
    assert sum(member.adds for member in build.members) == build.pairs
    assert build.overhead == pytest.approx(build.pairs / min(m.pairs for m in build.members) - 1)


def test_tables_hold_the_longest_of_every_camera(tmp_path: Path) -> None:
    """The capacity of each camera is that of the vehicle that sees most with it."""
    write_fleet(tmp_path, authored.CAR42, 5)
    plan = planned(tmp_path, "tables")
    spec = resolve_spec(MODEL)
    longest = np.max(
        [visible_sets(spec, load_profile(m.path))[0].superset.sum(axis=1) for m in plan.builds[0].members],
        axis=0,
    )
    assert plan.builds[0].lengths == (tuple(longest),)


def test_kinds_get_builds_of_their_own(tmp_path: Path) -> None:
    """Another set of cameras is another build; a tight overhead parts cars from vans as well."""
    mixed_fleet(tmp_path)
    assert [len(build.members) for build in planned(tmp_path, "envelope", allow=FOREIGN).builds] == [9, 1]
    apart = planned(tmp_path, "envelope", max_overhead=0.012, allow=FOREIGN)
    kinds = [{member.vehicle[:3] for member in build.members} for build in apart.builds]
    assert kinds == [{"car"}, {"van"}, {"wid"}]
    assert 2 <= apart.at_least <= 3


def test_auto_prefers_what_needs_fewest_builds_and_pairs(tmp_path: Path) -> None:
    """Auto shares where that saves builds, and is exact where nothing is shared."""
    mixed_fleet(tmp_path)
    assert [build.mode for build in planned(tmp_path, allow=FOREIGN).builds] == ["tables", "exact"]


def test_the_room_of_an_envelope_is_what_a_tolerance_left(tmp_path: Path) -> None:
    """An envelope over certified tolerances leaves every camera at least that tolerance."""
    write_fleet(tmp_path, authored.CAR42, 3)
    plan = planned(tmp_path, "envelope", tolerance="rotation=2mrad")
    assert all(room.rotation_mrad is not None and room.rotation_mrad >= 2 for room in plan.builds[0].room)
    assert plan.builds[0].pairs > planned(tmp_path, "envelope").builds[0].pairs
    own = planned(tmp_path, "envelope", tolerance="profile")
    assert all(room.rotation_mrad is not None and room.rotation_mrad >= 5 for room in own.builds[0].room)


def test_tables_have_room_only_where_there_is_some(tmp_path: Path) -> None:
    """Without spare the neediest vehicle has no room; with it every camera has, in queries and in mrad."""
    write_fleet(tmp_path, authored.CAR42, 4)
    tight = planned(tmp_path, "tables").builds[0]
    assert {room.queries for room in tight.room} == {0}
    assert {room.rotation_mrad for room in tight.room} == {0.0}
    wide = planned(tmp_path, "tables", spare=0.03).builds[0]
    assert all(room.queries and room.rotation_mrad and room.rotation_mrad > 0.5 for room in wide.room)


def test_layout_and_alignment_are_paid_for(tmp_path: Path) -> None:
    """Lengths in the plan are those that the build will have: rounded up, padded to the longest."""
    write_fleet(tmp_path, authored.CAR42, 2)
    needed = planned(tmp_path, "tables").builds[0]
    aligned = planned(tmp_path, "tables", align=16).builds[0]
    assert aligned.lengths[0] == tuple(-(-length // 16) * 16 for length in needed.lengths[0])
    padded = planned(tmp_path, "tables", layout="padded").builds[0]
    assert len(set(padded.lengths[0])) == 1


def test_plans_are_the_same_every_time(tmp_path: Path) -> None:
    """The same fleet gives the same builds and keys, with any number of processes."""
    mixed_fleet(tmp_path)
    request = FleetRequest.of(folder=tmp_path, model=MODEL, mode="envelope", max_overhead=0.01, allow=FOREIGN)
    assert plan_fleet(request, jobs=1).builds == plan_fleet(request, jobs=2).builds


def test_keys_know_what_matters(tmp_path: Path) -> None:
    """A build's key changes with seed, frames and members; a table's only with its capacity."""
    write_fleet(tmp_path, authored.CAR42, 3)
    base = planned(tmp_path, "tables").builds[0].key
    assert planned(tmp_path, "tables", seed=1).builds[0].key != base
    assert planned(tmp_path, "tables", frames=2).builds[0].key != base
    envelope = planned(tmp_path, "envelope").builds[0].key
    write_rig(tmp_path, dataclasses.replace(authored.assembled(authored.CAR42, "car_00002"), vehicle="zz"))
    assert planned(tmp_path, "tables").builds[0].key == base
    assert planned(tmp_path, "envelope").builds[0].key == envelope
    write_rig(tmp_path, dataclasses.replace(authored.knocked(authored.CAR42, "CAM_BACK", 0.4), vehicle="zzz"))
    assert planned(tmp_path, "envelope").builds[0].key != envelope


def test_keys_know_the_code_that_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other code of the same version plans other builds, in every mode."""
    write_fleet(tmp_path, authored.CAR42, 2)
    modes = ("exact", "envelope", "tables")
    before = [planned(tmp_path, mode).builds[0].key for mode in modes]
    monkeypatch.setattr("specialize.version._files", lambda root, parts: iter(()))
    code_version.cache_clear()
    try:
        after = [planned(tmp_path, mode).builds[0].key for mode in modes]
    finally:
        code_version.cache_clear()
    assert not set(before) & set(after)


def test_a_bad_profile_is_left_out_and_named(tmp_path: Path) -> None:
    """A profile that cannot be read is in `failed`, and not in a build."""
    write_fleet(tmp_path, authored.CAR42, 2)
    (tmp_path / "broken.yaml").write_text("schema: nothing")
    plan = planned(tmp_path)
    assert (plan.vehicles, [failed.path.name for failed in plan.failed]) == (2, ["broken.yaml"])


def test_a_vehicle_that_does_not_fit_the_model_is_left_out_and_named(tmp_path: Path) -> None:
    """A calibration with errors is in `failed` with its causes, unless they are allowed; keys then differ."""
    write_fleet(tmp_path, authored.CAR42, 2)
    write_rig(tmp_path, authored.WIDE4)
    plan = planned(tmp_path)
    (failed,) = plan.failed
    assert (plan.vehicles, failed.path.name) == (2, "wide4.yaml")
    assert "error camera-order: the profile has 4 cameras, the model 6" in failed.reason
    assert "error raw-size: all 4 cameras: the raw image is 1920 x 1208" in failed.reason
    allowed = planned(tmp_path, allow=FOREIGN)
    assert (allowed.vehicles, allowed.failed) == (3, ())
    assert not {build.key for build in allowed.builds} & {build.key for build in plan.builds}
    with pytest.raises(UsageError, match="did you mean 'camera-order'"):
        planned(tmp_path, allow=("camera_order",))


def test_what_cannot_be_planned_is_refused(tmp_path: Path) -> None:
    """A fleet of bad profiles, a model without a grid and an impossible overhead are errors."""
    (tmp_path / "broken.yaml").write_text("schema: nothing")
    with pytest.raises(InputError, match="can be used"):
        planned(tmp_path)
    with pytest.raises(UsageError, match="max-overhead"):
        planned(tmp_path, max_overhead=-1.0)
    with pytest.raises(InputError, match="every number needs a unit"):
        planned(tmp_path, tolerance="rotation=wide")
    with pytest.raises(UsageError, match="covers one calibration"):
        planned(tmp_path, "exact", tolerance="profile")
    write_fleet(tmp_path, authored.CAR42, 2)
    spec = tmp_path / "no_grid.spec"
    spec.write_text(
        "schema: specialize/model@1\nimage: {size_px: [800, 480], scale: 0.5}\n"
        "calibration_inputs: {lidar2img: lidar2img}\n"
    )
    with pytest.raises(InputError, match="grid"):
        planned(tmp_path, "tables", model_spec=spec)
    assert [build.mode for build in planned(tmp_path, model_spec=spec).builds] == ["exact", "exact"]
