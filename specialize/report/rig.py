"""Show a vehicle's calibration on a page: from above, as a table, and through every camera."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.profile import CalibrationProfile
from specialize.calibration.sight import GROUND_BELOW_LIDAR_M, raw_lens
from specialize.calibration.view import View
from specialize.model.spec import ModelSpec
from specialize.report.camera_views import FINE_M, GRID_M, Cells, camera_view, ground_cells
from specialize.report.ground import REACH_M, Scene
from specialize.report.rig_top import top_cards
from specialize.report.svg import Card, Floats
from specialize.text.document import Column, Heading, Part, Table, table
from specialize.text.document import View as PageView
from specialize.text.units import counted, number, percent, three

MOST_CELLS = 200_000
"""Points of a model that are projected for pictures; of larger grids some are left out."""


def rig_parts(
    profile: CalibrationProfile, spec: ModelSpec | None = None, images: Mapping[str, str] | None = None
) -> tuple[Part, ...]:
    """Return the parts of a page that show a calibration.

    Args:
        profile: The vehicle.
        spec: The model whose queries are drawn; a grid on the ground without it.
        images: Data URLs of what cameras saw, by name.
    """
    scene = Scene.of(profile)
    cells = ground_cells(scene) if spec is None else model_cells(scene, spec)
    found = images or {}
    cards = tuple(_card(scene, index, cells, found) for index in range(len(scene.views)))
    return (
        Heading("The calibration"),
        PageView("cards", ("top", top_cards(scene))),
        rig_table(scene),
        _frame_line(scene),
        Heading("Through the cameras"),
        _drawn(scene, cells, bool(found)),
        PageView("legend", legend(cells, cards, scene.reach_m / REACH_M)),
        PageView("cards", ("views", cards)),
    )


def rig_table(scene: Scene) -> Table:
    """Return lens, size, place and direction of every camera."""
    heads = (
        "image\npx",
        "focal\npx",
        "width\ndeg",
        "heading\ndeg",
        "pitch\ndeg",
        "roll\ndeg",
        "x\nm",
        "y\nm",
        "z\nm",
    )
    rows = (_row(view) for view in scene.views)
    return table("camera", Column("lens", "words"), *heads, "offset\nms", rows=rows)


def lens_text(camera: Camera) -> str:
    """Return which lens a camera has, as the model meets it."""
    if camera.lens is not None:
        limit = f", up to {math.degrees(camera.lens.limit_rad):.0f}° off its axis"
        return f"{camera.lens.MODEL}{limit}; {'raw' if camera.is_raw else 'undistorted'} images"
    if camera.intrinsic is None:
        return "a bare lidar2img"
    return f"pinhole; {camera.distortion.model} undistorted" if camera.distortion else "pinhole"


def roll_rad(view: View) -> float:
    """Return how far a camera is turned about its axis, clockwise as it looks; 0 where it looks straight up or down."""
    right, down = view.rotation[0], view.rotation[1]
    return math.atan2(-float(right[2]), -float(down[2])) if max(abs(right[2]), abs(down[2])) > 1e-6 else 0.0


def model_cells(scene: Scene, spec: ModelSpec) -> Cells:
    """Return a model's query points in the level frame, and what it is given of the images."""
    found = [grid.grid().points().reshape(-1, 3) for grid in spec.grids]
    points = np.concatenate(found) if found else ground_cells(scene).points_m
    points = points[:: max(1, math.ceil(len(points) / MOST_CELLS))]
    if found and scene.profile.ego_from_lidar is not None:
        pose = scene.profile.ego_from_lidar
        points = points @ pose[:3, :3].T + pose[:3, 3]
    formula = spec.lens is not None and spec.lens.domain == "formula"
    name = f"points of the queries of {spec.name}" if found else "points of the ground"
    usual = not spec.images or len(spec.images) == len(scene.views)
    given = tuple(_given(spec, index) for index in range(len(scene.views))) if usual else ()
    return Cells(points, name, formula, given)


def legend(cells: Cells, cards: Sequence[Card], stretch: float) -> tuple[tuple[str, str], ...]:
    """Return classes of what the pictures of cameras hold, with their meaning.

    Args:
        cells: The points.
        cards: The pictures.
        stretch: How many times as far as usual the ground is drawn.
    """
    wide, fine = three(GRID_M * stretch), three(FINE_M * stretch)
    drawn = {shape.kind for card in cards for shape in card.picture.shapes}
    meanings = {
        "horizon": "horizon, with headings",
        "grid": f"ground: a line per {wide} m, near the vehicle per {fine} m",
        "query": cells.name,
        "ghost": "beyond the limit of the lens, folded back into the image by its formula",
        "given": "what the model is given of the image",
        "outline": "what the camera sees",
    }
    return tuple((kind, meaning) for kind, meaning in meanings.items() if kind in drawn)


def _row(view: View) -> tuple[str, ...]:
    camera = view.camera
    focal = " / ".join(number(float(view.intrinsic[axis, axis]), 0) for axis in (0, 1))
    angles = (view.hfov_rad, view.heading_rad, view.pitch_rad, roll_rad(view))
    return (
        camera.name,
        lens_text(camera),
        f"{camera.width_px} × {camera.height_px}",
        focal,
        *(number(math.degrees(angle), 1) for angle in angles),
        *(number(float(value), 2) for value in view.centre_m),
        number(1000 * camera.time_offset_s, 1),
    )


def _frame_line(scene: Scene) -> str:
    if scene.in_vehicle:
        return (
            "In the vehicle's frame: x forward, y left, z up. Headings count to the left, pitches upwards, "
            "rolls clockwise as the camera looks."
        )
    return (
        "In the lidar's frame, because the profile does not say how the lidar stands on the vehicle (`lidar2ego`). "
        "Headings count from its x axis to its y axis, pitches upwards."
    )


def _drawn(scene: Scene, cells: Cells, photos: bool) -> str:
    over = "over an image that it took" if photos else "as it would be in its image"
    guess = (
        ""
        if scene.in_vehicle
        else f" The ground is taken to be {three(-GROUND_BELOW_LIDAR_M)} m below the lidar."
    )
    told = (
        f"Of each camera, {over}: the ground as a grid, the horizon, and {cells.name}; of many points some."
    )
    return f"{told}{guess}" if scene.ground_m == GROUND_BELOW_LIDAR_M else told


def _card(scene: Scene, index: int, cells: Cells, images: Mapping[str, str]) -> Card:
    view = scene.views[index]
    camera = view.camera
    sighted = camera_view(scene, index, cells, images.get(camera.name, ""))
    lines = [f"{lens_text(camera)}; {camera.width_px}\u00a0×\u00a0{camera.height_px}\u00a0px"]
    if sighted.ghosts:
        share = percent(sighted.ghosts / max(1, sighted.ghosts + sighted.shown))
        what = f"{counted(sighted.ghosts, 'point')} beyond the limit of the lens"
        if cells.counts_folded:
            lines.append(f"!the model counts {what} as visible: {share} of what it takes the camera to see")
        else:
            lines.append(f"{what} would fold back into the image by its formula alone ({share})")
    if raw_lens(view) is None and camera.lens is not None:
        lines.append("drawn as the undistorted image that the model is given")
    if images and camera.name not in images:
        lines.append("!no image of this camera")
    return Card(camera.name, sighted.picture, tuple(lines))


def _given(spec: ModelSpec, index: int) -> tuple[float, float, float, float]:
    image = spec.image_of(index)
    corners: Floats = (np.array([(0.0, 0.0), image.size_px]) + image.crop_px) / image.scale
    left, top, right, bottom = (float(value) for value in corners.ravel())
    return left, top, right, bottom
