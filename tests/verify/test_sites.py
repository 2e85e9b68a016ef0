"""Opened sites show what each camera does, without a run of the whole head per camera."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from specialize.evidence.power import Influence
from specialize.model.parts import InputRule
from specialize.verify import study
from specialize.verify.opened import open_at
from tests.verify.proofs import Pair, leak_features, tiny_pair


def cameras_of(pair: Pair) -> tuple[list[Influence], list[str]]:
    """Return the influences of the cameras, and for which of them the whole head ran."""
    stages: list[str] = []
    report = pair.prove(progress=lambda stage, frame: stages.append(stage))
    assert report.power is not None
    influences = [each for each in report.power.influences if each.kind == "camera"]
    return influences, [each.name for each in influences if f"influence of {each.name}" in stages]


def leaking(pair: Pair) -> Pair:
    """Return the pair with an original in which features reach an output past its only site."""
    model = onnx.load(pair.subject.path)
    leak_features(model.graph)
    path = pair.subject.path.with_name("leaking.onnx")
    onnx.save(model, path)
    return replace(pair, subject=replace(pair.subject, path=path))


def test_sites_show_what_the_whole_head_shows(tmp_path: Path) -> None:
    """What a camera does through the only site is what it does in the whole head, which does not run for it."""
    pair = tiny_pair(tmp_path)
    through, ran = cameras_of(pair)
    whole, all_ran = cameras_of(replace(pair, subject=replace(pair.subject, sites=())))
    assert ran == []
    assert all_ran == [each.name for each in whole] == [each.name for each in through]
    assert [each.factor for each in through] == pytest.approx([each.factor for each in whole], rel=0.05)


def test_features_that_pass_the_sites_need_the_whole_head(tmp_path: Path) -> None:
    """Where features reach an output in another way too, sites do not show what a camera does: the whole head runs."""
    pair = leaking(tiny_pair(tmp_path))
    influences, ran = cameras_of(pair)
    assert ran == [each.name for each in influences]
    assert all(each.outputs["leak"] > 0.0 for each in influences)


def test_a_camera_that_the_sites_do_not_show_runs_in_the_whole_head(tmp_path: Path) -> None:
    """Features of zeros change nothing at a site; only the whole head can tell that they change nothing at all."""
    influences, ran = cameras_of(tiny_pair(tmp_path, features=InputRule(scale=0.0)))
    assert ran == [each.name for each in influences]
    assert not any(each.shown for each in influences)


def test_each_part_computes_only_what_its_outputs_need(tmp_path: Path) -> None:
    """The rest of the model leaves out the features and the sites; the sites leave out what follows."""
    pair = tiny_pair(tmp_path)
    subject = pair.subject
    feed = {name: subject.spare.one(0, name) for name in subject.free} | dict(pair.calibration)
    opened = open_at(subject.path, subject.sites, feed, 1, tmp_path)
    assert opened.rows.outputs == tuple(opened.outputs.values())
    assert "features" in opened.rows.inputs
    assert "features" not in opened.rest.inputs
    assert set(opened.inputs.values()) <= set(opened.rest.inputs)
    operators = [
        {node.op_type for node in onnx.load(tmp_path / f"{part}.onnx").graph.node}
        for part in ("rows", "rest")
    ]
    assert "GridSample" in operators[0] - operators[1]
    results = opened.rows.run(feed)
    assert all(np.array_equal(value, results[opened.outputs[0]]) for value in opened.passed(results).values())


@pytest.mark.parametrize("sites", [True, False])
def test_features_of_one_camera_are_in_memory_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sites: bool
) -> None:
    """When a camera's turn comes, the features that the ones before it were given are gone."""
    pair = tiny_pair(tmp_path)
    if not sites:
        pair = replace(pair, subject=replace(pair.subject, sites=()))
    made: list[weakref.ref[np.ndarray]] = []
    real, most = study._swapped, []

    def watched(array: np.ndarray, axis: int, camera: int) -> np.ndarray:
        gc.collect()
        most.append(sum(each() is not None for each in made))
        swapped = np.array(real(array, axis, camera))
        made.append(weakref.ref(swapped))
        return swapped

    monkeypatch.setattr(study, "_swapped", watched)
    cameras_of(pair)
    assert len(made) >= len(pair.subject.cameras) and max(most) <= 1
