"""Draw a rig from above in characters: which ground its cameras see, for terminals."""

from __future__ import annotations

import math

import numpy as np

from specialize.calibration.profile import CalibrationProfile
from specialize.report.ground import Scene, seen_by
from specialize.text.units import three

COLUMNS, ROWS = 49, 25
"""Characters across and down; one is about twice as high as wide."""
SHADES = " ░▒▓"
"""Ground that no camera sees, that one sees, two, and more."""
_MARKS = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_AT = (0.7, 0.5, 0.85, 0.6, 0.4, 0.3)


def top_lines(profile: CalibrationProfile) -> str:
    """Return the ground around a vehicle: the front up, or the y axis of a lidar whose pose is not known."""
    scene = Scene.of(profile)
    right = np.linspace(-scene.reach_m, scene.reach_m, COLUMNS)
    up = np.linspace(scene.reach_m, -scene.reach_m, ROWS)[:, None]
    x, y = (up, -right) if scene.in_vehicle else (right, up)
    within = np.hypot(right, up) <= scene.reach_m
    count = np.minimum(seen_by(scene, x, y).sum(axis=0), len(SHADES) - 1)
    cells = [
        [SHADES[number] if shown else " " for number, shown in zip(numbers, row, strict=True)]
        for numbers, row in zip(count.tolist(), within.tolist(), strict=True)
    ]
    _mark(cells, scene)
    return "\n".join(["".join(row).rstrip() for row in cells] + ["", *_legend(scene)])


def _mark(cells: list[list[str]], scene: Scene) -> None:
    """Write a mark per camera along its view, and the vehicle's origin with its front."""
    middle = (ROWS // 2, COLUMNS // 2)
    cells[middle[0]][middle[1]] = "+"
    if scene.in_vehicle:
        cells[middle[0] - 1][middle[1]] = "^"
    taken = {middle, (middle[0] - 1, middle[1])}
    for view, mark in zip(scene.views, _MARKS, strict=False):
        for share in _AT:
            along, left = math.cos(view.heading_rad) * share, math.sin(view.heading_rad) * share
            right, up = (-left, along) if scene.in_vehicle else (along, left)
            at = (round(middle[0] * (1 - up)), round(middle[1] * (1 + right)))
            if at not in taken:
                break
        taken.add(at)
        cells[at[0]][at[1]] = mark


def _legend(scene: Scene) -> list[str]:
    names = [f"{mark} {view.camera.name}" for view, mark in zip(scene.views, _MARKS, strict=False)]
    lines, line = [], ""
    for name in names:
        if line and len(line) + 2 + len(name) > COLUMNS + 10:
            lines.append(line)
            line = ""
        line = f"{line}  {name}" if line else name
    up = "the front up" if scene.in_vehicle else "in the lidar's frame: x to the right, y up"
    return [
        *lines,
        line,
        f"ground within {three(scene.reach_m)} m, {up}",
        f"{SHADES[1]} seen by one camera, {SHADES[2]} by two, {SHADES[3]} by more, blank by none",
    ]
