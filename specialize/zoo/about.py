"""Describe the built-in models without building them: tensors, parameters, and what a specialization removes.

Sizes come from `interfaces.json`, which `tools/zoo_interfaces.py` writes and a test keeps in step with the modules.
"""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec

from specialize.text.record import Record
from specialize.zoo import VARIANTS

INTERFACES = Path(__file__).with_name("interfaces.json")

PAIRS = "pairs of camera and BEV query that are not seen; projection and mask of all points"
POINTS = "the cell of every frustum point; points outside the grid, where that moves fewer bytes"
NOTHING = "nothing: no calibration goes in"
REMOVES: dict[str, str] = {
    "bevformer_tiny": PAIRS,
    "bevformer_small": PAIRS,
    "bevformer_base": PAIRS,
    "bevformer_tiny_wide": PAIRS,
    "bevformer_tiny_mei": PAIRS,
    "bevformer_tiny_ftheta": PAIRS,
    "surroundocc": "pairs of camera and voxel that are not seen, in three volumes; projection and mask of all voxels",
    "streampetr": "the position embedding of all image tokens and the cone that aligns them: both are constants",
    "bevfusion_camera": POINTS,
    "bevfusion_camera_only": POINTS,
    "bevfusion_camera.backbone": NOTHING,
    "bevfusion_camera.vtransform": POINTS,
    "bevfusion_fuser": NOTHING,
    "bevfusion_head.bbox": NOTHING,
}


class Shape(Record, frozen=True, kw_only=True):
    """An input or output of a model: name, numpy dtype and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Interface(Record, frozen=True, kw_only=True):
    """What goes into a model and what comes out.

    Attributes:
        parameters: Trained numbers that it reads.
        inputs: In the order of the ONNX, the calibration included.
        outputs: Likewise.
    """

    parameters: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]


class About(Interface, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A built-in model for people.

    Attributes:
        removes: What a specialization for one vehicle removes.
    """

    removes: str


@functools.cache
def interfaces() -> dict[str, Interface]:
    """Return the tensors and parameters of every built-in model, by name."""
    return msgspec.json.decode(INTERFACES.read_bytes(), type=dict[str, Interface])


def about(name: str) -> About:
    """Return what a built-in model is; imports no torch.

    Raises:
        KeyError: There is no such model.
    """
    found = interfaces()[name]
    base = next((name.removesuffix(ending) for ending in VARIANTS if name.endswith(ending)), name)
    return About(
        parameters=found.parameters, inputs=found.inputs, outputs=found.outputs, removes=REMOVES[base]
    )
