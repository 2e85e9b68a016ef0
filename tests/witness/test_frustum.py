"""Where lifted points land, by the witness, and the pooling of a build compared with that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from specialize.binding import learn_program as linking
from specialize.binding import make_tables
from specialize.binding.relink.assemble import NotPortableError
from specialize.binding.table_inputs import Program
from specialize.binding.witnessed import build as witness_build
from specialize.model.spec import parse_spec
from specialize.passes.externalize import Array
from specialize.witness.frustum import Frustum, Landing, frustum_of, land, orders, pooled
from specialize.witness.rig import Rig, parse_rig, sidecar_of
from specialize.zoo import spec
from specialize.zoo.lss import DepthLSSTransform, LSSTransform
from tests.cli.running import Ran, run_here
from tests.witness import mutants
from tests.witness.lifting import STYLE, Lifting, write_lifting, write_sidecar
from tests.witness.mutants import Mutant

pytestmark = pytest.mark.torch

ONE_CAMERA = """
vehicle: one
lidar2ego: {rotation_wxyz: [1, 0, 0, 0], translation_m: [1.0, 0.0, 2.0]}
cameras:
  - name: front
    size_px: [100, 80]
    intrinsic: [[50, 0, 50], [0, 50, 40], [0, 0, 1]]
    lidar2cam: [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0.5], [0, 0, 0, 1]]
"""
IMAGE = {"image": {"size_px": [50, 40], "scale": 0.5, "crop_px": [0, 5]}}
ONE = Frustum(
    (2, 1, 3), (0.0, 50.0), (15.0, 15.0), (2.0, 4.0), (4, 4, 1), (-4, -1, -3, 4, 7, 3), "lidar", "down"
)


def _landing(frustum: Frustum) -> Landing:
    found = land(parse_rig(ONE_CAMERA), sidecar_of(IMAGE, 1), frustum)
    assert isinstance(found, Landing)
    return found


def test_points_land_where_a_ruler_says() -> None:
    """At the columns 0, 25 and 50 of 50 the rays go 45 degrees to the left, ahead, and 45 degrees to the right.

    The camera stands half a metre behind the lidar, looks along +y, and row 15 is its horizon: 2 m deep is y = 1.5 m.
    Cells are 2 m wide, y from -1 m on.
    """
    cell = _landing(ONE).cell
    assert cell.shape == (1, 2, 1, 3)
    x_cell, y_cell = cell // 4, cell % 4
    assert x_cell.ravel().tolist() == [1, 2, 3, 0, 2, -1]  # x = -2, 0, 2, then -4, 0, 4, which is outside
    assert y_cell.ravel().tolist()[:5] == [1, 1, 1, 2, 2]


def test_points_on_a_border_are_doubtful() -> None:
    """All of these columns are on borders of cells along x; moved by a centimetre, none is."""
    assert _landing(ONE).doubtful.all()
    moved = _landing(replace(ONE, range_m=(-4.01, -1, -3, 3.99, 7, 3)))
    assert not moved.doubtful.any() and not moved.touched.any()


def test_cutting_toward_zero_widens_the_first_cell() -> None:
    """A point half a cell below the box is in its first cell, or outside."""
    shifted = replace(ONE, range_m=(-1.0, -1, -3, 7.0, 7, 3))
    assert (_landing(shifted).cell // 4).ravel().tolist()[:2] == [-1, 0]
    assert (_landing(replace(shifted, cut="toward_zero")).cell // 4).ravel().tolist()[:2] == [0, 0]


def test_the_vehicles_frame_is_another_box() -> None:
    """The lidar stands a metre ahead of the vehicle's origin: every point is one metre further along x."""
    ego = replace(ONE, frame="ego", range_m=(-3, -1, -1, 5, 7, 5))
    assert np.array_equal(_landing(ego).cell, _landing(ONE).cell)


def test_a_bare_matrix_cannot_be_lifted() -> None:
    """Without an intrinsic, depth cannot be distinguished from scale."""
    bare = ONE_CAMERA.replace("lidar2cam", "unused").replace("intrinsic", "unused_too")
    bare += "    lidar2img: [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0.5], [0, 0, 0, 1]]\n"
    found = land(parse_rig(bare), sidecar_of(IMAGE, 1), ONE)
    assert found == "camera front: no intrinsic or pose, only a matrix"


def test_sums_are_of_weights_times_features() -> None:
    """Two points of one pixel in one cell add up; a point outside adds nothing."""
    cell = np.array([[[[0, 2]], [[0, -1]]]])  # (1, 2, 1, 2)
    none = np.zeros(cell.shape, bool)
    weights = np.array([[[[1.0, 5.0]], [[2.0, 7.0]]]])
    features = np.array([[[[10.0, 1.0], [3.0, -1.0]]]])  # (1, 1, 2, 2)
    sums = pooled(Landing(cell, none, np.zeros(4, bool)), weights, features, 4)
    assert sums.tolist() == [[30.0, 3.0], [0.0, 0.0], [15.0, -5.0], [0.0, 0.0]]


def test_axes_may_stand_in_any_order_that_fits() -> None:
    """Grouped axes are found, axes of one stand anywhere, and sizes that do not fit have no order."""
    assert orders((2, 3, 5), (2, 15)) == [(0, 1, 2), (0, 2, 1)]
    assert orders((2, 1, 5), (1, 5, 2)) == [(2, 0)]
    assert orders((2, 3, 5), (7, 5)) == []


@pytest.fixture
def lifting(tmp_path: Path, store_dir: Path) -> Lifting:
    """Return a model that pools, in an empty folder."""
    return write_lifting(tmp_path)


def _build(capsys: pytest.CaptureFixture[str], files: Lifting, *more: str) -> Ran:
    out = files.model.parent / "build"
    return run_here(capsys, "build", "--calib", files.vehicle, "--model", files.model, "-o", out, *more)


@pytest.mark.parametrize("mode", ["exact", "tables"])
def test_a_pooling_agrees(mode: str, lifting: Lifting, capsys: pytest.CaptureFixture[str]) -> None:
    """The points that are kept are those of the witness, and the manifest says how many."""
    files = lifting
    ran = _build(capsys, files, "--mode", mode)
    assert ran.code == 0, ran.err
    record = json.loads((files.model.parent / "build" / "manifest.json").read_text())["witness"]
    landing = _landed(files, parse_spec(files.sidecar.read_text(), "test").to_text())
    assert record["frustum"]["points"] == landing.cell.size == 3 * 3 * 5 * 6
    assert record["frustum"]["kept"] == int((landing.cell >= 0).sum())
    assert not [line for line in record["not_witnessed"] if "frustum" in line or "site" in line]


def _landed(files: Lifting, sidecar: str) -> Landing:
    values = yaml.safe_load(sidecar)
    frustum = frustum_of(values)
    assert frustum is not None
    found = land(parse_rig(files.vehicle.read_text()), sidecar_of(values, STYLE.cameras), frustum)
    assert isinstance(found, Landing)
    return found


@pytest.mark.parametrize(
    "mutant",
    [mutants.swapped_cameras, mutants.half_a_pixel, mutants.transposed],
    ids=lambda one: one.__name__,
)
def test_a_wrong_projection_is_told_by_the_pooling_alone(
    mutant: Mutant, lifting: Lifting, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if matrices were not compared entry by entry, points in other cells fail the build."""
    mutant(monkeypatch)
    monkeypatch.setattr(witness_build, "compare_inputs", lambda *_: ((), ()))
    codes = ("input-kind", "view-share", "nothing-seen")
    ran = _build(capsys, lifting, *(word for code in codes for word in ("--allow", code)))
    assert ran.code == 4, ran.err
    assert "sums of the points that land in each cell" in ran.err
    assert not (lifting.model.parent / "build").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"u_px": [5.83, 59.17]},
        {"depth_m": [5.0, 25.0]},
        {"range_m": [-20.0, -19.0, -1000.0, 20.0, 21.0, 1000.0]},
        {"cut": "toward_zero"},
        {"range_m": [-20.0, -20.0, -0.5, 20.0, 20.0, 0.5]},
    ],
    ids=["half a pixel", "depths", "range", "cut", "height"],
)
def test_a_frustum_that_is_not_the_models_is_refused(
    changed: dict[str, object], lifting: Lifting, capsys: pytest.CaptureFixture[str]
) -> None:
    """A declaration that the graph contradicts is an error that names the sidecar."""
    write_sidecar(lifting, **changed)
    ran = _build(capsys, lifting)
    assert ran.code == 4, ran.err
    assert "the frustum, the kinds of inputs or the image preparation of the sidecar" in ran.err


def test_rows_that_are_worked_on_are_not_witnessed(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stands between lifting and pooling beside products is no pooling; the manifest says so."""
    files = write_lifting(tmp_path, mixed=True)
    ran = _build(capsys, files)
    assert ran.code == 0, ran.err
    record = json.loads((tmp_path / "build" / "manifest.json").read_text())["witness"]
    assert record["frustum"] is None
    assert "frustum: no part of the graph only pools it into 8 x 6 x 1 cells" in record["not_witnessed"]


def test_an_export_that_lost_its_addition_is_told(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PyTorch writes `index_add` as a scatter that overwrites: the last point of a cell is no sum."""
    ran = _build(capsys, write_lifting(tmp_path, "index_add"))
    assert ran.code == 4, ran.err
    assert "a scatter of the export overwrites instead of adding" in ran.err


@pytest.mark.parametrize("maker", ["program", "graph"])
@pytest.mark.parametrize("kind", ["cells", "rows0", "rows1", "weights0", "weights1", "blocks"])
def test_wrong_entries_of_another_vehicles_tables_are_an_error(
    kind: str,
    maker: str,
    lifting: Lifting,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tables of a vehicle for which no model is run are compared before they are written."""
    if maker == "graph":
        monkeypatch.setattr(linking, "learn", _declined)
    assert _build(capsys, lifting, "--mode", "tables").code == 0
    table = lifting.model.parent / "other.safetensors"
    command = ("table", "--calib", lifting.other, "--for", lifting.model.parent / "build", "-o", table)
    assert run_here(capsys, *command).code == 0
    table.unlink()
    owner: object = Program if maker == "graph" else make_tables
    called = "contents" if maker == "graph" else "linked"
    honest: Callable[..., dict[str, Array]] = getattr(owner, called)

    def swapped(*arguments: object) -> dict[str, Array]:
        made = honest(*arguments)
        name = next(name for name in made if f".{kind}" in name)
        flat = made[name].reshape(-1).copy()
        if kind in ("cells", "rows0", "rows1"):
            far = int(np.flatnonzero(flat != flat[0])[-1])
            flat[[0, far]] = flat[[far, 0]]
        else:
            flat[0] = flat[1] if kind == "blocks" else 0.0  # a block twice, a row that is left out
        return {**made, name: flat.reshape(made[name].shape)}

    monkeypatch.setattr(owner, called, swapped)
    ran = run_here(capsys, *command)
    assert ran.code == 4, ran.err
    assert "tables of the pooling" in ran.err
    assert not table.exists()


def _declined(*_: object) -> object:
    raise NotPortableError("nothing here is made by a program")


def test_the_rig_is_read_by_the_witness_alone(lifting: Lifting) -> None:
    """Cameras in another order land elsewhere."""
    rig = parse_rig(lifting.vehicle.read_text())
    values = {"image": {"size_px": list(STYLE.size_px)}}
    frustum = replace(ONE, shape=(3, 5, 6), u_px=(5.0, 59.0), v_px=(5.0, 43.0), cells=(8, 6, 1),
                      range_m=(-20, -20, -99, 20, 20, 99))  # fmt: skip
    turned = Rig(rig.vehicle, rig.eyes[::-1])
    one, other = (land(each, sidecar_of(values, 3), frustum) for each in (rig, turned))
    assert isinstance(one, Landing) and isinstance(other, Landing)
    assert np.array_equal(one.cell[::-1], other.cell)
    assert not np.array_equal(one.cell, other.cell)


@pytest.mark.parametrize("name", ["bevfusion_camera", "bevfusion_camera.vtransform", "bevfusion_camera_only"])
def test_a_built_in_model_declares_the_frustum_that_it_has(name: str) -> None:
    """Points and cells of the sidecar are those of the module."""
    module = DepthLSSTransform() if name != "bevfusion_camera_only" else LSSTransform()
    frustum = frustum_of(yaml.safe_load(spec(name).to_text()))
    assert frustum is not None
    np.testing.assert_allclose(module.frustum.detach().numpy(), frustum.points(), rtol=1e-6)
    assert module.nx.tolist() == list(frustum.cells)
    size = (np.array(frustum.range_m[3:]) - np.array(frustum.range_m[:3])) / frustum.cells
    np.testing.assert_allclose(module.dx.detach().numpy(), size, rtol=1e-6)
    np.testing.assert_allclose((module.bx - module.dx / 2).detach().numpy(), frustum.range_m[:3], rtol=1e-6)
