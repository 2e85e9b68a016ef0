"""Read and write calibration profiles: YAML, `schema: specialize/profile@1`.

    schema: specialize/profile@1
    vehicle: car42
    lidar2ego: {rotation_wxyz: [...], translation_m: [...]}     needed by sensor2ego
    tolerance: {rotation_deg: 0.5, ...}                          default of every camera
    cameras:
      - name: CAM_FRONT
        size_px: [1600, 900]
        intrinsic: [[fx, s, cx], [0, fy, cy], [0, 0, 1]]
        sensor2ego: {rotation_wxyz: [...], translation_m: [...]}

A camera is given by `lidar2img` alone, by `intrinsic` and `lidar2cam`, or by `intrinsic` and `sensor2ego`; the
rotation of a pose may also be a matrix or angles (`mounting`). With `lens` (`lens_node`) instead of `intrinsic`, the
model is given raw images of that lens; with both, images undistorted to the intrinsic. Optional: `distortion`,
`time_offset_s`, `tolerance`, and `notes` at the top level.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from specialize.calibration import checks
from specialize.calibration.camera import DISTORTION_MODELS, MOST_PX, Camera, Distortion
from specialize.calibration.document import read_document
from specialize.calibration.dump import dump_profile
from specialize.calibration.lens_node import read_lens
from specialize.calibration.mounting import camera_pose, lidar_pose
from specialize.calibration.node import Node
from specialize.calibration.pose import Matrix, inverse, product
from specialize.calibration.profile import SCHEMA, CalibrationProfile
from specialize.calibration.table import is_table, read_row, table_of
from specialize.calibration.tolerance import EXACT, TOLERANCE_KEYS, Tolerance
from specialize.errors import InputError, closest

__all__ = ["dump_profile", "load_profile", "parse_profile"]

_OPTIONAL = ("distortion", "time_offset_s", "tolerance")
_GEOMETRY = ("lidar2img", "intrinsic", "lens", "lidar2cam", "sensor2ego")
_LENSES, _POSES = (("intrinsic",), ("lens",), ("intrinsic", "lens")), ("lidar2cam", "sensor2ego")
_SPELLINGS = (("lidar2img",), *((*lens, pose) for lens in _LENSES for pose in _POSES))
_SPELLINGS_TEXT = "`lidar2img`, or `intrinsic` or `lens` + `lidar2cam` or `sensor2ego`"


def load_profile(path: str | Path) -> CalibrationProfile:
    """Load the calibration profile in a YAML file, or that of one vehicle in a table: `fleet.parquet/car42`.

    Raises:
        InputError: The file is unreadable, or a value in it is invalid; the error names the key path.
        UsageError: It is in a table, and pyarrow is not installed.
    """
    path = Path(path)
    home = table_of(path)
    if home is None:
        if is_table(path):
            raise InputError(str(path), "one profile", "a table of them", f"name the vehicle: {path}/NAME")
        return parse_profile(read_document(path), str(path))
    document, stored = read_row(home, path.name)
    profile = parse_profile(document, str(path))
    if profile.digest != stored:
        hint = "the table is damaged: pack it again"
        raise InputError(f"{path}: digest", f"{stored}, as the table says", profile.digest, hint)
    return profile


def parse_profile(document: Any, source: str) -> CalibrationProfile:
    """Parse a profile from a document's plain values; `source` names the document in errors."""
    if isinstance(document, Mapping):
        _check_schema(Node(document, source))
    root = Node(document, source).mapping(
        ("schema", "vehicle", "cameras"), ("lidar2ego", "tolerance", "notes")
    )
    ego_from_lidar = lidar_pose(root.child("lidar2ego")) if root.has("lidar2ego") else None
    default = _tolerance(root.child("tolerance"), EXACT) if root.has("tolerance") else EXACT
    nodes = root.child("cameras").items()
    if not nodes:
        raise root.child("cameras").error("at least one camera", "none")
    names: dict[str, str] = {}
    cameras = []
    for node in nodes:
        camera = _camera(node, ego_from_lidar, default)
        if camera.name in names:
            raise node.child("name").error(f"a unique name, not that of {names[camera.name]}")
        names[camera.name] = node.path
        cameras.append(camera)
    vehicle = root.child("vehicle")
    return CalibrationProfile(
        vehicle=checks.printable(vehicle.text(), vehicle.where),
        cameras=tuple(cameras),
        ego_from_lidar=ego_from_lidar,
        notes=root.child("notes").text() if root.has("notes") else "",
    )


def _check_schema(root: Node) -> None:
    """Raise if the document has another schema or version, before any other error is reported."""
    schema = root.value.get("schema")
    if schema == SCHEMA:
        return
    hint = f"add the line `schema: {SCHEMA}`"
    if isinstance(schema, str) and schema.startswith("specialize/profile@"):
        hint = "this version of specialize reads version 1 only"
    where = f"{root.source}: schema"
    raise InputError(where, repr(SCHEMA), "nothing" if schema is None else repr(schema), hint)


def _camera(node: Node, ego_from_lidar: Matrix | None, default: Tolerance) -> Camera:
    """Parse one camera from any of the three forms."""
    node.mapping(("name", "size_px"), (*_GEOMETRY, *_OPTIONAL))
    name = node.child("name").text()
    if name != name.strip():
        raise node.child("name").error("a name without leading or trailing blanks")
    checks.printable(name, node.child("name").where)
    width, height = _size_px(node.child("size_px"))
    distortion = _distortion(node.child("distortion")) if node.has("distortion") else None
    time_offset_s = node.child("time_offset_s").number() if node.has("time_offset_s") else 0.0
    tolerance = _tolerance(node.child("tolerance"), default) if node.has("tolerance") else default
    given = tuple(key for key in _GEOMETRY if node.has(key))
    if given not in _SPELLINGS:
        raise node.error(
            f"one of these forms: {_SPELLINGS_TEXT}", ", ".join(given) or "none of them", _hint_for(given)
        )
    if "lidar2img" in given:
        matrix = node.child("lidar2img")
        return Camera.projective(
            name,
            (width, height),
            checks.projection(matrix.matrix(4, 4), matrix.where),
            distortion=distortion,
            time_offset_s=time_offset_s,
            tolerance=tolerance,
        )
    pose = _camera_from_lidar(node, ego_from_lidar)
    common: _Common = {"distortion": distortion, "time_offset_s": time_offset_s, "tolerance": tolerance}
    if "lens" not in given:
        return Camera.pinhole(name, (width, height), _intrinsic(node), pose, **common)
    return _camera_with_lens(node, name, (width, height), pose, common)


class _Common(TypedDict):
    distortion: Distortion | None
    time_offset_s: float
    tolerance: Tolerance


def _camera_with_lens(
    node: Node, name: str, size_px: tuple[int, int], pose: Matrix, common: _Common
) -> Camera:
    """Parse a camera with a lens; with an intrinsic as well, the model is given undistorted images."""
    lens, own = read_lens(node.child("lens")), None
    if node.has("distortion"):
        raise node.child("distortion").error(
            "no distortion next to `lens`", hint="a lens has its own distortion: keep one of the two"
        )
    if node.child("lens").has("size_px"):
        own = _size_px(node.child("lens").child("size_px"))
    if node.has("intrinsic"):
        return Camera.pinhole(name, size_px, _intrinsic(node), pose, lens=lens, lens_size_px=own, **common)
    if own is not None:
        hint = (
            "the size of raw images is the camera's size_px; the lens needs its own size only next "
            "to `intrinsic`"
        )
        raise node.child("lens").child("size_px").error("no size in a `lens` without `intrinsic`", hint=hint)
    offset, tolerance = common["time_offset_s"], common["tolerance"]
    return Camera.through(name, size_px, lens, pose, time_offset_s=offset, tolerance=tolerance)


def _intrinsic(node: Node) -> Matrix:
    matrix = node.child("intrinsic")
    return checks.pinhole_intrinsic(matrix.matrix(3, 3), matrix.where)


def _hint_for(given: tuple[str, ...]) -> str:
    """Return a hint about a mixture of forms."""
    if "lidar2img" in given:
        return "lidar2img already contains the others: keep one of the two"
    if given in (("lidar2cam",), ("sensor2ego",)):
        return "add `intrinsic:`, three rows in pixels of the raw image"
    if given == ("intrinsic",):
        return "add `lidar2cam:` or `sensor2ego:`"
    return "lidar2cam and sensor2ego state the same pose: keep one" if given else "add one of them"


def _camera_from_lidar(node: Node, ego_from_lidar: Matrix | None) -> Matrix:
    """Return the checked (4, 4) pose of a camera from `lidar2cam` or `sensor2ego`."""
    if node.has("lidar2cam"):
        pose = node.child("lidar2cam")
        return checks.rigid_pose(pose.matrix(4, 4), pose.where)
    ego_from_camera = camera_pose(node.child("sensor2ego"))
    if ego_from_lidar is None:
        where = f"{node.source}: lidar2ego"
        raise InputError(where, "the lidar's pose, because sensor2ego is used", "nothing", "add `lidar2ego:`")
    return product(inverse(ego_from_camera), ego_from_lidar)


def _size_px(node: Node) -> tuple[int, int]:
    """Parse width and height."""
    items = node.items() if isinstance(node.value, list) else []
    if len(items) != 2:
        raise node.error("[width, height] in pixels")
    return items[0].count(MOST_PX), items[1].count(MOST_PX)


def _distortion(node: Node) -> Distortion:
    """Parse the lens model."""
    node.mapping(("model", "coefficients"))
    model = node.child("model")
    if model.value not in DISTORTION_MODELS:
        raise model.error("a known lens model", hint=closest(str(model.value), DISTORTION_MODELS))
    coefficients = node.child("coefficients").vector(DISTORTION_MODELS[model.value], f"of {model.value}")
    return Distortion(model.value, tuple(coefficients))


def _tolerance(node: Node, default: Tolerance) -> Tolerance:
    """Parse bounds from a mapping; missing bounds are taken from `default`."""
    node.mapping((), TOLERANCE_KEYS)
    bounds = default.to_json()
    for key in node.value:
        if node.has(key):
            bounds[key] = node.child(key).number()
            if bounds[key] < 0:
                raise node.child(key).error("a number >= 0")
    return Tolerance(**bounds)
