"""Profiles of many vehicles as arrays: those rows of a table whose vehicles have the same cameras, without lenses.

What a row holds is checked as `load` checks it, for all rows at once and strictly: a row that passes here is a profile
with just these numbers and just this digest. Every other row is left to `load`, which accepts it or says what is wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specialize.calibration.camera import Camera, Distortion
from specialize.calibration.checks import CONDITION_LIMIT, LAST_ROW_TOLERANCE, ROTATION_TOLERANCE
from specialize.calibration.pose import decompose
from specialize.calibration.profile import SCHEMA, CalibrationProfile
from specialize.digests import Digests, Form
from specialize.text.terminal import is_plain

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

SURE = 0.9
"""Share of a tolerance within which rounding cannot change what a check says."""
LARGEST = 1e6
"""Numbers in pixels and metres beyond which nothing is taken for sure."""


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """V vehicles with the same N cameras: names, sizes, kinds of matrices, distortion models, tolerances.

    Attributes:
        example: One of them as a profile.
        names: (V,) the vehicles.
        intrinsic: (V, N, 3, 3) px; of bare `lidar2img` matrices what they decompose to.
        camera_from_lidar: (V, N, 4, 4) m; likewise.
        image_from_lidar: (V, N, 4, 4), raw pixels.
        distortion: Per camera the coefficients (V, k), k = 0 without a distortion.
        ego_from_lidar: (V, 4, 4) m; None if unknown.
        digests: (V, 32) of the profiles.
    """

    example: CalibrationProfile
    names: npt.NDArray[np.object_]
    intrinsic: Floats
    camera_from_lidar: Floats
    image_from_lidar: Floats
    distortion: Sequence[Floats]
    ego_from_lidar: Floats | None
    digests: Digests

    def __len__(self) -> int:
        return len(self.names)

    @property
    def cameras(self) -> int:
        """Number of cameras of each vehicle, N."""
        return len(self.example.cameras)

    def sizes_px(self) -> Ints:
        """Return width and height of the raw images, (N, 2)."""
        return self.example.sizes_px()

    def some(self, which: npt.NDArray[Any]) -> Alike:
        """Return some of the vehicles, by a mask or by their places."""
        ego = self.ego_from_lidar
        return Alike(
            self.example, self.names[which], self.intrinsic[which], self.camera_from_lidar[which],
            self.image_from_lidar[which], [each[which] for each in self.distortion],
            None if ego is None else ego[which], self.digests[which],
        )  # fmt: skip


def product(left: Floats, right: Floats) -> Floats:
    """Return products (..., M, N) of (..., M, K) and (..., K, N), each with the bits of `pose.product`."""
    total = left[..., :, :1] * right[..., :1, :]
    for k in range(1, left.shape[-1]):
        total = total + left[..., :, k : k + 1] * right[..., k : k + 1, :]
    return total


def inverse(b_from_a: Floats) -> Floats:
    """Return rigid poses (..., 4, 4) inverted, each with the bits of `pose.inverse`."""
    found = np.zeros(b_from_a.shape)
    found[..., :3, :3] = np.swapaxes(b_from_a[..., :3, :3], -1, -2)
    found[..., :3, 3:] = -product(found[..., :3, :3], b_from_a[..., :3, 3:])
    found[..., 3, 3] = 1.0
    return found


def plain_names(names: npt.NDArray[np.object_]) -> Bools:
    """Return which names a profile may have."""
    if all(names) and "".join(names).isprintable() and not any(map(str.isspace, names)):
        return np.ones(len(names), bool)
    return np.array([bool(name and name.strip() and is_plain(name)) for name in names], bool)


def images_of(intrinsic: Floats, camera_from_lidar: Floats) -> Floats:
    """Return `lidar2img` (..., 4, 4) of intrinsics (..., 3, 3) and poses, with the bits that a camera has."""
    wide = np.zeros(camera_from_lidar.shape)
    wide[..., :3, :3], wide[..., 3, 3] = intrinsic, 1.0
    return product(wide, camera_from_lidar)


def sound_rotations(rotation: Floats) -> Bools:
    """Return which rotations (..., 3, 3) are surely orthonormal and right-handed."""
    defect = np.abs(product(rotation, np.swapaxes(rotation, -1, -2)) - np.eye(3)).max(axis=(-1, -2))
    return np.asarray((defect < SURE * ROTATION_TOLERANCE) & (_determinants(rotation) > 0.5))


def sound_poses(poses: Floats) -> Bools:
    """Return which poses (..., 4, 4) are surely rigid."""
    ends = (poses[..., 3, :] == (0.0, 0.0, 0.0, 1.0)).all(axis=-1)
    small = (np.abs(poses) < LARGEST).all(axis=(-1, -2))
    return np.asarray(ends & small & sound_rotations(poses[..., :3, :3]))


def sound_pinholes(intrinsic: Floats, camera_from_lidar: Floats) -> Bools:
    """Return which cameras (...,) surely have an intrinsic, a pose, and a product that can be inverted."""
    fx, skew, cx = (intrinsic[..., 0, column] for column in range(3))
    fy, cy = intrinsic[..., 1, 1], intrinsic[..., 1, 2]
    ends = (intrinsic[..., 2, :] == (0.0, 0.0, 1.0)).all(axis=-1)
    upper = np.abs(intrinsic[..., 1, 0]) <= SURE * LAST_ROW_TOLERANCE * fy
    small = (np.abs(intrinsic) < LARGEST).all(axis=(-1, -2)) & (np.minimum(fx, fy) > 1 / LARGEST)
    with np.errstate(all="ignore"):
        inverted = [1 / fx, skew / (fx * fy), (skew * cy / fy - cx) / fx, 1 / fy, cy / fy]
        norms = np.sqrt((intrinsic**2).sum(axis=(-1, -2)) + 1) * np.sqrt(
            sum(each**2 for each in inverted) + 2
        )
    shift = (camera_from_lidar[..., :3, 3] ** 2).sum(axis=-1)
    # A product is conditioned no worse than its factors together; a pose and its inverse are as large as each other.
    sound = ends & upper & small & (norms * (4 + shift) < SURE * CONDITION_LIMIT)
    return np.asarray(sound & sound_poses(camera_from_lidar))


def sound_projections(matrices: Floats) -> Bools:
    """Return which bare `lidar2img` (..., 4, 4) surely can be inverted and do not mirror."""
    ends = (matrices[..., 3, :] == (0.0, 0.0, 0.0, 1.0)).all(axis=-1)
    small = (np.abs(matrices) < LARGEST).all(axis=(-1, -2))
    whole = np.where((ends & small)[..., None, None], matrices, np.eye(4))
    right_handed = _determinants(whole[..., :3, :3]) > 1e-3 * np.abs(whole[..., :3, :3]).max(axis=(-1, -2))
    whole = np.where(right_handed[..., None, None], whole, np.eye(4))
    norms = np.linalg.norm(whole, axis=(-1, -2)) * np.linalg.norm(np.linalg.inv(whole), axis=(-1, -2))
    return np.asarray(ends & small & right_handed & (norms < SURE * CONDITION_LIMIT))


def _determinants(matrices: Floats) -> Floats:
    """Return the determinants (...,) of (..., 3, 3)."""
    a, b, c = (matrices[..., row, :] for row in range(3))
    return np.asarray((a * np.cross(b, c)).sum(axis=-1))


def decomposed(matrices: Floats) -> tuple[Floats, Floats]:
    """Return intrinsics (V, N, 3, 3) and poses (V, N, 4, 4) of bare `lidar2img` (V, N, 4, 4)."""
    found = [decompose(matrix) for matrix in matrices.reshape(-1, 4, 4)]
    lead = matrices.shape[:2]
    intrinsic = np.stack([one.intrinsic for one in found]).reshape(*lead, 3, 3)
    return intrinsic, np.stack([one.camera_from_lidar for one in found]).reshape(*lead, 4, 4)


@dataclass(frozen=True)
class Numbers:
    """The numbers of V rows of one layout, before they are vehicles.

    Attributes:
        names: (V,) the vehicles.
        matrices: By `intrinsic`, `lidar2cam` or `lidar2img`, (V, N, 3, 3) or (V, N, 4, 4).
        distortion: Per camera the coefficients (V, k), k = 0 without a distortion.
        ego_from_lidar: (V, 4, 4); None if unknown.
    """

    names: npt.NDArray[np.object_]
    matrices: dict[str, Floats]
    distortion: Sequence[Floats]
    ego_from_lidar: Floats | None

    def sound(self) -> Bools:
        """Return which rows surely are profiles, given that one of them is."""
        found = plain_names(self.names)
        if "lidar2img" in self.matrices:
            found &= sound_projections(self.matrices["lidar2img"]).all(axis=1)
        else:
            found &= sound_pinholes(self.matrices["intrinsic"], self.matrices["lidar2cam"]).all(axis=1)
        for coefficients in self.distortion:
            found &= np.isfinite(coefficients).all(axis=1)
        if self.ego_from_lidar is not None:
            found &= sound_poses(self.ego_from_lidar)
        return found

    def some(self, which: Ints) -> Numbers:
        """Return some of the rows, by their places."""
        ego = self.ego_from_lidar
        return Numbers(
            self.names[which],
            {key: each[which] for key, each in self.matrices.items()},
            [each[which] for each in self.distortion],
            None if ego is None else ego[which],
        )

    def digests(self, example: CalibrationProfile) -> Digests:
        """Return the digests of the profiles (V, 32), of which `example` is one."""
        keys = tuple(self.matrices)
        sizes = tuple(each.shape[1] for each in self.distortion)
        form = _form(_Key(example, keys, sizes))
        count = len(example.cameras)
        matrices = [self.matrices[key][:, camera] for camera in range(count) for key in keys]
        bent = [each[:, index] for each in self.distortion for index in range(each.shape[1])]
        return form.digests(len(self.names), *matrices, *bent)

    def vehicles(self, example: CalibrationProfile) -> Alike:
        """Return the rows as vehicles; all of them are sound."""
        if "lidar2img" in self.matrices:
            image = self.matrices["lidar2img"]
            intrinsic, pose = decomposed(image)
        else:
            intrinsic, pose = self.matrices["intrinsic"], self.matrices["lidar2cam"]
            image = images_of(intrinsic, pose)
        return Alike(
            example,
            self.names,
            intrinsic,
            pose,
            image,
            self.distortion,
            self.ego_from_lidar,
            self.digests(example),
        )


@dataclass(frozen=True, eq=False)
class _Key:
    """What a form of digests depends on; equal if the cameras are alike."""

    example: CalibrationProfile
    keys: tuple[str, ...]
    sizes: tuple[int, ...]

    def _alike(self) -> object:
        return self.keys, self.sizes, tuple(map(_without_numbers, self.example.cameras))

    def __hash__(self) -> int:
        return hash(self._alike())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._alike() == other._alike()


def _without_numbers(camera: Camera) -> object:
    model = camera.distortion and camera.distortion.model
    return camera.name, camera.width_px, camera.height_px, model, camera.time_offset_s, camera.tolerance


@functools.lru_cache(maxsize=64)
def _form(key: _Key) -> Form:
    """Return the form of the digests of profiles."""
    cameras, keys, sizes = key.example.cameras, key.keys, key.sizes

    def content(*arrays: Any) -> object:
        rest = iter(arrays)
        matrices = [{_KEYS[name]: next(rest) for name in keys} for _ in cameras]
        bent = [[next(rest) for _ in range(size)] for size in sizes]
        parts = zip(cameras, matrices, bent, strict=True)
        return {"schema": SCHEMA, "cameras": [_content(*part) for part in parts]}

    square = {"intrinsic": (3, 3), "lidar2cam": (4, 4), "lidar2img": (4, 4)}
    shapes = [square[name] for _ in cameras for name in keys]
    numbers: list[tuple[int, ...]] = [()] * sum(sizes)
    return Form(content, *shapes, *numbers)


_KEYS = {"intrinsic": "intrinsic", "lidar2cam": "camera_from_lidar", "lidar2img": "image_from_lidar"}


def _content(camera: Camera, matrices: dict[str, Any], bent: list[float]) -> dict[str, object]:
    """Return the content of a camera with other matrices and coefficients."""
    content = {key: value for key, value in camera.content().items() if key not in _KEYS.values()} | matrices
    if isinstance(camera.distortion, Distortion) and bent:
        content["distortion"] = {"model": camera.distortion.model, "coefficients": bent}
    return content
