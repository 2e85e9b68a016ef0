"""Take one image of every camera from a folder, at the size that a page needs."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from specialize.calibration.camera import Camera
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, missing_package

SUFFIXES = (".jpg", ".jpeg", ".png")
WIDTH_PX = 800
QUALITY = 80
LARGEST_PX = 1 << 27
"""Pixels of an image beyond which it is not opened."""
_ASPECT = 0.01
"""By how much the proportions of an image may differ from those of the camera's."""


def photos_of(profile: CalibrationProfile, folder: Path) -> dict[str, str]:
    """Return the images of a folder as data URLs, by camera.

    A camera's image is `NAME.jpg`, `.jpeg` or `.png`, or the first such file in the folder `NAME`. An image may be
    smaller than the camera's, but shows all of it.

    Raises:
        UsageError: Pillow is not installed.
        InputError: There is no image of any camera, or one is not an image of its camera.
    """
    if not folder.is_dir():
        raise InputError(str(folder), "a folder of images", "a file" if folder.exists() else "no such folder")
    paths = {camera.name: _path_of(folder, camera.name) for camera in profile.cameras}
    found = {camera: paths[camera.name] for camera in profile.cameras if paths[camera.name] is not None}
    if not found:
        name = profile.cameras[0].name
        hint = f"name them after the cameras, such as {name}.jpg, or put them into folders, such as {name}/"
        raise InputError(str(folder), "an image of a camera of this vehicle", "none", hint)
    pillow = _pillow()
    return {
        camera.name: _data_url(pillow, camera, path) for camera, path in found.items() if path is not None
    }


def _path_of(folder: Path, name: str) -> Path | None:
    """Return the image of a camera; names that are no plain file names have none."""
    if Path(name).name != name or name in (".", ".."):
        return None
    for suffix in (*SUFFIXES, *(each.upper() for each in SUFFIXES)):
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    inside = folder / name
    if not inside.is_dir():
        return None
    images = (path for path in inside.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return min(images, default=None)


def _data_url(pillow: Any, camera: Camera, path: Path) -> str:
    """Return an image, reduced to the width that pages show."""
    try:
        with pillow.open(path) as opened:
            _check(camera, path, opened.size)
            opened.draft("RGB", (WIDTH_PX, WIDTH_PX))
            height = max(1, round(WIDTH_PX * camera.height_px / camera.width_px))
            size = (WIDTH_PX, height) if camera.width_px > WIDTH_PX else (camera.width_px, camera.height_px)
            reduced = opened.convert("RGB").resize(size)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise InputError(str(path), "an image (JPEG or PNG)", str(error)) from error
    held = io.BytesIO()
    reduced.save(held, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(held.getvalue()).decode()}"


def _check(camera: Camera, path: Path, size_px: tuple[int, int]) -> None:
    width, height = size_px
    if width * height > LARGEST_PX:
        raise InputError(str(path), f"at most {LARGEST_PX:,} pixels", f"{width} x {height}")
    if abs(width * camera.height_px / (height * camera.width_px) - 1) > _ASPECT:
        expected = (
            f"an image of {camera.name}, {camera.width_px} x {camera.height_px} px or a smaller copy of it"
        )
        hint = "give whole raw images, not cropped ones; or the profile's size_px is wrong"
        raise InputError(str(path), expected, f"{width} x {height} px", hint)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_package("--images", "pillow", "images") from error
    return Image
