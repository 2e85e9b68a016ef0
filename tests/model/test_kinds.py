"""Every kind of calibration input is the matrix that it is called, in every shape that an input may have."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from specialize.calibration.load import load_profile
from specialize.errors import InputError
from specialize.model.kinds import KINDS
from specialize.model.parts import ImagePrep, LensSpec
from specialize.model.spec import InputKind, ModelSpec, parse_spec
from specialize.passes.bind import feeds_of
from tests.cli.running import CAR42
from tests.graphs import GraphMaker

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "model-spec.md"
PREP = ImagePrep(size_px=(704, 256), scale=0.48, crop_px=(32.0, 176.0))
CROP = np.array([32.0, 176.0])


def fed(kind: str | InputKind, *shape: int) -> np.ndarray:
    """Return what an input of a shape gets, in float64, for car42."""
    g = GraphMaker()
    model = ir.from_proto(g.model(out=g.op("Neg", g.input("matrix", shape))))
    lens = LensSpec(model="pinhole") if "lens" in str(kind) else None
    spec = ModelSpec(image=PREP, calibration_inputs={"matrix": kind}, lens=lens)
    return feeds_of(model, spec, load_profile(CAR42))["matrix"].astype(np.float64)


def close(left: np.ndarray, right: np.ndarray) -> None:
    """Require equality up to float32."""
    np.testing.assert_allclose(left, right, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_every_shape_that_it_says(kind: str) -> None:
    """Parts of a kind are parts of its 4x4, for one batch or none."""
    whole = fed(kind, 6, 4, 4)
    for form in KINDS[kind].forms:
        part = fed(kind, 1, 6, *form)[0]
        if form == (2,):
            close(part, np.diagonal(whole, axis1=1, axis2=2)[:, :2])
        else:
            close(part, whole[:, :3, 3] if form == (3,) else whole[:, : form[0], : form[1]])


def test_parameters_of_a_lens_are_fed_by_name() -> None:
    """An input gets the parameters that the sidecar names, in its order, of the raw or of the network's image."""
    k = np.stack([camera.intrinsic for camera in load_profile(CAR42).cameras])  # type: ignore[misc]
    names = ("xi", "cx", "fy", "max_angle")
    lens = LensSpec(model="mei")
    for kind, scale, crop in (("lens", 1.0, 0.0), ("network_lens", 0.48, 32.0)):
        wanted = InputKind(kind=kind, parameters=names)
        g = GraphMaker()
        model = ir.from_proto(g.model(out=g.op("Neg", g.input("numbers", (1, 6, 4)))))
        spec = ModelSpec(image=PREP, calibration_inputs={"numbers": wanted}, lens=lens)
        found = feeds_of(model, spec, load_profile(CAR42))["numbers"][0]
        expected = [np.zeros(6), scale * k[:, 0, 2] - crop, scale * k[:, 1, 1], np.full(6, np.pi / 2)]
        close(found, np.stack(expected, axis=1))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ({"kind": "lens"}, "parameters: expected names for the kinds lens, network_lens"),
        ({"kind": "lidar2img", "parameters": ["fx"]}, "parameters: expected names for the kinds"),
        ({"kind": "lens", "parameters": ["fx"], "stride": 8.0}, "stride: lens is not in pixels"),
        ({"kind": "lenses", "parameters": ["fx"]}, "did you mean 'lens'"),
    ],
)
def test_a_kind_without_its_parameters_is_refused(kind: dict[str, object], said: str) -> None:
    """Names belong to the kinds that are no matrices, and to no others."""
    with pytest.raises(ValueError, match=said):
        InputKind(**kind)  # type: ignore[arg-type]


def test_a_lens_that_the_camera_does_not_have_is_told() -> None:
    """A pinhole is no Kannala-Brandt lens; a model without a lens has no parameters to feed."""
    spec = ModelSpec(image=PREP, calibration_inputs={}, lens=LensSpec(model="kannala_brandt"))
    with pytest.raises(
        InputError, match="a kannala_brandt lens, through which the model projects, got a pinhole"
    ):
        spec.projection(load_profile(CAR42))
    bare = ModelSpec(image=PREP, calibration_inputs={"k": "lens_matrix"})
    with pytest.raises(InputError, match="expected a lens, whose parameters an input takes, got none"):
        bare.calibration_arrays(load_profile(CAR42))
    unknown = ModelSpec(
        image=PREP,
        calibration_inputs={"k": InputKind(kind="lens", parameters=("k9",))},
        lens=LensSpec(model="mei"),
    )
    with pytest.raises(InputError, match="names of a mei lens, got 'k9'"):
        unknown.calibration_arrays(load_profile(CAR42))


def test_the_frustum_of_a_lift_is_what_the_parts_say() -> None:
    """Network pixels, undone by post rotation, intrinsic and pose, land where lidar2img takes them back."""
    frustum = np.array([[10.0, 20.0, 7.0], [600.0, 200.0, 30.0], [333.0, 77.0, 52.0]])  # (P, 3): u, v, depth
    back = np.linalg.inv(fed("image_aug", 6, 3, 3))
    raw = np.einsum("nij,npj->npi", back, frustum - fed("image_aug", 6, 3)[:, None])
    raw[..., :2] *= raw[..., 2:]
    combine = fed("cam2lidar", 6, 3, 3) @ np.linalg.inv(fed("intrinsic", 6, 3, 3))
    lidar = np.einsum("nij,npj->npi", combine, raw) + fed("cam2lidar", 6, 3)[:, None]  # (N, P, 3) m
    homogeneous = np.concatenate([lidar, np.ones_like(lidar[..., :1])], axis=-1)
    seen = np.einsum("nij,npj->npi", fed("lidar2img", 6, 3, 4), homogeneous)
    np.testing.assert_allclose(
        seen[..., :2] / seen[..., 2:], np.broadcast_to(frustum[:, :2], (6, 3, 2)), atol=0.1
    )
    np.testing.assert_allclose(seen[..., 2], np.broadcast_to(frustum[:, 2], (6, 3)), rtol=1e-4)


def test_inverses_and_products_agree() -> None:
    """Each frame is reached by two ways."""
    close(
        fed("inverse_intrinsic", 6, 3, 3) @ fed("intrinsic", 6, 3, 3), np.broadcast_to(np.eye(3), (6, 3, 3))
    )
    close(fed("cam2ego", 6, 4, 4), fed("lidar2ego", 6, 4, 4) @ fed("cam2lidar", 6, 4, 4))
    close(fed("network_intrinsic", 6, 3, 3), fed("raw2network", 6, 3, 3) @ fed("intrinsic", 6, 3, 3))
    close(fed("ego2cam", 6, 4, 4) @ fed("cam2ego", 6, 4, 4), np.broadcast_to(np.eye(4), (6, 4, 4)))
    close(fed("image_aug", 6, 3), np.broadcast_to([*-CROP, 0.0], (6, 3)))


def test_the_first_camera_is_a_frame() -> None:
    """Points of its optical frame reach every camera by its own pose, and itself unchanged."""
    close(fed("first2cam", 6, 4, 4) @ fed("lidar2cam", 6, 4, 4)[0], fed("lidar2cam", 6, 4, 4))
    close(fed("cam2first", 6, 4, 4)[0], np.eye(4))
    close(fed("cam2first", 6, 4, 4) @ fed("first2cam", 6, 4, 4), np.broadcast_to(np.eye(4), (6, 4, 4)))
    close(fed("first2img", 6, 4, 4) @ fed("lidar2cam", 6, 4, 4)[0], fed("lidar2img", 6, 4, 4))


def test_a_matrix_per_token_is_that_of_its_camera() -> None:
    """The tokens of one camera stand in a row, for matrices and for focal lengths."""
    repeated = InputKind(kind="img2lidar", repeat=5)
    np.testing.assert_array_equal(
        fed(repeated, 1, 30, 4, 4)[0], np.repeat(fed("img2lidar", 6, 4, 4), 5, axis=0)
    )
    focal = fed(InputKind(kind="network_intrinsic", repeat=5), 1, 30, 2)[0]
    whole = fed("network_intrinsic", 6, 3, 3)
    np.testing.assert_array_equal(focal, np.repeat(np.stack([whole[:, 0, 0], whole[:, 1, 1]], 1), 5, axis=0))


@pytest.mark.parametrize("kind", ["img2lidar", InputKind(kind="img2lidar", repeat=4)])
def test_another_number_of_matrices_is_refused(kind: str | InputKind) -> None:
    """Thirty matrices are no six, and no four per camera."""
    with pytest.raises(InputError, match="'matrix'"):
        fed(kind, 1, 30, 4, 4)


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4), (1, 1, 4, 4), (6, 4, 4), (3, 3), (1, 3)])
def test_what_all_cameras_share_may_be_held_once(shape: tuple[int, ...]) -> None:
    """The identity and the lidar's pose fit an input for all cameras, and one per camera."""
    assert fed("identity", *shape).shape == fed("lidar2ego", *shape).shape == shape


def test_a_matrix_per_camera_is_not_held_once() -> None:
    """One intrinsic for six cameras is refused; the error names the kinds that an input of that shape can be."""
    with pytest.raises(InputError, match="kinds of this shape for 6 cameras: lidar2ego, ego2lidar, identity"):
        fed("intrinsic", 1, 3, 3)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((7, 4, 4), "holds 7 of 4x4, and the profile has 6 cameras: it must have the cameras"),
        ((1, 30, 3), "holds 30 of 3, and the profile has 6 cameras: write `repeat: 5`"),
        ((1, 900, 10), "no kind has this shape"),
    ],
)
def test_what_fits_no_camera_says_why(shape: tuple[int, ...], said: str) -> None:
    """Another number of cameras, a matrix per token, and an input that is not calibration are distinguished."""
    with pytest.raises(InputError, match=re.escape(said)):
        fed("cam2lidar", *shape)


def test_a_vector_where_no_kind_has_one_names_those_that_have() -> None:
    """An intrinsic has no translation; an input with one is an error."""
    with pytest.raises(
        InputError, match="lidar2cam, cam2lidar, ego2cam, cam2ego, first2cam, cam2first, image_aug"
    ):
        fed("intrinsic", 1, 6, 3)


def test_pixels_of_a_feature_map_are_smaller() -> None:
    """A stride divides pixels, on whichever side they stand."""
    whole, quarter = fed("lidar2img", 6, 4, 4), fed(InputKind(kind="lidar2img", stride=4.0), 6, 4, 4)
    close(quarter[:, :2], whole[:, :2] / 4)
    close(quarter[:, 2:], whole[:, 2:])
    inverse = fed(InputKind(kind="inverse_network_intrinsic", stride=4.0), 6, 3, 3)
    close(
        inverse @ fed(InputKind(kind="network_intrinsic", stride=4.0), 6, 3, 3),
        np.broadcast_to(np.eye(3), (6, 3, 3)),
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("lidar2imgs", "did you mean 'lidar2img'"),
        ("{kind: lidar2cam, stride: 4}", "lidar2cam is not in pixels"),
        ("{kind: lidar2img, stride: 0}", "expected a number above 0"),
        ("{kind: lidar2img, repeat: 0}", "expected a whole number from 1"),
    ],
)
def test_an_entry_that_says_nothing_is_refused(entry: str, message: str) -> None:
    """A kind that does not exist, or a stride that cannot be, is named with its input."""
    text = (
        f"schema: specialize/model@1\nimage: {{size_px: [8, 8]}}\ncalibration_inputs: {{matrix: {entry}}}\n"
    )
    with pytest.raises(InputError, match=message) as caught:
        parse_spec(text, "mine.yaml")
    assert "calibration_inputs" in str(caught.value)


def test_a_record_is_read_back() -> None:
    """A spec with a stride is the same after writing and reading."""
    spec = ModelSpec(
        image=PREP, calibration_inputs={"a": InputKind(kind="lidar2img", stride=4.0), "b": "lidar2cam"}
    )
    assert parse_spec(spec.to_text(), "copy") == spec


def test_the_reference_lists_every_kind() -> None:
    """The page has one row per kind, with the shapes that the table of kinds gives it."""
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([0-9x, ]+) \|$", PAGE.read_text(), re.MULTILINE))
    written = {
        name: ", ".join("x".join(map(str, form)) for form in kind.forms if form != (4, 4))
        for name, kind in KINDS.items()
    }
    assert rows == written


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_fed_the_frame_if_it_needs_it(kind: str) -> None:
    """The sidecar tells which models the vehicle's frame matters to: those that a profile without it cannot feed."""
    lens = LensSpec(model="pinhole") if "lens" in kind else None
    spec = ModelSpec(image=PREP, calibration_inputs={"matrix": kind}, lens=lens)
    profile = dataclasses.replace(load_profile(CAR42), ego_from_lidar=None)
    try:
        spec.calibration_arrays(profile)
    except InputError as error:
        assert "the lidar's pose" in error.expected
        assert spec.fed_the_frame
    else:
        assert not spec.fed_the_frame
