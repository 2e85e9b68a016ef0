"""The packaged model of the demo is the one that its tool makes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest


@pytest.mark.torch
def test_the_packaged_model_is_what_the_tool_makes() -> None:
    """Same operators in the same order, and the same outputs on the same inputs."""
    from tools.demo_model import CAMERAS, IMAGE_PX, MODEL, demo_graph

    made, packaged = ir.to_proto(demo_graph()), onnx.load(MODEL)
    assert [node.op_type for node in made.graph.node] == [node.op_type for node in packaged.graph.node]
    random = np.random.default_rng(0)
    frame = {
        "img": random.standard_normal((1, CAMERAS, 3, *IMAGE_PX[::-1]), np.float32),
        "lidar2img": random.standard_normal((1, CAMERAS, 4, 4), np.float32),
    }
    outputs = [
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, frame)[0]
        for model in (made, packaged)
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-5, atol=1e-5)
