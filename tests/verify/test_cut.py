"""A model is cut behind its features, which are told by their axis of cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from specialize.verify.cut import Cut, cut
from tests.graphs import GraphMaker

CAMERAS = 4


def test_the_shape_of_features_is_not_taken_for_features(tmp_path: Path) -> None:
    """Of four cameras' features with four axes the shape has four numbers, too; it is computed in the head."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, 3, 6, 8))
    features = g.op("Conv", maps, g.const(np.ones((5, 3, 1, 1), np.float32)))
    sizes = g.op("Slice", g.op("Shape", features), g.const([0]), g.const([2]))
    flat = g.op("Reshape", features, g.op("Concat", sizes, g.const([-1]), axis=0))
    summed = g.op("ReduceSum", flat, g.const([0]), keepdims=0)
    parts = _parts(g, summed, tmp_path)
    assert _shapes(parts.head) == {f"{features}/cut": [CAMERAS, 5, 6, 8]}


def _parts(g: GraphMaker, out: str, folder: Path) -> Cut:
    """Write a model with one output, and cut it behind its maps."""
    onnx.save(g.model(out=out), folder / "model.onnx")
    return cut(folder / "model.onnx", {"maps": 0}, CAMERAS, folder)


def _shapes(path: Path) -> dict[str, list[int]]:
    """Return the shapes of the inputs of a model."""
    found = onnx.load(path, load_external_data=False).graph.input
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in found}


def test_features_that_several_sites_project_are_held_once(tmp_path: Path) -> None:
    """Two sites project one map each; the head is given the map, not the projections."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, 3, 6, 8))
    features = g.op("Conv", maps, g.const(np.ones((5, 3, 1, 1), np.float32)))
    weights = [g.const(np.full((5, 5, 1, 1), each, np.float32)) for each in (1, 2)]
    sites = [g.op("ReduceSum", g.op("Conv", features, each), g.const([0])) for each in weights]
    parts = _parts(g, g.op("Mul", *sites), tmp_path)
    assert parts.sources == {f"{features}/cut": features}
    assert _shapes(parts.head) == {f"{features}/cut": [CAMERAS, 5, 6, 8]}


def test_a_projection_that_makes_less_is_left_in_the_backbone(tmp_path: Path) -> None:
    """One site reads one channel of five: the head is given that one."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, 3, 6, 8))
    features = g.op("Conv", maps, g.const(np.ones((5, 3, 1, 1), np.float32)))
    site = g.op("Conv", features, g.const(np.ones((1, 5, 1, 1), np.float32)))
    parts = _parts(g, g.op("ReduceSum", site, g.const([0]), keepdims=0), tmp_path)
    assert parts.sources == {f"{site}/cut": site}


def test_a_backbone_that_widens_its_features_stays_whole(tmp_path: Path) -> None:
    """Only the last product may be left to the head: the maps before the second one are smaller, but work follows."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, 3, 6, 8))
    narrow = g.op("Conv", maps, g.const(np.ones((2, 3, 1, 1), np.float32)))
    middle = g.op("Conv", narrow, g.const(np.ones((3, 2, 1, 1), np.float32)))
    wide = g.op("Conv", middle, g.const(np.ones((9, 3, 1, 1), np.float32)))
    parts = _parts(g, g.op("ReduceSum", wide, g.const([0]), keepdims=0), tmp_path)
    assert parts.sources == {f"{middle}/cut": middle}


def test_features_are_not_cut_where_another_value_of_the_images_joins(tmp_path: Path) -> None:
    """Both projections are weighted with the images themselves: what swaps cameras must reach these as well."""
    g = GraphMaker()
    maps = g.input("maps", (CAMERAS, 3, 6, 8))
    features = g.op("Conv", maps, g.const(np.ones((3, 3, 1, 1), np.float32)))
    sites = [g.op("Mul", maps, g.op("Mul", features, g.const(np.float32(each)))) for each in (1, 2)]
    summed = g.op(
        "ReduceSum", g.op("Add", *(g.op("ReduceSum", each, g.const([0])) for each in sites)), g.const([0])
    )
    parts = _parts(g, summed, tmp_path)
    assert sorted(parts.sources.values()) == sorted(sites)
    assert "maps" not in _shapes(parts.head)
