"""Mistakes in rigs for the tests of the lint, each with the code, severity and text of the expected finding."""

from __future__ import annotations

import dataclasses

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.lens import lens_of
from specialize.calibration.lint.expected import Expected, ExpectedImage
from specialize.calibration.pose import inverse
from specialize.calibration.profile import CalibrationProfile
from tests.calibration.wrong_rigs import (
    CAR42,
    HALF,
    ORDER,
    TO_BODY,
    bare,
    changed,
    clockwise,
    copied,
    everywhere,
    inverted_ego_pose,
    lidar_at,
    positions,
    resized,
    shifted,
    swapped,
    transposed_rotation,
    turned,
    w_last,
    with_lens,
    with_pose,
    without,
    x_forward,
)

FOCAL = {"fx": 500.0, "fy": 500.0, "cx": 800.0, "cy": 450.0}
HALVED = lens_of("kannala_brandt", {name: value / 2 for name, value in FOCAL.items()})
WIDE, NARROW = lens_of("kannala_brandt", FOCAL), lens_of("kannala_brandt", FOCAL, max_angle_rad=0.9)

BLUNDERS: dict[str, tuple[CalibrationProfile, str, str, str]] = {
    "half resolution": (
        with_lens(lambda k: HALF @ k),
        "intrinsic-resolution",
        "error",
        "the principal point (404, 231) is the centre of a 814 x 458 image, not of 1600 x 900",
    ),
    "crop not subtracted": (
        with_lens(lambda k: k + np.array([[0, 0, 0], [0, 0, 600], [0, 0, 0]])),
        "principal-point",
        "error",
        "the principal point (808, 1061) is outside the 1600 x 900 image",
    ),
    "one axis resized": (
        with_lens(lambda k: np.diag([1, 0.8, 1]) @ k),
        "pixel-aspect",
        "warning",
        "fx and fy differ by 25 %",
    ),
    "tiny focal length": (
        with_lens(lambda k: np.array([[80, 0, 800], [0, 80, 450], [0, 0, 1.0]])),
        "field-of-view",
        "warning",
        "the horizontal field of view is 168.6 degrees",
    ),
    "a pinhole as wide as a fisheye": (
        with_lens(lambda k: np.array([[400, 0, 800], [0, 400, 450], [0, 0, 1.0]])),
        "wide-pinhole",
        "warning",
        "horizontal field of view is 127 degrees",
    ),
    "raw images of a fisheye": (
        changed(0, lambda c: Camera.through(c.name, (1600, 900), WIDE, c.camera_from_lidar)),
        "lens-not-in-model",
        "error",
        "its images are those of a kannala_brandt lens, but the model projects by matrices",
    ),
    "a fisheye at half resolution": (
        changed(0, lambda c: Camera.through(c.name, (1600, 900), HALVED, c.camera_from_lidar)),
        "intrinsic-resolution",
        "error",
        "the principal point (400, 225) is the centre of a ",
    ),
    "a fisheye that looks into the other hemisphere": (
        changed(
            0,
            lambda c: Camera.through(
                c.name, (1600, 900), WIDE, np.diag([-1.0, 1.0, -1.0, 1.0]) @ c.camera_from_lidar
            ),
        ),
        "name-heading",
        "warning",
        "",
    ),
    "undistorted farther than the lens sees": (
        changed(
            0,
            lambda c: Camera.pinhole(
                c.name,
                (1600, 900),
                [[300, 0, 800], [0, 300, 450], [0, 0, 1.0]],
                c.camera_from_lidar,
                lens=NARROW,
            ),
        ),
        "lens-no-content",
        "warning",
        "of the undistorted image are outside of the raw image",
    ),
    "scaled projection": (
        changed(
            0, lambda c: Camera.projective(c.name, (1600, 900), np.diag([2.0, 2, 2, 1]) @ c.image_from_lidar)
        ),
        "projection-scale",
        "warning",
        "the third row of lidar2img has length 2",
    ),
    "inverted extrinsic": (
        with_pose(inverse),
        "extrinsic-inverted",
        "error",
        "but is if the extrinsic is inverted",
    ),
    "all extrinsics inverted": (
        everywhere(inverse),
        "extrinsic-inverted",
        "error",
        "but is if the extrinsic",
    ),
    "all in body axes": (
        everywhere(lambda pose: TO_BODY @ pose),
        "camera-axes",
        "error",
        "looks straight up",
    ),
    "transposed rotation": (
        with_pose(transposed_rotation, 4),
        "extrinsic-inverted",
        "error",
        "but is if the extrinsic",
    ),
    "inverted sensor2ego": (
        changed(2, inverted_ego_pose),
        "extrinsic-inverted",
        "error",
        "but is if the extrinsic",
    ),
    "body axes": (
        with_pose(lambda pose: TO_BODY @ pose),
        "camera-axes",
        "error",
        "forward if its axes are x forward, y left, z up",
    ),
    "OpenGL axes": (
        everywhere(lambda pose: np.diag([1.0, -1, -1, 1]) @ pose),
        "camera-axes",
        "error",
        "its y axis points up",
    ),
    "portrait camera": (
        with_pose(turned(2, 90), 1),
        "camera-rolled",
        "warning",
        "the camera is rolled by 90 degrees",
    ),
    "looks down": (
        with_pose(turned(0, 60), 5),
        "camera-pitch",
        "warning",
        "the optical axis points 61 degrees down",
    ),
    "millimetres": (
        with_pose(lambda pose: pose * np.array([[1, 1, 1, 1000.0]] * 3 + [[1, 1, 1, 1]])),
        "centre-far",
        "error",
        "m from the lidar",
    ),
    "no translation": (
        with_pose(lambda pose: pose * np.array([[1, 1, 1, 0.0]] * 3 + [[1, 1, 1, 1]])),
        "centre-zero",
        "warning",
        "the camera's centre is exactly the lidar's",
    ),
    "under the road": (
        with_pose(shifted(-3.5, 2)),
        "below-ground",
        "warning",
        "m below the vehicle frame's ground",
    ),
    "copied camera": (
        changed(3, copied),
        "camera-twins",
        "error",
        "CAM_FRONT and CAM_BACK have the same matrices",
    ),
    "same heading": (
        with_pose(lambda pose: shifted(0.3, 0)(CAR42.cameras[0].as_pinhole().camera_from_lidar), 1),
        "camera-twins",
        "warning",
        "CAM_FRONT and CAM_FRONT_RIGHT look in the same direction, 0.0 degrees apart",
    ),
    "swapped sides": (
        swapped(1, 2),
        "camera-swapped",
        "error",
        "CAM_FRONT_RIGHT looks +55 degrees and CAM_FRONT_LEFT -56 degrees (left is positive), each where the other",
    ),
    "left camera to the right": (
        with_pose(turned(1, -90), 2),
        "name-heading",
        "warning",
        "its name says left, but it looks -35 degrees",
    ),
    "swapped sides of a bare lidar2img": (
        bare(swapped(4, 5)),
        "camera-swapped",
        "error",
        "each where the other one's name says",
    ),
    "all sides mirrored": (
        clockwise(),
        "camera-swapped",
        "error",
        "each where the other one's name says",
    ),
    "w last": (
        w_last(),
        "quaternion-order",
        "error",
        "1 of 6 cameras are upright as given; all 6 do if quaternions are read as [x, y, z, w]",
    ),
    "w last in the cameras alone": (
        w_last(lidar=False),
        "quaternion-order",
        "error",
        "1 of 6 cameras are upright as given; all 6 do if quaternions are read as [x, y, z, w]",
    ),
    "front pitched up": (
        with_pose(turned(0, -15), 0),
        "camera-pitch",
        "warning",
        "the optical axis points 14 degrees up",
    ),
    "looks at the sky": (
        with_pose(turned(0, -66), 0),
        "camera-pitch",
        "error",
        "degrees up",
    ),
    "positions mirrored": (
        positions(lambda centre: centre * np.array([1, -1, 1])),
        "positions-mirrored",
        "error",
        "cameras facing +y are mounted 1.06 m further towards -y than cameras facing -y",
    ),
    "lengthwise mirrored": (
        positions(lambda centre: centre * np.array([-1, 1, 1])),
        "positions-mirrored",
        "error",
        "positions are mirrored",
    ),
    "lidar below the ground": (
        dataclasses.replace(CAR42, ego_from_lidar=lidar_at(-1.828)),
        "lidar-underground",
        "error",
        "the lidar is 1.83 m below the origin of the vehicle frame",
    ),
    "vehicle frame for the lidar's": (
        dataclasses.replace(CAR42, ego_from_lidar=lidar_at(0.0)),
        "points-height",
        "error",
        "the points' origin is 0.00 m above the ground; the model expects 1.3 to 2.4 m",
    ),
    "high lidar": (
        dataclasses.replace(CAR42, ego_from_lidar=lidar_at(2.9)),
        "points-height",
        "warning",
        "the points' origin is 2.90 m above the ground",
    ),
    "bare cameras below the ground": (
        bare(everywhere(shifted(-3.0, 2))),
        "points-height",
        "error",
        "every camera is below the ground",
    ),
    "x forward": (
        x_forward(),
        "points-forward",
        "error",
        "the front is at +0 degrees from the points' x axis, so x points forward; the model expects x to point right",
    ),
    "x forward of a bare lidar2img": (
        bare(x_forward()),
        "points-forward",
        "error",
        "so x points forward; the model expects x to point right",
    ),
    "other raw size": (
        resized(1920, 1280),
        "raw-size",
        "error",
        "the raw image is 1920 x 1280; the model's image preparation expects 1600 x 900",
    ),
    "width and height swapped": (
        changed(0, lambda camera: dataclasses.replace(camera, width_px=900, height_px=1600)),
        "raw-size",
        "error",
        "the raw image is 900 x 1600; the model's image preparation expects 1600 x 900: width and height are swapped",
    ),
    "missing rear": (
        without("CAM_BACK"),
        "blind-sector",
        "warning",
        "around the vehicle",
    ),
    "horizon only": (
        everywhere(turned(0, -25)),
        "ground-unseen",
        "warning",
        "no camera sees the ground within 12 m",
    ),
    "other order": (
        dataclasses.replace(CAR42, cameras=CAR42.cameras[::-1]),
        "camera-order",
        "error",
        f"the model expects {', '.join(ORDER)}",
    ),
    "a camera too few": (
        without("CAM_BACK"),
        "camera-order",
        "error",
        "the profile has 5 cameras, the model 6",
    ),
    "other names": (
        changed(0, lambda camera: dataclasses.replace(camera, name="FRONT")),
        "camera-order",
        "warning",
        "the model does not know these cameras: FRONT; their order cannot be checked",
    ),
}


RAW = (1600, 900)
# Wrong image preparations in a sidecar: what the model expects, the code and the text of the finding.
PREPARATIONS: dict[str, tuple[Expected, str, str]] = {
    "twice the scale": (
        Expected(image=ExpectedImage((160, 96), scale=0.2)),
        "image-overflow",
        "is 320 x 180, but the network's image is 160 x 96: 50 % of its columns and 47 % of its rows are lost",
    ),
    "another raw size, not stated": (
        Expected(image=ExpectedImage((700, 480), scale=0.5)),
        "image-overflow",
        "12 % of its columns are lost",
    ),
    "crop forgotten": (
        Expected(image=ExpectedImage((704, 256), scale=0.44)),
        "image-overflow",
        "35 % of its rows are lost",
    ),
    "a little less than the scale": (
        Expected(image=ExpectedImage((800, 480), scale=0.49, raw_size_px=RAW)),
        "image-edges",
        "1600 x 900 times 0.49 does not become 800 x 480: 0 rows are cut at the top, and 39 rows are missing",
    ),
    "less than the scale, to a size that no padding makes": (
        Expected(image=ExpectedImage((800, 450), scale=0.49, raw_size_px=RAW)),
        "image-edges",
        "1600 x 900 times 0.49 does not become 800 x 450: 0 rows are cut at the top, and 9 rows are missing",
    ),
    "ten rows too many cut": (
        Expected(image=ExpectedImage((704, 256), scale=0.44, crop_px=(0, 150), raw_size_px=RAW)),
        "image-edges",
        "150 rows are cut at the top, and 10 rows are missing",
    ),
    "ten rows too few cut": (
        Expected(image=ExpectedImage((704, 256), scale=0.44, crop_px=(0, 130), raw_size_px=RAW)),
        "image-edges",
        "130 rows are cut at the top, and 10 rows are cut at the bottom",
    ),
    "ten columns too far": (
        Expected(image=ExpectedImage((704, 256), scale=0.48, crop_px=(42, 176), raw_size_px=RAW)),
        "image-edges",
        "42 columns are cut at the left, and 22 columns are cut at the right",
    ),
    "half the scale": (
        Expected(image=ExpectedImage((800, 480), scale=0.25)),
        "image-underfill",
        "scaled by 0.25 is 400 x 225, so most of the network's 800 x 480 image is padding",
    ),
}
SOUND_PREPARATIONS: dict[str, Expected] = {
    "padded": Expected(image=ExpectedImage((800, 480), scale=0.5)),
    "cropped on all sides but one": Expected(image=ExpectedImage((704, 256), scale=0.48, crop_px=(32, 176))),
    "cropped above": Expected(image=ExpectedImage((704, 256), scale=0.44, crop_px=(0, 140))),
    "letterbox, stated": Expected(image=ExpectedImage((800, 800), scale=0.5, raw_size_px=RAW)),
    "padded on both sides, stated": Expected(image=ExpectedImage((736, 416), scale=0.45, raw_size_px=RAW)),
    "padded, stated": Expected(image=ExpectedImage((1280, 736), scale=0.8, raw_size_px=RAW)),
    "cut alike above and below": Expected(
        image=ExpectedImage((800, 400), scale=0.5, crop_px=(0, 25), raw_size_px=RAW)
    ),
    "cropped on all sides but one, stated": Expected(
        image=ExpectedImage((704, 256), scale=0.48, crop_px=(32, 176), raw_size_px=RAW)
    ),
    "rounded": Expected(image=ExpectedImage((533, 300), scale=1 / 3)),
    "letterbox": Expected(image=ExpectedImage((800, 800), scale=0.5)),
}
