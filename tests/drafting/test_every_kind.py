"""Every kind of calibration input is drafted from its use, and the draft builds once its guesses are decided."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import onnx
import pytest

from specialize.artifact import Build
from specialize.compiler.build import build
from specialize.drafting.names import suggestion
from specialize.explain.inspect import inspect_model
from specialize.model.kinds import KINDS, POOL_TABLES, PROJECTED, VECTORS
from specialize.model.spec import parse_spec
from specialize.request import BuildRequest
from tests.cli.running import CAR42
from tests.drafting.deciding import decided
from tests.drafting.graphs import CAMERAS, GRID, HEIGHT, WIDTH, Views
from tests.drafting.kind_models import CASES, Case
from tests.end_to_end.lens_model import lens_model
from tests.graphs import GraphMaker

IMAGE = {"size_px": "[704, 256]", "scale": "0.44", "crop_px": "[0, 140]", "raw_size_px": "[1600, 900]"}
"""How the images are prepared, which a person says, whatever the draft says of the calibration."""
TAKEN = ("cameras", "depth_m", "range_m", "frame")
"""What no graph says either, and the draft has a first guess of: the order of cameras, and a pooling's frustum."""
TOLD_ALONE = {"lens", "network_lens", "lens_matrix", "network_lens_matrix", PROJECTED}
"""Kinds that no draft chooses: a test of their own says what it tells of them."""


def drafted(proto: onnx.ModelProto, folder: Path) -> str:
    """Write a model and return the draft of its sidecar."""
    onnx.save(proto, folder / "model.onnx")
    return inspect_model(folder / "model.onnx", calib=CAR42).sidecar


def with_images(draft: str) -> str:
    """Return a draft with the preparation of images filled in, and every guess of its inputs as it was."""
    filled = re.sub(
        rf"^(  ({'|'.join(IMAGE)}): )GUESS .*$",
        lambda found: found[1] + IMAGE[found[2]],
        draft,
        flags=re.MULTILINE,
    )
    return re.sub(
        rf"^(\s*(?:{'|'.join(TAKEN)}): )GUESS (.+?)(?: or \w+)*(?=  #|$)", r"\1\2", filled, flags=re.MULTILINE
    )


def guesses_of(draft: str) -> dict[str, str]:
    """Return what is guessed of each calibration input, by name."""
    found = re.findall(r"^  (\w+): (?:\{kind: )?GUESS (\w+(?: or \w+)*)", draft, re.MULTILINE)
    return {name: kinds for name, kinds in found if name not in {*IMAGE, *TAKEN}}


def comment(draft: str, name: str) -> str:
    """Return what the draft says of an input."""
    (line,) = [line for line in draft.splitlines() if re.match(rf"  (# left out: )?{name}\b", line)]
    return line


def require_built(draft: str, folder: Path, kinds: Mapping[str, str]) -> None:
    """Build the model with a sidecar that has no guesses left, and require that it is proven and fully bound."""
    (folder / "model.model.yaml").write_text(draft)
    request = BuildRequest(
        calib=CAR42, model=str(folder / "model.onnx"), output=folder / "build", frames=1, allow_unchanged=True
    )
    build(request)
    manifest = Build.open(folder / "build").manifest
    spec = parse_spec(manifest.spec, "build")
    assert {name: spec.kind_of(name).kind for name in spec.calibration_inputs} == kinds
    assert not {tensor.name for tensor in manifest.inputs} & {*kinds}
    assert manifest.verify is not None and manifest.verify.passed


@pytest.mark.parametrize("name", CASES)
def test_a_draft_builds_as_it_is(name: str, tmp_path: Path, store_dir: Path) -> None:
    """Nothing but the images is filled in; where that is not enough, the draft says what is open and how to decide."""
    case: Case = CASES[name]
    draft = drafted(case.model(), tmp_path)
    assert guesses_of(draft) == case.guesses
    for guess in case.guesses:  # how to find out
        assert re.search(
            r"see what the authors feed it|if its pixels are those of a feature map", comment(draft, guess)
        )
    filled = with_images(draft)
    assert ("GUESS" in filled) == bool(case.guesses)
    require_built(decided(filled, **case.kinds), tmp_path, case.kinds)


def test_every_kind_has_a_model() -> None:
    """A kind that is added to the vocabulary is drafted and built by a model here, or told of by a test here."""
    built = {kind for case in CASES.values() for kind in case.kinds.values()}
    assert built | TOLD_ALONE == {*KINDS, *VECTORS, *POOL_TABLES, PROJECTED}
    assert not built & TOLD_ALONE


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_may_be_called_as_its_kind(kind: str) -> None:
    """The words of the vocabulary are among those that names are read by."""
    said = suggestion(kind)
    assert said is not None and kind in said.kinds


def test_inputs_of_lenses_are_told(tmp_path: Path) -> None:
    """Beside numbers that may be a lens, a matrix may be the lens's; which one it is, the authors know."""
    draft = drafted(lens_model("angle"), tmp_path)
    assert guesses_of(draft)["K"] == "intrinsic or network_intrinsic or lens_matrix or network_lens_matrix"
    assert "see what the authors feed it" in comment(draft, "K")
    assert "write {kind: lens, parameters: [names in this order]}" in comment(draft, "D")
    assert guesses_of(draft).keys() == {"K"}


def test_projected_points_are_told(tmp_path: Path) -> None:
    """Points that something else projected are no matrix; the draft says how they would be written."""
    views = Views()
    points = views.g.input("projected0", (CAMERAS, GRID.queries, GRID.anchors, 4))
    places = views.g.op("Div", views.part(points, 0, 2, 3), views.part(points, 2, 3, 3))
    draft = drafted(views.g.model(out=places), tmp_path)
    assert "write {kind: projected, grid: 0, axes: nqd4}" in comment(draft, "projected0")


@pytest.mark.parametrize("name", ["pos_embed", "coords"])
def test_positions_from_outside_are_told_and_stay(name: str, tmp_path: Path, store_dir: Path) -> None:
    """A table per image token that was made before the model stays an input, and the draft says why."""
    draft = drafted(embedding(name), tmp_path)
    told = comment(draft, name)
    assert "[1, 264, 4]: by its name a table that was computed from matrices before the model" in told
    assert "export what computes it with the model" in told
    require_built(with_images(draft), tmp_path, {"lidar2img": "lidar2img"})
    assert name in {tensor.name for tensor in Build.open(tmp_path / "build").manifest.inputs}


def test_learned_positions_are_not_told(tmp_path: Path) -> None:
    """Embeddings of queries and cells come with the weights, and the draft does not mention them."""
    make = GraphMaker()
    sums = [
        make.op("Neg", make.input(name, (1, 48, 4))) for name in ("bev_pos", "query_pos_embed", "queries")
    ]
    assert "left out" not in drafted(make.model(**{f"out{i}": each for i, each in enumerate(sums)}), tmp_path)


def embedding(name: str) -> onnx.ModelProto:
    """Return a model that projects by a matrix, and adds a table per image token to its features."""
    views, points = Views(), GRID.points().reshape(-1, 3)
    site = views.projected(views.g.input("lidar2img", (CAMERAS, 4, 4)), points, (WIDTH, HEIGHT))
    tokens = views.g.input("tokens", (1, CAMERAS * 44, 4))
    added = views.g.op("Add", tokens, views.g.input(name, (1, CAMERAS * 44, 4)))
    return views.attended(site, queries=[len(points)], embedded=added)
