"""What a model is, before anybody builds it: calibration inputs, operators, what specialization would do."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import onnx_ir as ir

from specialize.artifact.manifest import PassNote, Site, Tensor
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.describe import describe_notes, describe_site, describe_tensor
from specialize.graph.io import read_graph
from specialize.model import ImagePrep, Kind, ModelSpec, read_spec
from specialize.passes.pipeline import specialize_graph
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
        sites: What a specialization keeps; empty without a calibration.
        notes: What each pass would do, or why it declines; empty without a calibration.
    """

    path: Path
    opset: int
    nodes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: dict[str, int]
    data_dependent: dict[str, int]
    calibration_inputs: dict[str, Kind]
    sidecar: str
    drafted: bool
    sites: tuple[Site, ...] = ()
    notes: tuple[PassNote, ...] = ()


def inspect_model(path: Path, model_spec: Path | None = None, calib: Path | None = None) -> ModelInspection:
    """Look at an ONNX file; with a calibration, also at what a specialization would do.

    Raises:
        InputError: The model, its sidecar or the profile cannot be read.
    """
    model = read_graph(path)
    beside = path.with_suffix(".model.yaml")
    chosen = model_spec or (beside if beside.is_file() else None)
    inputs = tuple(describe_tensor(value) for value in model.graph.inputs)
    guessed = guess_calibration(inputs)
    spec = _draft(path, inputs, guessed) if chosen is None else read_spec(chosen)
    operators = Counter(node.op_type for node in model.graph.all_nodes())
    found = ModelInspection(
        path=path,
        opset=model.graph.opset_imports.get("", 0),
        nodes=operators.total(),
        inputs=inputs,
        outputs=tuple(describe_tensor(value) for value in model.graph.outputs),
        operators=dict(sorted(operators.items(), key=lambda item: (-item[1], item[0]))),
        data_dependent={name: operators[name] for name in DATA_DEPENDENT if operators[name]},
        calibration_inputs=guessed if chosen is None else spec.calibration_inputs,
        sidecar=spec.to_text(),
        drafted=chosen is None,
    )
    return found if calib is None else _specialized(found, model, spec, load_profile(calib))


def guess_calibration(inputs: tuple[Tensor, ...]) -> dict[str, Kind]:
    """Return the inputs that hold a small matrix per camera, with the matrix that their name suggests."""
    return {tensor.name: _kind(tensor.name) for tensor in inputs if _is_calibration(tensor)}


def _is_calibration(tensor: Tensor) -> bool:
    lead, matrix = tensor.shape[:-2], tensor.shape[-2:]
    cameras = [size for size in lead if size != 1]
    few = len(cameras) <= 1 and all(size <= _MOST_CAMERAS for size in cameras)
    return tensor.dtype.startswith("float") and matrix in _MATRIX and few


def _kind(name: str) -> Kind:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    kinds: tuple[Kind, ...] = get_args(Kind)
    return next((kind for kind in kinds if kind.replace("_", "") in plain), "lidar2img")


def _draft(path: Path, inputs: tuple[Tensor, ...], guessed: dict[str, Kind]) -> ModelSpec:
    """Return a sidecar to start from: the image is the largest input, its scale is unknown."""
    image = max(inputs, key=lambda tensor: (len(tensor.shape) >= 4, _volume(tensor)), default=None)
    height, width = image.shape[-2:] if image is not None and len(image.shape) >= 2 else (1, 1)
    size = (max(width, 1), max(height, 1))
    return ModelSpec(name=path.stem, image=ImagePrep(size_px=size), calibration_inputs=guessed)


def _volume(tensor: Tensor) -> int:
    volume = 1
    for size in tensor.shape:
        volume *= max(size, 1)
    return volume


def _specialized(
    found: ModelInspection, model: ir.Model, spec: ModelSpec, profile: CalibrationProfile
) -> ModelInspection:
    held = {name: np.asarray(value) for name, value in spec.other_inputs.items()}
    done = specialize_graph(model, spec.calibration_arrays(profile) | held, Packing("ragged", 1))
    names = profile.camera_names()
    sites = tuple(describe_site(site, names) for site in done.sites)
    return replace(found, sites=sites, notes=describe_notes(done.notes))
