"""Compute the values of a model's calibration inputs by kind, and compare what they are fed with these values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specialize.witness.rig import Eye, Floats, Preparation, Rig, Sidecar, Wanted
from specialize.witness.through import fed_parameters, lens_matrix, projected_points

ALLOWED = 1e-9
"""Largest difference of a float64 entry, relative to the largest of its matrix: inverses lose digits, poses do not."""

_Maker = Callable[[Rig, Eye, Preparation], Floats | None]


@dataclass(frozen=True, slots=True)
class Fed:
    """How what an input is fed compares with the witness.

    Attributes:
        deviation: Largest difference of an entry, relative to the largest entry of its camera's matrix.
        camera: Where that is.
        agrees: Whether every entry is within rounding.
    """

    deviation: float
    camera: int
    agrees: bool


def compare(fed: npt.NDArray[np.generic], wanted: Wanted, rig: Rig, sidecar: Sidecar) -> Fed | str:
    """Compare an input, in the shape in which it is fed, with the witness; return why it cannot be where it cannot."""
    kind, repeat = wanted.kind, wanted.repeat
    if wanted.axes:
        return _points_fed(fed, wanted, rig, sidecar)
    if wanted.parameters:
        expected = np.repeat(
            fed_parameters(rig, sidecar, wanted.parameters, kind == "network_lens"), repeat, axis=0
        )
        return _deviation(fed, expected, np.abs(expected), repeat)
    matrices = matrices_of(kind, rig, sidecar, wanted.stride)
    if matrices is None:
        return f"kind {kind!r}" + (" of a camera without intrinsic or pose" if kind in NAMES else "")
    matrices = np.repeat(matrices, repeat, axis=0)  # each camera's as often as the input has it
    rows, columns = fed.shape[-2:] if fed.ndim > 1 else (0, 0)
    if rows in (3, 4) and columns in (3, 4):
        expected = matrices[:, :rows, :columns].reshape(len(matrices), -1)
    elif fed.shape[-1:] == (3,):
        expected = matrices[:, :3, 3]
    elif fed.shape[-1:] == (2,):
        expected = np.stack([matrices[:, 0, 0], matrices[:, 1, 1]], axis=1)
    else:
        return f"shape {list(fed.shape)}"
    scale = np.maximum(np.abs(matrices[:, :3]).max(axis=(1, 2)), 1e-300)[:, None]
    return _deviation(fed, expected, scale, repeat)


def _points_fed(fed: npt.NDArray[np.generic], wanted: Wanted, rig: Rig, sidecar: Sidecar) -> Fed | str:
    """Compare projected points; those that rounding may move beyond a lens's limit are left out."""
    if fed.dtype.kind != "f":
        return f"{fed.dtype.name} instead of numbers with fractions"
    found = projected_points(rig, sidecar, sidecar.grids[wanted.grid])
    count = int(next(letter for letter in wanted.axes if letter.isdigit()))
    sizes = dict(zip("nqd", found.points.shape, strict=False)) | {str(count): count}
    if fed.size != np.prod(list(sizes.values())):
        return f"shape {list(fed.shape)}"
    given = fed.reshape([sizes[axis] for axis in wanted.axes]).astype(np.float64)
    given = given.transpose([wanted.axes.index(axis) for axis in f"nqd{count}"])
    expected = found.points[..., :count]
    scale = np.maximum(np.abs(expected).max(axis=-1, keepdims=True), 1e-300)  # (N, Q, D, 1)
    difference = np.abs(given - expected)
    slack = ALLOWED * scale + 2 * float(np.finfo(fed.dtype.name).eps) * np.abs(expected)
    worst = np.where(np.isfinite(difference), difference, np.inf) / scale
    worst[found.doubtful] = 0.0
    agrees = (difference <= slack).all(axis=-1) | found.doubtful
    camera = int(np.where(agrees, 0.0, worst.max(axis=-1)).max(axis=(1, 2)).argmax())
    return Fed(float(worst.max()), camera, bool(agrees.all()))


def _deviation(fed: npt.NDArray[np.generic], expected: Floats, scale: Floats, repeat: int) -> Fed | str:
    """Compare what is fed with (N, entries), by a scale of each entry or of each camera."""
    if fed.size not in (expected.size, expected[0].size) or fed.dtype.kind != "f":
        return f"shape {list(fed.shape)} of {fed.dtype.name}"
    given = np.broadcast_to(fed.reshape(-1, expected.shape[1]).astype(np.float64), expected.shape)
    difference = np.abs(given - expected)  # (N, entries)
    slack = ALLOWED * scale + float(np.finfo(fed.dtype.name).eps) * np.abs(expected)
    worst = np.where(np.isfinite(difference), difference, np.inf) / np.maximum(scale, 1e-300)
    worst[difference == 0] = 0.0
    camera = int(worst.max(axis=1).argmax()) // repeat
    return Fed(float(worst.max()), camera, bool((difference <= slack).all()))


def matrices_of(kind: str, rig: Rig, sidecar: Sidecar, stride: float = 1.0) -> Floats | None:
    """Return what an input of a kind is fed, (N, 4, 4); None for a kind, or a spelling, that is not witnessed.

    Args:
        kind: As the sidecar names it.
        rig: The vehicle.
        sidecar: The model's geometry.
        stride: Width of a pixel of the matrix in network pixels.
    """
    forward = INVERSES.get(kind, kind)
    if forward not in NAMES or (stride != 1.0 and forward not in PIXELS):
        return None
    made = []
    for eye, prep in zip(rig.eyes, sidecar.preparations, strict=True):
        if forward in LENS_KINDS:
            matrix: Floats | None = lens_matrix(eye, prep, sidecar, forward.startswith("network"))
        else:
            matrix = KINDS[forward](rig, eye, prep)
        if matrix is None:
            return None
        strided = np.diag([1 / stride, 1 / stride, 1.0, 1.0]) @ matrix
        made.append(np.asarray(np.linalg.inv(strided) if kind in INVERSES else strided))
    return np.stack(made)


def _augmentation(rig: Rig, eye: Eye, prep: Preparation) -> Floats:
    (left, top), s = prep.crop_px, prep.scale
    return np.array([[s, 0, 0, -left], [0, s, 0, -top], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)


def _before(matrix: Floats | None, lidar_from_other: Floats | None) -> Floats | None:
    """Return a matrix of lidar points as one of points of another frame; None if either is unknown."""
    return None if matrix is None or lidar_from_other is None else matrix @ lidar_from_other


def _inverse(matrix: Floats | None) -> Floats | None:
    return None if matrix is None else np.asarray(np.linalg.inv(matrix))


KINDS: Mapping[str, _Maker] = {
    "lidar2img": lambda rig, eye, prep: prep.matrix() @ eye.image_from_lidar,
    "ego2img": lambda rig, eye, prep: _before(
        prep.matrix() @ eye.image_from_lidar, _inverse(rig.ego_from_lidar)
    ),
    "first2img": lambda rig, eye, prep: _before(
        prep.matrix() @ eye.image_from_lidar, _inverse(rig.eyes[0].camera_from_lidar)
    ),
    "lidar2raw": lambda rig, eye, prep: eye.image_from_lidar,
    "lidar2cam": lambda rig, eye, prep: eye.camera_from_lidar,
    "ego2cam": lambda rig, eye, prep: _before(eye.camera_from_lidar, _inverse(rig.ego_from_lidar)),
    "first2cam": lambda rig, eye, prep: _before(
        eye.camera_from_lidar, _inverse(rig.eyes[0].camera_from_lidar)
    ),
    "intrinsic": lambda rig, eye, prep: eye.intrinsic,
    "network_intrinsic": lambda rig, eye, prep: _before(prep.matrix(), eye.intrinsic),
    "image_aug": _augmentation,
    "raw2network": lambda rig, eye, prep: prep.matrix(),
    "lidar2ego": lambda rig, eye, prep: rig.ego_from_lidar,
    "identity": lambda rig, eye, prep: np.eye(4),
}
"""Kinds of inputs that the witness computes, one (4, 4) per camera; others are reported as not witnessed."""

INVERSES: Mapping[str, str] = {
    "img2lidar": "lidar2img",
    "img2ego": "ego2img",
    "img2first": "first2img",
    "raw2lidar": "lidar2raw",
    "cam2lidar": "lidar2cam",
    "cam2ego": "ego2cam",
    "cam2first": "first2cam",
    "inverse_intrinsic": "intrinsic",
    "inverse_network_intrinsic": "network_intrinsic",
    "inverse_image_aug": "image_aug",
    "network2raw": "raw2network",
    "ego2lidar": "lidar2ego",
}
"""Kinds that are inverses of others."""

PIXELS = frozenset({"lidar2img", "ego2img", "first2img", "network_intrinsic"})
"""Kinds that give network pixels, which may be counted in strides of a feature map."""

LENS_KINDS = frozenset({"lens_matrix", "network_lens_matrix"})
"""Kinds that are matrices of a lens's parameters."""

NAMES = frozenset(KINDS) | frozenset(INVERSES) | LENS_KINDS
"""All kinds that are witnessed."""
