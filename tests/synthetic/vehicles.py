"""Vehicles with the cameras of a style, as profiles, and the sidecars of their models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialize.calibration.camera import Camera
from specialize.calibration.profile import CalibrationProfile
from specialize.model.parts import ImagePrep
from specialize.model.spec import GridSpec, ModelSpec
from specialize.visibility.perturb import at_the_edge
from specialize.visibility.pyramid import Deviation
from tests.strategies import ring
from tests.synthetic.attention import Style

BOUNDS = Deviation(rotation_rad=0.02, translation_m=0.05, focal_ratio=0.01, principal_point_px=0.5)


def spec_of(style: Style) -> ModelSpec:
    """Return the sidecar of a style's model."""
    grid = GridSpec(shape=style.grid.shape, range_m=style.grid.range_m, anchors=style.grid.anchors)
    prep = ImagePrep(size_px=style.size_px)
    return ModelSpec(image=prep, calibration_inputs={"lidar2img": "lidar2img"}, grids=(grid,))


def vehicle(style: Style, turn_rad: float = 0.0, name: str = "nominal") -> CalibrationProfile:
    """Return a ring of cameras, turned about the vertical."""
    rig = ring(style.cameras, *style.size_px)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(turn_rad), -np.sin(turn_rad)], [np.sin(turn_rad), np.cos(turn_rad)]]
    cameras = tuple(
        Camera.pinhole(
            f"camera{index}", style.size_px, rig.intrinsic[index], rig.camera_from_lidar[index] @ turn
        )
        for index in range(style.cameras)
    )
    return CalibrationProfile(name, cameras)


def others(
    style: Style, count: int, bounds: Deviation = BOUNDS, turn_rad: float = 0.0
) -> Sequence[CalibrationProfile]:
    """Return vehicles whose cameras are at the edge of their bounds."""
    nominal = vehicle(style, turn_rad)
    return list(at_the_edge(nominal, [bounds] * style.cameras, count, seed=5))
