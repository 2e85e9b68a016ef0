"""Make the graphs that toolchains are given: one spatial cross-attention of BEVFormer-tiny on car42, in three forms.

`dynamic`: rows found with NonZero while running. `padded`: every camera computes every query, the mask a constant.
`specialized`: what this package makes of the padded form, finished for the target.

usage: python graphs.py FOLDER TARGET...
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx import TensorProto, helper, numpy_helper

from specialize import zoo
from specialize.calibration.load import load_profile
from specialize.errors import SpecializeError
from specialize.graph import folding
from specialize.model.visible import visible_sets
from specialize.passes.bind import bind
from specialize.passes.clean_up import tidy
from specialize.passes.pipeline import specialize_graph
from specialize.rows.arrange import Packing
from specialize.targets.base import BuildFacts
from specialize.targets.lower import finish
from specialize.zoo.deformable_attention import SpatialCrossAttention

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.targets import declined

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "calib_profiles" / "car42.yaml"
CHANNELS, LEVELS, HEADS, POINTS, ANCHORS = 256, ((15, 25),), 8, 8, 4
OPSET = 17
WRITTEN_FOR = {"iree": ("onnxruntime", "decomposed"), "litert": ("onnxruntime", None)}
"""Toolchains that are no targets of a build: the target and the form whose graph they are given."""


def main() -> None:
    """Write `<form>.onnx`, the feeds and what ONNX Runtime is expected to compute, and one model per target."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    spec, profile = zoo.spec("bevformer_tiny"), load_profile(PROFILE)
    (plan,) = visible_sets(spec, profile)[:1]
    cameras, queries = plan.seen.shape
    generic = export(cameras, queries)
    constants = {
        "reference": plan.reference_points()
        .clip(-10, 10)
        .astype(np.float32),  # (N, Q, D, 2), fractions of the image
        "seen": plan.seen.reshape(cameras, queries, 1).astype(np.float32),
    }
    random = np.random.default_rng(0)
    feeds = {
        "x": random.normal(size=(1, queries, CHANNELS)).astype(np.float32),
        "value": random.normal(size=(cameras, LEVELS[0][0] * LEVELS[0][1], CHANNELS)).astype(np.float32),
    }
    np.savez(folder / "feeds.npz", **feeds)
    padded = ir.from_proto(generic)
    bind(padded, constants)
    folding.fold(padded)
    tidy(padded)
    ir.save(padded, folder / "padded.onnx")
    onnx.save(dynamic(queries), folder / "dynamic.onnx")
    for name in sys.argv[2:]:
        made = specialize_graph(ir.from_proto(generic), constants, Packing("padded"))
        lengths = tuple(site.lengths for site in made.sites)
        room = folder / name
        room.mkdir(exist_ok=True)
        written_for, form = WRITTEN_FOR.get(name, (name, None))
        facts = BuildFacts(vehicle="car42", cameras=profile.camera_names(), lengths=lengths)
        try:
            finish(made.model, written_for, room, facts, form)
        except SpecializeError as error:
            declined.write(room, error)
            continue
        ir.save(made.model, room / "specialized.onnx")


def export(cameras: int, queries: int) -> onnx.ModelProto:
    """Return the cross-attention in its generic form; reference points and mask are inputs."""
    torch.manual_seed(0)
    module = SpatialCrossAttention(CHANNELS, LEVELS, HEADS, POINTS, ANCHORS).eval()
    with torch.no_grad():
        module.deformable_attention.sampling_offsets.weight.normal_(std=0.05)
        module.deformable_attention.attention_weights.weight.normal_(std=0.05)
    places = LEVELS[0][0] * LEVELS[0][1]
    inputs = (
        torch.zeros(1, queries, CHANNELS), torch.zeros(cameras, places, CHANNELS),
        torch.zeros(cameras, queries, ANCHORS, 2), torch.zeros(cameras, queries, 1),
    )  # fmt: skip
    names = ["x", "value", "reference", "seen"]
    program = torch.onnx.export(
        module,
        inputs,
        input_names=names,
        output_names=["out"],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    return ir.to_proto(program.model)


def dynamic(queries: int) -> onnx.ModelProto:
    """Return the core of the re-batched form: rows gathered, worked on, written back at places found while running."""
    random = np.random.default_rng(0)
    weight = numpy_helper.from_array(random.normal(size=(CHANNELS, CHANNELS)).astype(np.float32), "weight")
    zeros = numpy_helper.from_array(np.zeros((queries, CHANNELS), np.float32), "zeros")
    nodes = [
        helper.make_node("NonZero", ["seen"], ["found"], "nonzero"),
        helper.make_node("Transpose", ["found"], ["places"], "places", perm=[1, 0]),
        helper.make_node("GatherND", ["x", "places"], ["rows"], "rows"),
        helper.make_node("MatMul", ["rows", "weight"], ["worked"], "worked"),
        helper.make_node("ScatterND", ["zeros", "places", "worked"], ["out"], "out"),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [queries, CHANNELS]),
        helper.make_tensor_value_info("seen", TensorProto.FLOAT, [queries]),
    ]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [queries, CHANNELS])]
    graph = helper.make_graph(nodes, "dynamic", inputs, outputs, [weight, zeros])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


if __name__ == "__main__":
    main()
