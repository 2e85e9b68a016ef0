"""The intrinsic of undistorted images, as OpenCV chooses it for a lens: by `alpha`, or for fisheyes by `balance`.

Both are between 0, where every pixel of the undistorted image has content and the raw image's border is cut away, and
1, where everything that the raw image shows is kept and the rest stays black. Rays are exact here; OpenCV ends its
search for those of `alpha` after five steps, so that its focal lengths may differ by a thousandth.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.lens import Lens
from specialize.calibration.pose import Matrix
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError

SIDE = 9
"""Points along a side of the image that `alpha` looks at, as in OpenCV."""


def undistorted(
    profile: CalibrationProfile, *, alpha: float | None = None, balance: float | None = None
) -> CalibrationProfile:
    """Return the profile of undistorted images: every camera with a lens gets the intrinsic of such images.

    Args:
        profile: Raw cameras are given undistorted images of their own size; cameras without a lens stay as they are.
        alpha: OpenCV's `getOptimalNewCameraMatrix`, for lenses of any model.
        balance: OpenCV's `fisheye.estimateNewCameraMatrixForUndistortRectify`, for fisheyes.

    Raises:
        InputError: No camera has a lens; neither or both ways are asked for; a share is outside 0 to 1; or a border of
            the raw image looks sideways or backwards, where no flat image shows it.
    """
    if (alpha is None) == (balance is None):
        raise InputError("--alpha, --balance", "one of them", "both" if alpha is not None else "neither")
    share = alpha if alpha is not None else balance
    assert share is not None
    if not 0 <= share <= 1:
        raise InputError("--alpha, --balance", "a number from 0 to 1", f"{share:g}")
    if not any(camera.lens for camera in profile.cameras):
        hint = "add the `lens` of the raw images to the cameras"
        raise InputError(f"profile {profile.vehicle!r}: cameras", "a camera with a lens", "none", hint)
    choose = optimal_intrinsic if alpha is not None else balanced_intrinsic
    cameras = []
    for camera in profile.cameras:
        if camera.lens is not None:
            camera = _flat(camera, choose(camera.lens, _raw_size(camera), share, camera.name))
        cameras.append(camera)
    return dataclasses.replace(profile, cameras=tuple(cameras))


def optimal_intrinsic(lens: Lens, size_px: tuple[int, int], alpha: float, name: str = "") -> Matrix:
    """Return the (3, 3) intrinsic that maps the rectangle between the inner and the outer one to the image, px.

    The inner rectangle, of tangents, is all inside what the raw image shows; the outer one holds all of it.

    Raises:
        InputError: A point of the raw image's border is not ahead of the camera.
    """
    width, height = size_px
    across, down = np.meshgrid(np.linspace(0, width - 1, SIDE), np.linspace(0, height - 1, SIDE))
    x, y = np.moveaxis(_tangents(lens, np.stack([across, down], axis=-1), name), -1, 0)
    inner = np.array([[x[:, 0].max(), x[:, -1].min()], [y[0].max(), y[-1].min()]])
    outer = np.array([[x.min(), x.max()], [y.min(), y.max()]])
    found = np.eye(3)
    for axis, pixels in enumerate((width - 1, height - 1)):
        focal = pixels / (np.stack([inner, outer])[:, axis] @ np.array([-1.0, 1.0]))  # (2,) inner, outer
        start = -focal * np.stack([inner, outer])[:, axis, 0]
        shares = np.array([1 - alpha, alpha])
        found[axis, axis], found[axis, 2] = focal @ shares, start @ shares
    return found


def balanced_intrinsic(lens: Lens, size_px: tuple[int, int], balance: float, name: str = "") -> Matrix:
    """Return the (3, 3) intrinsic between the longest and the shortest focal length that a side's middle asks for, px.

    Raises:
        InputError: The middle of a side of the raw image is not ahead of the camera.
    """
    width, height = size_px
    middles = np.array([[width / 2, 0], [width, height / 2], [width / 2, height], [0, height / 2]])
    aspect = float(lens.matrix()[0, 0] / lens.matrix()[1, 1])
    seen = _tangents(lens, middles, name) * np.array([1.0, aspect])
    centre = seen.mean(axis=0)
    half = np.array([width, height * aspect]) / 2
    focal = np.concatenate([half / (centre - seen.min(axis=0)), half / (seen.max(axis=0) - centre)])
    chosen = balance * focal.min() + (1 - balance) * focal.max()
    middle = half - chosen * centre
    return np.array([[chosen, 0.0, middle[0]], [0.0, chosen / aspect, middle[1] / aspect], [0.0, 0.0, 1.0]])


def _raw_size(camera: Camera) -> tuple[int, int]:
    return camera.lens_size_px or (camera.width_px, camera.height_px)


def _flat(camera: Camera, intrinsic: Matrix) -> Camera:
    """Return a camera whose undistorted images the model is given, as large as the raw ones."""
    pose = camera.as_pinhole().camera_from_lidar
    return Camera.pinhole(
        camera.name, _raw_size(camera), intrinsic, pose, lens=camera.lens,
        time_offset_s=camera.time_offset_s, tolerance=camera.tolerance,
    )  # fmt: skip


def _tangents(lens: Lens, pixels: Matrix, name: str) -> Matrix:
    """Return x / z and y / z of pixels (..., 2).

    Raises:
        InputError: A pixel has no ray, or one that does not look ahead.
    """
    rays, valid = lens.unproject(pixels)
    ahead = valid & (rays[..., 2] > 1e-3)
    if not ahead.all():
        u, v = pixels[~ahead][0]
        hint = "no flat image shows that: bake the lens, or use a model that projects through it"
        expected = "a raw image whose border looks ahead, less than 90 degrees from the axis"
        raise InputError(f"camera {name!r}: lens", expected, f"pixel ({u:g}, {v:g}) that does not", hint)
    return np.asarray(rays[..., :2] / rays[..., 2:])
