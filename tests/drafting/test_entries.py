"""A draft names a matrix only if the graph's use of an input, its shape and its name say so together."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.artifact.describe import describe_tensor
from specialize.artifact.manifest import Tensor
from specialize.drafting.entries import draft_entries
from specialize.drafting.layout import layout_of
from specialize.drafting.names import suggestion
from specialize.drafting.text import entry_text
from specialize.graph.folding import fold
from tests.drafting.graphs import CAMERAS, GRID, HEIGHT, WIDTH, Views

POINTS = GRID.points().reshape(-1, 3)


def entries(proto: onnx.ModelProto) -> dict[str, str]:
    """Return what the draft has for each input that may be calibration; empty text if it is left out."""
    model = ir.from_proto(proto)
    fold(model)
    found, _ = draft_entries(model, [describe_tensor(value) for value in model.graph.inputs])
    return {entry.name: entry_text(entry) if entry.kinds else "" for entry in found}


def projecting(name: str, shape: tuple[int, ...] = (CAMERAS, 4, 4)) -> onnx.ModelProto:
    """Return a model that projects the points of a grid by an input of a name."""
    views = Views()
    matrix = views.g.op("Reshape", views.g.input(name, shape), views.g.const([CAMERAS, 4, 4]))
    return views.attended(views.projected(matrix, POINTS, (WIDTH, HEIGHT)), queries=[len(POINTS)])


def lifting(names: dict[str, str]) -> onnx.ModelProto:
    """Return BEVDet's lift with inputs of some names for its parts; `bda` may be among them."""
    views = Views()
    parts = {
        part: views.g.input(name, (1, CAMERAS, 3) if "tran" in part else (1, CAMERAS, 3, 3))
        for part, name in names.items()
        if part != "bda"
    }
    flat = {part: views.g.op("Squeeze", value, views.g.const([0])) for part, value in parts.items()}
    bda = views.g.input(names["bda"], (1, 3, 3)) if "bda" in names else ""
    return views.lifted(flat, bda=bda)


OWN = {"rot": "rots", "tran": "trans", "lens": "intrins", "post_rot": "post_rots", "post_tran": "post_trans"}


def test_a_projection_that_is_named_is_certain() -> None:
    """Points times the matrix, divided by their depth and the image: what its name says is what it does."""
    assert entries(projecting("lidar2img")) == {"lidar2img": "lidar2img"}
    assert entries(projecting("ego2img")) == {"ego2img": "ego2img"}


@pytest.mark.parametrize("name", ["matrix", "M", "calib"])
def test_a_projection_without_a_telling_name_is_a_guess(name: str) -> None:
    """No graph says from which vehicle frame it projects: both are offered, and nothing else."""
    assert entries(projecting(name)) == {name: "GUESS lidar2img or ego2img"}


@pytest.mark.parametrize("name", ["img2lidar", "cam2lidar", "camera_intrinsics"])
def test_a_name_that_contradicts_the_use_is_a_guess(name: str) -> None:
    """A matrix that projects is no pose and no inverse, whatever it is called."""
    assert entries(projecting(name)) == {name: "GUESS lidar2img or ego2img"}


def test_the_parts_of_a_lift_are_found() -> None:
    """Intrinsic, post rotation and translation are certain; no graph says whether cameras stand in lidar or vehicle."""
    assert entries(lifting(OWN | {"bda": "bda"})) == {
        "rots": "GUESS cam2ego or cam2lidar",
        "trans": "GUESS cam2ego or cam2lidar",
        "intrins": "intrinsic",
        "post_rots": "image_aug",
        "post_trans": "image_aug",
        "bda": "identity",
    }


@pytest.mark.parametrize(
    ("lens", "turn"), [("inverse_intrinsics", "inv_post_rots"), ("intrins_inv", "ida_inv")]
)
def test_inverses_are_told_by_use(lens: str, turn: str) -> None:
    """Matrices that come inverted and are inverted again are inverse kinds, certain where their names say so."""
    views = Views()
    names = OWN | {"lens": lens, "post_rot": turn}
    parts = {
        part: views.g.input(name, (1, CAMERAS, 3) if "tran" in part else (1, CAMERAS, 3, 3))
        for part, name in names.items()
    }
    flat = {part: views.g.op("Squeeze", value, views.g.const([0])) for part, value in parts.items()}
    found = entries(views.lifted(flat | {part: views.inverse(flat[part]) for part in ("lens", "post_rot")}))
    assert (found[lens], found[turn]) == ("inverse_intrinsic", "inverse_image_aug")


def test_names_that_say_the_frame_settle_it() -> None:
    """`camera2lidar` and `sensor2ego` are what they say, where the use allows it."""
    lidar = entries(lifting(OWN | {"rot": "camera2lidar_rots", "tran": "camera2lidar_trans"}))
    assert (lidar["camera2lidar_rots"], lidar["camera2lidar_trans"]) == ("cam2lidar", "cam2lidar")
    ego = entries(lifting(OWN | {"rot": "sensor2ego_rots", "tran": "sensor2egos_trans"}))
    assert (ego["sensor2ego_rots"], ego["sensor2egos_trans"]) == ("cam2ego", "cam2ego")


def test_parts_with_exchanged_names_are_not_certain() -> None:
    """An intrinsic that is called a rotation, and the rotation an intrinsic: nothing is taken for certain."""
    found = entries(lifting(OWN | {"rot": "intrins", "lens": "rots"}))
    assert all(found[name].startswith("GUESS") for name in ("intrins", "rots"))


@pytest.mark.parametrize(("name", "inverted"), [("img2lidars", False), ("lidar2img", True)])
def test_a_lift_by_one_matrix_is_told_from_a_projection(name: str, inverted: bool) -> None:
    """A frustum goes from the image to the vehicle; where the graph inverts the matrix, the other way round."""
    views = Views()
    matrix = views.g.input(name, (CAMERAS, 4, 4))
    proto = views.lifted_once(views.inverse(matrix) if inverted else matrix)
    assert entries(proto) == {name: name.removesuffix("s")}


def test_an_intrinsic_before_a_late_image_preparation_is_open() -> None:
    """Where post rotations follow the division by depth, projected points are in raw pixels: nothing is certain."""
    views = Views()
    lens, turn = views.g.input("intrins", (1, CAMERAS, 4, 4)), views.g.input("post_rots", (1, CAMERAS, 3, 3))
    matrix = views.g.op("MatMul", lens, views.g.input("lidar2cam", (1, CAMERAS, 4, 4)))
    flat = views.g.op("Squeeze", matrix, views.g.const([0]))
    places, mask = views.projected(flat, POINTS, (WIDTH, HEIGHT), "compare")
    turned = views.part(views.part(turn, 0, 2, 2), 0, 2, 3)
    prepared = views.g.op("MatMul", places, views.g.op("Squeeze", turned, views.g.const([0])))
    found = entries(views.attended((prepared, mask), queries=[len(POINTS)]))
    assert found["intrins"] == "GUESS intrinsic or network_intrinsic"


@pytest.mark.parametrize("tokens", [44, 8])
def test_a_matrix_per_token_is_found(tokens: int) -> None:
    """Each camera's matrix once per pixel of its feature map: by use, with how many times it stands there."""
    views = Views()
    proto = views.lifted_by_token(views.g.input("img2lidar", (1, CAMERAS * tokens, 4, 4)), tokens)
    assert entries(proto) == {"img2lidar": f"{{kind: img2lidar, repeat: {tokens}}}"}


def test_a_matrix_that_the_graph_repeats_is_found() -> None:
    """StreamPETR inverts one matrix per camera and repeats it for every token before it is used."""
    views, tokens = Views(), 44
    inverse = views.inverse(views.g.input("lidar2img", (1, CAMERAS, 4, 4)))
    wide = views.g.op("Unsqueeze", inverse, views.g.const([2]))
    each = views.g.op("Expand", wide, views.g.const([1, CAMERAS, tokens, 4, 4]))
    flat = views.g.op("Reshape", each, views.g.const([1, CAMERAS * tokens, 4, 4]))
    assert entries(views.lifted_by_token(flat, tokens)) == {"lidar2img": "lidar2img"}


def test_focal_lengths_are_named_by_their_shape() -> None:
    """Two numbers per token of an input that is called intrinsic are focal lengths, of raw or of network pixels."""
    views, tokens = Views(), 44
    focal = views.g.input("intrinsic", (1, CAMERAS * tokens, 2))
    views.g.input("features", (1, CAMERAS, 4, 4, tokens // 4))
    views.g.input("img2lidar", (1, CAMERAS * tokens, 4, 4))
    found = entries(views.g.model(out=views.g.op("Neg", focal)))
    assert found["intrinsic"] == f"{{kind: GUESS intrinsic or network_intrinsic, repeat: {tokens}}}"


def test_poses_to_the_first_camera_are_found() -> None:
    """Simple-BEV's interface: a lens, and each camera's pose in the frame of the first one."""
    views = Views()
    pose, lens = (views.g.input(name, (CAMERAS, 4, 4)) for name in ("cam0_T_camXs", "pix_T_cams"))
    site = views.projected_in_a_map(lens, pose, POINTS, 8, (100, 58))
    found = entries(views.attended(site, queries=[len(POINTS)]))
    assert found == {"pix_T_cams": "network_intrinsic", "cam0_T_camXs": "cam2first"}


def test_coordinates_of_the_cameras_are_no_pixels() -> None:
    """A pose that takes points to the cameras, whose depth alone is read, is what its name says."""
    views = Views()
    matrix = views.g.input("lidar2cam", (CAMERAS, 4, 4))
    whole = views.g.const(np.concatenate([POINTS, np.ones_like(POINTS[:, :1])], 1)[None].astype(np.float32))
    seen = views.applied(matrix, whole, [CAMERAS], (len(POINTS), 4))
    mask = views.g.op("Greater", views.part(seen, 2, 3, 2), views.g.const(0.0))
    assert entries(views.g.model(out=views.g.op("Cast", mask, to=1))) == {"lidar2cam": "lidar2cam"}


def test_motion_of_the_vehicle_is_left_out() -> None:
    """`ego_pose` has the shape of calibration, changes with every frame, and is not bound."""
    views = Views()
    pose = views.g.input("ego_pose", (1, 4, 4))
    moved = views.g.op("MatMul", pose, views.g.input("memory", (1, 4, 8)))
    model = ir.from_proto(views.g.model(out=moved))
    (entry,), _ = draft_entries(model, [describe_tensor(value) for value in model.graph.inputs])
    assert (entry.name, entry.kinds) == ("ego_pose", ())
    assert "changes with every frame" in entry.comment


def test_a_matrix_of_unknown_use_and_name_is_left_out_with_what_is_known() -> None:
    """The comment has shape and operators, and no kind is made up."""
    views = Views()
    proto = views.g.model(out=views.g.op("Neg", views.g.input("pose", (CAMERAS, 4, 4))))
    model = ir.from_proto(proto)
    (entry,), _ = draft_entries(model, [describe_tensor(value) for value in model.graph.inputs])
    assert entry.kinds == ()
    assert entry.comment.startswith("[6, 4, 4], read by Neg: neither its use nor its name")


def test_a_name_alone_is_a_guess() -> None:
    """An intrinsic of which one number is read may be of raw or of network pixels."""
    views = Views()
    focal = views.part(views.g.input("intrinsics", (1, CAMERAS, 4, 4)), 0, 1, 2)
    assert entries(views.g.model(out=views.g.op("Neg", focal))) == {
        "intrinsics": "GUESS intrinsic or network_intrinsic"
    }


def test_data_of_the_model_is_no_calibration() -> None:
    """Images, boxes, queries and integers are passed over; the number of cameras is that of most matrices."""
    inputs = [
        Tensor(name="lidar2img", dtype="float32", shape=(1, 6, 4, 4)),
        Tensor(name="boxes", dtype="float32", shape=(900, 4, 4)),
        Tensor(name="points", dtype="float32", shape=(1, 900, 3)),
        Tensor(name="ids", dtype="int64", shape=(6, 4, 4)),
        Tensor(name="img", dtype="float32", shape=(1, 6, 3, 480, 800)),
    ]
    assert layout_of(inputs).cameras == 6


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("camera2lidar", ("cam2lidar",)), ("cam2lidar", ("cam2lidar",)), ("sensor2ego_mats", ("cam2ego",)),
        ("lidar2ego", ("lidar2ego",)), ("ego2cam", ("ego2cam",)), ("lidar_from_cam", ("cam2lidar",)),
        ("lidar2img_inv", ("img2lidar",)), ("ida_mats", ("image_aug", "raw2network")),
        ("img_aug_matrix", ("image_aug", "raw2network")), ("lidar_aug_matrix", ("identity",)),
        ("bda_mat", ("identity",)),
        ("post_rots", ("image_aug", "raw2network")), ("inv_post_rots", ("inverse_image_aug", "network2raw")),
        ("inverse_image_rotation", ("inverse_image_aug", "network2raw")),
        ("image_translation", ("image_aug", "raw2network")),
        ("intrins", ("intrinsic", "network_intrinsic")), ("K", ("intrinsic", "network_intrinsic")),
        ("cam2imgs", ("intrinsic", "network_intrinsic")), ("I_inv", ("inverse_network_intrinsic", "inverse_intrinsic")),
        ("cam0_T_camXs", ("cam2first",)), ("camXs_T_cam0", ("first2cam",)),
        ("pix_T_cams", ("intrinsic", "network_intrinsic")),
        ("extrinsics", ("ego2cam", "lidar2cam", "cam2ego", "cam2lidar")), ("ego_pose", ()), ("sensor2keyegos", ()),
        ("ego2globals", ()),
    ],
)  # fmt: skip
def test_names_of_published_models_are_known(name: str, kinds: tuple[str, ...]) -> None:
    """Each spelling that is in use says which matrices it may be."""
    said = suggestion(name)
    assert said is not None
    assert said.kinds == kinds
