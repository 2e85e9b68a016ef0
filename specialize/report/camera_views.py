"""Draw what one camera sees: the outline of its image, the ground as a grid, the horizon, and a model's points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from specialize.calibration.sight import border, folded, inside, pixels_of, pixels_towards, raw_lens
from specialize.calibration.view import View
from specialize.report.ground import REACH_M, Scene
from specialize.report.svg import Bools, Floats, Picture, Shape, Text, dots, line, lines, text
from specialize.text.units import three

GRID_M, END_M, SAMPLES = 10.0, 40.0, 1601
"""Spacing of the grid on the ground, how far it reaches, and how many points of a line are looked at."""
FINE_M, FINE_END_M = 2.0, 10.0
"""The same near the vehicle."""
RINGS_M = (2.0, 5.0, 10.0, 20.0)
OUTLINE = 100
HEADINGS_DEG = 30
MOST_DOTS = 500
_GOLDEN = (math.sqrt(5) - 1) / 2
_SMOOTH = 1 / 1600
"""Tolerance of lines as a share of the image's width."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Points that a model projects.

    Attributes:
        points_m: (P, 3) in the level frame.
        name: What they are, such as `queries of bevformer_tiny`.
        counts_folded: Whether the model counts those as visible that a lens's formula folds back into the image.
        given: Per camera left, top, right and bottom of what the model is given of the raw image, px; or empty.
    """

    points_m: Floats
    name: str
    counts_folded: bool
    given: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Sighted:
    """A camera's picture, and how many of the model's points it shows and folds back."""

    picture: Picture
    shown: int
    ghosts: int


def ground_cells(scene: Scene) -> Cells:
    """Return the points of the ground at the crossings of the grid, for a profile without a model."""
    side = np.arange(-END_M, END_M + 1, 1.0) * (scene.reach_m / REACH_M)
    x, y = np.meshgrid(side, side)
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, scene.ground_m)], axis=-1)
    return Cells(points, "points of the ground", counts_folded=False)


def camera_view(scene: Scene, index: int, cells: Cells, image: str = "") -> Sighted:
    """Return the picture of a camera; `image` is the data URL of what it saw."""
    view = scene.views[index]
    camera = view.camera
    width, height = camera.width_px, camera.height_px
    smooth = width * _SMOOTH
    outline, _ = border(view, OUTLINE)
    horizon, ticks = _horizon(view)
    points, ghosts = _points(view, cells)
    shapes = [
        Shape("outline", line(outline, smooth, closed=True)),
        Shape("grid fine", _grid(scene, view, FINE_M, FINE_END_M)),
        Shape("grid", _grid(scene, view, GRID_M, END_M)),
        Shape("query", dots(_few(points)), f"{len(points):,} {cells.name}"),
        Shape("horizon", horizon),
        Shape("ghost", dots(_few(ghosts)), f"{len(ghosts):,} points beyond the limit of the lens"),
    ]
    if cells.given:
        left, top, right, bottom = cells.given[index]
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        shapes.append(Shape("given", line(corners, closed=True), "what the model is given of the image"))
    said = f"Image of {camera.name}: the ground as a grid, and the horizon"
    picture = Picture(
        label=said,
        width=width,
        height=height,
        shapes=tuple(shape for shape in shapes if shape.path),
        texts=(*ticks, *_distances(scene, view)),
        image=image,
        text_size=round(width / 30, 1),
        kind="photo" if image else "seen",
    )
    return Sighted(picture, len(points), len(ghosts))


def _grid(scene: Scene, view: View, spacing_m: float, end_m: float) -> str:
    """Return the lines of a grid on the ground in an image."""
    stretch = scene.reach_m / REACH_M
    along = np.linspace(-end_m, end_m, SAMPLES) * stretch
    places = np.arange(-end_m, end_m + spacing_m / 2, spacing_m) * stretch
    across, along = np.broadcast_arrays(places[:, None], along)
    height = np.full_like(along, scene.ground_m)
    both = [np.stack(each, axis=-1) for each in ((along, across, height), (across, along, height))]
    pixels, valid = pixels_of(view, np.stack(both, axis=1))  # (lines, 2, SAMPLES)
    return "".join(
        _path(view, *one) for pair in zip(pixels, valid, strict=True) for one in zip(*pair, strict=True)
    )


def _path(view: View, pixels: Floats, valid: Bools) -> str:
    """Return the path of points in an image, as far as they are in it or near it."""
    size = np.array([view.camera.width_px, view.camera.height_px], np.float64)
    with np.errstate(invalid="ignore"):
        near = valid & ((pixels > -size / 2) & (pixels < 1.5 * size)).all(axis=-1)
    return lines(pixels, np.asarray(near, bool), view.camera.width_px * _SMOOTH)


def _horizon(view: View) -> tuple[str, list[Text]]:
    """Return the path of the horizon with a tick per heading, and the headings that the image shows."""
    angles = np.radians(np.arange(0, 360.25, 0.25))
    level = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=-1)
    parts, texts = [_path(view, *pixels_towards(view, level))], []
    for degrees in range(0, 360, HEADINGS_DEG):
        angle, lifts = math.radians(degrees), np.radians([-1.2, 0.0, 1.2])
        tick = np.stack(
            [np.cos(angle) * np.cos(lifts), np.sin(angle) * np.cos(lifts), np.sin(lifts)], axis=-1
        )
        pixels, valid = pixels_towards(view, tick)
        if valid.all() and inside(view, pixels).all():
            parts.append(line(pixels))
            signed = degrees if degrees <= 180 else degrees - 360
            texts.append(
                text(
                    "heading halo",
                    pixels[2] - (0, view.camera.width_px / 90),
                    f"{signed:+d}°" if signed else "0°",
                )
            )
    return "".join(parts), texts


def _distances(scene: Scene, view: View) -> list[Text]:
    """Return distances from the camera on the ground, straight ahead of it."""
    ahead = np.array([math.cos(view.heading_rad), math.sin(view.heading_rad)])
    found = []
    room = view.camera.width_px / 20
    horizon, _ = pixels_towards(view, np.array([[*ahead, 0.0]]))
    low = float("inf")
    for distance in RINGS_M:
        point = np.array([*(view.centre_m[:2] + distance * ahead), scene.ground_m])
        pixels, valid = pixels_of(view, point[None])
        x, y = (float(value) for value in pixels[0])
        if valid[0] and inside(view, pixels)[0] and low - y > room and not y - horizon[0, 1] < room:
            found.append(text("distance", (x, y), f"{three(distance)} m"))
            low = y
    return found


def _points(view: View, cells: Cells) -> tuple[Floats, Floats]:
    """Return the pixels of the model's points that the camera sees, and of those that fold back into its image."""
    pixels, valid = pixels_of(view, cells.points_m)
    lens = raw_lens(view)
    if lens is None:
        return pixels[valid & inside(view, pixels)], np.zeros((0, 2))
    moved = cells.points_m @ view.rotation.T + view.camera_from_level[:3, 3]
    ghosts, ghost = folded(lens, moved, (view.camera.width_px, view.camera.height_px))
    return pixels[valid & inside(view, pixels)], ghosts[ghost]


def _few(points: Floats) -> Floats:
    """Return about `MOST_DOTS` of some points, taken without a pattern that their order would show."""
    share = MOST_DOTS / max(len(points), 1)
    return points if share >= 1 else points[np.remainder(np.arange(len(points)) * _GOLDEN, 1.0) < share]
