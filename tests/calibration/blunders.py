"""Every mistake that the profile loader must refuse: an edit of a valid document, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Return an edit that sets the value at `path[:-1]` to `path[-1]`."""

    def edit(document: Any) -> None:
        *steps, last, value = path
        for step in steps:
            document = document[step]
        document[last] = value

    return edit


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Return an edit that removes the value at `path`."""

    def edit(document: Any) -> None:
        *steps, last = path
        for step in steps:
            document = document[step]
        del document[last]

    return edit


FRONT = ("cameras", 0)
TWICE = [[2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 2.0, 0], [0, 0, 0, 1]]
SINGULAR = [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
MIRROR = [[-1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
ONE = "one of these forms: `lidar2img`, or `intrinsic` or `lens` + `lidar2cam` or `sensor2ego`"

BLUNDERS = {
    "no schema": (drop("schema"), "schema: expected 'specialize/profile@1', got nothing"),
    "newer schema": (
        put("schema", "specialize/profile@2"),
        "schema: expected 'specialize/profile@1', got 'specialize/profile@2'\n\n"
        "hint: this version of specialize reads version 1 only",
    ),
    "no vehicle": (drop("vehicle"), "expected the key 'vehicle', got nothing\n\nhint: add `vehicle:`"),
    "numeric vehicle": (put("vehicle", 42), "vehicle: expected text, got 42\n\nhint: put it in quotes"),
    "no cameras": (put("cameras", []), "cameras: expected at least one camera, got none"),
    "cameras as mapping": (put("cameras", {}), "cameras: expected a list, got an empty mapping"),
    "unknown key on top": (
        put("vehicel", "x"),
        "vehicel: expected a known key, got 'vehicel'\n\nhint: did you mean 'vehicle'?",
    ),
    "unknown key in camera": (
        put(*FRONT, "lidar2camera", 1),
        "cameras[0].lidar2camera: expected a known key, got 'lidar2camera'\n\n"
        "hint: did you mean 'lidar2cam'?",
    ),
    "camera is text": (put("cameras", 1, "BACK"), "cameras[1]: expected a mapping with "),
    "no name": (drop(*FRONT, "name"), "cameras[0]: expected the key 'name', got nothing"),
    "boolean name": (
        put(*FRONT, "name", True),
        "cameras[0].name: expected text, got true\n\nhint: put it in quotes",
    ),
    "padded name": (
        put(*FRONT, "name", " FRONT"),
        "cameras[0].name: expected a name without leading or trailing blanks, got ' FRONT'",
    ),
    "same name": (
        put(*FRONT, "name", "BACK"),
        "cameras[1].name: expected a unique name, not that of cameras[0], got 'BACK'",
    ),
    "no size": (drop(*FRONT, "size_px"), "cameras[0]: expected the key 'size_px'"),
    "size of three": (
        put(*FRONT, "size_px", [1, 2, 3]),
        "cameras[0].size_px: expected [width, height] in pixels, got a list of 3",
    ),
    "size zero": (
        put(*FRONT, "size_px", [0, 2]),
        "cameras[0].size_px[0]: expected a whole number of at least 1, got 0",
    ),
    "half a pixel": (
        put(*FRONT, "size_px", [1, 2.5]),
        "cameras[0].size_px[1]: expected a whole number of at least 1, got 2.5",
    ),
    "text for number": (
        put(*FRONT, "intrinsic", 0, 0, "1250.0"),
        "cameras[0].intrinsic[0][0]: expected a number, got '1250.0'\n\nhint: remove the quotes",
    ),
    "bare nan for number": (
        put(*FRONT, "intrinsic", 0, 0, "nan"),
        "cameras[0].intrinsic[0][0]: expected a number, got 'nan'\n\nhint: put a finite number here",
    ),
    "word for number": (
        put(*FRONT, "intrinsic", 0, 0, "auto"),
        "cameras[0].intrinsic[0][0]: expected a number, got 'auto'",
    ),
    "boolean for number": (
        put(*FRONT, "intrinsic", 0, 0, True),
        "cameras[0].intrinsic[0][0]: expected a number, got true",
    ),
    "null for number": (
        put(*FRONT, "intrinsic", 0, 0, None),
        "cameras[0].intrinsic[0][0]: expected a number, got nothing",
    ),
    "NaN": (
        put(*FRONT, "intrinsic", 0, 2, float("nan")),
        "cameras[0].intrinsic[0][2]: expected a finite number, got nan",
    ),
    "infinity": (
        put(*FRONT, "lidar2cam", 0, 3, float("inf")),
        "cameras[0].lidar2cam[0][3]: expected a finite number, got inf",
    ),
    "two rows": (
        put(*FRONT, "intrinsic", [[1, 0, 0], [0, 1, 0]]),
        "cameras[0].intrinsic: expected a 3x3 matrix, got a list of 2\n\n"
        "hint: write it as 3 rows of 3 numbers",
    ),
    "flat matrix": (
        put(*FRONT, "intrinsic", [1.0] * 9),
        "cameras[0].intrinsic: expected a 3x3 matrix, got a list of 9",
    ),
    "matrix as text": (put(*FRONT, "intrinsic", "K"), "cameras[0].intrinsic: expected a 3x3 matrix, got 'K'"),
    "short row": (
        put(*FRONT, "lidar2cam", 1, [0.0, 1.0, 0.0]),
        "cameras[0].lidar2cam[1]: expected 4 numbers (one row of a 4x4 matrix), got a list of 3",
    ),
    "no extrinsic": (
        drop(*FRONT, "lidar2cam"),
        f"cameras[0]: expected {ONE}, got intrinsic\n\nhint: add `lidar2cam:` or `sensor2ego:`",
    ),
    "no geometry": (
        drop("cameras", 1, "lidar2img"),
        f"cameras[1]: expected {ONE}, got none of them\n\nhint: add one of them",
    ),
    "no intrinsic": (
        drop(*FRONT, "intrinsic"),
        f"cameras[0]: expected {ONE}, got lidar2cam\n\n"
        "hint: add `intrinsic:`, three rows in pixels of the raw image",
    ),
    "two spellings": (
        put(*FRONT, "lidar2img", TWICE),
        f"cameras[0]: expected {ONE}, got lidar2img, intrinsic, lidar2cam\n\n"
        "hint: lidar2img already contains the others: keep one of the two",
    ),
    "two extrinsics": (
        put(*FRONT, "sensor2ego", {}),
        f"cameras[0]: expected {ONE}, got intrinsic, lidar2cam, sensor2ego\n\n"
        "hint: lidar2cam and sensor2ego state the same pose",
    ),
    "negative focal length": (
        put(*FRONT, "intrinsic", 1, 1, -1249.0),
        "cameras[0].intrinsic[1][1]: expected a positive focal length fy in px, got -1249",
    ),
    "zero focal length": (
        put(*FRONT, "intrinsic", 0, 0, 0),
        "cameras[0].intrinsic[0][0]: expected a positive focal length fx in px, got 0",
    ),
    "transposed intrinsic": (
        put(*FRONT, "intrinsic", [[1250.0, 0, 0], [0, 1249.0, 0], [801.5, 452.5, 1]]),
        "cameras[0].intrinsic[2]: expected the last row [0, 0, 1], got [801.5, 452.5, 1]",
    ),
    "entry below the diagonal": (
        put(*FRONT, "intrinsic", 1, 0, 3.0),
        "cameras[0].intrinsic[1][0]: expected 0 below the diagonal, got 3",
    ),
    "scaled rotation": (
        put(*FRONT, "lidar2cam", TWICE),
        "cameras[0].lidar2cam: expected an orthonormal rotation within 0.0005"
        ", got one off by 3 (largest entry of |R R' - I|)",
    ),
    "rounded rotation": (
        put(*FRONT, "lidar2cam", 0, 0, 0.999),
        "cameras[0].lidar2cam: expected an orthonormal rotation within 0.0005, got one off by 0.002 (largest",
    ),
    "mirrored rotation": (
        put(*FRONT, "lidar2cam", MIRROR),
        "cameras[0].lidar2cam: expected a right-handed rotation (determinant +1), got determinant -1.000",
    ),
    "transposed extrinsic": (
        put(*FRONT, "lidar2cam", [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0.1, 0.2, 0.3, 1]]),
        "cameras[0].lidar2cam[3]: expected the last row [0, 0, 0, 1], got [0.1, 0.2, 0.3, 1]\n\n"
        "hint: the translation belongs in the last column; is the matrix transposed?",
    ),
    "singular lidar2img": (
        put("cameras", 1, "lidar2img", SINGULAR),
        "cameras[1].lidar2img: expected an invertible matrix, got condition number ",
    ),
    "mirrored lidar2img": (
        put("cameras", 1, "lidar2img", MIRROR),
        "cameras[1].lidar2img: expected a matrix that does not mirror (determinant > 0), got determinant -1",
    ),
    "transposed lidar2img": (
        put(
            "cameras",
            1,
            "lidar2img",
            [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [5, 6, 7, 1]],
        ),
        "cameras[1].lidar2img[3]: expected the last row [0, 0, 0, 1], got [5, 6, 7, 1]",
    ),
    "unknown lens": (
        put(*FRONT, "distortion", {"model": "plumbob", "coefficients": []}),
        "cameras[0].distortion.model: expected a known lens model, got 'plumbob'\n\n"
        "hint: did you mean 'plumb_bob'?",
    ),
    "lens list": (
        put(*FRONT, "distortion", [0.1, 0.2]),
        "cameras[0].distortion: expected a mapping with coefficients, model, got a list of 2",
    ),
    "too few coefficients": (
        put(*FRONT, "distortion", {"model": "plumb_bob", "coefficients": [0.1]}),
        "cameras[0].distortion.coefficients: expected 5 numbers of plumb_bob, got a list of 1",
    ),
    "time offset as text": (
        put(*FRONT, "time_offset_s", "5ms"),
        "cameras[0].time_offset_s: expected a number, got '5ms'",
    ),
    "unknown tolerance": (
        put(*FRONT, "tolerance", {"rotation": 1}),
        "cameras[0].tolerance.rotation: expected a known key, got 'rotation'\n\n"
        "hint: did you mean 'rotation_deg'?",
    ),
    "negative tolerance": (
        put("tolerance", {"translation_m": -0.1}),
        "tolerance.translation_m: expected a number >= 0, got -0.1",
    ),
}

POSE_BLUNDERS = {
    "no lidar pose": (
        drop("lidar2ego"),
        "lidar2ego: expected the lidar's pose, because sensor2ego is used, got nothing\n\n"
        "hint: add `lidar2ego:`",
    ),
    "long quaternion": (
        put(*FRONT, "sensor2ego", "rotation_wxyz", [1.0, 1.0, 0.0, 0.0]),
        "cameras[0].sensor2ego.rotation_wxyz: expected a unit quaternion [w, x, y, z] within 0.0005"
        ", got length 1.41421",
    ),
    "angles for quaternion": (
        put(*FRONT, "sensor2ego", "rotation_wxyz", [0.1, 0.2, 0.3]),
        "cameras[0].sensor2ego.rotation_wxyz: expected 4 numbers (w, x, y, z), got a list of 3",
    ),
    "lidar pose as matrix": (
        put("lidar2ego", [[1.0]]),
        "lidar2ego: expected a mapping with pitch_deg, roll_deg, rotation, ",
    ),
    "no translation": (
        drop("lidar2ego", "translation_m"),
        "lidar2ego: expected the key 'translation_m', got nothing",
    ),
    "short translation": (
        put("lidar2ego", "translation_m", [1, 2]),
        "lidar2ego.translation_m: expected 3 numbers (x, y, z in metres), got a list of 2",
    ),
}
