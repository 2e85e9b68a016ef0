"""Draw a rig from above: what its cameras see of the ground, and where they are and look."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from specialize.calibration.view import View
from specialize.report.ground import Scene, footprint, frustum
from specialize.report.svg import Card, Floats, Picture, Shape, Text, circle, line, number, text
from specialize.text.units import three

SIDE = 520
"""Width and height of a picture, in its own units."""
MARGIN = 14
_LETTER, _LINE = 6.6, 14.0
_IN_FIELD = (0.72, 0.55, 0.88, 0.4, 0.64, 0.8, 0.48, 0.3, 0.96)
_AT_END = (1.22, 1.4, 0.6, 1.6, 0.8)
"""Where the name of a camera may stand along its view, as shares of its length, best first."""


@dataclass(frozen=True, slots=True)
class Paper:
    """From metres of the level frame to a picture whose middle is at `middle`: the vehicle's front is up.

    Where only the lidar's frame is known, its x axis points to the right.
    """

    middle: tuple[float, float]
    scale: float
    in_vehicle: bool

    def at(self, points: Floats) -> Floats:
        """Return points (..., 2) in units of the picture."""
        x, y = points[..., 0] - self.middle[0], points[..., 1] - self.middle[1]
        right, up = (-y, x) if self.in_vehicle else (x, y)
        return np.stack([SIDE / 2 + right * self.scale, SIDE / 2 - up * self.scale], axis=-1)


def top_cards(scene: Scene) -> tuple[Card, ...]:
    """Return the two pictures of a rig from above, with what they show."""
    height = "" if scene.in_vehicle else f", taken to be {three(-scene.ground_m)} m below the lidar"
    names = "Darker where several cameras see the same ground."
    frame = (
        "The arrow points forward."
        if scene.in_vehicle
        else "The profile does not say how the lidar stands on the vehicle: arrows are the lidar's axes."
    )
    return (
        Card("What the cameras see of the ground", field_picture(scene), (f"The ground{height}. {names}",)),
        Card("Where the cameras are", close_picture(scene), (f"Each with its pyramid of view. {frame}",)),
    )


def field_picture(scene: Scene) -> Picture:
    """Return what every camera sees of the ground, with distance rings."""
    paper = Paper((0.0, 0.0), (SIDE / 2 - MARGIN) / scene.reach_m, scene.in_vehicle)
    fields = []
    for view in scene.views:
        path = "".join(line(paper.at(ring), 0.3, closed=True) for ring in footprint(scene, view))
        fields.append(Shape("field", path, view.camera.name))
    rings, marks = _rings(paper, scene.reach_m, scene.reach_m)
    starts = [view.centre_m[:2] for view in scene.views]
    labels = _labels(scene, paper, starts, [each * scene.reach_m for each in _IN_FIELD], marks)
    arrows, ends = _arrows(paper, scene.reach_m / 7)
    places = Shape("place", "".join(circle(paper.at(at), 3) for at in starts))
    said = f"Top view of {_many(scene)}: what each sees of the ground within {three(scene.reach_m)} m"
    shapes = (
        Shape("sheet", circle((SIDE / 2, SIDE / 2), SIDE / 2 - MARGIN)),
        *fields,
        *rings,
        *arrows,
        places,
    )
    return Picture(said, SIDE, SIDE, shapes, (*marks, *labels, *ends), kind="top")


def close_picture(scene: Scene) -> Picture:
    """Return where the cameras are, each with its pyramid of view."""
    places = np.stack([view.centre_m[:2] for view in scene.views])
    whole = np.concatenate([places, np.zeros((1, 2))])
    low, high = whole.min(axis=0), whole.max(axis=0)
    length = max(0.8, 0.45 * float((high - low).max()))
    middle = (low + high) / 2
    half = float((high - low).max()) / 2 + 1.5 * length
    paper = Paper((float(middle[0]), float(middle[1])), (SIDE / 2 - MARGIN) / half, scene.in_vehicle)
    rings, marks = _rings(paper, 3 * half, half, spacing=half / 2.2)
    shapes = [Shape("sheet", f"M0 0H{SIDE}V{SIDE}H0z"), *rings]
    for view in scene.views:
        outline, corners = frustum(view, length)
        edges = "".join(line(paper.at(np.stack([view.centre_m[:2], each]))) for each in corners)
        shapes.append(Shape("frustum", line(paper.at(outline), 0.3, closed=True), view.camera.name))
        shapes.append(Shape("edge", edges))
    shapes.append(Shape("place", "".join(circle(paper.at(at), 3.5) for at in places)))
    arrows, ends = _arrows(paper, half / 5)
    labels = _labels(scene, paper, places, [each * length for each in _AT_END], marks)
    lidar, named = _lidar(scene, paper)
    said = f"Top view of {_many(scene)}: where each is and looks"
    return Picture(said, SIDE, SIDE, (*shapes, *arrows, *lidar), (*marks, *labels, *ends, *named), kind="top")


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names without the words that all of them begin with: `FRONT` for `CAM_FRONT`."""
    words = [name.split("_") for name in names]
    same = 0
    while len(names) > 1 and all(len(each) > same + 1 and each[same] == words[0][same] for each in words):
        same += 1
    found = tuple("_".join(each[same:]) for each in words)
    return found if all(any(letter.isalpha() for letter in name) for name in found) else tuple(names)


def _many(scene: Scene) -> str:
    return f"{len(scene.views)} cameras" if len(scene.views) > 1 else "one camera"


def _rings(
    paper: Paper, end_m: float, shown_m: float, spacing: float = 0.0
) -> tuple[list[Shape], list[Text]]:
    """Return circles around the origin, and their radii as text where these are in the picture."""
    step = nice(spacing or end_m / 3)
    shapes, texts = [], []
    origin = paper.at(np.zeros(2))
    for radius in np.arange(step, end_m + step / 100, step).tolist():
        shapes.append(Shape("ring", circle(origin, radius * paper.scale)))
        at = origin + radius * paper.scale * np.array([math.sin(2.62), -math.cos(2.62)])
        if radius <= shown_m and (at < SIDE - MARGIN).all() and (at > MARGIN).all():
            texts.append(text("quiet halo", at, f"{three(radius)} m"))
    return shapes, texts


def nice(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, near a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return min((1 * power, 2 * power, 5 * power, 10 * power), key=lambda each: abs(math.log(each / value)))


def _arrows(paper: Paper, length_m: float) -> tuple[list[Shape], list[Text]]:
    """Return the axes at the origin: forward, or x and y of a lidar."""
    axes = (((1.0, 0.0), "forward"),) if paper.in_vehicle else (((1.0, 0.0), "x"), ((0.0, 1.0), "y"))
    origin, shapes, texts = paper.at(np.zeros(2)), [], []
    for axis, name in axes:
        end = paper.at(np.array(axis) * length_m)
        along = (end - origin) / np.linalg.norm(end - origin)
        side = np.array([-along[1], along[0]])
        head = np.stack([end - 9 * along + 4.5 * side, end, end - 9 * along - 4.5 * side])
        shapes.append(Shape("axis", line(np.stack([origin, end])) + line(head)))
        texts.append(text("strong halo", end + 11 * along + (0, 4), name))
    return shapes, texts


def _lidar(scene: Scene, paper: Paper) -> tuple[list[Shape], list[Text]]:
    """Return where the lidar is, if that is known and not the origin."""
    pose = scene.profile.ego_from_lidar
    if pose is None or not np.abs(pose[:2, 3]).max() > 0.05:
        return [], []
    x, y = (float(value) for value in paper.at(pose[:2, 3]))
    cross = f"M{number(x - 5)} {number(y)}h10M{number(x)} {number(y - 5)}v10"
    return [Shape("axis", cross)], [text("quiet halo", (x, y + 17), "lidar")]


def _labels(
    scene: Scene, paper: Paper, starts: Iterable[Floats], reaches: Sequence[float], marks: Sequence[Text]
) -> list[Text]:
    """Return the names of the cameras along their views, none over another or over a mark."""
    taken = [
        (float(each.x), float(each.y) - 4, 3.0 * len(each.text)) for each in marks
    ]  # middle, and half the width
    found = []
    names = short_names([view.camera.name for view in scene.views])
    for view, start, name in zip(scene.views, starts, names, strict=True):
        half = _LETTER * len(name) / 2 + 3
        spots = list(_spots(view, paper, start, reaches, half))
        x, y = next((spot for spot in spots if not _clashes(spot, half, taken)), spots[0])
        taken.append((x, y, half))
        found.append(text("halo", (x, y + 4), name))
    return found


def _spots(
    view: View, paper: Paper, start: Floats, reaches: Sequence[float], half: float
) -> Iterator[tuple[float, float]]:
    """Yield where the name of a camera may stand, best first."""
    for turn in (0.0, 0.2, -0.2, 0.4, -0.4):
        angle = view.heading_rad + turn
        along = np.array([math.cos(angle), math.sin(angle)])
        for reach in reaches:
            x, y = (float(value) for value in paper.at(start + reach * along))
            if MARGIN / 2 < y < SIDE - MARGIN / 2:
                yield min(max(x, half + 2), SIDE - half - 2), y
    yield SIDE / 2, SIDE / 2


def _clashes(spot: tuple[float, float], half: float, taken: list[tuple[float, float, float]]) -> bool:
    x, y = spot
    return any(abs(x - a) < half + width and abs(y - b) < _LINE for a, b, width in taken)
