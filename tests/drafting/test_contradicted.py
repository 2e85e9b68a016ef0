"""Kinds that the graph contradicts are errors, and kinds that no graph can distinguish are warnings."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from specialize.artifact.describe import describe_tensor
from specialize.calibration.lint.causes import grouped
from specialize.drafting.contradicted import contradicted_kinds, kinds_findings
from specialize.graph.folding import fold
from specialize.graph.io import read_graph
from specialize.model.spec import parse_spec
from tests.drafting.graphs import CAMERAS, GRID, HEIGHT, WIDTH, Views
from tests.drafting.test_entries import OWN, lifting

LIFT = {"intrins": "intrinsic", "post_rots": "image_aug", "post_trans": "image_aug"}


def findings(proto: onnx.ModelProto, kinds: dict[str, str]) -> list[tuple[str, str]]:
    """Return code and message of what a graph says about kinds, `severity code` first."""
    model = ir.from_proto(proto)
    inputs = tuple(describe_tensor(value) for value in model.graph.inputs)
    fold(model)
    found = contradicted_kinds(model, inputs, kinds)
    return [(f"{each.severity} {each.code}", each.message) for each in found]


def projecting(name: str) -> onnx.ModelProto:
    """Return a model that projects the points of a grid by a matrix of some name."""
    views, points = Views(), GRID.points().reshape(-1, 3)
    matrix = views.g.input(name, (CAMERAS, 4, 4))
    return views.attended(views.projected(matrix, points, (WIDTH, HEIGHT)), queries=[len(points)])


def test_a_named_matrix_used_as_its_name_says_needs_no_word() -> None:
    """Use, shape and name agree."""
    assert findings(projecting("lidar2img"), {"lidar2img": "lidar2img"}) == []


@pytest.mark.parametrize(("rots", "trans"), [("cam2ego", "cam2lidar"), ("cam2lidar", "cam2ego")])
def test_rotations_of_one_frame_and_translations_of_another_are_refused(rots: str, trans: str) -> None:
    """Each of them would fit with the other's frame; together they are the pose of no camera."""
    ((code, message),) = findings(lifting(OWN), LIFT | {"rots": rots, "trans": trans})
    assert code == "error input-kind"
    assert f"rots as {rots}, trans as {trans} do not make sense together" in message
    assert "rots as cam2ego, trans as cam2ego or with " in message


@pytest.mark.parametrize(("frame", "other"), [("ego", "lidar"), ("lidar", "ego")])
def test_frames_that_no_graph_tells_apart_are_a_warning(frame: str, other: str) -> None:
    """The comparison cannot show it either, so the build says that the sidecar alone decides."""
    kinds = LIFT | {"rots": f"cam2{frame}", "trans": f"cam2{frame}"}
    ((code, message),) = findings(lifting(OWN), kinds)
    assert code == "warning kind-open"
    assert f"rots as cam2{other}, trans as cam2{other}: no check of a build can distinguish them" in message
    ((code, message),) = findings(projecting("matrix"), {"matrix": f"{frame}2img"})
    assert code == "warning kind-open" and f"matrix as {other}2img" in message


def test_a_kind_against_the_name_is_told() -> None:
    """The frame is what the name says, or a person has to look."""
    ((code, message),) = findings(projecting("lidar2img"), {"lidar2img": "ego2img"})
    assert code == "warning kind-open" and "lidar2img as lidar2img" in message


def test_a_name_that_the_use_contradicts_does_not_hide_a_wrong_kind() -> None:
    """Called a pose, used as a projection, bound as a pose: refused."""
    ((code, message),) = findings(projecting("cam2lidar"), {"cam2lidar": "cam2lidar"})
    assert code == "error input-kind" and "make sense with lidar2img or ego2img only" in message


def test_a_matrix_whose_use_shows_nothing_is_known_by_its_name_alone() -> None:
    """An embedding of intrinsics computes no points: raw or network pixels is what the sidecar says."""
    views = Views()
    matrix = views.g.input("intrinsics", (CAMERAS, 4, 4))
    features = views.g.input("features", (CAMERAS, 4, 4))
    proto = views.g.model(out=views.g.op("Add", features, views.g.op("Tanh", matrix)))
    ((code, message),) = findings(proto, {"intrinsics": "network_intrinsic"})
    assert code == "warning kind-open" and "intrinsics as network_intrinsic" in message


@pytest.mark.parametrize(("kind", "code"), [("ego2img", "kind-open"), ("img2lidar", "input-kind")])
def test_a_matrix_in_pixels_of_a_feature_map_is_looked_at_like_any_other(
    kind: str, code: str, tmp_path: Path
) -> None:
    """A stride changes by how much pixels are divided, and nothing about frames."""
    path = tmp_path / "prepared.onnx"
    onnx.save(projecting("projection"), path)
    text = f"calibration_inputs: {{projection: {{kind: {kind}, stride: 4}}}}"
    spec = parse_spec(f"schema: specialize/model@1\nimage: {{size_px: [704, 256]}}\n{text}\n", "mine")
    assert [each.code for each in kinds_findings(read_graph(path), spec)] == [code]


def test_the_sidecar_of_a_built_in_model_leaves_nothing_open(tmp_path: Path) -> None:
    """A contradicted kind is an error even in the sidecar of a built-in model."""
    path = tmp_path / "prepared.onnx"
    onnx.save(projecting("projection"), path)
    for kind, codes in (("ego2img", []), ("img2lidar", ["input-kind"])):
        text = f"image: {{size_px: [704, 256]}}\ncalibration_inputs: {{projection: {kind}}}\n"
        spec = parse_spec(f"schema: specialize/model@1\n{text}", "mine")
        assert [each.code for each in kinds_findings(read_graph(path), spec, known=True)] == codes


def test_every_open_input_is_told(tmp_path: Path) -> None:
    """Findings of one rule with the same remedy are reported as one; these are about different inputs."""
    views = Views()
    values = [views.g.op("Tanh", views.g.input(name, (CAMERAS, 4, 4))) for name in ("first", "second")]
    onnx.save(views.g.model(out=views.g.op("Add", *values)), tmp_path / "prepared.onnx")
    text = "image: {size_px: [704, 256]}\ncalibration_inputs: {first: lidar2img, second: intrinsic}\n"
    spec = parse_spec(f"schema: specialize/model@1\n{text}", "mine")
    told = [str(group) for group in grouped(kinds_findings(read_graph(tmp_path / "prepared.onnx"), spec), ())]
    assert [name in each for name, each in zip(("first", "second"), told, strict=True)] == [True, True]
