"""A draft has the image and the grids of the graph, and is refused until a person decided what no graph says."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from msgspec.structs import replace

from specialize.artifact import Build
from specialize.calibration.load import load_profile
from specialize.drafting.image import draft_image
from specialize.drafting.points import Typed
from specialize.errors import InputError
from specialize.explain.inspect import ModelInspection, inspect_model
from specialize.model.sidecar import with_guesses_taken
from specialize.model.spec import GridSpec, ModelSpec, parse_spec
from specialize.visibility.grid import QueryGrid
from tests.cli.running import CAR42, run_here
from tests.drafting.deciding import decided
from tests.drafting.graphs import CAMERAS, GRID, HEIGHT, WIDTH, Views
from tests.drafting.test_entries import OWN, lifting
from tests.end_to_end import tiny_model
from tests.graphs import GraphMaker

RANGE = (-24.0, -18.0, -3.0, 24.0, 18.0, 1.0)


def inspected(proto: onnx.ModelProto, folder: Path, calib: Path | None = None) -> ModelInspection:
    """Write a model without a sidecar and inspect it."""
    onnx.save(proto, folder / "model.onnx")
    return inspect_model(folder / "model.onnx", calib=calib)


def spec_of(found: ModelInspection) -> ModelSpec:
    """Return the draft as if every first guess were right."""
    return parse_spec(decided(found.sidecar), "draft")


def projecting(
    points: np.ndarray, size: tuple[int, int], how: str = "divide", last: bool = True
) -> onnx.ModelProto:
    """Return a model that projects points (P, 3)."""
    views = Views()
    matrix = views.g.input("lidar2img", (CAMERAS, 4, 4))
    return views.attended(views.projected(matrix, points, size, how, last), queries=[len(points)])


@pytest.mark.parametrize("how", ["divide", "compare"])
@pytest.mark.parametrize("last", [True, False])
def test_the_size_of_the_image_is_read_from_the_graph(how: str, last: bool, tmp_path: Path) -> None:
    """By what pixels are divided, or with what they are compared; not the size of a feature map."""
    found = inspected(projecting(GRID.points().reshape(-1, 3), (800, 464), how, last), tmp_path)
    assert spec_of(found).image.size_px == (800, 464)
    assert "size_px: [800, 464]  #" in found.sidecar


def test_borders_at_the_last_pixel_are_those_of_the_image(tmp_path: Path) -> None:
    """A comparison with 799 is about an image of 800."""
    found = inspected(projecting(GRID.points().reshape(-1, 3), (799, 463), "compare"), tmp_path)
    assert spec_of(found).image.size_px == (800, 464)


def test_the_size_of_a_lifted_image_is_that_of_its_frustum(tmp_path: Path) -> None:
    """Pixels from 0 to 703 and 0 to 255 are an image of 704 x 256; the crop is that of the usual preparation."""
    found = inspected(lifting(OWN), tmp_path)
    assert spec_of(found).image.size_px == (WIDTH, HEIGHT)
    assert "size_px: [704, 256]  #" in found.sidecar
    assert "scale: GUESS 0.44" in found.sidecar


def test_pixels_of_a_feature_map_leave_size_and_kind_open(tmp_path: Path) -> None:
    """Where pixels end at the border of a feature map, the matrix may be in its pixels: a person must say."""
    views = Views()
    matrix = views.g.input("lidar2img", (CAMERAS, 4, 4))
    places, mask = views.projected(matrix, GRID.points().reshape(-1, 3), (100, 58), "compare")
    views.g.input("features", (1, CAMERAS, 64, 58, 100))
    found = inspected(views.attended((places, mask), queries=[GRID.queries * GRID.anchors]), tmp_path)
    assert "lidar2img: GUESS lidar2img" in found.sidecar
    assert "size_px: GUESS [100, 58]" in found.sidecar
    assert "stride" in found.sidecar


def test_a_map_whose_stride_the_graph_has_gives_the_size_of_the_image(tmp_path: Path) -> None:
    """A lens that the graph scales by 1/8 to a map of 100 x 58 is that of an image of 800 x 464; no grid is made up."""
    views = Views()
    pose, lens = (views.g.input(name, (CAMERAS, 4, 4)) for name in ("cam0_T_camXs", "pix_T_cams"))
    site = views.projected_in_a_map(lens, pose, GRID.points().reshape(-1, 3), 8, (100, 58))
    proto = views.attended(site, queries=[GRID.queries * GRID.anchors])
    del proto.graph.input[-1].type.tensor_type.shape.dim[2:]
    for size in (58, 100):
        proto.graph.input[-1].type.tensor_type.shape.dim.add().dim_value = size
    found = inspected(proto, tmp_path)
    assert "size_px: [800, 464]  #" in found.sidecar
    assert "pix_T_cams: network_intrinsic  #" in found.sidecar
    assert spec_of(found).grids == ()
    assert "its points are in the first camera's frame" in found.sidecar


def test_scale_and_crop_follow_where_the_raw_image_leaves_no_choice(tmp_path: Path) -> None:
    """For the user's own rig whose images, made smaller, fill the network's width and nearly its height."""
    proto = projecting(GRID.points().reshape(-1, 3), (800, 464))
    assert "scale: 0.5  #" in inspected(proto, tmp_path, CAR42).sidecar
    assert "scale: GUESS 0.5  #" in inspected(proto, tmp_path).sidecar
    assert "scale: GUESS 0.44  #" in inspected(lifting(OWN), tmp_path, CAR42).sidecar


@pytest.mark.parametrize(
    ("u", "v"),
    [
        (np.linspace(0, 479, 13), np.linspace(0, 223, 7)),
        (np.arange(30) * 16.0, np.arange(14) * 16.0),
        (np.linspace(0, 480, 60), np.linspace(0, 224, 28)),
        (np.arange(30) * 16.0 + 8.0, np.arange(14) * 16.0 + 8.0),
    ],
    ids=["last pixel", "cells", "edges", "centres"],
)
def test_a_frustum_fills_its_image_in_every_way_that_is_usual(u: np.ndarray, v: np.ndarray) -> None:
    """From the first to the last pixel, cell by cell, from edge to edge, or by the centres of cells."""
    rays = np.stack(np.broadcast_arrays(u, v[:, None], 1.0), axis=-1).reshape(-1, 3)
    points = np.concatenate([rays * depth for depth in (4.0, 20.0)])
    typed = Typed("img2lidar", "frustum", points, (len(points),), points[None])
    assert draft_image((), None, [typed], None, False).prep.size_px == (480, 224)


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_a_grid_whose_rule_no_sidecar_has_is_left_out(margin: float, tmp_path: Path) -> None:
    """A mask with a margin around the image keeps more pairs than a plan: with the grid, a build would be refused."""
    views = Views()
    matrix = views.g.input("lidar2img", (CAMERAS, 4, 4))
    points = QueryGrid((12, 16), RANGE, 1).points().reshape(-1, 3)
    site = views.projected(matrix, points, (800, 464), margin=margin)
    found = inspected(views.attended(site, queries=[len(points)]), tmp_path, CAR42)
    assert len(spec_of(found).grids) == (0 if margin else 1)
    assert ("of its pairs that the rule of a sidecar does not" in found.sidecar) == bool(margin)


def test_every_volume_has_its_grid_in_graph_order(tmp_path: Path) -> None:
    """Three volumes are three grids; one has as many voxels as another one's plane has cells, and is not that plane."""
    shapes = ((4, 6, 8), (2, 4, 6), (1, 2, 4))
    views = Views()
    matrix = views.g.input("lidar2img", (CAMERAS, 4, 4))
    points = [QueryGrid(shape, RANGE).points().reshape(-1, 3) for shape in shapes]
    sites = [views.projected(matrix, each, (WIDTH, HEIGHT)) for each in points]
    found = inspected(views.attended(*sites, queries=[len(each) for each in points]), tmp_path)
    grids = spec_of(found).grids
    assert [grid.shape for grid in grids[:2]] == [(4, 6, 8), (2, 4, 6)]
    assert all(grid.range_m == RANGE for grid in grids[:2])
    assert len(grids) == 3  # a single layer may be written as voxels or as pillars of one point


def test_pillars_are_told_from_voxels_by_the_axes_of_the_graph(tmp_path: Path) -> None:
    """Heights in front, as in BEVFormer, and cells behind: pillars with anchors."""
    found = inspected(projecting_by_anchors(GRID.points().transpose(1, 0, 2)), tmp_path)
    (grid,) = spec_of(found).grids
    assert grid == GridSpec(shape=GRID.shape, range_m=GRID.range_m, anchors=GRID.anchors)


def projecting_by_anchors(points: np.ndarray) -> onnx.ModelProto:
    """Return a model that projects points (D, Q, 3), anchors and queries being axes of their own."""
    views = Views()
    matrix = views.g.input("lidar2img", (CAMERAS, 4, 4))
    whole = views.g.const(
        np.concatenate([points, np.ones_like(points[..., :1])], -1)[None].astype(np.float32)
    )
    seen = views.applied(matrix, whole, [CAMERAS], (*points.shape[:2], 4))
    places = views.g.op("Div", views.part(seen, 0, 2, 3), views.part(seen, 2, 3, 3))
    return views.g.model(out=views.g.op("Div", places, views.g.const(np.array([WIDTH, HEIGHT], np.float32))))


@pytest.mark.parametrize(
    ("shape", "order"), [((4, 6), "zy"), ((8, 4), "xz"), ((6, 8), ""), ((8, 6), "xy"), ((6, 4), "yz")]
)
def test_a_plane_has_its_own_axes(shape: tuple[int, int], order: str, tmp_path: Path) -> None:
    """Queries over two axes and anchors along the third one: which ones, and in which order, is read from the points.

    TPVFormer has three such planes; none of the upright ones is taken for pillars.
    """
    volume = QueryGrid((4, 6, 8), RANGE).points().reshape(4, 6, 8, 3).transpose(2, 1, 0, 3)  # (X, Y, Z, 3)
    axes = [*("xyz".index(axis) for axis in order or "yx")]
    (anchors,) = {0, 1, 2} - set(axes)
    points = volume.transpose(anchors, *axes, 3)
    found = inspected(projecting_by_anchors(points.reshape(len(points), -1, 3)), tmp_path)
    (grid,) = spec_of(found).grids
    assert (grid.shape, grid.anchors, grid.order) == (shape, len(points), order)
    np.testing.assert_allclose(
        grid.grid().points().transpose(1, 0, 2), points.reshape(len(points), -1, 3), atol=2e-3
    )


@pytest.mark.parametrize("order", ["xyz", "xzy", "zxy"])
def test_voxels_in_any_order_are_drafted_with_it(order: str, tmp_path: Path) -> None:
    """A volume with x outermost, as in Fast-BEV, is a grid whose order is stated."""
    volume = QueryGrid((4, 6, 8), RANGE).points().reshape(4, 6, 8, 3)
    points = volume.transpose(*("zyx".index(axis) for axis in order), 3).reshape(-1, 3)
    found = inspected(projecting(points, (WIDTH, HEIGHT)), tmp_path)
    (grid,) = spec_of(found).grids
    assert (grid.order, grid.range_m) == (order, RANGE)
    np.testing.assert_allclose(grid.grid().points().reshape(-1, 3), points, atol=2e-3)


def test_modes_in_which_the_vehicle_computes_take_usual_grids_only(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An upright plane builds exactly and is checked; an envelope of it is refused before anything is computed."""
    path = tmp_path / "plane.onnx"
    plane = QueryGrid((4, 6), RANGE, 8, "zy").points().transpose(1, 0, 2)  # anchors first
    onnx.save(projecting_by_anchors(plane), path)
    draft = inspect_model(path, calib=CAR42).sidecar
    assert "order: zy" in draft
    path.with_suffix(".model.yaml").write_text(decided(draft))
    command = ("build", "--calib", CAR42, "--model", path, "-o", tmp_path / "build", "--allow-unchanged")
    allowed = ("--allow", "empty-proof", "--no-measure")
    ran = run_here(capsys, *command, *allowed, "--mode", "envelope", "--tolerance", "rotation_deg=1")
    assert ran.code == 1 and "grids[0].order: expected the usual order in mode envelope" in ran.err
    ran = run_here(capsys, *command, *allowed)
    assert ran.code == 0, ran.err
    assert run_here(capsys, "check", tmp_path / "build", "--calib", CAR42).code == 0


def test_points_that_are_no_grid_are_left_out_with_the_reason(tmp_path: Path) -> None:
    """Points in an order that no axes have: the draft says so instead of a wrong grid."""
    points = QueryGrid((4, 6, 8), RANGE).points().reshape(-1, 3)[np.random.default_rng(0).permutation(192)]
    found = inspected(projecting(points, (WIDTH, HEIGHT)), tmp_path)
    assert spec_of(found).grids == ()
    assert "left out: a grid: 8 x, 6 y and 4 z in an order that no grid of a sidecar has" in found.sidecar


def test_a_draft_is_refused_until_it_is_decided(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Saved unchanged, the build stops and names everything undecided; decided, the model is the right one."""
    path = tmp_path / "tiny.onnx"
    onnx.save(tiny_model.tiny_model(), path)
    draft = inspect_model(path).sidecar
    sidecar = path.with_suffix(".model.yaml")
    sidecar.write_text(draft)
    command = ("build", "--calib", CAR42, "--model", path, "-o", tmp_path / "build")
    ran = run_here(capsys, *command)
    assert ran.code == 1
    assert all(each in ran.err for each in ("GUESS", "image.scale", "image.crop_px", "cameras"))
    sidecar.write_text(decided(draft))
    ran = run_here(capsys, *command)
    assert ran.code == 0, ran.err
    right = tiny_model.SPEC
    spec = parse_spec(Build.open(tmp_path / "build").manifest.spec, "build")
    assert (spec.calibration_inputs, spec.grids) == (right.calibration_inputs, right.grids)
    assert spec.image == replace(right.image, raw_size_px=(1600, 900))
    assert spec.cameras == load_profile(CAR42).camera_names()


def test_guesses_can_be_taken_and_are_told_by_every_build(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--take-guesses` saves a draft that builds; its guesses are listed in it, and warned of until decided."""
    path, build = tmp_path / "tiny.onnx", tmp_path / "build"
    onnx.save(tiny_model.tiny_model(), path)
    sidecar = path.with_suffix(".model.yaml")
    ran = run_here(capsys, "inspect", path, "--save-draft", sidecar, "--take-guesses")
    assert ran.code == 0 and "next: specialize build" in ran.out
    assert "GUESS" not in sidecar.read_text() and "GUESS" not in ran.out
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", path, "-o", build)
    assert ran.code == 0, ran.err
    manifest = Build.open(build).manifest
    taken = parse_spec(manifest.spec, "build")
    assert {"image.scale", "image.crop_px", "cameras"} <= {*taken.guessed}
    assert taken == replace(spec_of(inspect_model(path)), guessed=taken.guessed)
    assert any("guessed" in warning and "image.scale" in warning for warning in manifest.warnings)
    assert "image.scale" in ran.err and "image.scale" in run_here(capsys, "inspect", build).out
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    shutil.copy(CAR42, fleet)
    for command in (("plan", "--model", path, "--mode", "exact"), ("build",)):
        ran = run_here(capsys, "fleet", command[0], fleet, *command[1:])
        assert ran.code == 0 and "guessed: the sidecar holds guesses" in ran.err, ran.err
    text = sidecar.read_text()
    sidecar.write_text(text[: text.index("guessed:")])
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", path, "-o", build)
    assert ran.code == 0 and not any("guessed" in warning for warning in Build.open(build).manifest.warnings)


def test_guesses_are_taken_where_a_draft_is_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file there is nothing to take them into."""
    path = tmp_path / "model.onnx"
    onnx.save(projecting(GRID.points().reshape(-1, 3), (800, 464)), path)
    ran = run_here(capsys, "inspect", path, "--take-guesses")
    assert ran.code == 2 and "--save-draft" in ran.err


def test_any_guess_can_be_taken() -> None:
    """The first candidate is taken: of words, of lists, of names with brackets, inside a record; comments stay."""
    draft = (
        "schema: specialize/model@1\nimage: {size_px: [8, 8]}\n"
        "calibration_inputs:\n  a: {kind: GUESS intrinsic or network_intrinsic, repeat: 44}  # read by MatMul\n"
        '  "b,]": GUESS lidar2img or ego2img  # [1, 6]\n'
        'cameras: GUESS ["left]", right]  # order\n'
    )
    text = with_guesses_taken(draft)
    taken = parse_spec(text, "draft")
    assert {name: str(taken.kind_of(name)) for name in taken.calibration_inputs} == {
        "a": "intrinsic, repeat 44",
        "b,]": "lidar2img",
    }
    assert taken.cameras == ("left]", "right") and "# read by MatMul" in text
    assert taken.guessed == ("calibration_inputs.a.kind", "calibration_inputs.b,]", "cameras")
    decided = "schema: specialize/model@1\nimage: {size_px: [8, 8]}\n"
    assert with_guesses_taken(decided) == decided


def test_matrices_per_token_are_bound_from_a_decided_draft(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One matrix per image token and focal lengths: refused as drafted, built and proven once decided."""
    views, tokens = Views(), 44
    matrix = views.g.input("img2lidar", (1, CAMERAS * tokens, 4, 4))
    focal = views.g.input("intrinsic", (1, CAMERAS * tokens, 2))
    proto = views.lifted_by_token(matrix, tokens, focal)
    path, sidecar = tmp_path / "tokens.onnx", tmp_path / "tokens.model.yaml"
    onnx.save(proto, path)
    ran = run_here(capsys, "inspect", path, "--save-draft", sidecar)
    assert (
        ran.code == 0
        and "intrinsic: {kind: GUESS intrinsic or network_intrinsic, repeat: 44}" in sidecar.read_text()
    )
    command = ("build", "--calib", CAR42, "--model", path, "-o", tmp_path / "build", "--allow-unchanged")
    ran = run_here(capsys, *command)
    assert ran.code == 1 and "calibration_inputs.intrinsic.kind" in ran.err
    sidecar.write_text(decided(sidecar.read_text()))
    ran = run_here(capsys, *command)
    assert ran.code == 0, ran.err
    assert [tensor.name for tensor in Build.open(tmp_path / "build").manifest.inputs] == ["features"]


def test_a_draft_is_saved_where_nothing_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--save-draft` writes what is printed; a file that is there is never replaced, and a sidecar is no draft."""
    path, sidecar = tmp_path / "model.onnx", tmp_path / "mine.yaml"
    onnx.save(projecting(GRID.points().reshape(-1, 3), (800, 464)), path)
    ran = run_here(capsys, "inspect", path, "--save-draft", sidecar)
    assert ran.code == 0 and sidecar.read_text() == inspect_model(path).sidecar
    assert f"the draft is saved as {sidecar}" in " ".join(ran.out.split())
    sidecar.write_text("mine")
    ran = run_here(capsys, "inspect", path, "--save-draft", sidecar)
    assert (ran.code, sidecar.read_text()) == (1, "mine") and "a file that does not exist yet" in ran.err
    path.with_suffix(".model.yaml").write_text(decided(inspect_model(path).sidecar))
    ran = run_here(capsys, "inspect", path, "--save-draft", tmp_path / "other.yaml")
    assert ran.code == 1 and "a model with a sidecar" in ran.err
    ran = run_here(capsys, "inspect", CAR42, "--save-draft", tmp_path / "other.yaml")
    assert ran.code == 2 and not (tmp_path / "other.yaml").exists()


def test_lengths_of_another_vehicle_leave_the_draft(tmp_path: Path) -> None:
    """If row counts in a file do not fit a vehicle, the draft is printed with the mismatch as the obstacle."""
    views = Views()
    matrix = views.g.input("lidar2img", (CAMERAS, 4, 4))
    places, mask = views.projected(matrix, GRID.points().reshape(-1, 3), (800, 464))
    flat = views.g.op("Reshape", mask, views.g.const([-1]))
    found = views.g.op("Squeeze", views.g.op("NonZero", flat), views.g.const([0]))
    rows = views.g.op("Gather", views.g.op("Reshape", places, views.g.const([-1, 2])), found, axis=0)
    fixed = views.g.op("Expand", rows, views.g.const([7, 2]))
    data = views.g.input("features", (7, 2))
    said = inspected(views.g.model(out=views.g.op("Add", fixed, data)), tmp_path, CAR42)
    assert "size_px: [800, 464]  #" in said.sidecar and "lidar2img: lidar2img  #" in said.sidecar
    assert "belong to another vehicle" in said.obstacle


def test_a_lift_is_bound_as_its_parts_are(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """BEVDet's own interface builds from its draft, rotations and translations apart."""
    path = tmp_path / "lift.onnx"
    onnx.save(lifting(OWN | {"bda": "bda"}), path)
    path.with_suffix(".model.yaml").write_text(decided(inspect_model(path).sidecar))
    ran = run_here(
        capsys, "build", "--calib", CAR42, "--model", path, "-o", tmp_path / "build", "--allow-unchanged"
    )
    assert ran.code == 0, ran.err
    assert [tensor.name for tensor in Build.open(tmp_path / "build").manifest.inputs] == ["features"]


@pytest.mark.parametrize("text", ["GUESS", "GUESS 0.5", "GUESS [a, b]"])
def test_a_guess_is_refused_wherever_it_stands(text: str) -> None:
    """The place is named, and what was guessed."""
    base = "schema: specialize/model@1\nimage: {size_px: [8, 8]}\ncalibration_inputs: {}\n"
    with pytest.raises(InputError, match=r"mine: cameras: expected a value that a person has decided"):
        parse_spec(f"{base}cameras: {text}\n", "mine")
    with pytest.raises(InputError, match=r"mine: other_inputs\.a\[0\]"):
        parse_spec(f"{base}other_inputs:\n  a:\n    - {text}\n", "mine")


def test_names_that_are_no_words_are_quoted(tmp_path: Path) -> None:
    """An input may be called anything; the draft stays YAML."""
    views = Views()
    points = GRID.points().reshape(-1, 3)
    matrix = views.g.input("inputs/lidar2img:0", (CAMERAS, 4, 4))
    found = inspected(
        views.attended(views.projected(matrix, points, (800, 464)), queries=[len(points)]), tmp_path
    )
    assert list(spec_of(found).calibration_inputs) == ["inputs/lidar2img:0"]


def test_a_model_that_contradicts_itself_still_has_a_draft(tmp_path: Path) -> None:
    """If folding fails, this is the obstacle, and the names are still reported."""
    g = GraphMaker()
    bad = g.op("Add", g.input("lidar2img", (CAMERAS, 4, 4)), g.const(np.zeros((7, 4, 4), np.float32)))
    proto = replace_outputs(g, bad)
    found = inspected(proto, tmp_path)
    assert "inputs that fit Add" in found.obstacle
    assert found.calibration_inputs == {"lidar2img": "GUESS lidar2img"}


def replace_outputs(g: GraphMaker, value: str) -> onnx.ModelProto:
    """Return a model that shape inference would refuse, without asking it."""
    output = onnx.helper.make_tensor_value_info("out", 1, None)
    nodes = [*g.nodes, onnx.helper.make_node("Identity", [value], ["out"])]
    graph = onnx.helper.make_graph(nodes, "made", g.inputs, [output], g.constants)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", g.opset)], ir_version=9)
