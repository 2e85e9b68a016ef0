"""Builds under implausible values are refused, whatever the comparison of both models says: both are fed the same."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch
import yaml

from specialize.artifact import Build
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile
from tests.calibration.rig_blunders import BLUNDERS
from tests.cli.running import CAR42, run_here
from tests.end_to_end.test_build import Bench, bench
from tests.end_to_end.tiny_model import SPEC
from tests.graphs import GraphMaker
from tests.synthetic.exporting import export
from tests.synthetic.others import Lift
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import vehicle

__all__ = ["bench"]


def change(bench: Bench, **changes: object) -> None:
    """Change the sidecar of the tiny model."""
    sidecar = bench.model.with_suffix(".model.yaml")
    data = yaml.safe_load(sidecar.read_text())
    sidecar.write_text(yaml.safe_dump({**data, **changes}))


IMAGE = {"size_px": [800, 450], "scale": 0.5}
GRID = {"shape": [6, 8], "range_m": [-20.0, -15.0, -2.0, 20.0, 15.0, 1.0], "anchors": 2}
WRONG: dict[str, tuple[dict[str, object], str]] = {
    "twice the scale": (
        {"image": {**IMAGE, "scale": 1.0}},
        "image-overflow: all 6 cameras: the raw image scaled by 1 is 1600 x 900, but the network's image is 800 x 450",
    ),
    "half the scale": (
        {"image": {**IMAGE, "scale": 0.25}},
        "error image-underfill: all 6 cameras: the raw image scaled by 0.25",
    ),
    "range": (
        {"grids": [{**GRID, "range_m": [-60.0, -45.0, -2.0, 60.0, 45.0, 1.0]}]},
        "error mask-differs: the graph keeps 52 camera-query pairs",
    ),
    "rows and columns": (
        {"grids": [{**GRID, "shape": [8, 6]}]},
        "20 are common; a likely cause: rows and columns of `shape` swapped",
    ),
}
KINDS = {
    "cam2lidar": "a likely cause: lidar2img, as fed, used as lidar2img",
    "img2lidar": "error mask-empty: the graph keeps no row at",
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_sidecar_is_refused_with_its_explanation(bench: Bench, mistake: str) -> None:
    """The graph and the calibration are right, the sidecar is not: exit 1, nothing is left."""
    changes, text = WRONG[mistake]
    change(bench, **changes)
    ran = bench.build()
    assert ran.code == 1, ran.out
    assert text in ran.err
    assert bench.names() == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_kind_shows_in_the_graph_and_in_its_mask(bench: Bench, kind: str) -> None:
    """The graph reveals the kind of its input; with the error allowed, the resulting mask is reported."""
    change(bench, calibration_inputs={"lidar2img": kind})
    ran = bench.build()
    assert ran.code == 1, ran.out
    assert f"error input-kind: the sidecar binds lidar2img as {kind} (" in ran.err
    assert "make sense with lidar2img only" in ran.err
    ran = bench.build("--allow", "input-kind")
    assert ran.code == 1 and KINDS[kind] in ran.err
    assert bench.names() == set()


@pytest.mark.parametrize(
    ("blunder", "code"),
    [
        ("swapped sides", "camera-swapped"),
        ("all in body axes", "nothing-seen"),
        ("millimetres", "centre-far"),
    ],
)
def test_a_wrong_calibration_is_refused_before_anything_is_stored(
    bench: Bench, blunder: str, code: str, store_dir: Path
) -> None:
    """Swapped cameras with their names intact, cameras under the sky, millimetres: refused, and the store is empty."""
    path = bench.folder.parent / "car.yaml"
    path.write_text(dump_profile(BLUNDERS[blunder][0]))
    ran = bench.build(calib=path)
    assert ran.code == 1 and f"--allow {code}" in ran.err
    assert not store_dir.exists() or not any(store_dir.rglob("*.json"))


def test_what_was_seen_is_in_the_manifest_and_printed(bench: Bench) -> None:
    """A sound build says in one line what its cameras see, and keeps the record."""
    ran = bench.build()
    line = next(line for line in ran.out.splitlines() if line.startswith("plausible: "))
    assert "images show all of what the lenses see, 10 % to 23 % of queries per camera" in line
    assert "masks agree with the projection: 100.00 %" in line
    record = Build.open(bench.folder / "car42").manifest.plausibility
    assert [camera.name for camera in record.cameras][:2] == ["CAM_FRONT", "CAM_FRONT_RIGHT"]
    assert all(camera.network == 1.0 for camera in record.cameras)
    (mask,) = record.masks
    assert (mask.pairs, mask.projected, mask.agreement) == (52, 52, 1.0)
    assert record.doubts == () and record.not_compared == ()


def test_what_is_allowed_is_doubtful_in_the_manifest(bench: Bench) -> None:
    """A person who knows better gets the build; its record and its warnings say what was implausible."""
    change(bench, image={**IMAGE, "scale": 0.25})
    ran = bench.build("--allow", "image-underfill", "--allow", "camera-order")
    assert ran.code == 0, ran.err
    assert "warning: profile car42: allowed error image-underfill: all 6 cameras" in ran.err
    assert "doubtful (view-share): " in ran.out
    manifest = Build.open(bench.folder / "car42").manifest
    assert manifest.allowed == ("camera-order", "image-underfill")
    assert manifest.plausibility.doubts == ("view-share",)


def test_an_image_input_of_another_size_is_refused(bench: Bench) -> None:
    """The graph says how large its images are."""
    make = GraphMaker()
    model = onnx.load(bench.model)
    images = make.input("img", (1, 6, 3, 96, 160))
    proto = make.model(mean=make.op("ReduceMean", images, axes=[3, 4]))
    model.graph.node.extend(proto.graph.node)
    model.graph.input.extend(proto.graph.input)
    model.graph.output.extend(proto.graph.output)
    model.graph.initializer.extend(proto.graph.initializer)
    onnx.save(model, bench.model)
    ran = bench.build()
    assert ran.code == 1
    assert (
        "error image-size: the graph's input img takes images of 160 x 96, but the sidecar states 800 x 450"
        in ran.err
    )


LIFTED = """schema: specialize/model@1
image: {{size_px: [64, 48]}}
calibration_inputs: {{img2lidar: {kind}}}
"""


@pytest.mark.torch
@pytest.mark.parametrize(
    ("how", "kind"),
    [
        *(("scatter_add", kind) for kind in ("img2lidar", "lidar2img", "cam2lidar", "lidar2cam")),
        *(("index_add", kind) for kind in ("lidar2img", "cam2lidar")),
    ],
)
def test_a_lift_under_another_matrix_is_refused(how: str, kind: str, bench: Bench) -> None:
    """Every frustum point lies elsewhere under a wrong kind, and both models agree on that: next to none is kept."""
    height, width = BASE.levels[0]
    example = {
        "maps": torch.randn(BASE.cameras, 4, height, width),
        "img2lidar": torch.eye(4).repeat(1, BASE.cameras, 1, 1),
    }
    onnx.save(export(Lift(BASE, how), example, 16), bench.model)
    bench.model.with_suffix(".model.yaml").write_text(LIFTED.format(kind=kind))
    path = bench.folder.parent / "ring.yaml"
    path.write_text(dump_profile(vehicle(BASE, TURN_RAD)))
    allow = ("--allow", "input-kind", "--allow", "empty-proof")  # noise does not show in so small a model
    ran = bench.build("--allow-unchanged", *allow, calib=path)
    if kind == "img2lidar":
        assert ran.code == 0, ran.err
        assert "67 % of 108 pooled rows are kept" in ran.out
    else:
        assert ran.code == 1, ran.out
        assert "error mask-empty: the graph keeps " in ran.err


def test_a_table_is_refused_to_a_vehicle_that_does_not_fit(bench: Bench) -> None:
    """An engine that serves many vehicles takes no calibration that its model cannot work with."""
    assert bench.build("--mode", "tables").code == 0
    path, table = bench.folder.parent / "car.yaml", bench.folder.parent / "car.safetensors"
    path.write_text(dump_profile(BLUNDERS["swapped sides"][0]))
    arguments = ("table", "--calib", path, "--for", bench.folder / "car42", "-o", table)
    ran = run_here(bench.capsys, *arguments)
    assert ran.code == 1 and "error camera-swapped: CAM_FRONT_RIGHT: " in ran.err
    assert not table.exists()
    ran = run_here(bench.capsys, *arguments, "--allow", "camera-swapped")
    assert (
        "warning: allowed error camera-swapped" in ran.err or ran.code == 3
    )  # the capacity may not be enough


@pytest.mark.parametrize("own_has_it", [False, True])
def test_what_a_build_allows_is_what_its_own_vehicle_has(own_has_it: bool, bench: Bench) -> None:
    """An error that was allowed in vain is no licence for other vehicles; one that was needed is."""
    path, table = bench.folder.parent / "car.yaml", bench.folder.parent / "car.safetensors"
    path.write_text(dump_profile(BLUNDERS["swapped sides"][0]))
    options = ("--mode", "tables", "--allow", "camera-swapped", "-o", bench.folder / "allowed")
    assert bench.build(*options, "--capacity", "48", calib=path if own_has_it else CAR42).code == 0
    ran = run_here(bench.capsys, "table", "--calib", path, "--for", bench.folder / "allowed", "-o", table)
    assert ran.code == (0 if own_has_it else 1), ran.err
    assert f"{'allowed ' * own_has_it}error camera-swapped" in ran.err


def test_a_fleet_builds_nothing_for_a_vehicle_that_does_not_fit(bench: Bench) -> None:
    """`fleet plan` leaves it out and exits 1; what was planned before the profile went wrong is not built."""
    folder = bench.folder.parent / "fleet"
    folder.mkdir()
    good, bad = folder / "a.yaml", folder / "b.yaml"
    good.write_text(CAR42.read_text())
    bad.write_text(dump_profile(BLUNDERS["swapped sides"][0]).replace("vehicle: car42", "vehicle: other"))
    plan = ("fleet", "plan", folder, "--model", bench.model, "--mode", "exact", "--json")
    ran = run_here(bench.capsys, *plan)
    assert ran.code == 1
    data = json.loads(ran.out)
    assert data["vehicles"] == 1 and "error camera-swapped" in data["failed"][0]["reason"]
    ran = run_here(bench.capsys, *plan, "--allow", "camera-swapped")
    assert ran.code == 0 and json.loads(ran.out)["vehicles"] == 2
    lock = folder / "fleet.lock"
    text = lock.read_text()
    assert '"allow": ["camera-swapped"]' in text
    lock.write_text(text.replace('"allow": ["camera-swapped"]', '"allow": []'))
    data = json.loads(run_here(bench.capsys, "fleet", "build", folder, "--json").out)
    assert sorted(build["status"] for build in data["builds"]) == ["built", "failed"]
    assert any("error camera-swapped" in build["reason"] for build in data["builds"])


def matrices(calib: Path) -> list[object]:
    """Return what the tiny model's calibration input gets, as a person may write it into a sidecar."""
    projections: list[object] = SPEC.network_from_lidar(load_profile(calib))[None].tolist()
    return projections


def test_a_calibration_in_the_sidecar_is_refused(bench: Bench) -> None:
    """It is another vehicle's: the build would be verified, and fresh for any profile."""
    change(bench, calibration_inputs={}, other_inputs={"lidar2img": matrices(CAR42.with_name("car43.yaml"))})
    ran = bench.build()
    assert ran.code == 1, ran.out
    assert "error constant-calibration: `other_inputs` holds lidar2img (1 x 6 x 4 x 4)" in ran.err
    assert bench.names() == set()


def test_a_calibration_input_has_no_constant(bench: Bench) -> None:
    """Of two that say what an input is, one would win."""
    change(bench, other_inputs={"lidar2img": matrices(CAR42)})
    ran = bench.build()
    assert ran.code == 1
    assert "other_inputs.lidar2img: expected no calibration input, got one" in ran.err


def test_a_constant_that_all_cameras_share_is_none_of_a_vehicle(bench: Bench) -> None:
    """A query, a switch, one matrix for all cameras: nothing to say against."""
    rows = [[[0.1] * 4] * 48]
    change(bench, other_inputs={"query": rows}, inputs={})
    assert bench.build().code == 0
