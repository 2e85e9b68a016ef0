"""Bind the C interface of `vehicle.h` through ctypes."""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_double, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path

from specialize.vehicle.today import Today
from specialize.vehicle.words import MOST_GRIDS


class Camera(ctypes.Structure):
    """`specialize_camera`."""

    _fields_ = (
        ("name", c_char_p),
        ("width_px", c_uint32),
        ("height_px", c_uint32),
        ("has", c_uint32),
        ("unused", c_uint32),
        ("intrinsic", c_double * 9),
        ("camera_from_lidar", c_double * 16),
        ("image_from_lidar", c_double * 16),
    )


class TodayStruct(ctypes.Structure):
    """`specialize_today`."""

    _fields_ = (
        ("cameras", ctypes.POINTER(Camera)),
        ("camera_count", c_uint32),
        ("has_ego", c_uint32),
        ("ego_from_lidar", c_double * 16),
        ("time_s", c_double),
        ("valid_from_s", c_double),
        ("valid_until_s", c_double),
        ("lenses", c_char_p),
    )


class Contract(ctypes.Structure):
    """`specialize_contract`."""

    _fields_ = (
        ("data", c_void_p),
        ("size", c_size_t),
        ("mode", c_uint32),
        ("cameras", c_uint32),
        ("grids", c_uint32),
        ("reads", c_uint32),
        ("fan_in", c_uint32),
        ("grid_at", c_size_t * MOST_GRIDS),
        ("relink_at", c_size_t),
        ("relink_size", c_size_t),
        ("frustum_at", c_size_t),
    )


class Verdict(ctypes.Structure):
    """`specialize_verdict`."""

    _fields_ = (
        ("state", c_uint32),
        ("reason", c_uint32),
        ("camera", c_int32),
        ("unused", c_uint32),
        ("pairs", c_uint64),
        ("camera_pairs", c_uint64),
        ("rotation_mrad", c_double),
        ("translation_mm", c_double),
        ("focal_percent", c_double),
        ("centre_px", c_double),
    )


def load(path: str | Path) -> ctypes.CDLL:
    """Return the library, with the types of its functions.

    Raises:
        OSError: There is none.
    """
    place = Path(path)
    library = ctypes.CDLL(
        str(place.absolute() if place.exists() else path)
    )  # a bare name is looked up elsewhere
    library.specialize_open.argtypes = [c_char_p, c_size_t, ctypes.POINTER(Contract)]
    library.specialize_open.restype = c_int
    library.specialize_check.argtypes = [ctypes.POINTER(Contract), ctypes.POINTER(TodayStruct)]
    library.specialize_check.restype = Verdict
    return library


def check(library: ctypes.CDLL, contract: Contract, today: Today) -> dict[str, float]:
    """Return the verdict on a calibration, by the names of `specialize_verdict`."""
    cameras = (Camera * len(today.cameras))()
    for camera, record in zip(cameras, today.cameras, strict=True):
        camera.name, camera.has = bytes(record["name"]), int(record["has"])
        camera.width_px, camera.height_px = (int(size) for size in record["size_px"])
        for name in ("intrinsic", "camera_from_lidar", "image_from_lidar"):
            getattr(camera, name)[:] = record[name].tolist()
    ego = [0.0] * 16 if today.ego_from_lidar is None else [float(value) for value in today.ego_from_lidar]
    given = TodayStruct(
        cameras,
        len(cameras),
        int(today.ego_from_lidar is not None),
        (c_double * 16)(*ego),
        today.time_s,
        *today.valid_s,
        None if today.lenses is None else today.lenses.tobytes(),
    )
    verdict = library.specialize_check(ctypes.byref(contract), ctypes.byref(given))
    return {name: getattr(verdict, name) for name, _ in Verdict._fields_}
