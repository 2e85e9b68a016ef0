"""Define ModelSpec: information about a model that its graph does not contain.

Written as YAML next to the ONNX file (`my.model.yaml` for `my.onnx`), `schema: specialize/model@1`. The built-in models
ship the same kind of file, so that their specs are available without torch. Image preparation belongs to the *model*: a
network pixel is `scale * raw - crop`, and padding changes only the size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from specialize.calibration import checks
from specialize.calibration.document import read_text
from specialize.calibration.lens import Lens
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, closest
from specialize.model import sidecar
from specialize.model.kinds import KINDS, POOL_TABLES, PROJECTED, VECTORS, Rig, matrices_of
from specialize.model.lenses import parameters_of, raw_lens, require_carried
from specialize.model.parts import OWN_LENS, FrustumSpec, ImagePrep, InputRule, LensSpec, Part, PointsSpec
from specialize.model.pool_tables import pool_tables
from specialize.model.projected import check_axes, in_order, projected
from specialize.visibility.curved import Curved
from specialize.visibility.grid import QueryGrid, VisibilityRule
from specialize.visibility.projection import Projection, Straight

SCHEMA = "specialize/model@1"
MOST_REPEATS = 1 << 20


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
        """Return the grid for the visibility plan."""
        return QueryGrid(self.shape, self.range_m, self.anchors, self.order)


class RuleSpec(Part, frozen=True, kw_only=True):
    """Visibility rule: a point is seen if it is deeper than `min_depth_m` and strictly inside the network's image."""

    min_depth_m: float = 1e-5

    def __post_init__(self) -> None:
        if not (math.isfinite(self.min_depth_m) and self.min_depth_m >= 0):
            raise ValueError(f"min_depth_m: expected a finite number >= 0, got {self.min_depth_m}")


class InputKind(Part, frozen=True, kw_only=True):
    """Kind of matrix of an input with other pixels than the network's, or with repeated matrices.

    Attributes:
        kind: One of `kinds.KINDS`.
        stride: How many pixels of the network's image a pixel of the matrix is wide, 8 for a feature map of 1/8.
        repeat: How many times in a row the input holds each camera's matrix: once per image token, for instance.
        parameters: Names of a lens's parameters, in the order of the input, for the kinds that are no matrices.
        grid: Of `projected`: number of the grid whose points these are.
        axes: Of `projected`: the axes, slowest first: `n` cameras, `q` queries, `d` anchors, and 3 or 4 for columns and
            rows times depth, the depth, and where there is a fourth, 1.
    """

    kind: str
    stride: float = 1.0
    repeat: int = 1
    parameters: tuple[str, ...] = ()
    grid: int = 0
    axes: str = ""

    def __post_init__(self) -> None:
        known = (*KINDS, *VECTORS, *POOL_TABLES, PROJECTED)
        if self.kind not in known:
            raise ValueError(f"no kind is called {self.kind!r}; {closest(self.kind, known)}")
        sidecar.checked(check_axes, self.axes, self.grid, self.kind == PROJECTED)
        if bool(self.parameters) != (self.kind in VECTORS):
            expected = f"names for the kinds {', '.join(VECTORS)}, and for no other"
            raise ValueError(f"parameters: expected {expected}, got {list(self.parameters)} for {self.kind}")
        if not (math.isfinite(self.stride) and self.stride > 0):
            raise ValueError(f"stride: expected a number above 0, got {self.stride}")
        if self.stride != 1.0 and (self.kind not in KINDS or not KINDS[self.kind].pixels):
            raise ValueError(f"stride: {self.kind} is not in pixels of the network's image")
        if not 1 <= self.repeat <= MOST_REPEATS:
            raise ValueError(f"repeat: expected a whole number from 1 to {MOST_REPEATS}, got {self.repeat}")

    def __str__(self) -> str:
        stride = "" if self.stride == 1.0 else f", stride {self.stride:g}"
        kind = self.kind + (f" ({', '.join(self.parameters)})" if self.parameters else "")
        kind += f" of grid {self.grid} ({self.axes})" if self.axes else ""
        return kind + stride + ("" if self.repeat == 1 else f", repeat {self.repeat}")


class ModelSpec(Part, frozen=True, kw_only=True):
    """Information that the graph of a model does not contain.

    Attributes:
        name: Name for people.
        image: Image preparation, for all cameras, or one entry per camera in `images`.
        calibration_inputs: ONNX input name -> the matrix that it expects: a kind, or a record of it.
        points: Frame of the points that the model was trained with; None if unknown.
        grids: One per kind of query site; empty if only the graph's own masks are used.
        frustum: The points that the model lifts and pools; None if it does not, or if unknown.
        rule: Visibility rule of the model.
        lens: Lens that the graph projects through; None if it projects by matrices.
        cameras: Names in the order of training; empty if any order will do.
        other_inputs: ONNX input name -> constant that it is bound to at build time.
        inputs: How verification generates each remaining input.
        guessed: Places of this file whose values a draft guessed and that a person has yet to decide.
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
    lens: LensSpec | None = None
    cameras: tuple[str, ...] = ()
    other_inputs: dict[str, object] = msgspec.field(default_factory=dict)
    inputs: dict[str, InputRule] = msgspec.field(default_factory=dict)
    guessed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.calibration_inputs:
            try:
                grid = self.kind_of(name).grid
            except ValueError as error:
                raise ValueError(f"calibration_inputs.{name}: {error}") from error
            if grid >= max(1, len(self.grids)):
                raise ValueError(f"calibration_inputs.{name}: expected a grid of the sidecar, got {grid}")
            if self.frustum is None and self.kind_of(name).kind in POOL_TABLES:
                raise ValueError(f"calibration_inputs.{name}: expected a `frustum`, whose points it numbers")
        names = {f"guessed[{index}]": place for index, place in enumerate(self.guessed)}
        names |= {"name": self.name} | {f"cameras[{index}]": name for index, name in enumerate(self.cameras)}
        for section in ("calibration_inputs", "other_inputs", "inputs"):
            names |= {f"{section}: {name!r}": name for name in getattr(self, section)}
        for place, name in names.items():
            sidecar.checked(checks.printable, name, place)
        for name, value in self.other_inputs.items():
            sidecar.checked(sidecar.constant, name, value)
            if name in self.calibration_inputs:
                raise ValueError(f"other_inputs.{name}: expected no calibration input, got one")

    def kind_of(self, name: str) -> InputKind:
        """Return the kind of matrix that a calibration input expects."""
        kind = self.calibration_inputs[name]
        return InputKind(kind=kind) if isinstance(kind, str) else kind

    def pooled_by_tables(self) -> bool:
        """Return whether inputs are the tables of a pooling."""
        return any(self.kind_of(name).kind in POOL_TABLES for name in self.calibration_inputs)

    def visibility_rule(self) -> VisibilityRule:
        """Return the rule for the visibility plan."""
        domain = "angle" if self.lens is None else self.lens.domain
        return VisibilityRule(min_depth=self.rule.min_depth_m, domain=domain)

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

    def projection(self, profile: CalibrationProfile) -> Projection:
        """Return how a vehicle's cameras map lidar points (m) to network pixels, as in the graph.

        Raises:
            InputError: The profile does not have the cameras or the lenses that the model needs.
        """
        if self.lens is None:
            matrices = self.network_from_lidar(profile)
            return Straight.of(matrices, self.sizes_px(len(matrices)))
        rig = self.rig(profile)
        if self.lens.model != OWN_LENS:
            carried = [self.kind_of(name) for name in self.calibration_inputs]
            require_carried(
                profile, rig.lenses(prepared=False), [(each.kind, each.parameters) for each in carried]
            )
        return Curved.of(
            rig.lenses(prepared=True), rig.camera_from_lidar(), self.sizes_px(len(profile.cameras))
        )

    @property
    def fed_the_frame(self) -> bool:
        """Whether an input depends on the lidar's pose on the vehicle, which a profile's digest leaves out."""
        return any("ego" in self.kind_of(name).kind for name in self.calibration_inputs)

    def calibration_arrays(self, profile: CalibrationProfile) -> dict[str, np.ndarray]:
        """Return what every calibration input gets, by ONNX input name, float64.

        Matrices are (N, 4, 4), parameters of lenses (N, their number), tables of a pooling (P,) int32.
        """
        rig = self.rig(profile)
        tables = pool_tables(rig, self.frustum, self.image.size_px) if self.pooled_by_tables() else {}
        return {name: self._array(self.kind_of(name), rig, tables) for name in self.calibration_inputs}

    def _array(self, kind: InputKind, rig: Rig, tables: Mapping[str, np.ndarray]) -> np.ndarray:
        if kind.kind in tables:
            return tables[kind.kind]
        if kind.kind in VECTORS:
            return parameters_of(rig.lenses(prepared=kind.kind == "network_lens"), kind.parameters)
        if kind.kind == PROJECTED:
            points = self.grids[kind.grid].grid().points()
            sizes = self.sizes_px(len(rig.profile.cameras))
            return in_order(projected(rig, points, sizes, self.lens is not None), kind.axes)
        return matrices_of(kind.kind, kind.stride, rig)

    def rig(self, profile: CalibrationProfile) -> Rig:
        """Return a vehicle as this model sees it, with the images that it prepares."""
        projections = self.network_from_lidar(profile)
        count = len(projections)
        prepared = np.stack([self.image_of(index).network_from_raw() for index in range(count)])
        return Rig(profile, prepared, projections, self._lenses)

    def _lenses(self, profile: CalibrationProfile, prepared: bool) -> tuple[Lens, ...]:
        if self.lens is None:
            hint = "add `lens: {model: ...}` to the sidecar: the lens that the graph projects through"
            raise InputError(f"{self.name}: lens", "a lens, whose parameters an input takes", "none", hint)
        centre = self.lens.pixel_centre
        found = [raw_lens(camera, self.lens.model).centred(centre) for camera in profile.cameras]
        images = [self.image_of(index) for index in range(len(found))]
        if not prepared:
            return tuple(found)
        return tuple(
            lens.prepared(image.scale, image.crop_px) for lens, image in zip(found, images, strict=True)
        )

    def constants(self) -> dict[str, np.ndarray]:
        """Return the constants other than the calibration, by ONNX input name."""
        return {name: sidecar.constant(name, value) for name, value in self.other_inputs.items()}

    def to_text(self) -> str:
        """Return the YAML that `read_spec` reads back to an equal value."""
        return sidecar.values_text({"schema": self.schema, **msgspec.to_builtins(self)})  # it omits defaults

    def _check_cameras(self, profile: CalibrationProfile) -> None:
        count = len(profile.cameras)
        if self.images and len(self.images) != count:
            expected = f"one entry per camera of the profile ({count})"
            raise InputError(f"{self.name}: images", expected, str(len(self.images)))


def read_spec(path: Path) -> ModelSpec:
    """Read a model's sidecar file.

    Raises:
        InputError: The file is missing, is not YAML, or has invalid values.
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
