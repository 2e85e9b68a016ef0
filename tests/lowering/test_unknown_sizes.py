"""Custom operators on rows that are counted at run time compute in standard operators what they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from specialize.lowering.attention import custom_operators, runnable
from specialize.lowering.unknown_sizes import define_unknown_sizes
from tests.graphs import GraphMaker, run
from tests.synthetic.attention import Model, calibration
from tests.synthetic.exporting import export
from tests.synthetic.sampling import CUSTOM, IN_PIXELS
from tests.synthetic.styles import LEVELS, STYLES, TURN_RAD

PIXELS = "MultiScaleDeformableAttnTRT"
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("operator", [*CUSTOM, *IN_PIXELS])
def test_the_original_runs_for_any_vehicle(operator: str) -> None:
    """Two levels, and rows of a vehicle that the export was not traced with."""
    style = replace(STYLES["rebatched"], sampler=operator, levels=LEVELS)
    module = Model(style)
    inputs = module.example()
    model = ir.from_proto(export(module, inputs, domains=(operator.partition("::")[0],)))
    runnable(model)
    assert custom_operators(model) == []
    for turn_rad in (0.0, TURN_RAD):
        inputs["lidar2img"] = torch.tensor(calibration(style, turn_rad))
        with torch.no_grad():
            wanted = module(*inputs.values()).numpy()
        found = run(model, {name: value.numpy() for name, value in inputs.items()})["out"]
        np.testing.assert_allclose(found, wanted, atol=2e-5, rtol=2e-4)


@pytest.mark.parametrize("unknown", ["starts", "sizes"])
def test_what_is_not_known_well_enough_stays(unknown: str) -> None:
    """Levels that do not start where their maps do, and sizes of maps that the graph is given."""
    g = GraphMaker(domains=("npu",))
    value, places, weights = (g.input(name, shape) for name, shape in (
        ("value", ("n", 6, 2, 4)), ("places", ("n", "q", 2, 1, 4, 2)), ("weights", ("n", "q", 2, 1, 4)),
    ))  # fmt: skip
    operator, domain = ("MultiScaleDeformableAttn", "npu") if unknown == "starts" else (PIXELS, "")
    if unknown == "starts":
        inputs = [value, g.const(np.array([[2, 3]])), g.const(np.array([1])), places, weights]
    else:
        inputs = [value, g.input("sizes", (1, 2), onnx.TensorProto.INT32), places, places, weights]
    model = ir.from_proto(g.model(out=g.op(operator, *inputs, domain=domain)))
    assert define_unknown_sizes(model) == []
    assert [node.op_type for node in model.graph if node.op_type == operator] == [operator]
