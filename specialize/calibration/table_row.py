"""A calibration profile as a row of a table: every number as float64 with all its bits.

    vehicle    string
    digest     32 bytes, the sha256 of the profile's digest: a row that says otherwise is rejected
    notes      string, or null
    lidar2ego  16 doubles, row by row, or null
    cameras    in order, for each:
        name, width_px, height_px
        lidar2img            16 doubles, or null
        intrinsic            9 doubles, or null
        lidar2cam            16 doubles, or null
        distortion_model     string, or null
        distortion           doubles, or null
        more                 YAML of what few cameras have, as in a profile: lens, time_offset_s, tolerance; or null

The entries mean what they mean in a profile file, and `load` parses the document of a row as it parses a file.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.document import parse_document
from specialize.calibration.dump import timing_lines
from specialize.calibration.lens_node import lens_lines
from specialize.calibration.profile import SCHEMA, CalibrationProfile

NAME = "specialize/profiles@1"
_SHA256 = "sha256:"
_MATRICES = {"lidar2img": 4, "intrinsic": 3, "lidar2cam": 4}


def schema_of(pa: ModuleType) -> Any:
    """Return the columns."""
    doubles = pa.list_(pa.float64())
    camera = {"name": pa.string(), "width_px": pa.int32(), "height_px": pa.int32()}
    camera |= dict.fromkeys(_MATRICES, doubles)
    camera |= {"distortion_model": pa.string(), "distortion": doubles, "more": pa.string()}
    columns = {
        "vehicle": pa.string(),
        "digest": pa.binary(32),
        "notes": pa.string(),
        "lidar2ego": doubles,
        "cameras": pa.list_(pa.struct(list(camera.items()))),
    }
    return pa.schema(list(columns.items()), metadata={"schema": NAME})


def row_of(profile: CalibrationProfile) -> dict[str, Any]:
    pose = profile.ego_from_lidar
    return {
        "vehicle": profile.vehicle,
        "digest": bytes.fromhex(profile.digest.removeprefix(_SHA256)),
        "notes": profile.notes or None,
        "lidar2ego": None if pose is None else pose.ravel(),
        "cameras": [_camera_row(camera) for camera in profile.cameras],
    }


def _camera_row(camera: Camera) -> dict[str, Any]:
    """Return the row of a camera: the matrices that its digest is of."""
    lens = [] if camera.lens is None else lens_lines(camera.lens, camera.lens_size_px)
    bare = camera.camera_from_lidar is None
    given = {
        "lidar2img": camera.image_from_lidar if bare else None,
        "intrinsic": None if camera.is_raw else camera.intrinsic,
        "lidar2cam": camera.camera_from_lidar,
    }
    bent = camera.distortion
    return {
        "name": camera.name,
        "width_px": camera.width_px,
        "height_px": camera.height_px,
        **{key: None if matrix is None else matrix.ravel() for key, matrix in given.items()},
        "distortion_model": bent and bent.model,
        "distortion": bent and bent.coefficients,
        "more": "\n".join([*lens, *timing_lines(camera)]) or None,
    }


def document_of(row: dict[str, Any], source: str) -> dict[str, Any]:
    """Return the plain values of a profile file for a row."""
    found = {"schema": SCHEMA, "vehicle": row["vehicle"]}
    if row["notes"] is not None:
        found["notes"] = row["notes"]
    if row["lidar2ego"] is not None:
        pose = np.reshape(row["lidar2ego"], (4, 4)).tolist()
        found["lidar2ego"] = {
            "rotation": [line[:3] for line in pose[:3]],
            "translation_m": [line[3] for line in pose[:3]],
        }
    found["cameras"] = [_camera_document(camera, source) for camera in row["cameras"]]
    return found


def _camera_document(row: dict[str, Any], source: str) -> dict[str, Any]:
    found = {"name": row["name"], "size_px": [row["width_px"], row["height_px"]]}
    for key, size in _MATRICES.items():
        numbers = row[key]
        if numbers is not None:
            found[key] = [numbers[at : at + size] for at in range(0, len(numbers), size)]
    if row["distortion_model"] is not None:
        found["distortion"] = {"model": row["distortion_model"], "coefficients": row["distortion"]}
    return found | ({} if row["more"] is None else _parsed(row["more"], source))


@functools.lru_cache(maxsize=1024)
def _parsed(more: str, source: str) -> dict[str, Any]:
    """Return the entries in some YAML, which many cameras of a fleet share."""
    found: dict[str, Any] | None = parse_document(more, source)
    return found or {}


def stated_digest(row: dict[str, Any]) -> str:
    """Return the digest of the profile that a row says it holds."""
    return _SHA256 + str(row["digest"].hex())
