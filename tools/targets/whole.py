"""Make a model on car42 for toolchains: as it was exported, with the calibration folded, and specialized for each.

`whole` is all of BEVFormer-tiny, `head` what comes behind the images' features: encoder and decoder, where the
attentions are; `pooling` is the view transform of BEVFusion, or an ONNX file with its sidecar. `exported`: the
calibration is an input, weights are folded. `padded`: the calibration is a constant and folded; every camera computes
every query, every point is pooled. `specialized`: what `specialize build --target NAME` proves. Weights are seeded; the
frame is one with history.

usage: python whole.py whole|head|pooling|MODEL.onnx FOLDER TARGET...
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx.utils import Extractor

from specialize.calibration.load import load_profile
from specialize.compiler.generic import PREPARED, generic_model
from specialize.compiler.laps import Laps
from specialize.compiler.specialize import specialize
from specialize.errors import SpecializeError
from specialize.graph import folding
from specialize.graph.io import read_graph
from specialize.passes.bind import bind, feeds_of
from specialize.passes.clean_up import tidy
from specialize.passes.demote_float64 import narrow
from specialize.request import BuildRequest
from specialize.store import open_store
from specialize.targets.base import BuildFacts
from specialize.targets.lower import finish
from specialize.text.progress import quiet
from specialize.verify import make_frames, model_inputs

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.targets import declined

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "calib_profiles" / "car42.yaml"
MODELS = {"whole": "bevformer_tiny", "head": "bevformer_tiny", "pooling": "bevfusion_camera.vtransform"}
IMAGES, FEATURES = "img", "features"
FRAME = 1
"""The second: with history."""


def main() -> None:
    """Write `exported.onnx` and `padded.onnx`, the feeds of one frame, and one model per target."""
    what, folder, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    folder.mkdir(parents=True, exist_ok=True)
    request = BuildRequest(calib=PROFILE, model=MODELS.get(what, what))
    profile, store = load_profile(PROFILE), open_store()
    generic = generic_model(request, store, quiet)
    with generic.unpacked(store) as parts:
        padded = read_graph(parts / PREPARED)
        write(padded, folder / "exported.onnx", what)
        bind(padded, feeds_of(padded, generic.spec, profile))
        folding.fold(padded)
        narrow(padded)
        tidy(padded)
        write(padded, folder / "padded.onnx", what)
        wanted = model_inputs(folder / "padded.onnx")
        rules = {name: rule for name, rule in generic.spec.inputs.items() if name in wanted}
        np.savez(folder / "feeds.npz", **make_frames(wanted, rules, 0, FRAME + 1)[FRAME])
        compiled = specialize(request, profile, generic, parts, Laps())
        lengths = tuple(site.lengths for site in compiled.sites)
        facts = BuildFacts(vehicle=profile.vehicle, cameras=profile.camera_names(), lengths=lengths)
        for name in names:
            model = compiled.graph.clone()
            room = folder / name
            room.mkdir(exist_ok=True)
            try:
                finish(model, name, room, facts)
            except SpecializeError as error:
                declined.write(room, error)
                continue
            write(model, room / "specialized.onnx", what)


def write(model: ir.Model, path: Path, what: str) -> None:
    """Write a model, or its head, into one file, weights and all: some toolchains read no other."""
    proto = ir.to_proto(ir.external_data.load_to_model(model))
    onnx.save(head(proto) if what == "head" else proto, path)


def head(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return what comes behind the last convolution: its result becomes an input called `features`."""
    graph = proto.graph
    last = [node for node in graph.node if node.op_type == "Conv"][-1].output[0]
    inputs = [value.name for value in graph.input if value.name != IMAGES]
    cut = Extractor(proto).extract_model([*inputs, last], [value.name for value in graph.output])
    for value in (*cut.graph.input, *cut.graph.value_info):
        value.name = FEATURES if value.name == last else value.name
    for node in cut.graph.node:
        node.input[:] = [FEATURES if name == last else name for name in node.input]
    return cut


if __name__ == "__main__":
    main()
