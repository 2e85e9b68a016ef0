"""The commands of a fleet: what they print, write and exit with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.calibration import authored
from tests.cli.running import REPOSITORY, run_here
from tests.end_to_end.tiny_model import write_tiny
from tests.fleet.fleets import write_fleet, write_rig

DEMO_FLEET = REPOSITORY / "calib_profiles" / "demo_fleet"


def test_diff_names_the_outlier(capsys: pytest.CaptureFixture[str]) -> None:
    """`fleet diff` shows the matrix and the van that was knocked, as text and as JSON."""
    ran = run_here(capsys, "fleet", "diff", DEMO_FLEET)
    assert ran.code == 0
    assert "van_05: CAM_BACK 13 mrad from the fleet's median" in ran.out
    assert all(f"van_0{number}" in ran.out for number in range(1, 9))
    data = json.loads(
        run_here(capsys, "fleet", "diff", DEMO_FLEET, "--model", "bevformer_tiny", "--json").out
    )
    assert data["schema"] == "specialize/fleet-diff@1"
    assert [(found["vehicle"], found["camera"], found["quantity"]) for found in data["outliers"]] == [
        ("van_05", "CAM_BACK", "rotation_mrad")
    ]
    assert len(data["matrix"]) == 8
    assert set(data["matrix"][0]["cameras"][0]) >= {"rotation_mrad", "shift_px_20m", "gained", "lost"}


def test_diff_of_many_shows_the_spread(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A fleet too large for a screen is shown by medians and extremes."""
    write_fleet(tmp_path, authored.CAR42, 45)
    out = run_here(capsys, "fleet", "diff", tmp_path).out
    assert "largest" in out
    assert "car_00007" not in out


def test_diff_says_that_kinds_are_mixed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Kinds are counted, and each is shown with its vehicles, as text and as JSON."""
    write_fleet(tmp_path, authored.CAR42, 6, "car")
    write_fleet(tmp_path, authored.VAN, 3, "van")
    out = run_here(capsys, "fleet", "diff", tmp_path).out
    assert "9 vehicles" in out and "compared with the medians of 2 kinds" in out
    assert "kind 1: 6 vehicles with 6 cameras (car_00001, car_00002, car_00003 and 3 more): turned" in out
    assert "kind 2: 3 vehicles with 6 cameras (van_00001, van_00002, van_00003): turned" in out
    data = json.loads(run_here(capsys, "fleet", "diff", tmp_path, "--json").out)
    assert (data["kinds"], [group["kind"] for group in data["groups"]]) == (2, [1, 2])
    assert [one["group"] for one in data["matrix"]] == [0] * 6 + [1] * 3


def test_diff_advises_to_part_what_differs_in_few_cameras(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where a third of the vehicles are outliers they may be kinds that most cameras do not tell apart."""
    write_fleet(tmp_path, authored.CAR42, 7)
    for number in range(8, 11):
        vehicle = authored.assembled(authored.CAR42, f"car_{number:05}")
        write_rig(tmp_path, authored.knocked(vehicle, "CAM_BACK", 5.0))
    assert "kinds that differ in few cameras" in run_here(capsys, "fleet", "diff", tmp_path).out


def test_a_bad_profile_exits_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`diff` and `plan` name a profile that cannot be read and exit 1, after doing the rest."""
    write_fleet(tmp_path, authored.CAR42, 3)
    (tmp_path / "bad.yaml").write_text("schema: x")
    for command in ("diff", "plan"):
        ran = run_here(capsys, "fleet", command, tmp_path)
        assert ran.code == 1
        assert "bad.yaml" in ran.out


def test_plan_prints_and_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`fleet plan` prints builds, members and room, and by default writes the lock next to the profiles."""
    write_fleet(tmp_path, authored.CAR42, 4)
    assert run_here(capsys, "fleet", "plan", tmp_path, "--dry-run").code == 0
    assert not (tmp_path / "fleet.lock").exists()
    ran = run_here(capsys, "fleet", "plan", tmp_path, "--mode", "envelope")
    assert "1 build of bevformer_tiny (no plan has fewer)" in ran.out
    assert "until the next build" in ran.out
    assert (tmp_path / "fleet.lock").read_text().startswith('{"schema": "specialize/fleet-lock@2"')
    data = json.loads(run_here(capsys, "fleet", "plan", tmp_path, "-o", tmp_path / "x.lock", "--json").out)
    assert (data["schema"], data["vehicles"], len(data["builds"])) == ("specialize/fleet-plan@1", 4, 1)
    build = data["builds"][0]
    assert set(build) >= {"mode", "vehicles", "pairs", "overhead", "lengths", "headroom"}
    assert sum(build["lengths"]) == build["pairs"]
    assert (tmp_path / "x.lock").exists()


def test_a_plan_says_what_it_is_for(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Toolchain, form of attention and number format are printed where they are asked for, and in JSON always."""
    write_fleet(tmp_path, authored.CAR42, 1)
    plan = ("fleet", "plan", tmp_path, "--mode", "exact", "--dry-run")
    asked = ("--target", "axera", "--attention", "microsoft", "--precision", "int8")
    expected = "1 build of bevformer_tiny for axera with attention as microsoft in int8 (no plan has fewer)"
    assert expected in " ".join(run_here(capsys, *plan, *asked).out.split())
    data = json.loads(run_here(capsys, *plan, *asked, "--json").out)
    assert (data["target"], data["attention"], data["precision"]) == ("axera", "microsoft", "int8")
    assert "of bevformer_tiny (no plan" in run_here(capsys, *plan).out


@pytest.mark.parametrize("share", ["5", "-1%", "many", "nan"])
def test_a_share_must_be_one(capsys: pytest.CaptureFixture[str], tmp_path: Path, share: str) -> None:
    """An overhead that is no share is a usage error."""
    ran = run_here(capsys, "fleet", "plan", tmp_path, f"--max-overhead={share}")
    assert ran.code == 2
    assert "5% or 0.05" in ran.err


def test_build_and_status_go_together(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, store_dir: Path
) -> None:
    """Plan, build, status: fresh; a recalibrated vehicle makes status exit 3; building again leaves it out."""
    fleet, model = tmp_path / "fleet", write_tiny(tmp_path / "model")
    write_fleet(fleet, authored.CAR42, 2)
    run_here(capsys, "fleet", "plan", fleet, "--model", model, "--mode", "exact", "--frames", "1")
    assert "2 missing" in run_here(capsys, "fleet", "status", fleet).out
    ran = run_here(capsys, "fleet", "build", fleet, "-o", tmp_path / "out", "--json")
    assert (ran.code, json.loads(ran.out)["ok"]) == (0, True)
    assert "[2/2] built exact for car_00002" in ran.err
    assert "2 fresh" in run_here(capsys, "fleet", "status", fleet).out
    assert "2 reused" in run_here(capsys, "fleet", "build", fleet).out
    write_rig(fleet, authored.knocked(authored.assembled(authored.CAR42, "car_00001"), "CAM_BACK", 1.0))
    status = run_here(capsys, "fleet", "status", fleet, "--json")
    assert status.code == 3
    assert {key: json.loads(status.out)[key] for key in ("fresh", "stale", "missing", "unused")} == {
        "fresh": 1, "stale": 1, "missing": 0, "unused": 0,
    }  # fmt: skip
    again = run_here(capsys, "fleet", "build", fleet)
    assert again.code == 1
    assert "left out: car_00001" in again.out
    assert "error: car_00001" not in again.out, "the same is said once"


def test_gc_knows_fleets(capsys: pytest.CaptureFixture[str], tmp_path: Path, store_dir: Path) -> None:
    """`store gc` keeps the builds that a lock names and removes the others."""
    fleet, model = tmp_path / "fleet", write_tiny(tmp_path / "model")
    write_fleet(fleet, authored.CAR42, 2)
    plan = ("fleet", "plan", fleet, "--model", model, "--mode", "exact", "--frames", "1")
    run_here(capsys, *plan)
    run_here(capsys, "fleet", "build", fleet)
    assert "and 0 builds that nothing names" in run_here(capsys, "store", "gc", "--grace", "-1").out
    (fleet / "car_00002.yaml").unlink()
    run_here(capsys, *plan)
    assert "and 1 build that nothing names" in run_here(capsys, "store", "gc", "--grace", "-1").out
    assert "1 reused" in run_here(capsys, "fleet", "build", fleet).out
    (fleet / "fleet.lock").write_bytes(b"{\xff}\n")
    assert run_here(capsys, "store", "gc", "--grace", "-1").code == 1


def test_a_fleet_that_is_quantized_on_noise_is_warned_of(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The plan says so, as a build does; and it says which toolchain takes no such model."""
    write_fleet(tmp_path / "fleet", authored.CAR42, 1)
    plan = ("fleet", "plan", tmp_path / "fleet", "--model", write_tiny(tmp_path), "--dry-run", "--precision")
    assert "NOT representative" in run_here(capsys, *plan, "int8", "--target", "qnn").err
    refused = run_here(capsys, *plan, "fp16", "--target", "axera")
    assert refused.code == 1 and "casts to float16" in refused.err
