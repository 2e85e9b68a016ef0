"""One engine and a table per vehicle give what the original gives with the vehicle's calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.binding.shared_engine import Tabulated, tabulate
from specialize.binding.table_inputs import Program
from specialize.binding.table_program import PROGRAM
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, StaleError
from specialize.model.visible import visible_sets
from specialize.passes.pipeline import specialize_graph
from specialize.request import BuildRequest
from specialize.rows.arrange import Packing
from specialize.rows.capacity import Room
from specialize.text.record import from_json
from specialize.visibility.pyramid import Deviation
from tests.graphs import RAGGED, assert_same, assert_static, operators, run
from tests.synthetic.attention import Model, Style
from tests.synthetic.styles import BASE, ONE_CAMERA, STYLES, TURN_RAD, exported_layers
from tests.synthetic.vehicles import others, spec_of, vehicle

pytestmark = pytest.mark.torch

WRITTEN = STYLES | ONE_CAMERA | {"one mask per height": replace(BASE, form="height_masks")}
NEAR = Deviation(rotation_rad=0.05, translation_m=0.2, focal_ratio=0.05, principal_point_px=2.0)


class Engine:
    """An engine with tables, and what makes tables for it.

    Args:
        proto: The original.
        style: How it is written.
        folder: Where its program is put.
        options: Of the request.
    """

    def __init__(self, proto: onnx.ModelProto, style: Style, folder: Path, **options: object) -> None:
        self.style, self.spec = style, spec_of(style)
        self.proto = proto
        prepared = folder / "prepared.onnx"
        model = ir.from_proto(onnx.ModelProto.FromString(proto.SerializeToString()))
        ir.save(specialize_graph(model, {}, RAGGED).model, prepared)
        request = BuildRequest(calib=Path("unread"), mode="tables", **options)  # type: ignore[arg-type]
        own = vehicle(style, TURN_RAD)
        self.made: Tabulated = tabulate(request, own, self.spec, prepared, visible_sets(self.spec, own))
        saved: Mapping = self.made.options  # type: ignore[type-arg]
        packing = Packing(
            request.layout, request.align, rooms=tuple(from_json(saved["rooms"], dict[str, Room]).items())
        )
        cameras = vehicle(style).camera_names()
        self.program = Program(
            folder / PROGRAM,
            self.spec,
            cameras,
            packing,
            self.made.tables,
            str(saved["signature"]),
            link=self.made.maker.link,
        )

    def feeds(self, profile: CalibrationProfile) -> dict[str, np.ndarray]:
        """Return inputs for one vehicle: random ones, the calibration, and its tables."""
        feeds = {name: value.numpy() for name, value in Model(self.style).example().items()}
        feeds["lidar2img"] = self.spec.calibration_arrays(profile)["lidar2img"][None].astype(np.float32)
        return {**feeds, **self.program.contents(profile)}

    def check(self, profile: CalibrationProfile) -> None:
        """Check that the engine with a vehicle's tables gives what the original gives with its calibration."""
        assert_same(self.proto, self.made.compiled.model, self.feeds(profile))


@pytest.mark.parametrize("layout", ["ragged", "padded"])
@pytest.mark.parametrize("name", WRITTEN)
def test_one_engine_serves_many_vehicles(name: str, layout: str, tmp_path: Path) -> None:
    """Every style, re-batched and looped ones too: other cars' tables give other cars' numbers."""
    style = WRITTEN[name]
    engine = Engine(exported_layers(style), style, tmp_path, layout=layout, capacity=str(style.grid.queries))
    model = engine.made.compiled.model
    inputs = {str(value.name) for value in model.graph.inputs}
    assert inputs - {"query", "maps"} == {table.name for table in engine.made.tables}
    assert_static(model)
    assert not {"NonZero", "ScatterND", "ScatterElements"} & set(operators(model))
    for profile in (
        vehicle(style, TURN_RAD),
        *others(style, 3, NEAR, TURN_RAD),
        vehicle(style, TURN_RAD + 0.4),
    ):
        engine.check(profile)


def test_nothing_else_becomes_a_table(tmp_path: Path) -> None:
    """Lengths and shapes are the engine's, also where vehicles far away would need other room."""
    engine = Engine(exported_layers(BASE), BASE, tmp_path)
    kinds = {table.name.rstrip("0123456789") for table in engine.made.tables}
    assert {"table.rows", "table.sum", "table.values"} <= kinds
    assert not {"table.shape", "table.sizes", "table.axis", "table.nobody"} & kinds


def test_another_cars_table_gives_another_result(tmp_path: Path) -> None:
    """The tables matter: with those of another vehicle the numbers differ."""
    engine = Engine(exported_layers(BASE), BASE, tmp_path)
    own, other = vehicle(BASE, TURN_RAD), others(BASE, 1, NEAR, TURN_RAD)[0]
    feeds = {**engine.feeds(own), **engine.program.contents(other)}
    with pytest.raises(AssertionError):
        assert_same(engine.proto, engine.made.compiled.model, feeds)


def test_a_camera_that_sees_nothing_keeps_its_room(tmp_path: Path) -> None:
    """A vehicle one of whose cameras looks at the sky fits, and its other cameras' numbers are right."""
    engine = Engine(exported_layers(BASE), BASE, tmp_path, capacity="24")
    up = Deviation(rotation_rad=0.0)
    del up
    blind = looking_up(vehicle(BASE, TURN_RAD))
    engine.check(blind)


def looking_up(profile: CalibrationProfile) -> CalibrationProfile:
    """Return a vehicle whose first camera looks at the sky."""
    from specialize.visibility.perturb import Move, perturbed

    still = Move(np.zeros(3), np.zeros(3), np.zeros(2), np.zeros(2))
    turned = replace(still, rotation_rad=np.array([np.pi / 2, 0.0, 0.0]))
    return perturbed(profile, [turned] + [still] * (len(profile.cameras) - 1))


def test_who_does_not_fit_is_told_by_how_much(tmp_path: Path) -> None:
    """More rows than the capacity: the camera, the number too many, exit code 3."""
    engine = Engine(exported_layers(BASE), BASE, tmp_path, capacity_over=())
    tight = Engine(exported_layers(BASE), BASE, tmp_path, capacity=",".join(map(str, needs(engine))))
    wide = others(BASE, 1, Deviation(focal_ratio=0.3), TURN_RAD)
    with pytest.raises(StaleError, match=r"rows too many on camera\d \(\d+ of \d+\)"):
        for seed in range(6):
            tight.program.contents(vehicle(BASE, TURN_RAD + 0.15 * (seed + 1)))
    assert wide


def needs(engine: Engine) -> tuple[int, ...]:
    """Return what the engine's own vehicle needs per camera."""
    return tuple(engine.made.compiled.sites[0].visible)


def test_less_than_the_own_vehicle_needs_is_refused(tmp_path: Path) -> None:
    """A capacity below the build's own rows names the camera and the least number."""
    with pytest.raises(InputError, match="at least"):
        Engine(exported_layers(BASE), BASE, tmp_path, capacity="1")


def test_other_cameras_do_not_fit(tmp_path: Path) -> None:
    """A vehicle with other cameras is an error that says so."""
    engine = Engine(exported_layers(BASE), BASE, tmp_path)
    with pytest.raises(StaleError, match="the cameras"):
        engine.program.contents(vehicle(WRITTEN["six cameras"]))


@pytest.mark.parametrize("form", ["masked twice", "rebatched"])
def test_layers_share_their_tables(form: str, tmp_path: Path) -> None:
    """Three layers read the same inputs, and what makes the tables knows one of them only."""
    style = WRITTEN[form]
    three = Engine(exported_layers(style, 3), style, tmp_path)
    (tmp_path / "one").mkdir()
    one = Engine(exported_layers(style), style, tmp_path / "one")
    assert [len(made.tables) for made in (three.made, one.made)] == [len(one.made.tables)] * 2
    assert len(three.made.files[PROGRAM]) < 1.5 * len(one.made.files[PROGRAM])
    feeds = three.feeds(others(style, 1, NEAR, TURN_RAD)[0])
    assert_same(three.proto, three.made.compiled.model, feeds)


def test_unused_places_are_never_read(tmp_path: Path) -> None:
    """Padding has no effect on the result: the places beyond a camera's rows are not summed."""
    engine = Engine(exported_layers(BASE), BASE, tmp_path, capacity="24")
    feeds = engine.feeds(vehicle(BASE, TURN_RAD))
    wanted = run(engine.made.compiled.model, feeds)
    index = next(table.name for table in engine.made.tables if table.name.startswith("table.rows"))
    visible, lengths = needs(engine), engine.made.compiled.sites[0].lengths
    spoiled = feeds[index].copy()
    starts = np.cumsum([0, *lengths[:-1]])
    for start, seen, length in zip(starts, visible, lengths, strict=True):
        spoiled[start + seen : start + length] = 0
    assert not np.array_equal(spoiled, feeds[index])
    got = run(engine.made.compiled.model, {**feeds, index: spoiled})
    for name, array in wanted.items():
        np.testing.assert_array_equal(got[name], array)


def test_every_style_has_a_program_but_one(tmp_path: Path) -> None:
    """Tables of masks per height follow from more masks than a grid has; that is noticed on vehicles far away."""
    for name in ("masked twice", "rebatched", "looped", "one mask per height"):
        folder = tmp_path / name
        folder.mkdir()
        maker = Engine(exported_layers(WRITTEN[name]), WRITTEN[name], folder).made.maker
        assert (maker.link is None) == (name == "one mask per height"), maker.declined
        if maker.link is None:
            assert "which follows from the calibration in no way that is known" in maker.declined
