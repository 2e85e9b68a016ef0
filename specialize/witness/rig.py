"""Read the vehicle and the model's geometry a second time, from their documents.

Poses are composed here from the text of the profile, with other formulas than those of `calibration`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from specialize.errors import InputError
from specialize.witness.lens import EyeLens, lens_of
from specialize.witness.pose import ABSENT, has, matrix_of, pose_of

Floats = npt.NDArray[np.float64]

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Of the parser that the profile's loader has: the other one refuses tabs where this one reads them."""


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """One camera as its profile spells it.

    Attributes:
        name: Its name.
        size_px: Width and height of the raw image.
        image_from_lidar: (4, 4), lidar points to raw pixels times depth.
        intrinsic: (4, 4) in px; None for a bare `lidar2img`.
        camera_from_lidar: (4, 4); None for a bare `lidar2img`.
        time_offset_s: Exposure after the lidar's reference time.
        tolerance: Bounds by their keys in the profile, such as `rotation_deg`.
        lens: Of the raw image, where that is what the model is given; there are no matrices to pixels then.
    """

    name: str
    size_px: tuple[int, int]
    image_from_lidar: Floats
    intrinsic: Floats | None = None
    camera_from_lidar: Floats | None = None
    time_offset_s: float = 0.0
    tolerance: Mapping[str, float] = field(default_factory=dict)
    lens: EyeLens | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """The cameras of a vehicle in order.

    Attributes:
        vehicle: Its name.
        eyes: The cameras.
        ego_from_lidar: (4, 4) lidar to vehicle points, if the profile gives it.
        spelled: That pose as the profile spells it, words that are numbers as such; empty without.
    """

    vehicle: str
    eyes: tuple[Eye, ...]
    ego_from_lidar: Floats | None = None
    spelled: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preparation:
    """How one camera's raw image becomes the network's: scale, crop at the left and top, and the size after padding."""

    size_px: tuple[int, int]
    scale: float = 1.0
    crop_px: tuple[float, float] = (0.0, 0.0)

    def matrix(self) -> Floats:
        """Return (4, 4), raw to network pixels, both times depth."""
        (left, top), s = self.crop_px, self.scale
        return np.array([[s, 0, -left, 0], [0, s, -top, 0], [0, 0, 1, 0], [0, 0, 0, 1]], np.float64)


@dataclass(frozen=True, slots=True)
class Grid:
    """Pillars `(H, W)` of `anchors` points, or voxels `(Z, H, W)`, in the box `range_m` of the lidar frame.

    `order` names the axes that `shape` counts, slowest first, where these are not y and x, or z, y and x; anchors run
    along the axis that is left.
    """

    shape: tuple[int, ...]
    range_m: tuple[float, ...]
    anchors: int = 1
    order: str = ""

    def points(self) -> Floats:
        """Return (Q, D, 3) in metres: cell centres; anchors start and end half a metre inside the box."""
        letters = self.order or ("yx" if len(self.shape) == 2 else "zyx")
        lines = [self._cells(letter, count) for letter, count in zip(letters, self.shape, strict=True)]
        left = [letter for letter in "xyz" if letter not in letters]
        lines += [self._anchors(letter) for letter in left]
        every = dict(zip([*letters, *left], np.meshgrid(*lines, indexing="ij"), strict=True))
        depth = self.anchors if left else 1
        return np.stack([every[letter] for letter in "xyz"], axis=-1).reshape(-1, depth, 3)

    def _ends(self, letter: str) -> tuple[float, float]:
        place = "xyz".index(letter)
        return self.range_m[place], self.range_m[place + 3]

    def _cells(self, letter: str, count: int) -> list[float]:
        first, last = self._ends(letter)
        return [first + (last - first) * (cell + 0.5) / count for cell in range(count)]

    def _anchors(self, letter: str) -> list[float]:
        first, last = self._ends(letter)
        step = (last - first - 1.0) / (self.anchors - 1) if self.anchors > 1 else 0.0
        return [first + 0.5 + step * anchor for anchor in range(self.anchors)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a calibration input expects.

    Attributes:
        kind: Kind of matrix.
        stride: Width of a pixel of the matrix in network pixels.
        repeat: How many times in a row each camera's matrix is repeated.
        parameters: Names of a lens's parameters, for kinds that are not matrices.
        grid: Number of the grid whose projected points are expected.
        axes: Their axes, slowest first: n cameras, q queries, d anchors, and the number of components.
    """

    kind: str
    stride: float = 1.0
    repeat: int = 1
    parameters: tuple[str, ...] = ()
    grid: int = 0
    axes: str = ""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a model's sidecar says of its geometry.

    Attributes:
        preparations: One per camera.
        grids: The grids of queries.
        min_depth_m: Least depth of a point that is seen.
        inputs: Name of a calibration input to what it wants.
        lens: Model of the lens that the graph projects through; `own` where each camera's own lens projects the points
            that the graph is given; empty for matrices.
        by_formula: Whether what that lens's formula gives beyond its limit counts as seen.
        centre: Where the graph counts the centre of a pixel.
    """

    preparations: tuple[Preparation, ...]
    grids: tuple[Grid, ...]
    min_depth_m: float
    inputs: Mapping[str, Wanted]
    lens: str = ""
    by_formula: bool = False
    centre: float = 0.0


def read_rig(path: Path) -> Rig:
    """Return the rig of a profile file, which the loader has already validated."""
    return parse_rig(path.read_text(encoding="utf-8-sig"))


def parse_rig(text: str) -> Rig:
    """Return the rig of a profile's text."""
    return rig_of(yaml.load(text, Loader=_LOADER))  # words alone: numbers are made of them here


def rig_of(profile: Mapping[str, Any]) -> Rig:
    """Return the rig of a profile's plain values; numbers may be words."""
    ego_from_lidar = pose_of(profile["lidar2ego"]) if has(profile, "lidar2ego") else None
    bounds = _bounds(profile, {})
    eyes = tuple(_eye(camera, ego_from_lidar, bounds) for camera in profile["cameras"])
    spelled = _plain(profile["lidar2ego"]) if ego_from_lidar is not None else {}
    return Rig(str(profile["vehicle"]), eyes, ego_from_lidar, spelled)


def sidecar_of(spec: Mapping[str, Any], cameras: int) -> Sidecar:
    """Return the geometry in a model's sidecar for a number of cameras."""
    images = spec.get("images") or [spec["image"]] * cameras
    grids = [
        Grid(
            tuple(map(int, grid["shape"])),
            tuple(map(float, grid["range_m"])),
            int(grid.get("anchors", 1)),
            str(grid.get("order", "")),
        )
        for grid in spec.get("grids") or ()
    ]
    min_depth = float((spec.get("rule") or {}).get("min_depth_m", 1e-5))
    inputs = {str(name): _wanted(kind) for name, kind in (spec.get("calibration_inputs") or {}).items()}
    lens = spec.get("lens") or {}
    return Sidecar(
        tuple(map(_preparation, images)),
        tuple(grids),
        min_depth,
        inputs,
        str(lens.get("model", "")),
        lens.get("domain") == "formula",
        float(lens.get("pixel_centre") or 0.0),
    )


def _eye(camera: Mapping[str, Any], ego_from_lidar: Floats | None, bounds: Mapping[str, float]) -> Eye:
    intrinsic = pose = lens = None
    if has(camera, "lidar2img"):
        image_from_lidar = matrix_of(camera["lidar2img"])
    else:
        pose = _camera_from_lidar(camera, ego_from_lidar)
        if has(camera, "intrinsic"):
            intrinsic = np.eye(4)
            intrinsic[:3, :3] = matrix_of(camera["intrinsic"])
            image_from_lidar = intrinsic @ pose
        else:
            lens, image_from_lidar = lens_of(camera["lens"]), np.full((4, 4), np.nan)
    width, height = map(whole, camera["size_px"])
    offset = float(camera["time_offset_s"]) if has(camera, "time_offset_s") else 0.0
    return Eye(
        str(camera["name"]),
        (width, height),
        image_from_lidar,
        intrinsic,
        pose,
        offset,
        _bounds(camera, bounds),
        lens,
    )


def _camera_from_lidar(camera: Mapping[str, Any], ego_from_lidar: Floats | None) -> Floats:
    if has(camera, "lidar2cam"):
        return matrix_of(camera["lidar2cam"])
    if ego_from_lidar is None:
        raise InputError(f"camera {camera['name']}", "`lidar2ego:`, because sensor2ego is used", "none")
    return np.asarray(np.linalg.inv(pose_of(camera["sensor2ego"])) @ ego_from_lidar)


def _bounds(node: Mapping[str, Any], default: Mapping[str, float]) -> dict[str, float]:
    given = node["tolerance"] if has(node, "tolerance") else {}
    return {**default, **{key: float(value) for key, value in given.items() if value not in ABSENT}}


def whole(value: Any) -> int:
    """Return a whole number, which a document may spell as `1600`, `1600.0` or `1.6e3`.

    Raises:
        InputError: It is none.
    """
    number = float(value)
    if number != int(number):
        raise InputError("size_px", "whole numbers", repr(value))
    return int(number)


def _plain(value: Any) -> Any:
    """Return a value whose words that are numbers are numbers."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    try:
        return float(value)
    except (TypeError, ValueError):
        return None if value in ABSENT else value


def _wanted(kind: Any) -> Wanted:
    if isinstance(kind, Mapping):
        names = tuple(map(str, kind.get("parameters") or ()))
        stride, repeat = float(kind.get("stride", 1.0)), int(kind.get("repeat", 1))
        return Wanted(
            str(kind["kind"]), stride, repeat, names, int(kind.get("grid", 0)), str(kind.get("axes", ""))
        )
    return Wanted(str(kind))


def _preparation(image: Mapping[str, Any]) -> Preparation:
    left, top = map(float, image.get("crop_px") or (0.0, 0.0))
    width, height = map(whole, image["size_px"])
    return Preparation((width, height), float(image.get("scale", 1.0)), (left, top))
