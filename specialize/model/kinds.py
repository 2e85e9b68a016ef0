"""Define the kinds of calibration input: which matrix of a vehicle each one is, and the shapes that may hold it.

Adding a kind is one line of `KINDS`; `docs/reference/model-spec.md` lists them all. Every kind is computed as a
(4, 4) matrix per camera; `fit` in `passes/bind.py` extracts the part that an input's shape requires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import methodcaller
from typing import Literal

import numpy as np
import numpy.typing as npt

from specialize.calibration.lens import Lens
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError
from specialize.model.lenses import matrices_of_lenses

Floats = npt.NDArray[np.float64]
Form = tuple[int, ...]

WHOLE: tuple[Form, ...] = ((4, 4), (3, 4))
"""The whole matrix, with or without its last row."""
POSE: tuple[Form, ...] = (*WHOLE, (3, 3), (3,))
"""Also the rotation (or scale) alone, the upper left 3x3, and the translation alone, the upper 3 of the last column."""
LENS: tuple[Form, ...] = (*WHOLE, (3, 3), (2,))
"""Also the upper left 3x3, which is the whole of an intrinsic, and its first two diagonal entries: focal lengths."""


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """A vehicle as a model sees it.

    Attributes:
        profile: The vehicle.
        network_from_raw: (N, 4, 4) image preparation per camera, from raw to network pixels times depth.
        network_from_lidar: (N, 4, 4) lidar points (m) to network pixels times depth.
        lenses_of: Returns the lenses that the model projects through, of raw or of prepared images.
    """

    profile: CalibrationProfile
    network_from_raw: Floats
    network_from_lidar: Floats
    lenses_of: Callable[[CalibrationProfile, bool], tuple[Lens, ...]]

    def lenses(self, *, prepared: bool) -> tuple[Lens, ...]:
        """Return the lenses that the model projects through, of raw images or of those that it prepares."""
        return self.lenses_of(self.profile, prepared)

    def intrinsic(self) -> Floats:
        """Return (N, 4, 4), camera points (m) to raw pixels times depth."""
        found = np.zeros((len(self.profile.cameras), 4, 4))
        found[:] = np.eye(4)
        for index, camera in enumerate(self.profile.cameras):
            if camera.intrinsic is None:
                raise self._bare(index)
            found[index, :3, :3] = camera.intrinsic
        return found

    def camera_from_lidar(self) -> Floats:
        """Return (N, 4, 4), lidar points to camera points, m."""
        poses = []
        for index, camera in enumerate(self.profile.cameras):
            if camera.camera_from_lidar is None:
                raise self._bare(index)
            poses.append(camera.camera_from_lidar)
        return np.stack(poses)

    def camera_from_first(self) -> Floats:
        """Return (N, 4, 4), points of the first camera's optical frame to each camera's, m."""
        poses = self.camera_from_lidar()
        return np.asarray(poses @ np.linalg.inv(poses[0]))

    def ego_from_lidar(self) -> Floats:
        """Return (N, 4, 4), lidar points to vehicle points, m; the same for every camera."""
        pose = self.profile.ego_from_lidar
        if pose is None:
            where, hint = f"{self.profile.vehicle}: lidar2ego", "add the pose of the lidar to the profile"
            expected = "the lidar's pose on the vehicle, because the model uses it"
            raise InputError(where, expected, "none", hint)
        return self.same(pose)

    def image_aug(self) -> Floats:
        """Return (N, 4, 4), raw to network pixels: scale on the diagonal, minus crop in the last column."""
        matrix = self.network_from_raw.copy()
        matrix[:, :2, 3], matrix[:, :2, 2] = matrix[:, :2, 2], 0.0
        return matrix

    def same(self, matrix: npt.ArrayLike) -> Floats:
        """Return one (4, 4) matrix as that of every camera."""
        return np.broadcast_to(np.asarray(matrix, np.float64), (len(self.profile.cameras), 4, 4)).copy()

    def _bare(self, index: int) -> InputError:
        hint = "a bare lidar2img cannot be decomposed for this model: give intrinsic and lidar2cam"
        where = f"{self.profile.vehicle}: cameras[{index}]"
        return InputError(where, "an intrinsic and a pose, which the model reads separately", "none", hint)


@dataclass(frozen=True, slots=True)
class Kind:
    """One matrix of the calibration.

    Attributes:
        text: Source and target frame, and unit.
        forms: Trailing shapes that an input of this kind may have.
        matrices: Returns it as (N, 4, 4) float64 for a rig.
        shared: Whether it is the same for all cameras, so that an input may hold it once.
        pixels: Whether network pixels are the matrix's `result`, its `argument`, or neither.
    """

    text: str
    forms: tuple[Form, ...]
    matrices: Callable[[Rig], Floats]
    shared: bool = False
    pixels: Literal["result", "argument", ""] = ""


def _inverse(matrices: Callable[[Rig], Floats]) -> Callable[[Rig], Floats]:
    return lambda rig: np.linalg.inv(matrices(rig)).astype(np.float64)


# Called by their names, so that a rig of many vehicles can take the place of one.
_intrinsic: Callable[[Rig], Floats] = methodcaller("intrinsic")
_camera_from_lidar: Callable[[Rig], Floats] = methodcaller("camera_from_lidar")
_camera_from_first: Callable[[Rig], Floats] = methodcaller("camera_from_first")
_ego_from_lidar: Callable[[Rig], Floats] = methodcaller("ego_from_lidar")
_image_aug: Callable[[Rig], Floats] = methodcaller("image_aug")


def _ego2img(rig: Rig) -> Floats:
    return rig.network_from_lidar @ np.linalg.inv(rig.ego_from_lidar())


def _first2img(rig: Rig) -> Floats:
    return rig.network_from_lidar @ np.linalg.inv(rig.camera_from_lidar()[0])


def _cam2ego(rig: Rig) -> Floats:
    return rig.ego_from_lidar() @ np.linalg.inv(rig.camera_from_lidar())


def _lidar2img(rig: Rig) -> Floats:
    return rig.network_from_lidar


def _prepared(rig: Rig) -> Floats:
    return rig.network_from_raw


def _unit(rig: Rig) -> Floats:
    return rig.same(np.eye(4))


def _lidar2raw(rig: Rig) -> Floats:
    return rig.profile.image_from_lidar()


def _network_intrinsic(rig: Rig) -> Floats:
    return rig.network_from_raw @ rig.intrinsic()


def _lens_matrix(rig: Rig) -> Floats:
    return matrices_of_lenses(rig.lenses(prepared=False))


def _network_lens_matrix(rig: Rig) -> Floats:
    return matrices_of_lenses(rig.lenses(prepared=True))


_PX, _RAW = "network pixels times depth", "raw pixels times depth"

KINDS: Mapping[str, Kind] = {
    "lidar2img": Kind(f"lidar points (m) to {_PX}", WHOLE, _lidar2img, pixels="result"),
    "img2lidar": Kind("inverse of `lidar2img`", WHOLE, _inverse(_lidar2img), pixels="argument"),
    "ego2img": Kind(f"vehicle points (m) to {_PX}", WHOLE, _ego2img, pixels="result"),
    "img2ego": Kind("inverse of `ego2img`", WHOLE, _inverse(_ego2img), pixels="argument"),
    "first2img": Kind(
        f"points of the first camera's optical frame (m) to {_PX}", WHOLE, _first2img, pixels="result"
    ),
    "img2first": Kind("inverse of `first2img`", WHOLE, _inverse(_first2img), pixels="argument"),
    "lidar2raw": Kind(f"lidar points (m) to {_RAW}, before image preparation", WHOLE, _lidar2raw),
    "raw2lidar": Kind("inverse of `lidar2raw`", WHOLE, _inverse(_lidar2raw)),
    "lidar2cam": Kind("lidar to the camera's optical frame, m", POSE, _camera_from_lidar),
    "cam2lidar": Kind("the camera's optical frame to lidar, m", POSE, _inverse(_camera_from_lidar)),
    "ego2cam": Kind("vehicle to the camera's optical frame, m", POSE, _inverse(_cam2ego)),
    "cam2ego": Kind("the camera's optical frame to vehicle, m", POSE, _cam2ego),
    "first2cam": Kind("the first camera's optical frame to each camera's, m", POSE, _camera_from_first),
    "cam2first": Kind(
        "each camera's optical frame to the first camera's, m", POSE, _inverse(_camera_from_first)
    ),
    "intrinsic": Kind(f"camera points (m) to {_RAW}", LENS, _intrinsic),
    "inverse_intrinsic": Kind("inverse of `intrinsic`", LENS, _inverse(_intrinsic)),
    "network_intrinsic": Kind(f"camera points (m) to {_PX}", LENS, _network_intrinsic, pixels="result"),
    "inverse_network_intrinsic": Kind(
        "inverse of `network_intrinsic`", LENS, _inverse(_network_intrinsic), pixels="argument"
    ),
    "image_aug": Kind("raw to network pixels: scale, and minus crop as translation", POSE, _image_aug),
    "inverse_image_aug": Kind("inverse of `image_aug`", POSE, _inverse(_image_aug)),
    "raw2network": Kind("raw to network pixels: scale, and minus crop in the third column", LENS, _prepared),
    "network2raw": Kind("inverse of `raw2network`", LENS, _inverse(_prepared)),
    "lens_matrix": Kind("focal lengths, skew and centre of a lens, raw pixels", LENS, _lens_matrix),
    "network_lens_matrix": Kind(
        "the same of the lens of the model's image, network pixels", LENS, _network_lens_matrix
    ),
    "lidar2ego": Kind("lidar to vehicle, m", POSE, _ego_from_lidar, shared=True),
    "ego2lidar": Kind("vehicle to lidar, m", POSE, _inverse(_ego_from_lidar), shared=True),
    "identity": Kind("no change, for augmentation that deployment does not use", POSE, _unit, shared=True),
}
"""Every kind by its name; `2` reads "to". A shared kind may also be held once for all cameras."""

VECTORS: Mapping[str, str] = {
    "lens": "parameters of a lens by name, raw pixels",
    "network_lens": "parameters of the lens of the model's image by name, network pixels",
}
"""Kinds that are not matrices: `parameters` names the entries of an input for each camera, (N, their number)."""

POOL_TABLES: Mapping[str, str] = {
    "ranks_depth": "number of each pooled point among all, by camera, depth, row and column",
    "ranks_feat": "number of its pixel, by camera, row and column",
    "ranks_bev": "number of its cell, by z, y and x",
    "interval_starts": "place of the first point of each cell that has any",
    "interval_lengths": "how many points it has",
}
"""Kinds that are tables of a pooling, int32: the points of `frustum`, sorted by cell, as `bev_pool_v2` reads them."""

PROJECTED = "projected"
"""Kind of the points of a grid as the cameras project them: `grid` and `axes` say which and in which order."""


def matrices_of(kind: str, stride: float, rig: Rig) -> Floats:
    """Return the (N, 4, 4) float64 matrices of a kind; `stride` is how many network pixels a pixel of it is wide.

    Raises:
        InputError: The profile does not have what the kind is made of.
    """
    one = KINDS[kind]
    matrices = one.matrices(rig)
    if stride == 1.0:
        return matrices
    smaller = np.diag([1 / stride, 1 / stride, 1.0, 1.0])
    return smaller @ matrices if one.pixels == "result" else matrices @ np.linalg.inv(smaller)


def trailing(shape: tuple[int, ...]) -> Form:
    """Return the part of an input's shape that holds one camera's matrix or vector, or () if there is none."""
    if shape[-2:] in ((4, 4), (3, 4), (3, 3)):
        return shape[-2:]
    return shape[-1:] if shape[-1:] in ((3,), (2,)) else ()


def kinds_of(shape: tuple[int, ...], cameras: int, repeat: int = 1) -> list[str]:
    """Return the kinds that an input of a shape can hold.

    Args:
        shape: Of the input.
        cameras: Number of cameras.
        repeat: How many times in a row the input holds each camera's matrix.
    """
    form, lead = trailing(shape), _lead(shape)
    return [
        name
        for name, kind in KINDS.items()
        if form in kind.forms and (lead == cameras * repeat or (kind.shared and lead == repeat == 1))
    ]


def cut(kind: str, matrices: Floats, shape: tuple[int, ...], repeat: int = 1) -> Floats | None:
    """Return matrices (N, 4, 4) of a kind in the shape of an input, or None if the kind has no such shape."""
    if kind not in kinds_of(shape, len(matrices), repeat):
        return None
    return np.repeat(cut_as(matrices, shape), repeat, axis=0)


def cut_as(matrices: Floats, shape: tuple[int, ...]) -> Floats:
    """Return the part of matrices (N, 4, 4) that a shape holds: rows and columns, the translation, or focal lengths."""
    form = trailing(shape)
    if not form:
        return matrices
    chosen = matrices[:1] if _lead(shape) == 1 and (matrices == matrices[:1]).all() else matrices
    if form == (2,):
        return chosen[:, (0, 1), (0, 1)]
    return chosen[:, :3, 3] if form == (3,) else chosen[:, : form[0], : form[1]]


def _lead(shape: tuple[int, ...]) -> int:
    """Return how many matrices or vectors an input of a shape holds."""
    return int(np.prod(shape[: len(shape) - len(trailing(shape))], dtype=np.int64))
