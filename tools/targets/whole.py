"""Make the whole of BEVFormer-tiny on car42 for toolchains: zero-padded, and specialized for each of them.

`padded`: the calibration is a constant and folded, every camera computes every query. `specialized`: what
`specialize build --target NAME` proves. Weights are seeded; the frame is one with history.

usage: python whole.py FOLDER TARGET...
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from specialize.calibration.load import load_profile
from specialize.graph import known
from specialize.graph.io import read_graph
from specialize.passes.bind import bind, feeds_of
from specialize.passes.narrow import narrow
from specialize.passes.tidy import tidy
from specialize.request import BuildRequest
from specialize.sources import PREPARED, generic_model
from specialize.specializing import specialize
from specialize.store import open_store
from specialize.targets.base import BuildFacts
from specialize.targets.finish import finish
from specialize.verify import make_frames, model_inputs
from specialize.watch import Watch

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "calib_profiles" / "car42.yaml"
MODEL = "bevformer_tiny"
FRAME = 1
"""The second: with history."""


def main() -> None:
    """Write `padded.onnx`, the feeds of one frame, and one model per target."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    request = BuildRequest(calib=PROFILE, model=MODEL)
    profile, store = load_profile(PROFILE), open_store()
    generic = generic_model(request, store, lambda line: None)
    with generic.unpacked(store) as parts:
        padded = read_graph(parts / PREPARED)
        bind(padded, feeds_of(padded, generic.spec, profile))
        known.fold(padded)
        narrow(padded)
        tidy(padded)
        write(padded, folder / "padded.onnx")
        wanted = model_inputs(folder / "padded.onnx")
        rules = {name: rule for name, rule in generic.spec.inputs.items() if name in wanted}
        np.savez(folder / "feeds.npz", **make_frames(wanted, rules, 0, FRAME + 1)[FRAME])
        compiled = specialize(request, profile, generic, parts, Watch())
        lengths = tuple(site.lengths for site in compiled.sites)
        facts = BuildFacts(vehicle=profile.vehicle, cameras=profile.camera_names(), lengths=lengths)
        for name in names:
            model = compiled.graph.clone()
            room = folder / name
            room.mkdir(exist_ok=True)
            finish(model, name, room, facts)
            write(model, room / "specialized.onnx")


def write(model: ir.Model, path: Path) -> None:
    """Write a model into one file, weights and all: some toolchains read no other."""
    proto = ir.to_proto(ir.external_data.load_to_model(model))
    onnx.save(proto, path)


if __name__ == "__main__":
    main()
