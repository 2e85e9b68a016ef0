"""Look-up volumes in every spelling and of both exporters become one look-up of the pixels that are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from specialize.binding.modes import bind_model
from specialize.calibration.dump import dump_profile
from specialize.errors import DeclinedError
from specialize.graph.folding import fold
from specialize.graph.graph_file import GraphFile
from specialize.graph.io import read_graph
from specialize.model.visible import visible_sets
from specialize.passes.pipeline import Specialized
from specialize.request import BuildRequest
from specialize.visibility.grid import QueryGrid
from tests.graphs import assert_same, assert_static, operators, run, specialize_proto
from tests.synthetic.attention import GRID
from tests.synthetic.exporting import export, simplified
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import spec_of, vehicle
from tests.synthetic.volumes import SPELLINGS, Spelling, Volume

pytestmark = pytest.mark.torch

STYLE = replace(BASE, cameras=4, levels=((6, 8),), grid=QueryGrid((3, 8, 7), GRID.range_m, 1))
MOVES = frozenset({"ScatterND", "ScatterElements", "GatherND", "GatherElements", "Where", "NonZero"})
EXPORTS = [
    *((spelling, 16, "raw") for spelling in SPELLINGS),
    *((spelling, 11, "raw") for spelling in SPELLINGS),
    *((spelling, 16, tool) for spelling in SPELLINGS for tool in ("onnxsim", "onnxslim")),
    *((spelling, 18, "dynamo") for spelling in ("choices", "blends", "masked sum")),
]
"""What that exporter exports: it has no boolean index beside a slice."""


def feeds_of(turn_rad: float) -> dict[str, np.ndarray]:
    """Return random images and the matrices of a turned vehicle."""
    ((height, width),) = STYLE.levels
    maps = np.random.default_rng(7).standard_normal((STYLE.cameras, 4, height, width))
    matrices = vehicle(STYLE, turn_rad).image_from_lidar()[None]
    return {"maps": maps.astype(np.float32), "lidar2img": matrices.astype(np.float32)}


def looked_up(spelling: Spelling, opset: int, tool: str) -> tuple[onnx.ModelProto, Specialized]:
    """Return an export and what is made of it for a vehicle that it was not traced with."""
    inputs = {name: torch.tensor(array) for name, array in feeds_of(0.0).items()}
    proto = export(Volume(STYLE, spelling), inputs, opset, dynamo=tool == "dynamo")
    proto = proto if tool in ("raw", "dynamo") else simplified(proto, tool)
    return proto, specialize_proto(proto, {"lidar2img": feeds_of(TURN_RAD)["lidar2img"]})


@pytest.mark.parametrize(("spelling", "opset", "tool"), EXPORTS)
def test_a_volume_is_one_look_up(spelling: Spelling, opset: int, tool: str) -> None:
    """Pixels that a voxel reads are gathered once, and once per voxel; nothing is written or chosen."""
    proto, made = looked_up(spelling, opset, tool)
    feeds = feeds_of(TURN_RAD)
    assert_same(proto, made.model, feeds)
    assert_static(made.model)
    assert not MOVES & set(operators(made.model))
    assert operators(made.model)["Gather"] <= 2
    assert any(note.pass_name == "look_up" and note.verdict == "applied" for note in made.notes)
    (volume,) = run(proto, feeds).values()
    unseen = (volume == volume[..., :1]).all(1)  # the bias alone, or the first voxel again
    assert 0 < unseen.mean() < 1


def test_a_volume_has_no_tables(tmp_path: Path) -> None:
    """Which pixel a voxel takes is written into the graph, and an engine for many vehicles says so."""
    inputs = {name: torch.tensor(array) for name, array in feeds_of(0.0).items()}
    onnx.save(export(Volume(STYLE, "choices"), inputs, 16, dynamo=False), tmp_path / "model.onnx")
    prepared = read_graph(tmp_path / "model.onnx")
    fold(prepared)
    ir.save(prepared, tmp_path / "prepared.onnx")
    profile, spec = vehicle(STYLE, TURN_RAD), spec_of(STYLE)
    (tmp_path / "car.yaml").write_text(dump_profile(profile))
    request = BuildRequest(calib=tmp_path / "car.yaml", mode="tables")
    with pytest.raises(DeclinedError, match="cells look up pixels one by one") as raised:
        bind_model(request, profile, spec, GraphFile(tmp_path / "prepared.onnx"), visible_sets(spec, profile))
    assert "use --mode exact" in str(raised.value)


def test_cameras_that_see_no_voxel_are_no_sites() -> None:
    """Only the last of four cameras sees the volume: what the others write nothing to is no site that sees nothing."""
    grid = QueryGrid((3, 8, 7), (4.0, -1.5, -1.0, 12.0, 1.5, 1.0), 1)
    inputs = {name: torch.tensor(array) for name, array in feeds_of(0.0).items()}
    proto = export(Volume(replace(STYLE, grid=grid), "booleans"), inputs)
    matrices = {"lidar2img": feeds_of(TURN_RAD)["lidar2img"]}
    made = specialize_proto(proto, matrices)
    assert made.sites == ()
    assert not MOVES & set(operators(made.model))
    assert_same(proto, made.model, feeds_of(TURN_RAD))
