"""A graph is bound and folded once for several forms of it."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from specialize.binding.modes import bind_model
from specialize.calibration.load import load_profile
from specialize.compiler.specialize import bound_constants, rebatched
from specialize.graph.graph_file import GraphFile
from specialize.model.visible import visible_sets
from specialize.passes.pipeline import bind_graph
from specialize.request import BuildRequest
from tests.cli.running import CAR42
from tests.end_to_end.tiny_model import SPEC, tiny_model


def test_the_re_batched_form_is_that_of_a_graph_bound_anew(tmp_path: Path) -> None:
    """What mode exact leaves over is the graph before its rows were dropped, and is given away once."""
    profile, path = load_profile(CAR42), tmp_path / "model.onnx"
    onnx.save(tiny_model(), path)
    file = GraphFile(path)
    binding = bind_model(BuildRequest(calib=CAR42), profile, SPEC, file, visible_sets(SPEC, profile))
    assert binding.compiled.sites and binding.spare is not None
    spare = binding.spare.take()
    assert spare is not None and binding.spare.take() is None
    anew = bind_graph(file.copy(), bound_constants(SPEC, profile))
    made = [ir.to_proto(rebatched(bound).model) for bound in (spare, anew)]
    assert made[0].SerializeToString(deterministic=True) == made[1].SerializeToString(deterministic=True)
