"""The list of models: what each name leads to, and the warning about weights that are not trained."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from specialize import zoo
from specialize.errors import InternalError, UsageError
from specialize.zoo import bevformer, export
from specialize.zoo.weights import seed_weights, seeded_warning

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("name", list(zoo.MODELS))
def test_every_model_has_a_spec_that_fits_its_inputs(name: str) -> None:
    """The spec has the model's name, and what it says of inputs is about inputs that exist."""
    spec, inputs = zoo.spec(name), zoo.zoo_module(name).example_inputs(name)
    assert spec.name == name
    assert {*spec.calibration_inputs, *spec.inputs} <= set(inputs)


@pytest.mark.parametrize("name", list(bevformer.CONFIGS))
def test_a_bevformers_spec_agrees_with_its_configuration(name: str) -> None:
    """Image size, grid, range and anchors of the spec are those the module is built with."""
    spec, config = zoo.spec(name), bevformer.CONFIGS[name]
    assert spec.image.size_px == config.image_px
    (grid,) = spec.grids
    assert (grid.shape, grid.range_m, grid.anchors) == (config.bev_shape, config.range_m, config.anchors)


def test_a_variant_is_another_model_under_its_own_name() -> None:
    """The variant of the early releases has the spec and the keys of the model, and its own rule."""
    plain, variant = bevformer.CONFIGS["bevformer_tiny"], bevformer.CONFIGS["bevformer_tiny_aliased"]
    assert (plain.shift, variant.shift) == ("previous", "aliased")
    assert zoo.spec("bevformer_tiny_aliased").name == "bevformer_tiny_aliased"
    assert zoo.spec("bevformer_tiny_aliased").grids == zoo.spec("bevformer_tiny").grids


def test_reading_a_spec_imports_no_torch() -> None:
    """What needs no model pays for no torch."""
    code = "import sys, specialize.zoo as zoo; zoo.spec('bevformer_tiny'); sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)}
        ).returncode
        == 0
    )


def test_an_unknown_model_is_answered_with_the_closest() -> None:
    """A misspelt name ends in the name that was meant."""
    with pytest.raises(UsageError, match=r"'bevformer_tny'[\s\S]*did you mean 'bevformer_tiny'"):
        zoo.create("bevformer_tny")


def _small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 6))


def test_seeded_weights_depend_on_key_and_seed_alone() -> None:
    """The same seed gives the same weights; another seed gives others."""
    first, second, third = _small(), _small(), _small()
    seed_weights(first, 0)
    seed_weights(second, 0)
    seed_weights(third, 1)
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
    assert not torch.equal(first.state_dict()["0.weight"], third.state_dict()["0.weight"])


def test_seeded_points_lie_inside_their_space() -> None:
    """Points that queries learn are fractions of a space: none is outside, where a logit would not exist."""
    model = nn.ModuleDict({"reference_points": nn.Embedding(500, 3), "other": nn.Linear(3, 500)})
    seed_weights(model, 0)
    state = model.state_dict()
    points = state["reference_points.weight"]
    assert 0.01 - 1e-6 <= points.min() < 0.1
    assert 0.9 < points.max() <= 0.99 + 1e-6
    assert state["other.weight"].min() < 0  # other weights of that shape are as before


@torch.no_grad()
def test_a_seeded_decoder_does_not_magnify_rounding() -> None:
    """What rounding changes in the BEV moves scores a little: a build could not be compared with chaos."""
    head = bevformer.build("bevformer_tiny").eval().pts_bbox_head
    seed_weights(head, 0)
    random = torch.Generator().manual_seed(0)
    bev = torch.randn(1, 2500, 256, generator=random)
    rounded = bev + 1e-6 * torch.randn(bev.shape, generator=random)
    moved = (head.decode(bev)[0] - head.decode(rounded)[0]).abs().amax()
    assert 0.0 < moved < 2e-4


def test_seeded_weights_are_said_not_to_be_trained() -> None:
    """The warning names model and seed and says that detections mean nothing."""
    text = seeded_warning("bevformer_tiny", 4)
    assert "bevformer_tiny" in text
    assert "seed 4" in text
    assert "detections mean nothing" in text


def test_creating_without_a_checkpoint_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with made-up weights never comes silently."""
    monkeypatch.setattr(bevformer, "build", lambda _name: _small())
    with pytest.warns(UserWarning, match="NOT with trained ones"):
        assert not zoo.create("bevformer_tiny").training


def _graph(op_type: str, shape: list[int | str]) -> ir.Model:
    source = ir.Value(name="x", shape=ir.Shape([2]), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node(op_type, [source], name="n")
    node.outputs[0].shape = ir.Shape(shape)
    return ir.Model(ir.Graph([source], node.outputs, nodes=[node], opset_imports={"": 17}), ir_version=10)


@pytest.mark.parametrize(
    ("op_type", "shape", "found"),
    [("NonZero", [1, 2], "NonZero"), ("Relu", ["batch"], r"got \[batch\]")],
)
def test_a_graph_that_is_not_static_is_refused(op_type: str, shape: list[int | str], found: str) -> None:
    """An operator with a data-dependent shape, or a dimension without a number, never leaves the zoo."""
    with pytest.raises(InternalError, match=found):
        export.check_static(_graph(op_type, shape), "m")


def test_shift_variants_move_what_they_say() -> None:
    """The published code shifts what is read of the previous BEV; the releases shift both, always."""
    small = {"bev_shape": (4, 6), "dims": 16, "heads": 2, "decoder_layers": 1, "objects": 3, "layers": 1}
    base = {"image_px": (64, 32), "depth": 50, "style": "pytorch", "stages": (3,)}
    can_bus = torch.zeros(18)
    can_bus[0] = 10.24
    can_bus[16] = np.pi / 2  # moves a tenth of the grid along x
    moves: dict[tuple[str, float], list[float]] = {}
    for shift in ("previous", "aliased"):
        config = bevformer.BEVFormerConfig(**small, **base, shift=shift)  # type: ignore[arg-type]
        transformer = bevformer.PerceptionTransformer(config)
        for use in (0.0, 1.0):
            history = transformer.history(
                torch.zeros(1, 24, 16), torch.zeros(24, 1, 16), can_bus, torch.tensor([use])
            )
            moved = (history.reference - transformer.centres)[:, 0, 0, 0]
            moves[shift, use] = [round(float(x), 5) for x in moved]
    assert moves == {
        ("previous", 0.0): [0.0, 0.0],
        ("previous", 1.0): [0.1, 0.0],
        ("aliased", 0.0): [0.1, 0.1],
        ("aliased", 1.0): [0.1, 0.1],
    }
