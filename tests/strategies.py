"""The only home of Hypothesis generators: rigs of cameras in any pose, and grids of queries."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from specialize.visibility.grid import QueryGrid
from tests.attention.graphs import Case


@dataclass(frozen=True)
class Rig:
    """N cameras: intrinsic (N, 3, 3) px, camera_from_lidar (N, 4, 4) m, size_px (N, 2)."""

    intrinsic: np.ndarray
    camera_from_lidar: np.ndarray
    size_px: np.ndarray

    def __len__(self) -> int:
        return len(self.intrinsic)

    @property
    def image_from_lidar(self) -> np.ndarray:
        """The (N, 4, 4) products of intrinsic and pose."""
        return product(self.intrinsic, self.camera_from_lidar)


def product(intrinsic: np.ndarray, camera_from_lidar: np.ndarray) -> np.ndarray:
    """Return (N, 4, 4) lidar2img from (N, 3, 3) and (N, 4, 4)."""
    homogeneous = np.zeros((len(intrinsic), 4, 4))
    homogeneous[:, :3, :3] = intrinsic
    homogeneous[:, 3, 3] = 1.0
    return homogeneous @ camera_from_lidar


def rotation(axis_angle: np.ndarray) -> np.ndarray:
    """Return the (3, 3) rotation about `axis_angle` (3,) by its length in radians."""
    angle = float(np.linalg.norm(axis_angle))
    if angle == 0.0:
        return np.eye(3)
    x, y, z = np.asarray(axis_angle) / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def looking(yaw_rad: float, pitch_rad: float, roll_rad: float, position_m: np.ndarray) -> np.ndarray:
    """Return camera_from_lidar (4, 4) of a camera; yaw 0 looks along +y, positive pitch looks up."""
    upright = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # x right, y down, z forward
    turn = rotation(np.array([0.0, 0.0, -yaw_rad]))
    tilt = rotation(np.array([-pitch_rad, 0.0, 0.0]))
    pose = np.eye(4)
    pose[:3, :3] = rotation(np.array([0.0, 0.0, roll_rad])) @ tilt @ upright @ turn
    pose[:3, 3] = -pose[:3, :3] @ position_m
    return pose


def ring(cameras: int = 6, width: int = 800, height: int = 480) -> Rig:
    """Return cameras that look around the horizon, 65 degrees wide, the last one 95, from near the lidar."""
    intrinsic, pose = [], []
    for index in range(cameras):
        yaw = 2 * np.pi * index / cameras
        focal = width / 2 / np.tan(np.radians(47.5 if index == cameras - 1 else 32.5))
        intrinsic.append(
            [[focal, 0.0, width / 2 + 3.7 * index], [0.0, focal, height / 2 - 2.3], [0.0, 0.0, 1.0]]
        )
        position = np.array([-0.8 * np.sin(yaw), 0.8 * np.cos(yaw), -0.3])
        pose.append(looking(yaw, -0.01 * index, 0.003 * index, position))
    return Rig(np.array(intrinsic), np.array(pose), np.array([[width, height]] * cameras))


def _floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    """Image width and height in pixels, landscape and portrait."""
    return draw(st.integers(16, 1920)), draw(st.integers(16, 1280))


@st.composite
def intrinsics(draw: st.DrawFn, size: tuple[int, int]) -> np.ndarray:
    """(3, 3) pinhole: 30 to 120 degrees wide, the principal point anywhere near the centre, or off it."""
    focal = size[0] / 2 / np.tan(draw(_floats(0.26, 1.05)))
    aspect = draw(_floats(0.8, 1.25))
    centre = [side * draw(_floats(0.3, 0.7)) for side in size]
    return np.array([[focal, 0.0, centre[0]], [0.0, focal * aspect, centre[1]], [0.0, 0.0, 1.0]])


@st.composite
def poses(draw: st.DrawFn, anywhere: bool = True) -> np.ndarray:
    """camera_from_lidar (4, 4): nearly level as on a vehicle, or (if `anywhere`) any rotation at all."""
    position = np.array([draw(_floats(-2.0, 2.0)), draw(_floats(-2.0, 2.0)), draw(_floats(-1.0, 1.0))])
    tilt = _floats(-np.pi, np.pi) if anywhere and draw(st.booleans()) else _floats(-0.3, 0.3)
    return looking(draw(_floats(-np.pi, np.pi)), draw(tilt), draw(tilt), position)


@st.composite
def rigs(draw: st.DrawFn, min_cameras: int = 1, max_cameras: int = 8, mixed_sizes: bool = True) -> Rig:
    """1 to 8 cameras: any pose, sometimes one that looks at the sky, sometimes several that see the same."""
    count = draw(st.integers(min_cameras, max_cameras))
    shared = draw(sizes())
    intrinsic, pose, size = [], [], []
    for index in range(count):
        kind = draw(st.sampled_from(["any", "any", "level", "sky", "again"]))
        own = draw(sizes()) if mixed_sizes and draw(st.booleans()) else shared
        if kind == "again" and index:
            pose.append(pose[-1])
        elif kind == "sky":
            pose.append(looking(0.0, np.pi / 2, 0.0, np.array([0.0, 0.0, 60.0])))
        else:
            pose.append(draw(poses(anywhere=kind == "any")))
        intrinsic.append(draw(intrinsics(own)))
        size.append(own)
    return Rig(np.array(intrinsic), np.array(pose), np.array(size))


@st.composite
def grids(draw: st.DrawFn, max_side: int = 12, volumes: bool = True) -> QueryGrid:
    """Pillars `(H, W)` of 1 to 4 points, or voxels `(Z, H, W)`; seldom square, seldom centred, one in two upright."""
    shape = [draw(st.integers(1, max_side)) for _ in range(2)]
    anchors, axes = draw(st.integers(1, 4)), 2
    if volumes and draw(st.booleans()):
        shape, anchors, axes = [draw(st.integers(1, 4)), *shape], 1, 3
    orders = ["".join(order) for order in itertools.permutations("xyz", axes)] if volumes else []
    order = draw(st.just("") | st.sampled_from(orders)) if orders else ""
    low = [draw(_floats(-60.0, 10.0)), draw(_floats(-60.0, 10.0)), draw(_floats(-6.0, 0.0))]
    extent = [draw(_floats(2.0, 100.0)), draw(_floats(2.0, 100.0)), draw(_floats(1.0, 8.0))]
    high = [a + b for a, b in zip(low, extent, strict=True)]
    return QueryGrid(tuple(shape), (*low, *high), anchors, order)


@st.composite
def attentions(draw: st.DrawFn) -> Case:
    """Sizes of a deformable attention: every count may be one, maps may be single rows and columns."""
    few = st.integers(1, 3)
    levels = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3))
    return Case(
        batch=draw(few), queries=draw(st.integers(1, 30)), heads=draw(few), channels=draw(few), points=draw(few),
        levels=tuple(levels),
    )  # fmt: skip
