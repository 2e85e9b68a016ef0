"""A small model for every kind of calibration input, which uses the input as models in the field use that kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import onnx

from specialize.model.kinds import POOL_TABLES
from tests.drafting.graphs import CAMERAS, GRID, HEIGHT, WIDTH, Views
from tests.end_to_end.test_pool_inputs import plugin_model

ONCE = frozenset({"lidar2ego", "ego2lidar", "identity"})
"""Kinds that these models hold once for all cameras, as the field's do."""
TOKENS = 44


@dataclass(frozen=True, slots=True)
class Case:
    """A model, and what is to be said of its inputs.

    Attributes:
        model: Makes it.
        kinds: The right kind of each input, by the input's name.
        guesses: What the draft says of inputs whose kind no graph tells for certain.
    """

    model: Callable[[], onnx.ModelProto]
    kinds: Mapping[str, str]
    guesses: Mapping[str, str] = field(default_factory=dict)


def product(views: Views, matrices: Mapping[str, str]) -> str:
    """Return the product of 4x4 inputs, in their order, as (N, 4, 4); `matrices` are kinds by name."""
    made = ""
    for name, kind in matrices.items():
        each = views.g.input(name, (1, 1 if kind in ONCE else CAMERAS, 4, 4))
        made = views.g.op("MatMul", made, each) if made else each
    return views.g.op("Reshape", made, views.g.const([CAMERAS, 4, 4]))


def projecting(**matrices: str) -> Case:
    """Return a model that projects the points of a grid by the product of its inputs."""

    def model() -> onnx.ModelProto:
        views, points = Views(), GRID.points().reshape(-1, 3)
        if any("first" in kind for kind in matrices.values()):
            points = points[:, (0, 2, 1)]  # a camera looks along z, and y points to the ground
        site = views.projected(product(views, matrices), points, (WIDTH, HEIGHT))
        return views.attended(site, queries=[len(points)])

    return Case(model, matrices)


def lifting(**matrices: str) -> Case:
    """Return a model that takes a frustum of pixels to the vehicle by the product of its inputs."""

    def model() -> onnx.ModelProto:
        views = Views()
        return views.lifted_once(product(views, matrices))

    return Case(model, matrices)


def guessed(case: Case, **guesses: str) -> Case:
    """Return a case some of whose inputs the draft cannot know."""
    return Case(case.model, case.kinds, guesses)


def apart(inverted: bool, rot: str, tran: str, lens: str, turn: str) -> Callable[[], onnx.ModelProto]:
    """Return what makes BEVDet's lift: rotations and translations apart, and one matrix for all cameras.

    Args:
        inverted: Whether the inputs are the inverses of intrinsic and image preparation, as some exports have it.
        rot: Name of the rotations.
        tran: Name of the translations.
        lens: Name of the intrinsic.
        turn: Name of the image preparation.
    """

    def model() -> onnx.ModelProto:
        views = Views()
        names = {"rot": rot, "tran": tran, "lens": lens, "post_rot": turn, "post_tran": "post_trans"}
        parts = {}
        for part, name in names.items():
            whole = views.g.input(name, (1, CAMERAS, 3) if "tran" in part else (1, CAMERAS, 3, 3))
            parts[part] = views.g.op("Squeeze", whole, views.g.const([0]))
        if inverted:
            parts |= {part: views.inverse(parts[part]) for part in ("lens", "post_rot")}
        return views.lifted(parts, bda=views.g.input("bda", (1, 3, 3)))

    return model


def by_token(*, focal: bool = False) -> Callable[[], onnx.ModelProto]:
    """Return what makes StreamPETR's embedding: a matrix for each image token, and maybe focal lengths."""

    def model() -> onnx.ModelProto:
        views = Views()
        matrix = views.g.input("img2lidar", (1, CAMERAS * TOKENS, 4, 4))
        lengths = views.g.input("intrinsic", (1, CAMERAS * TOKENS, 2)) if focal else ""
        return views.lifted_by_token(matrix, TOKENS, lengths)

    return model


def posed() -> onnx.ModelProto:
    """Return a model that rotates and moves its points into the cameras before it projects them by 3x3 matrices."""
    views, points = Views(), GRID.points().reshape(-1, 3)
    rot, tran = (
        views.g.input("lidar2cam_rots", (CAMERAS, 3, 3)),
        views.g.input("lidar2cam_trans", (CAMERAS, 3)),
    )
    lens = views.g.input("cam2img", (CAMERAS, 3, 3))
    column = views.g.op("Unsqueeze", tran, views.g.const([2]))
    matrix = views.g.op("MatMul", lens, views.g.op("Concat", rot, column, axis=2))  # (N, 3, 4)
    last = views.g.const([[[0.0, 0.0, 0.0, 1.0]]] * CAMERAS)
    site = views.projected(views.g.op("Concat", matrix, last, axis=1), points, (WIDTH, HEIGHT))
    return views.attended(site, queries=[len(points)])


FRAME = "cam2ego or cam2lidar"
CASES: Mapping[str, Case] = {
    "projection": projecting(lidar2img="lidar2img"),
    "projection of the vehicle's points": projecting(ego2img="ego2img"),
    "projection without a name": guessed(projecting(M="lidar2img"), M="lidar2img or ego2img"),
    "projection from the first camera": guessed(projecting(cam0_to_img="first2img"), cam0_to_img="first2img"),
    "projection, prepared in the graph": projecting(raw2network="raw2network", lidar2raw="lidar2raw"),
    "projection by lens and pose": projecting(cam2img="network_intrinsic", lidar2cam="lidar2cam"),
    "projection by parts": projecting(ida_mats="raw2network", intrinsics="intrinsic", ego2cam="ego2cam"),
    "projection through the first camera": guessed(
        projecting(pix_T_cams="network_intrinsic", camXs_T_cam0="first2cam"), pix_T_cams="network_intrinsic"
    ),
    "projection behind the lidar's pose": projecting(lidar2img="lidar2img", ego2lidar="ego2lidar"),
    "pose apart": Case(
        posed,
        {"lidar2cam_rots": "lidar2cam", "lidar2cam_trans": "lidar2cam", "cam2img": "network_intrinsic"},
    ),
    "lift": lifting(img2lidar="img2lidar"),
    "lift to the vehicle": lifting(img2ego="img2ego"),
    "lift to the first camera": lifting(img_to_cam0="img2first"),
    "lift, prepared in the graph": lifting(raw2lidar="raw2lidar", network2raw="network2raw"),
    "lift by pose and lens": lifting(cam2lidar="cam2lidar", I_inv="inverse_network_intrinsic"),
    "lift by parts": lifting(
        sensor2ego_mats="cam2ego", inverse_intrinsics="inverse_intrinsic", ida_inv="network2raw"
    ),
    "lift through the first camera": lifting(cam0_T_camXs="cam2first", I_inv="inverse_network_intrinsic"),
    "lift behind the lidar's pose": lifting(lidar2ego="lidar2ego", img2lidar="img2lidar"),
    "rotations and translations": Case(
        apart(False, "sensor2ego_rots", "sensor2ego_trans", "intrins", "post_rots"),
        {
            "sensor2ego_rots": "cam2ego", "sensor2ego_trans": "cam2ego", "intrins": "intrinsic",
            "post_rots": "image_aug", "post_trans": "image_aug", "bda": "identity",
        },
    ),
    "rotations and translations, inverses": Case(
        apart(True, "rots", "trans", "inverse_intrinsics", "inv_post_rots"),
        {
            "rots": "cam2ego", "trans": "cam2ego", "inverse_intrinsics": "inverse_intrinsic",
            "inv_post_rots": "inverse_image_aug", "post_trans": "image_aug", "bda": "identity",
        },
        {"rots": FRAME, "trans": FRAME},
    ),
    "tokens": Case(by_token(), {"img2lidar": "img2lidar"}),
    "tokens with focal lengths": Case(
        by_token(focal=True),
        {"img2lidar": "img2lidar", "intrinsic": "intrinsic"},
        {"intrinsic": "intrinsic or network_intrinsic"},
    ),
    "tables of a pooling": Case(plugin_model, {table: table for table in POOL_TABLES}),
}  # fmt: skip
"""Every kind that a small model can be built with from its draft."""
