"""The other two binding modes, from the command line on the tiny model, and on the real frames of moving cars."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml

from specialize.artifact.tensors import read_tensors
from specialize.binding.envelope_file import FILE_NAME, pairs_outside, read_supersets
from specialize.calibration.folder import load_profiles
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.model.visible import visible_sets
from specialize.visibility.envelope import deviations
from specialize.visibility.perturb import at_the_edge
from specialize.visibility.plan import VisibilityPlan, plan_of
from specialize.visibility.projection import Straight
from specialize.visibility.pyramid import Deviation
from tests import shared_files
from tests.cli.running import CAR42, CAR43, Ran, run_here
from tests.end_to_end.test_build import Bench, bench, content, session
from tests.end_to_end.tiny_model import SPEC

__all__ = ["bench"]

TOLERANCE = "rotation=0.5deg,translation=3cm,focal=0.5%"
FORBIDDEN = {"NonZero", "ScatterND", "ScatterElements"}


def run(path: Path, profile: CalibrationProfile, **extra: np.ndarray) -> dict[str, np.ndarray]:
    """Run a model on the same random features, fed with a calibration if it wants one."""
    opened = session(path)
    random = np.random.default_rng(123)
    fixed = {"lidar2img": SPEC.calibration_arrays(profile)["lidar2img"][None].astype(np.float32), **extra}
    feeds = {}
    for put in sorted(opened.get_inputs(), key=lambda put: str(put.name)):
        made = fixed.get(put.name)
        feeds[put.name] = random.standard_normal(put.shape).astype(np.float32) if made is None else made
    names = [put.name for put in opened.get_outputs()]
    return dict(zip(names, opened.run(names, feeds), strict=True))


def features(path: Path, wanted: Path, profile: CalibrationProfile, **extra: np.ndarray) -> None:
    """Check that a build gives what another model gives on the same features."""
    random = np.random.default_rng(5)
    feeds = {
        "query": random.standard_normal((1, 48, 4)).astype(np.float32),
        "features": random.standard_normal((6, 4, 5, 9)).astype(np.float32),
    }
    expected, got = run(wanted, profile, **feeds), run(path, profile, **feeds, **extra)
    assert np.abs(expected["bev"]).max() > 0.1
    np.testing.assert_allclose(got["bev"], expected["bev"], rtol=1e-5, atol=1e-5)


def sites_of(data: dict[str, object]) -> list[dict[str, int]]:
    """Return the sites of a build's JSON."""
    found: list[dict[str, int]] = data["sites"]  # type: ignore[assignment]
    return found


def check(bench: Bench, calib: Path) -> Ran:
    """Run `check` on the build."""
    return run_here(bench.capsys, "check", bench.folder / "car42", "--calib", calib, "--json")


def written(profile: CalibrationProfile, folder: Path) -> Path:
    """Write a profile as a file."""
    from specialize.calibration.dump import dump_profile

    path = folder / f"{profile.vehicle}.yaml"
    path.write_text(dump_profile(profile))
    return path


def frames(log: str, folder: Path) -> list[Path]:
    """Write the real frames of one drive as profiles."""
    folder.mkdir()
    found = [path for path in shared_files.calibrations() if path.stem.startswith(log)]
    for path in found:
        (folder / path.name).write_text(yaml.safe_dump(shared_files.profile_document(path)))
    return sorted(folder.iterdir())


def test_an_envelope_keeps_the_calibration_as_an_input(bench: Bench) -> None:
    """The build computes the envelope's pairs, says what they cost, and equals the original inside."""
    data = bench.outcome("--mode", "envelope", "--tolerance", TOLERANCE)
    (site,) = sites_of(data)
    (pairs,) = read_supersets(bench.folder / "car42")
    (plan,) = visible_sets(SPEC, load_profile(CAR42))
    assert site["pairs"] == pairs.sum() >= plan.pairs
    assert (plan.superset <= pairs).all()
    assert data["options"]["envelope"]["pairs"] == [pairs.sum()]  # type: ignore[index]
    model = onnx.load(bench.folder / "car42" / "model.onnx")
    assert "lidar2img" in [put.name for put in model.graph.input]
    assert not FORBIDDEN & {node.op_type for node in model.graph.node}
    profile = load_profile(CAR42)
    from specialize.calibration.tolerance import parse_tolerance

    allowed = deviations(profile, 1.0, parse_tolerance(TOLERANCE))
    for inside in at_the_edge(profile, allowed, 12, seed=77):
        features(bench.folder / "car42" / "model.onnx", bench.model, inside)


@pytest.mark.parametrize("mode", ["exact", "envelope", "tables"])
def test_a_build_finds_out_once_what_the_cameras_see(
    bench: Bench, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No two plans of one build are made of the same matrices."""
    made: list[bytes] = []

    def counted(projection: Straight, *others: object) -> VisibilityPlan:
        made.append(projection.image_from_lidar.tobytes())
        return plan_of(projection, *others)  # type: ignore[arg-type]

    monkeypatch.setattr("specialize.model.visible.plan_of", counted)
    options = ("--tolerance", TOLERANCE) if mode == "envelope" else ()
    bench.outcome("--mode", mode, *options)
    assert made and len(set(made)) == len(made)


def test_the_same_envelope_gives_the_same_bytes(bench: Bench) -> None:
    """Built twice, every file is the same."""
    bench.outcome("--mode", "envelope", "--tolerance", TOLERANCE)
    bench.outcome("--mode", "envelope", "--tolerance", TOLERANCE, name="again")
    assert content(bench.folder / "car42") == content(bench.folder / "again")


def test_check_tells_inside_from_outside(bench: Bench, tmp_path: Path) -> None:
    """Inside the envelope: exit 0, nothing to build. Outside: exit 3, how many queries of which camera."""
    bench.outcome("--mode", "envelope", "--tolerance", "rotation=2deg,translation=10cm", "--count-outside")
    inside = check(bench, CAR43)
    assert (inside.code, json.loads(inside.out)["verdict"]) == (0, "inside envelope")
    (far,) = at_the_edge(load_profile(CAR42), deviations_of(20.0), 1, seed=3)
    outside = check(bench, written(far, tmp_path))
    data = json.loads(outside.out)
    assert (outside.code, data["verdict"], data["fresh"]) == (3, "outside envelope", False)
    lost = pairs_outside(bench.folder / "car42", visible_sets(SPEC, far))
    assert [camera["outside"] for camera in data["cameras"]] == list(lost)
    assert sum(lost) > 0
    counted = run(bench.folder / "car42" / "model.onnx", far)["pairs_outside"]
    assert 0 < counted[0] <= sum(lost)
    assert run(bench.folder / "car42" / "model.onnx", load_profile(CAR43))["pairs_outside"] == 0


def deviations_of(degrees: float) -> Sequence[Deviation]:
    """Return a rotation that every camera of the tiny rig may have."""
    from specialize.calibration.tolerance import Tolerance

    return deviations(load_profile(CAR42), 1.0, Tolerance(rotation_deg=degrees))


def test_a_damaged_envelope_is_refused(bench: Bench) -> None:
    """A file that is no envelope is named, not guessed around."""
    bench.outcome("--mode", "envelope", "--tolerance", TOLERANCE)
    path = bench.folder / "car42" / FILE_NAME
    path.write_bytes(b"x" * path.stat().st_size)
    ran = check(bench, CAR42)
    assert ran.code == 1
    assert FILE_NAME in ran.err


def test_verify_repeats_the_proof_of_an_envelope(bench: Bench) -> None:
    """`verify` runs the calibrations that the build was verified with, and the count is checked to be 0."""
    bench.outcome("--mode", "envelope", "--tolerance", TOLERANCE, "--count-outside")
    ran = run_here(bench.capsys, "verify", bench.folder / "car42", "--frames", "8", "--json")
    assert (ran.code, json.loads(ran.out)["frames"]) == (0, 8)


def test_an_envelope_needs_a_size(bench: Bench) -> None:
    """Without tolerance and without further profiles there is no envelope; options of another mode are refused."""
    ran = bench.build("--mode", "envelope")
    assert ran.code == 2
    assert "--tolerance" in ran.err
    assert bench.build("--tolerance", TOLERANCE).code == 2
    assert bench.build("--mode", "tables", "--tolerance", TOLERANCE).code == 2


def test_an_envelope_of_everything_is_declined(bench: Bench) -> None:
    """Where every camera may come to see every query, there is nothing to leave out, and the error says so."""
    ran = bench.build("--mode", "envelope", "--tolerance", "rotation=90deg,translation=5m,focal=50%")
    assert ran.code == 1
    assert "all 288 pairs may be seen" in ran.err and "smaller deviations" in ran.err


@pytest.mark.parametrize("log", ["nuscenes_n008-2018-08-01", "nuscenes_n015-2018-10-08"])
def test_an_envelope_over_a_drive_loses_no_pair(log: str, bench: Bench, tmp_path: Path) -> None:
    """Frames of a moving car: the static calibration loses pairs, the envelope over the frames none."""
    drive = frames(log, tmp_path / "drive")
    bench.outcome("--mode", "envelope", "--envelope-over", tmp_path / "drive", calib=drive[0])
    (pairs,) = read_supersets(bench.folder / "car42")
    for profile in load_profiles(drive):
        (plan,) = visible_sets(SPEC, profile)
        assert (plan.superset <= pairs).all()
        features(bench.folder / "car42" / "model.onnx", bench.model, profile)
    assert json.loads(check(bench, drive[-1]).out)["verdict"] == "inside envelope"


def test_one_engine_and_a_table_per_car(bench: Bench, tmp_path: Path) -> None:
    """Another car's table makes the engine give what that car's exact build gives."""
    bench.outcome("--mode", "tables")
    bench.outcome(name="car43", calib=CAR43)
    table = tmp_path / "car43.safetensors"
    ran = run_here(
        bench.capsys, "table", "--calib", CAR43, "--for", bench.folder / "car42", "-o", table, "--json"
    )
    assert ran.code == 0, ran.err
    tensors, metadata = read_tensors(table)
    data = json.loads(ran.out)
    assert metadata["profile_digest"] == data["digests"]["profile"] == load_profile(CAR43).digest
    assert metadata["build_digest"] == data["digests"]["build"]
    engine = bench.folder / "car42" / "model.onnx"
    wanted = {put.name for put in onnxruntime.InferenceSession(engine).get_inputs()} - {"query", "features"}
    assert wanted == set(tensors)
    features(engine, bench.folder / "car43" / "model.onnx", load_profile(CAR43), **tensors)
    features(engine, bench.model, load_profile(CAR43), **tensors)


def test_tables_have_room_for_a_fleet(bench: Bench, tmp_path: Path) -> None:
    """`--capacity-over` makes room for every car of a folder, no more; all of them fit."""
    fleet = CAR42.parent / "demo_fleet"
    data = bench.outcome("--mode", "tables", "--capacity-over", fleet)
    (site,) = sites_of(data)
    profiles = [load_profile(CAR42), *load_profiles([fleet])]
    longest = np.max([visible_sets(SPEC, profile)[0].seen.sum(axis=1) for profile in profiles], axis=0)
    assert site["rows_computed"] == longest.sum()
    for path in sorted(fleet.glob("*.yaml")):
        table = tmp_path / "table.safetensors"
        ran = run_here(bench.capsys, "table", "--calib", path, "--for", bench.folder / "car42", "-o", table)
        assert ran.code == 0, ran.err
        features(
            bench.folder / "car42" / "model.onnx", bench.model, load_profile(path), **read_tensors(table)[0]
        )


def test_a_car_that_does_not_fit_exits_3(bench: Bench, tmp_path: Path) -> None:
    """The camera and the rows too many are named, by `table` and by `check`; no file is left."""
    bench.outcome("--mode", "tables", "--capacity-over", CAR42)
    (wide,) = at_the_edge(load_profile(CAR42), deviations_of(25.0), 1, seed=8)
    path, table = written(wide, tmp_path), tmp_path / "wide.safetensors"
    ran = run_here(bench.capsys, "table", "--calib", path, "--for", bench.folder / "car42", "-o", table)
    assert ran.code == 3
    assert "rows too many on" in ran.err
    assert not table.exists()
    checked = check(bench, path)
    assert (checked.code, json.loads(checked.out)["verdict"]) == (3, "beyond capacity")


def test_check_of_tables_asks_for_a_table(bench: Bench) -> None:
    """The build's own calibration is fresh; one that fits needs a table, not a build."""
    bench.outcome("--mode", "tables")
    assert check(bench, CAR42).code == 0
    other = check(bench, CAR43)
    assert (other.code, json.loads(other.out)["verdict"]) == (3, "other table")


def test_verify_of_tables_runs_the_own_table(bench: Bench) -> None:
    """`verify` feeds the build's own table, and refuses one of another build."""
    bench.outcome("--mode", "tables")
    assert run_here(bench.capsys, "verify", bench.folder / "car42").code == 0
    bench.outcome("--mode", "tables", "--align", "4", name="other")
    other = (bench.folder / "other" / "table.safetensors").read_bytes()
    assert read_tensors(bench.folder / "other" / "table.safetensors")[0].keys()
    assert other != (bench.folder / "car42" / "table.safetensors").read_bytes()


def test_a_table_is_written_outside_of_the_build(bench: Bench) -> None:
    """A build keeps the tables of its own vehicle: another's in their place would damage it."""
    assert bench.build("--mode", "tables").code == 0
    build = bench.folder / "car42"
    ran = run_here(bench.capsys, "table", "--calib", CAR42, "--for", build, "-o", build / "table.safetensors")
    assert (ran.code, "a place outside of the build" in ran.err) == (1, True), ran.err
    assert run_here(bench.capsys, "check", build, "--calib", CAR42).code == 0


def test_a_table_for_a_build_without_tables_is_refused(bench: Bench, tmp_path: Path) -> None:
    """An exact build takes no table."""
    bench.outcome()
    output = tmp_path / "t.safetensors"
    ran = run_here(bench.capsys, "table", "--calib", CAR43, "--for", bench.folder / "car42", "-o", output)
    assert ran.code == 2
    assert "--mode tables" in ran.err


@pytest.mark.parametrize("mode", ["envelope", "tables"])
def test_a_model_without_a_mask_is_declined(mode: str, bench: Bench) -> None:
    """Where nothing is dropped there is nothing to keep room for."""
    model = onnx.load(bench.model)
    for node in model.graph.node:
        if node.op_type in ("Greater", "Less"):
            node.op_type, node.input[1] = "Equal", node.input[0]  # every point counts as seen
    onnx.save(model, bench.model)
    extra = ("--tolerance", TOLERANCE) if mode == "envelope" else ()
    assert bench.build("--mode", mode, *extra).code == 1
