"""A plan belongs to the site that projects its points in its order, not to any site of its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.calibration.load import load_profile
from specialize.compiler.match_plans import require_matching
from specialize.errors import InputError
from specialize.graph.folding import fold
from specialize.model.parts import ImagePrep
from specialize.model.spec import GridSpec, ModelSpec
from specialize.model.visible import visible_sets
from specialize.passes.bind import feeds_of
from specialize.passes.pipeline import specialize_graph
from specialize.rows.arrange import Packing
from specialize.visibility.grid import QueryGrid
from tests.cli.running import CAR42
from tests.drafting.graphs import CAMERAS, Views

SIZE = (800, 450)
NEAR = GridSpec(shape=(2, 6, 8), range_m=(-12.0, -9.0, -3.0, 12.0, 9.0, 1.0))
FAR = GridSpec(shape=(4, 4, 6), range_m=(-40.0, -30.0, -3.0, 40.0, 30.0, 1.0))


def model_of(*points: np.ndarray) -> onnx.ModelProto:
    """Return a model with a site per set of points (P, 3), all of them projected by one matrix."""
    views = Views()
    matrix = views.g.input("lidar2img", (CAMERAS, 4, 4))
    sites = [views.projected(matrix, each, SIZE) for each in points]
    return views.attended(*sites, queries=[len(each) for each in points])


def points_of(grid: GridSpec) -> np.ndarray:
    """Return the points (P, 3) of voxels."""
    return grid.grid().points().reshape(-1, 3)


def match(proto: onnx.ModelProto, grids: Sequence[GridSpec], scale: float = 0.5) -> int:
    """Specialize a model for car42 and require that grids match; return how many sites it has."""
    spec = ModelSpec(
        image=ImagePrep(size_px=SIZE, scale=scale),
        calibration_inputs={"lidar2img": "lidar2img"},
        grids=tuple(grids),
    )
    profile = load_profile(CAR42)
    prepared, model = ir.from_proto(proto), ir.from_proto(proto)
    fold(prepared)
    done = specialize_graph(model, feeds_of(model, spec, profile), Packing("ragged"))
    require_matching(done.sites, visible_sets(spec, profile), prepared, spec)
    return len(done.sites)


def test_sites_of_equal_size_are_told_apart_by_their_points() -> None:
    """96 voxels near the vehicle and 96 far from it: in any order of the sidecar, each plan is held against its own."""
    assert NEAR.grid().queries == FAR.grid().queries
    proto = model_of(points_of(NEAR), points_of(FAR))
    assert match(proto, [NEAR, FAR]) == match(proto, [FAR, NEAR]) == 2
    assert match(proto, [FAR]) == 2


def test_a_plane_that_has_as_many_cells_as_a_volume_is_not_compared_with_it() -> None:
    """Pillars of one site and voxels of another one, equally many: neither hides the other."""
    plane = GridSpec(shape=(8, 12), range_m=(-40.0, -30.0, -3.0, 40.0, 30.0, 1.0))
    assert plane.grid().queries == NEAR.grid().queries
    assert match(model_of(points_of(NEAR), points_of(plane)), [plane, NEAR]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        GridSpec(shape=(2, 6, 8), range_m=(-13.0, -9.0, -3.0, 13.0, 9.0, 1.0)),
        GridSpec(shape=(2, 8, 6), range_m=(-12.0, -9.0, -3.0, 12.0, 9.0, 1.0)),
        GridSpec(shape=(6, 8), range_m=(-12.0, -9.0, -3.0, 12.0, 9.0, 1.0), anchors=2),
    ],
    ids=["range", "axes", "pillars of other heights"],
)
def test_a_grid_of_other_points_is_refused_with_those_of_the_model(wrong: GridSpec) -> None:
    """The error has both, and what drafts the right one."""
    with pytest.raises(InputError, match=r"grids\[1\]") as caught:
        match(model_of(points_of(NEAR)), [NEAR, wrong])
    assert "shape [2, 6, 8], range_m [-12.0, -9.0, -3.0, 12.0, 9.0, 1.0]" in str(caught.value)


def test_points_in_another_order_are_other_points() -> None:
    """The same box with x outermost has the same points and size, and is refused: rows would be exchanged."""
    turned = (
        QueryGrid((2, 6, 8), NEAR.range_m).points().reshape(2, 6, 8, 3).transpose(2, 1, 0, 3).reshape(-1, 3)
    )
    with pytest.raises(InputError, match=r"shape \[8, 6, 2\].*order xyz"):
        match(model_of(turned), [NEAR])


def test_a_plan_that_loses_queries_of_its_own_site_is_still_refused() -> None:
    """The points are right and the rule is not: the model's mask keeps more than the plan."""
    views = Views()
    matrix = views.g.input("lidar2img", (CAMERAS, 4, 4))
    points = points_of(FAR)
    proto = views.attended(views.projected(matrix, points, (1600, 900)), queries=[len(points)])
    with pytest.raises(InputError, match="a plan that keeps all"):
        match(proto, [FAR], scale=1.0)
