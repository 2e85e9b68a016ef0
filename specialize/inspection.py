"""What a model is, before anybody builds it: calibration inputs, operators, what specialization would do."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import onnx_ir as ir

from specialize.anatomy import SiteForm, find_grid, mask_names, site_forms
from specialize.artifact.manifest import PassNote, Site, Tensor
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.describe import describe_notes, describe_site, describe_tensor
from specialize.errors import SpecializeError
from specialize.graph.batch import batch_notes, bind_batch
from specialize.graph.io import opset_of, read_as_written, read_graph
from specialize.graph.known import fold
from specialize.model import GridSpec, ImagePrep, ModelSpec, read_spec
from specialize.model_kinds import KINDS
from specialize.passes.base import Note
from specialize.passes.bind import feeds_of
from specialize.passes.lower import has_custom, runnable
from specialize.passes.pipeline import specialize_graph
from specialize.resources import resource_dir
from specialize.rows.arrange import Packing

DATA_DEPENDENT = ("NonZero", "Compress", "Unique", "NonMaxSuppression", "Loop", "If", "Scan", "SequenceMap")
_MATRIX = ((4, 4), (3, 4), (3, 3))
_MOST_CAMERAS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInspection:
    """What was found in an ONNX file.

    Attributes:
        path: The file.
        opset: Version of the standard operators; 0 if it uses none.
        nodes: Number of nodes.
        inputs: What it wants; a dimension without a number is -1.
        outputs: What it gives, likewise.
        operators: How many nodes of each operator, the most frequent first.
        data_dependent: Those of the operators whose results have no fixed shape.
        calibration_inputs: Inputs that look like matrices per camera, and which matrix each seems to want.
        sidecar: Text of the sidecar, or the draft of one.
        drafted: Whether it is a draft: scale and crop of the image are not in a graph.
        rig: Vehicle whose calibration the rest is for: the one asked for, or a packaged one with as many cameras.
        sites: What a specialization keeps; empty if nothing could be specialized.
        forms: How each site is written.
        masks: Values that say what the cameras see.
        nodes_after: Number of nodes after specialization; 0 if there was none.
        notes: What each pass would do, or why it declines.
        obstacle: Why nothing was specialized, if so.
    """

    path: Path
    opset: int
    nodes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: dict[str, int]
    data_dependent: dict[str, int]
    calibration_inputs: dict[str, str]
    sidecar: str
    drafted: bool
    rig: str = ""
    sites: tuple[Site, ...] = ()
    forms: tuple[SiteForm, ...] = ()
    masks: tuple[str, ...] = ()
    nodes_after: int = 0
    notes: tuple[PassNote, ...] = ()
    obstacle: str = ""


def inspect_model(path: Path, model_spec: Path | None = None, calib: Path | None = None) -> ModelInspection:
    """Look at an ONNX file, and at what a specialization would do for a calibration or a packaged rig.

    Raises:
        InputError: The model, its sidecar or the profile cannot be read; or the profile does not fit.
    """
    written, model = read_as_written(path), read_graph(path)
    batch = tuple(Note("batch", "applied", *note) for note in batch_notes(bind_batch(model)))
    beside = path.with_suffix(".model.yaml")
    chosen = model_spec or (beside if beside.is_file() else None)
    inputs = tuple(describe_tensor(value) for value in model.graph.inputs)
    guessed = guess_calibration(inputs)
    cameras = _cameras(inputs, guessed)
    profile = load_profile(calib) if calib is not None else _packaged(cameras)
    spec = _draft(path, inputs, guessed, profile) if chosen is None else read_spec(chosen)
    operators = Counter(node.op_type for node in written.graph.all_nodes())
    found = ModelInspection(
        path=path,
        opset=opset_of(written),
        nodes=operators.total(),
        inputs=inputs,
        outputs=tuple(describe_tensor(value) for value in model.graph.outputs),
        operators=dict(sorted(operators.items(), key=lambda item: (-item[1], item[0]))),
        data_dependent={name: operators[name] for name in DATA_DEPENDENT if operators[name]},
        calibration_inputs={name: str(kind) for name, kind in spec.calibration_inputs.items()},
        sidecar=spec.to_text(),
        drafted=chosen is None,
        notes=describe_notes(batch),
    )
    if profile is None or not spec.calibration_inputs:
        why = (
            f"no packaged rig has {cameras} camera{'' if cameras == 1 else 's'}: give --calib"
            if guessed
            else "no calibration inputs found"
        )
        return replace(found, obstacle=why)
    try:
        return _specialized(found, model, spec, profile)
    except SpecializeError as error:
        if calib is not None:
            raise
        return replace(found, obstacle=str(error))


def guess_calibration(inputs: tuple[Tensor, ...]) -> dict[str, str]:
    """Return the inputs that hold a small matrix per camera, with the matrix that their name suggests."""
    return {tensor.name: _kind(tensor.name) for tensor in inputs if _is_calibration(tensor)}


def _is_calibration(tensor: Tensor) -> bool:
    lead, matrix = tensor.shape[:-2], tensor.shape[-2:]
    cameras = [size for size in lead if size != 1]
    few = len(cameras) <= 1 and all(size <= _MOST_CAMERAS for size in cameras)
    return tensor.dtype.startswith("float") and matrix in _MATRIX and few


def _kind(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((kind for kind in KINDS if kind.replace("_", "") in plain), "lidar2img")


def _cameras(inputs: tuple[Tensor, ...], guessed: dict[str, str]) -> int:
    """Return how many cameras the calibration inputs are for."""
    counts = [_volume(t) // (t.shape[-1] * t.shape[-2]) for t in inputs if t.name in guessed]
    return max(counts, default=0)


def _packaged(cameras: int) -> CalibrationProfile | None:
    """Return a packaged rig with that many cameras, to show what a specialization would do; None without one."""
    folder = resource_dir("calib_profiles")
    files = {
        4: folder / "reference" / "wide4.yaml",
        6: folder / "car42.yaml",
        7: folder / "reference" / "ring7.yaml",
    }
    return load_profile(files[cameras]) if cameras in files else None


def _draft(
    path: Path, inputs: tuple[Tensor, ...], guessed: dict[str, str], profile: CalibrationProfile | None
) -> ModelSpec:
    """Return a sidecar to start from: the image is the largest input, as if it were the whole raw one, made smaller."""
    others = [tensor for tensor in inputs if tensor.name not in guessed]
    image = max(others, key=lambda tensor: (len(tensor.shape) >= 4, _volume(tensor)), default=None)
    height, width = image.shape[-2:] if image is not None and len(image.shape) >= 2 else (1, 1)
    size = (max(width, 1), max(height, 1))
    scale = 1.0 if profile is None else round(size[0] / profile.cameras[0].width_px, 6)
    prep = ImagePrep(size_px=size, scale=scale)
    return ModelSpec(name=path.stem, image=prep, calibration_inputs=dict(guessed))


def _volume(tensor: Tensor) -> int:
    volume = 1
    for size in tensor.shape:
        volume *= max(size, 1)
    return volume


def _specialized(
    found: ModelInspection, model: ir.Model, spec: ModelSpec, profile: CalibrationProfile
) -> ModelInspection:
    """Specialize a graph, in place, and describe what that finds."""
    bound = {*spec.calibration_inputs, *spec.other_inputs}
    original = read_graph(found.path)
    bind_batch(original)
    if has_custom(model):
        runnable(model)
    fold(model)
    if found.drafted:
        spec = _with_grid(spec, find_grid(model, spec.calibration_inputs))
    masks = mask_names(model, spec, (profile,))
    done = specialize_graph(model, feeds_of(model, spec, profile), Packing("ragged", 1))
    cameras = profile.camera_names()
    return replace(
        found,
        sidecar=spec.to_text(),
        rig=profile.vehicle,
        sites=tuple(describe_site(site, cameras) for site in done.sites),
        forms=site_forms(original, bound, done.sites, len(cameras)),
        masks=masks,
        nodes_after=len(done.model.graph),
        notes=(*found.notes, *describe_notes(done.notes)),
    )


def _with_grid(spec: ModelSpec, grid: GridSpec | None) -> ModelSpec:
    return spec if grid is None else msgspec.structs.replace(spec, grids=(grid,))
