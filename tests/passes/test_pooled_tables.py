"""Pooling in an engine that many vehicles share: sums in blocks, and capacities that say who does not fit."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from msgspec import structs

from specialize.binding.capacity_file import explain
from specialize.binding.shared_engine import Tabulated, tabulate
from specialize.binding.table_inputs import Program
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import StaleError
from specialize.model.parts import ImagePrep
from specialize.model.spec import ModelSpec
from specialize.model.visible import visible_sets
from specialize.passes.pipeline import specialize_graph
from specialize.request import BuildRequest
from specialize.rows.capacity import NoRoomError, Room, Sum
from specialize.visibility.grid import QueryGrid
from tests.graphs import RAGGED, assert_same, assert_static, operators
from tests.synthetic.attention import GRID, Style
from tests.synthetic.exporting import export
from tests.synthetic.others import Lift
from tests.synthetic.styles import BASE, TURN_RAD
from tests.synthetic.vehicles import others, vehicle

pytestmark = pytest.mark.torch

STYLE = replace(BASE, levels=((5, 8),))
BINS = 9
SPEC = ModelSpec(
    image=ImagePrep(size_px=STYLE.size_px), calibration_inputs={"img2lidar": "img2lidar"}, grids=()
)
FORMS = ("scatter_add", "plain scatter_add")


class Plain(Lift):
    """A view transform as upstreams write it: depth times context and nothing else is pooled."""

    def forward(self, maps: torch.Tensor, img2lidar: torch.Tensor) -> torch.Tensor:
        """Maps images (N, 4, h, w) and (1, N, 4, 4) to cells (H * W, C)."""
        cells = self.cells(img2lidar).flatten()
        depth, context = self.depth(maps).softmax(1), self.context(maps)
        rows = (depth[:, :, None] * context[:, None]).permute(0, 1, 3, 4, 2).flatten(0, 3)
        index = cells[:, None].expand(-1, rows.shape[1])
        count = self.style.grid.queries
        return rows.new_zeros(count + 1, rows.shape[1]).scatter_add(0, index, rows)[:count]


def feeds_of(style: Style, profile: CalibrationProfile) -> dict[str, np.ndarray]:
    """Return random images and the matrices of a vehicle."""
    ((height, width),) = style.levels
    random = np.random.default_rng(7)
    matrices = np.linalg.inv(profile.image_from_lidar())[None].astype(np.float32)
    maps = random.standard_normal((style.cameras, 4, height, width)).astype(np.float32)
    return {"maps": maps, "img2lidar": matrices}


@functools.cache
def exported(form: str, style: Style = STYLE) -> onnx.ModelProto:
    """Return the export of a view transform."""
    model = (Plain if form.startswith("plain") else Lift)(style, "scatter_add", BINS)
    inputs = {name: torch.tensor(array) for name, array in feeds_of(style, vehicle(style)).items()}
    return export(model, inputs)


@dataclass
class Pooled:
    """An engine that pools, and what makes tables for it."""

    proto: onnx.ModelProto
    style: Style
    made: Tabulated

    @property
    def model(self) -> ir.Model:
        """The engine."""
        return self.made.compiled.model

    @property
    def program(self) -> Program:
        """What makes tables."""
        return self.made.maker

    def feeds(self, profile: CalibrationProfile) -> dict[str, np.ndarray]:
        """Return inputs for one vehicle: images, matrices, and its tables."""
        return {**feeds_of(self.style, profile), **self.program.contents(profile)}


def pooled(folder: Path, form: str = "scatter_add", style: Style = STYLE, **options: object) -> Pooled:
    """Return an engine of a view transform."""
    proto = exported(form, style)
    model = ir.from_proto(onnx.ModelProto.FromString(proto.SerializeToString()))
    prepared = folder / "prepared.onnx"
    ir.save(specialize_graph(model, {}, RAGGED).model, prepared)
    request = BuildRequest(calib=Path("unread"), mode="tables", **options)  # type: ignore[arg-type]
    own = vehicle(style, TURN_RAD)
    return Pooled(proto, style, tabulate(request, own, SPEC, prepared, visible_sets(SPEC, own)))


@pytest.mark.parametrize("form", FORMS)
def test_one_engine_pools_for_many_vehicles(form: str, tmp_path: Path) -> None:
    """No scatter, static shapes, and other cars' tables give other cars' numbers."""
    engine = pooled(tmp_path, form, capacity="2000")
    inputs = {str(value.name) for value in engine.model.graph.inputs}
    assert inputs - {"maps"} == {table.name for table in engine.made.tables}
    assert engine.program.link is not None, engine.program.declined
    assert_static(engine.model)
    assert not {"NonZero", "ScatterND", "ScatterElements", "CumSum"} & set(operators(engine.model))
    assert (
        max(len(sum_.blocks) for room in dict(engine.program.packing.rooms).values() for sum_ in room.sums)
        > 1
    )
    for profile in (
        vehicle(STYLE, TURN_RAD),
        *others(STYLE, 3, turn_rad=TURN_RAD),
        vehicle(STYLE, TURN_RAD + 0.4),
    ):
        assert_same(engine.proto, engine.model, engine.feeds(profile))


def test_several_threads_lose_nothing(tmp_path: Path) -> None:
    """The engine gives the same on four threads as on one."""
    engine = pooled(tmp_path)
    data, feeds = ir.to_proto(engine.model).SerializeToString(), engine.feeds(vehicle(STYLE, TURN_RAD))
    results = []
    for threads in (1, 4):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        results.append(session.run(None, {put.name: feeds[put.name] for put in session.get_inputs()})[0])
    np.testing.assert_array_equal(*results)


def test_products_are_summed_where_they_are_made(tmp_path: Path) -> None:
    """Depth times context is no tensor of its own: numbers and coefficients are multiplied, rows are not."""
    engine = pooled(tmp_path, "plain scatter_add")
    rows = max(sum(site.lengths) for site in engine.made.compiled.sites)
    wide = [
        node for node in engine.model.graph
        if node.op_type == "Mul" and np.prod(node.outputs[0].shape.numpy()) > rows  # type: ignore[union-attr]
    ]  # fmt: skip
    assert not wide


def test_rows_that_do_not_fit_are_told(tmp_path: Path) -> None:
    """A vehicle whose points need more blocks than there are is refused with how many."""
    engine = pooled(tmp_path)
    ((site, room),) = engine.program.packing.rooms
    (own,) = room.sums
    compiled = replace(engine.program, link=None)
    tight = compiled.with_rooms(
        {site: Room(room.slots, (structs.replace(own, blocks=(90, *own.blocks[1:])),))}
    )
    with pytest.raises(StaleError, match=r"\d+ blocks of 8 rows too many \(\d+ of 90\)"):
        tight.contents(vehicle(STYLE, TURN_RAD))


def test_more_rows_of_one_cell_than_levels_hold_are_told() -> None:
    """Blocks of blocks of blocks hold so many rows of one cell, and no more."""
    room = Sum(100, False, True, (40, 8))
    assert room.fitting(Sum(128, False, True, (40, 8))) is room
    with pytest.raises(NoRoomError) as caught:
        room.fitting(Sum(129, False, True, (30, 6, 1)))
    told = str(explain(caught.value, "van", ()))
    assert "at most 128 rows that are pooled into one cell" in told and "129" in told


def test_another_vehicles_table_gives_another_result(tmp_path: Path) -> None:
    """The tables matter."""
    engine = pooled(tmp_path, capacity="2000")
    own, other = vehicle(STYLE, TURN_RAD), vehicle(STYLE, TURN_RAD + 0.4)
    with pytest.raises(AssertionError):
        assert_same(engine.proto, engine.model, {**engine.feeds(own), **engine.program.contents(other)})


def test_grids_of_one_cell_and_of_many(tmp_path: Path) -> None:
    """All points in a few cells: several levels of blocks."""
    style = replace(STYLE, grid=QueryGrid((1, 2), GRID.range_m, 1))
    engine = pooled(tmp_path, style=style, capacity="2000")
    for profile in (vehicle(style, TURN_RAD), vehicle(style, TURN_RAD + 0.2)):
        assert_same(engine.proto, engine.model, engine.feeds(profile))
