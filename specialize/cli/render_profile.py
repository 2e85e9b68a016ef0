"""Calibration profiles, as a table of cameras."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from specialize.calibration.lint.causes import Group, grouped
from specialize.calibration.lint.findings import Finding, Linted, findings_to_sarif
from specialize.calibration.profile import CalibrationProfile
from specialize.cli.schemas.profiles import Checked, Placed, shown_camera
from specialize.digest import short
from specialize.explain.plan import resolve_spec
from specialize.plausibility.fit import ALL_RULES, fits
from specialize.report.rig_text import top_lines
from specialize.request import BuildOptions
from specialize.text.document import Document, Table, table
from specialize.text.terminal import command
from specialize.text.units import counted, number

_UNREADABLE = "unreadable"


def check_text(files: tuple[Checked, ...]) -> tuple[str | Table, ...]:
    """Return what `specialize profile check` shows."""
    rows = (
        (
            str(file.path),
            profile.vehicle,
            str(len(profile.cameras)),
            short(profile.digest),
            str(len(file.findings)),
        )
        for file in files
        if file.ok and (profile := file.profile) is not None
    )
    body = table("profile", "vehicle", "cameras", "digest", "warnings", rows=rows)
    findings = [f"{file.path}: {group}" for file in files for group in _groups(file)]
    errors = [f"error: {file.error}" for file in files if file.error]
    good = sum(file.ok for file in files)
    head = f"{good} of {len(files)} profiles can be used"
    return (head, *([body] if good else []), *findings, *errors)


def _groups(file: Checked) -> tuple[Group, ...]:
    return grouped(file.findings, file.profile.camera_names()) if file.profile is not None else ()


def check_sarif(files: tuple[Checked, ...]) -> dict[str, Any]:
    """Return the findings of all files as one SARIF log, for code hosts."""
    rules = {**ALL_RULES, _UNREADABLE: "The file is no calibration profile"}
    return findings_to_sarif([_linted(file) for file in files], rules)


def _linted(file: Checked) -> Linted:
    path = file.path.as_posix()
    if file.profile is None:
        mend = "see calib_profiles/README.md for the format"
        return Linted(path, (Finding(_UNREADABLE, "error", "", file.error, mend),))
    return Linted(path, tuple(file.findings), file.path.read_text(encoding="utf-8"))


def init_text(made: Checked) -> Document:
    """Return what `specialize profile init` and `undistort` show: the rig, and what is odd about it."""
    assert made.profile is not None
    odd = check_text((made,)) if made.findings else ()
    return (f"written: {made.path}", *odd, *show_text(made.profile, made.path))


def show_text(profile: CalibrationProfile, path: Path) -> tuple[str | Table, ...]:
    """Return what `specialize profile show` shows; headings count from the lidar's x axis."""
    heads = ("size\npx", "heading\ndeg", "pitch\ndeg", "width\ndeg", "x\nm", "y\nm", "z\nm", "offset\nms")
    rows, placed = [], []
    for camera in profile.cameras:
        shown = shown_camera(camera, profile.ego_from_lidar)
        angles = (shown.heading_deg, shown.pitch_deg, shown.fov_deg)
        place = (number(value, 2) for value in shown.centre_m)
        if shown.in_vehicle is not None:
            placed.append((camera.name, *_place_cells(shown.in_vehicle)))
        offset = number(1000 * camera.time_offset_s, 1)
        size = f"{camera.width_px} x {camera.height_px}"
        rows.append((camera.name, size, *(number(value, 1) for value in angles), *place, offset))
    head = f"{profile.vehicle}: {counted(len(profile.cameras), 'camera')} (profile {short(profile.digest)})"
    frame = "places and headings in the lidar frame; heading from its x axis to its y axis, pitch upwards"
    more: list[str | Table] = (
        [
            table("camera", *heads[1:3], *heads[4:7], rows=placed),
            "the same in the vehicle: x forward, y left, z up",
        ]
        if placed
        else []
    )
    return (
        head,
        table("camera", *heads, rows=rows),
        frame,
        *more,
        *_lenses(profile),
        top_lines(profile),
        _plan_line(profile, path),
    )


def _lenses(profile: CalibrationProfile) -> list[str]:
    """Return which lenses the cameras have, how far they see, and which images the model is given."""
    lines = []
    for camera in profile.cameras:
        if camera.lens is not None:
            given = "raw images" if camera.is_raw else "undistorted images"
            limit = math.degrees(camera.lens.limit_rad)
            lines.append(
                f"{camera.name}: {camera.lens.MODEL} lens up to {limit:.0f} degrees off its axis, {given}"
            )
    return ["\n".join(lines)] if lines else []


def _plan_line(profile: CalibrationProfile, path: Path) -> str:
    """Return the command that plans: for the default model if the profile fits it, else for one to be named."""
    calib = command(Path(path))
    model = BuildOptions().model
    if fits(profile, resolve_spec(model, None)):
        return f"next: specialize plan --calib {calib} -o plan.npz"
    line = f"next: specialize plan --calib {calib} --model MODEL.onnx -o plan.npz"
    return f"{line}\n      MODEL.onnx: a model for these cameras, its sidecar beside it; {model} wants others"


def _place_cells(placed: Placed) -> tuple[str, ...]:
    angles = (placed.heading_deg, placed.pitch_deg)
    return (*(number(value, 1) for value in angles), *(number(value, 2) for value in placed.centre_m))
