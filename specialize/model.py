"""ModelSpec: what the compiler must be told about a model because its graph does not say it.

Written as YAML beside the ONNX (`my.model.yaml` for `my.onnx`), `schema: specialize/model@1`. The built-in
models ship the same kind of file, so that no torch is needed to know them. The *model* owns image
preparation: a network pixel is `scale * raw - crop`, padding changes nothing but the size.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import yaml

from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, closest
from specialize.visibility.grid import QueryGrid, VisibilityRule

SCHEMA = "specialize/model@1"

Kind = Literal[
    "lidar2img",
    "img2lidar",
    "lidar2cam",
    "cam2lidar",
    "intrinsic",
    "network_intrinsic",
    "image_aug",
    "lidar2ego",
    "ego2lidar",
    "identity",
]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A section of the file: immutable, unknown keys are errors."""


class ImagePrep(_Part, frozen=True, kw_only=True):
    """How a raw image becomes the network's image: `network = scale * raw - crop`, then padding to `size_px`.

    Attributes:
        size_px: Width and height of the network's input, padding included.
        scale: Factor applied to the raw image.
        crop_px: Columns and rows cut off at the left and top, in scaled pixels.
    """

    size_px: tuple[int, int]
    scale: float = 1.0
    crop_px: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if min(self.size_px) <= 0:
            raise ValueError(f"size_px: expected [width, height] above 0, got {list(self.size_px)}")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale: expected a number above 0, got {self.scale}")

    def network_from_raw(self) -> np.ndarray:
        """Return the (4, 4) float64 matrix that takes raw to network pixels (homogeneous, last axis kept)."""
        matrix = np.diag([self.scale, self.scale, 1.0, 1.0])
        matrix[0, 2], matrix[1, 2] = -self.crop_px[0], -self.crop_px[1]
        return matrix


class GridSpec(_Part, frozen=True, kw_only=True):
    """One grid of queries: `[H, W]` cells with `anchors` heights each, or `[Z, H, W]` voxels."""

    shape: tuple[int, ...]
    range_m: tuple[float, float, float, float, float, float]
    anchors: int = 1

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or min(self.shape) <= 0:
            raise ValueError(f"shape: expected [H, W] or [Z, H, W] above 0, got {list(self.shape)}")

    def grid(self) -> QueryGrid:
        """Return the grid as the visibility plan wants it."""
        return QueryGrid(shape=self.shape, range_m=self.range_m, anchors=self.anchors)


class RuleSpec(_Part, frozen=True, kw_only=True):
    """When a point counts as seen: deeper than `min_depth_m` and strictly inside the network's image."""

    min_depth_m: float = 1e-5


class InputRule(_Part, frozen=True, kw_only=True):
    """How verification makes an input: normal noise times `scale`, or one of `values` in turn, frame by frame."""

    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None
    values: tuple[float, ...] = ()


class ModelSpec(_Part, frozen=True, kw_only=True):
    """What the graph of a model does not say.

    Attributes:
        name: Name for people.
        image: Image preparation, for all cameras, or one entry per camera in `images`.
        calibration_inputs: ONNX input name -> which matrix of the calibration it wants.
        grids: One per kind of query site; empty if the graph alone must do.
        rule: The visibility rule of the model.
        cameras: Names in the order of training; empty if any order will do.
        other_inputs: ONNX input name -> constant that it is bound to at build time.
        inputs: How verification makes each remaining input.
    """

    schema: str = SCHEMA
    name: str = "model"
    image: ImagePrep
    images: tuple[ImagePrep, ...] = ()
    calibration_inputs: dict[str, Kind]
    grids: tuple[GridSpec, ...] = ()
    rule: RuleSpec = RuleSpec()
    cameras: tuple[str, ...] = ()
    other_inputs: dict[str, object] = {}
    inputs: dict[str, InputRule] = {}

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
        self._check_cameras(profile)
        return {name: _matrices(kind, self, profile) for name, kind in self.calibration_inputs.items()}

    def constants(self) -> dict[str, np.ndarray]:
        """Return what is held constant beside the calibration, by ONNX input name."""
        return {name: np.asarray(value) for name, value in self.other_inputs.items()}

    def to_text(self) -> str:
        """Return the YAML that `read_spec` reads back to an equal value."""
        data = {"schema": self.schema, **msgspec.to_builtins(self)}  # the default would be left out
        return yaml.safe_dump(data, sort_keys=False, default_flow_style=None)

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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), "a readable YAML file", str(error)) from error
    return parse_spec(text, str(path))


def parse_spec(text: str, where: str) -> ModelSpec:
    """Parse the text of a sidecar file; `where` names it in errors."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(where, "YAML", str(error).replace("\n", " ")) from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = repr(data.get("schema")) if isinstance(data, dict) else type(data).__name__
        raise InputError(f"{where}: schema", repr(SCHEMA), found, f"start the file with `schema: {SCHEMA}`")
    try:
        return msgspec.convert(data, ModelSpec)
    except (msgspec.ValidationError, ValueError) as error:
        raise _spec_error(where, str(error)) from error


def _spec_error(where: str, message: str) -> InputError:
    text, _, path = message.partition(" - at `$")
    place = f"{where}: {path.strip('`.')}" if path else where
    unknown = re.search(r"unknown field `(\w+)`", text)
    if unknown:
        known = {field.name for part in _Part.__subclasses__() for field in msgspec.structs.fields(part)}
        return InputError(place, "only known keys", repr(unknown[1]), closest(unknown[1], known))
    return InputError(place, "a model spec", text, f"see docs/reference/model-spec.md for `{SCHEMA}`")


def _matrices(kind: Kind, spec: ModelSpec, profile: CalibrationProfile) -> np.ndarray:
    """Return the (N, 4, 4) float64 matrices of one kind; pixels are the network's, except for `intrinsic`."""
    count = len(profile.cameras)
    if kind == "lidar2img":
        return spec.network_from_lidar(profile)
    if kind == "img2lidar":
        return np.linalg.inv(spec.network_from_lidar(profile))
    if kind == "identity":
        return np.broadcast_to(np.eye(4), (count, 4, 4)).copy()
    if kind == "image_aug":
        return np.stack([_aug(spec.image_of(index)) for index in range(count)])
    if kind in ("lidar2ego", "ego2lidar"):
        if profile.ego_from_lidar is None:
            raise InputError(
                f"{profile.vehicle}: lidar2ego", f"a pose, because the model wants {kind}", "none"
            )
        pose = profile.ego_from_lidar if kind == "lidar2ego" else np.linalg.inv(profile.ego_from_lidar)
        return np.broadcast_to(pose, (count, 4, 4)).copy()
    if kind == "network_intrinsic":
        raw = [_camera_matrix("intrinsic", profile, index) for index in range(count)]
        return np.stack([spec.image_of(index).network_from_raw() @ raw[index] for index in range(count)])
    return np.stack([_camera_matrix(kind, profile, index) for index in range(count)])


def _aug(image: ImagePrep) -> np.ndarray:
    """Return BEVFusion's `img_aug_matrix`: scale on the diagonal, minus the crop in the last column."""
    matrix = np.diag([image.scale, image.scale, 1.0, 1.0])
    matrix[0, 3], matrix[1, 3] = -image.crop_px[0], -image.crop_px[1]
    return matrix


def _camera_matrix(kind: Kind, profile: CalibrationProfile, index: int) -> np.ndarray:
    camera = profile.cameras[index]
    if camera.intrinsic is None or camera.camera_from_lidar is None:
        hint = "a bare lidar2img cannot be taken apart for this model: give intrinsic and lidar2cam"
        raise InputError(
            f"{profile.vehicle}: cameras[{index}]", f"an intrinsic and a pose, for {kind}", "none", hint
        )
    if kind == "intrinsic":
        matrix = np.eye(4)
        matrix[:3, :3] = camera.intrinsic
        return matrix
    pose = camera.camera_from_lidar
    return pose.copy() if kind == "lidar2cam" else np.linalg.inv(pose)
