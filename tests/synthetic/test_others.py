"""Tables from outside, several sites in one model, pooling of frustums: other forms of dropping rows."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from specialize.rows.arrange import Packing
from specialize.visibility.grid import QueryGrid
from specialize.visibility.plan import VisibilityPlan, plan_visibility
from tests.graphs import ALIGNED, PADDED, RAGGED, assert_same, assert_static, operators, specialize_proto
from tests.synthetic.attention import GRID, Model, Style, calibration
from tests.synthetic.exporting import export, simplified
from tests.synthetic.others import Lift, NearestTables, Several, Tables, gather_tables, nearest_tables

pytestmark = pytest.mark.torch

BASE = Style()
TURN_RAD = 0.3
PACKINGS = [RAGGED, PADDED, ALIGNED]


def plan() -> VisibilityPlan:
    """Return who sees what on the rig of these tests."""
    matrices = calibration(BASE, TURN_RAD)[0].astype(np.float64)
    return plan_visibility(matrices, np.array([BASE.size_px] * BASE.cameras), GRID)


@functools.cache
def with_tables(kind: str, tool: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray], list[str]]:
    """Return an export whose tables are inputs, inputs for it, and the names of its tables."""
    tables = gather_tables(plan()) if kind == "gather" else nearest_tables(plan())
    model = Tables(BASE) if kind == "gather" else NearestTables(BASE, convolved=kind == "convolved")
    example = Model(BASE).example()
    inputs = {"query": example["query"], "maps": example["maps"]}
    inputs |= {name: torch.tensor(array) for name, array in tables.items()}
    made = simplified(export(model, inputs), tool)
    return made, {name: value.numpy() for name, value in inputs.items()}, list(tables)


@pytest.mark.parametrize("packing", PACKINGS, ids=["ragged", "padded", "aligned"])
@pytest.mark.parametrize("tool", ["raw", "onnxsim"])
@pytest.mark.parametrize("kind", ["gather", "nearest", "convolved"])
def test_tables_from_outside_are_index_tables(kind: str, tool: str, packing: Packing) -> None:
    """Gathers by tables, or nearest GridSample used as a gather: bound, they are row maps; padding is not computed.

    Cameras may be summed by a convolution with ones, too.
    """
    model, feeds, names = with_tables(kind, tool)
    made = specialize_proto(model, {name: feeds[name] for name in names}, packing)
    (site,) = made.sites
    assert site.pairs == plan().pairs
    assert site.visible == tuple(plan().lengths)
    assert_same(model, made.model, feeds)
    assert_static(made.model)
    modes = [node.attributes["mode"].as_string() for node in made.model.graph if node.op_type == "GridSample"]
    assert set(modes) == {"bilinear"}


SEVERAL = [
    BASE,
    replace(
        BASE, cameras=4, dims=16, heads=4, grid=QueryGrid((2, 3, 5), GRID.range_m, 1), levels=((3, 4), (6, 8))
    ),
    replace(
        BASE, cameras=2, form="rebatched", batch_first=False, dims=4, grid=QueryGrid((5, 3), GRID.range_m, 2)
    ),
]


@pytest.mark.parametrize("packing", PACKINGS, ids=["ragged", "padded", "aligned"])
def test_several_sites_of_different_sizes(packing: Packing) -> None:
    """A plane, a volume and a re-batched plane in one model, with 3, 4 and 2 cameras, 8, 16 and 4 channels."""
    model = Several(SEVERAL)
    example = model.example()
    outputs = ("plane", "volume", "other")
    proto = export(model, example, outputs=outputs)
    matrices = {f"lidar2img{i}": calibration(style, TURN_RAD) for i, style in enumerate(SEVERAL)}
    made = specialize_proto(proto, matrices, packing)
    seen = [
        part.projection(torch.tensor(matrix))[1].any(-1)
        for part, matrix in zip(model.parts, matrices.values(), strict=True)
    ]
    assert [site.pairs for site in made.sites] == [int(each.sum()) for each in seen]
    assert [site.queries for site in made.sites] == [style.grid.queries for style in SEVERAL]
    assert_same(proto, made.model, {name: value.numpy() for name, value in example.items()} | matrices)
    assert_static(made.model)


@pytest.mark.parametrize(
    ("how", "dynamo"),
    [
        ("scatter_add", False),
        pytest.param("scatter_add", True, marks=pytest.mark.slow),
        ("index_add", True),
        pytest.param("index_put", True, marks=pytest.mark.slow),
    ],
)
def test_pooling_of_frustums_drops_points_outside(how: str, dynamo: bool) -> None:
    """Frustum points outside the grid are not computed, whatever operator pools them.

    The older exporter writes `index_add` and `index_put` as replacements: where points meet, ONNX leaves their
    result open, and so does the compiler.
    """
    matrices = np.linalg.inv(calibration(BASE, TURN_RAD)[0].astype(np.float64))[None].astype(np.float32)
    model = Lift(BASE, how)
    inputs = {"maps": torch.randn(BASE.cameras, 4, 3, 4), "img2lidar": torch.tensor(matrices)}
    proto = export(model, inputs, 18 if dynamo else 16, dynamo=dynamo)
    made = specialize_proto(proto, {"img2lidar": matrices})
    (site,) = made.sites
    kept = int((model.cells(torch.tensor(matrices)) < GRID.queries).sum())
    assert 0 < kept < site.rows_before
    assert site.pairs == kept
    assert_same(proto, made.model, {name: value.numpy() for name, value in inputs.items()})
    assert_static(made.model)
    assert not {"NonZero", "GatherND"} & set(operators(made.model))
