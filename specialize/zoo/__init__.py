"""Provide the zoo: public camera-to-BEV models in readable PyTorch, exported with their calibration as an input.

A model is one module and one line of `MODELS`. The module has

    build(name)           the torch module, in evaluation form, weights not yet set
    example_inputs(name)  ONNX input name -> tensor of the input's shape and type, in the order of `forward`
    output_names(name)    ONNX output names, in the order in which `forward` returns them

and `specs/<name>.yaml` says about the model what its graph does not. Reading a spec imports no torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from specialize.errors import UsageError, closest, missing_package
from specialize.model.spec import ModelSpec, read_spec

if TYPE_CHECKING:
    from torch import Tensor, nn

MODELS: dict[str, str] = {
    "bevformer_tiny": "specialize.zoo.bevformer",
    "bevformer_small": "specialize.zoo.bevformer",
    "bevformer_base": "specialize.zoo.bevformer",
    "bevformer_tiny_aliased": "specialize.zoo.bevformer",
    "bevformer_small_aliased": "specialize.zoo.bevformer",
    "bevformer_base_aliased": "specialize.zoo.bevformer",
    "bevformer_tiny_wide": "specialize.zoo.bevformer",
    "bevformer_tiny_mei": "specialize.zoo.bevformer",
    "bevformer_tiny_ftheta": "specialize.zoo.bevformer",
    "streampetr": "specialize.zoo.streampetr",
    "surroundocc": "specialize.zoo.surroundocc",
    "surroundocc_classes": "specialize.zoo.surroundocc",
    "bevfusion_camera": "specialize.zoo.bevfusion",
    "bevfusion_camera_r50": "specialize.zoo.bevfusion",
    "bevfusion_camera_only": "specialize.zoo.bevfusion",
    "bevfusion_camera.backbone": "specialize.zoo.bevfusion",
    "bevfusion_camera.backbone_r50": "specialize.zoo.bevfusion",
    "bevfusion_camera.vtransform": "specialize.zoo.bevfusion",
    "bevfusion_fuser": "specialize.zoo.bevfusion",
    "bevfusion_head.bbox": "specialize.zoo.bevfusion",
}

# Variants that compute something else from inputs of the same shapes share the spec of the model without the ending.
# `_aliased`: BEVFormer as in its releases v1.0 and v2.0, which shift both reference points in time.
# `_classes`: SurroundOcc with the index of each voxel's class beside the logits.
# `_r50`: BEVFusion with a ResNet-50 in place of the Swin-T.
VARIANTS = ("_aliased", "_classes", "_r50")

PACKAGES = ("torch", "onnxscript", "safetensors")
"""Of the extra `zoo`: what models are written in, exported by and read from."""

_SPECS = Path(__file__).parent / "specs"


class ZooModule(Protocol):
    """What a module named in `MODELS` offers."""

    def build(self, name: str) -> nn.Module: ...

    def example_inputs(self, name: str) -> dict[str, Tensor]: ...

    def output_names(self, name: str) -> tuple[str, ...]: ...


def zoo_module(name: str) -> ZooModule:
    """Imports the module of a model (and with it torch).

    Raises:
        UsageError: There is no such model.
    """
    _check_name(name)
    return cast(ZooModule, importlib.import_module(MODELS[name]))


def create(name: str, checkpoint: Path | str | None = None, seed: int = 0) -> nn.Module:
    """Returns a model of the zoo, ready to run.

    Without a checkpoint its weights are made from `seed`, and a warning says so.

    Raises:
        UsageError: There is no such model.
        InputError: The checkpoint is not one of this model.
    """
    from specialize.zoo.checkpoint import load_checkpoint
    from specialize.zoo.weights import seed_weights, seeded_warning

    model = zoo_module(name).build(name)
    if checkpoint is None:
        seed_weights(model, seed)
        warnings.warn(seeded_warning(name, seed), stacklevel=2)
    else:
        load_checkpoint(model, Path(checkpoint))
    return model.eval()


def spec(name: str) -> ModelSpec:
    """Returns what must be known about a model of the zoo besides its graph; imports no torch.

    Raises:
        UsageError: There is no such model.
    """
    _check_name(name)
    base = name
    for ending in VARIANTS:
        base = base.removesuffix(ending)
    return msgspec.structs.replace(read_spec(_SPECS / f"{base}.yaml"), name=name)


def require_packages(name: str) -> None:
    """Refuse to make a model of the zoo where what it is written in is not installed.

    Raises:
        UsageError: A package of the extra `zoo` is missing.
    """
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        hint = "or name an ONNX file of your own with --model"
        raise missing_package(f"--model {name}", missing[0], "zoo", "to export it once", hint)


def _check_name(name: str) -> None:
    if name not in MODELS:
        raise UsageError("model", "the name of a model in the zoo", repr(name), closest(name, MODELS))
