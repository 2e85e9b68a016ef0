"""ModelSpec: what the compiler must be told about a model because its graph does not say it.

Written as YAML beside the ONNX (`my.model.yaml` for `my.onnx`), `schema: specialize/model@1`. The built-in
models ship the same kind of file, so that no torch is needed to know them. The *model* owns image
preparation: a network pixel is `scale * raw - crop`, padding changes nothing but the size.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from specialize import sidecar
from specialize.calibration import checks
from specialize.calibration.document import read_text
from specialize.calibration.expected import Side
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, closest
from specialize.model_kinds import KINDS, Rig, matrices_of
from specialize.model_parts import FrustumSpec, Part
from specialize.visibility.grid import QueryGrid, VisibilityRule

SCHEMA = "specialize/model@1"
LARGEST_SIDE_PX = 1 << 16
MOST_REPEATS = 1 << 20
LARGEST_NUMBER = float(np.finfo(np.float32).max)


class ImagePrep(Part, frozen=True, kw_only=True):
    """How a raw image becomes the network's image: `network = scale * raw - crop`, then padding to `size_px`.

    Attributes:
        size_px: Width and height of the network's input, padding included.
        scale: Factor applied to the raw image.
        crop_px: Columns and rows cut off at the left and top, in scaled pixels.
        raw_size_px: Width and height of the raw images that scale and crop are for; None if any size will do.
    """

    size_px: tuple[int, int]
    scale: float = 1.0
    crop_px: tuple[float, float] = (0.0, 0.0)
    raw_size_px: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for name, size in (("size_px", self.size_px), ("raw_size_px", self.raw_size_px)):
            if size is not None and not all(0 < side <= LARGEST_SIDE_PX for side in size):
                expected = f"[width, height] from 1 to {LARGEST_SIDE_PX}"
                raise ValueError(f"{name}: expected {expected}, got {list(size)}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale: expected a number above 0, got {self.scale}")
        if not all(map(math.isfinite, self.crop_px)):
            raise ValueError(f"crop_px: expected two finite numbers, got {list(self.crop_px)}")

    def network_from_raw(self) -> np.ndarray:
        """Return the (4, 4) float64 matrix that takes raw to network pixels (homogeneous, last axis kept)."""
        matrix = np.diag([self.scale, self.scale, 1.0, 1.0])
        matrix[0, 2], matrix[1, 2] = -self.crop_px[0], -self.crop_px[1]
        return matrix


class PointsSpec(Part, frozen=True, kw_only=True):
    """The frame of the model's points; z points up.

    Attributes:
        x: Where the x axis points, seen from the driver: `forward` (then y is left), `right` (y is forward), ...
        origin: What the points are measured from: the `lidar`, or the vehicle's frame on the ground, `ego`.
        height_m: Least and greatest height of the origin above the ground.
    """

    x: Side
    origin: Literal["lidar", "ego"] = "lidar"
    height_m: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.height_m is None:
            return
        if not (all(map(math.isfinite, self.height_m)) and self.height_m[0] <= self.height_m[1]):
            raise ValueError(f"height_m: expected [least, greatest] in metres, got {list(self.height_m)}")


class GridSpec(Part, frozen=True, kw_only=True):
    """One grid of queries: `[H, W]` cells with `anchors` heights each, or `[Z, H, W]` voxels.

    `order` names the axes that `shape` counts, slowest first, where they are others: `zy` is a plane of queries over z
    and y with its anchors along x, `xyz` are voxels with z fastest.
    """

    shape: tuple[int, ...]
    range_m: tuple[float, float, float, float, float, float]
    anchors: int = 1
    order: str = ""

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or min(self.shape) <= 0:
            raise ValueError(f"shape: expected [H, W] or [Z, H, W] above 0, got {list(self.shape)}")
        sidecar.checked(self.grid)

    def grid(self) -> QueryGrid:
        """Return the grid as the visibility plan wants it."""
        return QueryGrid(self.shape, self.range_m, self.anchors, self.order)


class RuleSpec(Part, frozen=True, kw_only=True):
    """When a point counts as seen: deeper than `min_depth_m` and strictly inside the network's image."""

    min_depth_m: float = 1e-5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.min_depth_m) and self.min_depth_m >= 0):
            raise ValueError(f"min_depth_m: expected a finite number >= 0, got {self.min_depth_m}")


class InputRule(Part, frozen=True, kw_only=True):
    """How verification makes an input: normal noise times `scale`, or one of `values` in turn, frame by frame."""

    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = {"scale": self.scale, "offset": self.offset, "low": self.low, "high": self.high}
        numbers |= {f"values[{index}]": value for index, value in enumerate(self.values)}
        for key, number in numbers.items():
            if number is not None and not abs(number) <= LARGEST_NUMBER:
                raise ValueError(f"{key}: expected a finite number of float32, got {number}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low: expected at most `high`, {self.high}, got {self.low}")


class InputKind(Part, frozen=True, kw_only=True):
    """Which matrix an input wants, where its pixels are not the network's or it holds each matrix several times.

    Attributes:
        kind: One of `model_kinds.KINDS`.
        stride: How many pixels of the network's image a pixel of the matrix is wide, 8 for a feature map of 1/8.
        repeat: How many times in a row the input holds each camera's matrix: once per image token, for instance.
    """

    kind: str
    stride: float = 1.0
    repeat: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no kind is called {self.kind!r}; {closest(self.kind, KINDS)}")
        if not (math.isfinite(self.stride) and self.stride > 0):
            raise ValueError(f"stride: expected a number above 0, got {self.stride}")
        if self.stride != 1.0 and not KINDS[self.kind].pixels:
            raise ValueError(f"stride: {self.kind} is not in pixels of the network's image")
        if not 1 <= self.repeat <= MOST_REPEATS:
            raise ValueError(f"repeat: expected a whole number from 1 to {MOST_REPEATS}, got {self.repeat}")

    def __str__(self) -> str:
        stride = "" if self.stride == 1.0 else f", stride {self.stride:g}"
        return self.kind + stride + ("" if self.repeat == 1 else f", repeat {self.repeat}")


class ModelSpec(Part, frozen=True, kw_only=True):
    """What the graph of a model does not say.

    Attributes:
        name: Name for people.
        image: Image preparation, for all cameras, or one entry per camera in `images`.
        calibration_inputs: ONNX input name -> which matrix of the calibration it wants: a kind, or a record of it.
        points: The frame of the points that the model was trained with; None if it is not known.
        grids: One per kind of query site; empty if the graph alone must do.
        frustum: What the model lifts and pools; None if it does not, or if it is not known.
        rule: The visibility rule of the model.
        cameras: Names in the order of training; empty if any order will do.
        other_inputs: ONNX input name -> constant that it is bound to at build time.
        inputs: How verification makes each remaining input.
    """

    schema: str = SCHEMA
    name: str = "model"
    image: ImagePrep
    images: tuple[ImagePrep, ...] = ()
    calibration_inputs: dict[str, str | InputKind]
    points: PointsSpec | None = None
    grids: tuple[GridSpec, ...] = ()
    frustum: FrustumSpec | None = None
    rule: RuleSpec = RuleSpec()
    cameras: tuple[str, ...] = ()
    other_inputs: dict[str, object] = msgspec.field(default_factory=dict)
    inputs: dict[str, InputRule] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.calibration_inputs:
            try:
                self.kind_of(name)
            except ValueError as error:
                raise ValueError(f"calibration_inputs.{name}: {error}") from error
        names = {"name": self.name} | {f"cameras[{index}]": name for index, name in enumerate(self.cameras)}
        for section in ("calibration_inputs", "other_inputs", "inputs"):
            names |= {f"{section}: {name!r}": name for name in getattr(self, section)}
        for place, name in names.items():
            sidecar.checked(checks.printable, name, place)
        for name, value in self.other_inputs.items():
            sidecar.checked(sidecar.constant, name, value)
            if name in self.calibration_inputs:
                raise ValueError(f"other_inputs.{name}: expected no calibration input, got one")

    def kind_of(self, name: str) -> InputKind:
        """Return which matrix a calibration input wants."""
        kind = self.calibration_inputs[name]
        return InputKind(kind=kind) if isinstance(kind, str) else kind

    def visibility_rule(self) -> VisibilityRule:
        """Return the rule as the visibility plan wants it."""
        return VisibilityRule(min_depth=self.rule.min_depth_m)

    def image_of(self, camera: int) -> ImagePrep:
        """Return the image preparation of one camera."""
        return self.images[camera] if self.images else self.image

    def sizes_px(self, count: int) -> np.ndarray:
        """Return the (N, 2) widths and heights of the network's images."""
        return np.array([self.image_of(index).size_px for index in range(count)])

    def network_from_lidar(self, profile: CalibrationProfile) -> np.ndarray:
        """Return the (N, 4, 4) float64 matrices from lidar points (m) to network pixels."""
        self._check_cameras(profile)
        raw = profile.image_from_lidar()
        return np.stack([self.image_of(index).network_from_raw() @ raw[index] for index in range(len(raw))])

    def calibration_arrays(self, profile: CalibrationProfile) -> dict[str, np.ndarray]:
        """Return what every calibration input gets: (N, 4, 4) float64, by ONNX input name."""
        rig = self.rig(profile)
        kinds = {name: self.kind_of(name) for name in self.calibration_inputs}
        return {name: matrices_of(each.kind, each.stride, rig) for name, each in kinds.items()}

    def rig(self, profile: CalibrationProfile) -> Rig:
        """Return a vehicle as this model sees it, with the images that it prepares."""
        projections = self.network_from_lidar(profile)
        count = len(projections)
        prepared = np.stack([self.image_of(index).network_from_raw() for index in range(count)])
        return Rig(profile, prepared, projections)

    def constants(self) -> dict[str, np.ndarray]:
        """Return what is held constant beside the calibration, by ONNX input name."""
        return {name: sidecar.constant(name, value) for name, value in self.other_inputs.items()}

    def to_text(self) -> str:
        """Return the YAML that `read_spec` reads back to an equal value."""
        data = {"schema": self.schema, **msgspec.to_builtins(self)}  # the default would be left out
        return sidecar.values_text(data)

    def _check_cameras(self, profile: CalibrationProfile) -> None:
        count = len(profile.cameras)
        if self.images and len(self.images) != count:
            raise InputError(
                f"{self.name}: images",
                f"one entry per camera of the profile ({count})",
                str(len(self.images)),
            )


def read_spec(path: Path) -> ModelSpec:
    """Read a model's sidecar file.

    Raises:
        InputError: The file is missing, is not YAML, or says something that a spec cannot say.
    """
    return parse_spec(read_text(path), str(path))


def parse_spec(text: str, where: str) -> ModelSpec:
    """Parse the text of a sidecar file; `where` names it in errors.

    Raises:
        InputError: As `read_spec`.
    """
    try:
        return msgspec.convert(sidecar.parse_values(text, where, SCHEMA), ModelSpec)
    except (msgspec.ValidationError, ValueError) as error:
        raise _spec_error(where, str(error)) from error


def _spec_error(where: str, message: str) -> InputError:
    text, _, path = message.partition(" - at `$")
    place = f"{where}: {path.strip('`.')}" if path else where
    unknown = re.search(r"unknown field `(\w+)`", text)
    if unknown:
        known = {field.name for part in Part.__subclasses__() for field in msgspec.structs.fields(part)}
        return InputError(place, "only known keys", repr(unknown[1]), closest(unknown[1], known))
    return InputError(place, "a model spec", text, f"see docs/reference/model-spec.md for `{SCHEMA}`")
