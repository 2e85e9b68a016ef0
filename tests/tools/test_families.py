"""The tool that measures exports of published models: what it finds of a small one, and what it calls wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.end_to_end import tiny_model
from tools.families import BEGIN, END, exports, label, main, sidecar_of
from tools.families_table import direction, of_draft, table, troubles

TRUTH = """
import numpy as np, yaml
def calibration_inputs(path):
    profile = yaml.safe_load(open(path))
    return {"lidar2img": MATRICES[profile["vehicle"]]}
"""


def found(**changed: Any) -> dict[str, Any]:
    """Return the figures of an export with which everything is right."""
    figures: dict[str, Any] = {
        "draft": {
            "wrong": [], "certain": ["lidar2img"], "open": [], "left_out": [], "open_image": ["scale"], "forms": [],
        },
        "build": {
            "form": "zero-padded", "sites": 1, "pairs": [60, 10], "pooled": 0, "reference": "the user's file",
            "counted": {"model_flops": 2.0, "model_bytes": 1.5, "model_predicted_ns": 1.9},
        },
        "runs": {
            "matrices": "truth.py", "difference": 1e-7, "difference_other": 0.1, "ratio": 1.8,
            "milliseconds": {"original": 18.0, "specialized": 10.0}, "peak_mib": {"original": 50, "specialized": 20},
        },
    }  # fmt: skip
    for key, value in changed.items():
        part, _, name = key.partition("_")
        figures[part][name] = value
    return figures


def test_right_figures_are_no_trouble() -> None:
    """A row says sites, what is counted and measured, and what a person must decide."""
    assert troubles({"tiny": found()}) == []
    row = table({"tiny": found()}).splitlines()[2]
    assert (
        "1: 10 of 60 pairs (6.00x)" in row and "2.00x, 1.50x, 1.90x" in row and "1.80x (18 to 10 ms)" in row
    )
    assert "right; open: scale" in row


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"draft_wrong": ["lidar2img: img2lidar"]}, "draft says lidar2img: img2lidar"),
        ({"runs_difference": 1e-2}, "differs by 1.0e-02"),
        ({"runs_difference": float("nan")}, "differs by nan"),
        ({"runs_difference_other": 2e-7}, "another vehicle makes no difference"),
        ({"runs_ratio": 0.7}, "predicted 1.90x, measured 0.70x"),
        (
            {"build_counted": {"model_flops": 2.0, "model_predicted_ns": 0.8}},
            "predicted 0.80x, measured 1.80x",
        ),
    ],
)
def test_what_is_wrong_is_told(changed: dict[str, Any], told: str) -> None:
    """A wrong draft, a build that differs, a comparison without teeth, and figures that contradict each other."""
    assert troubles({"tiny": found(**changed)}) == [f"tiny: {told}"]


def test_failed_builds_are_told_unless_there_is_nothing_to_gain() -> None:
    """A refusal is trouble; a model in which next to nothing folds is rightly declined."""
    refused = found() | {"build": {"error": "no", "declined": False}}
    declined = found() | {"build": {"error": "no", "declined": True}}
    assert troubles({"a": refused, "b": declined}) == ["a: build: no"]


def test_ratios_near_one_have_no_direction() -> None:
    """Ten per cent of a measured time is noise."""
    assert [direction(ratio) for ratio in (2.0, 1.09, 0.92, 0.5, None)] == [1, 0, 0, -1, 0]


def test_drafts_are_compared_with_what_a_person_decided() -> None:
    """Certain entries must be right; open ones, and those that are left out, are listed."""
    right = (
        "image: {size_px: [800, 464], scale: 0.5}\n"
        "calibration_inputs: {a: lidar2img, b: {kind: img2lidar, repeat: 4}, c: cam2ego, d: identity}\n"
        "grids: [{shape: [4, 6], range_m: [0, 0, 0, 1, 1, 1], anchors: 2, order: zy}]\n"
    )
    draft = (
        "image:\n  size_px: [800, 480]  # by use\n  scale: GUESS 0.4\n  crop_px: [0, 0]\n"
        "calibration_inputs:\n  a: img2lidar\n  b: {kind: img2lidar, repeat: 4}\n  c: GUESS cam2ego or cam2lidar\n"
        "grids:\n  - {shape: [4, 6], range_m: [0, 0, 0, 1, 1, 1], anchors: 2, order: zy}\n"
    )
    said = of_draft({"sidecar": draft}, right)
    assert said["wrong"] == ["a: img2lidar", "image.size_px: [800, 480]"]
    assert (said["certain"], said["open"], said["left_out"]) == (["a", "b"], ["c"], ["d"])
    assert said["open_image"] == ["scale"]
    turned = of_draft({"sidecar": draft.replace("order: zy", "order: yz")}, right)
    assert "grids" in turned["wrong"]


def test_exports_have_sidecars_of_their_own_or_of_their_folder(tmp_path: Path) -> None:
    """`model_x.onnx` takes `right_x.model.yaml` where there is one; a file without any is no export."""
    for name in (
        "a/model.onnx",
        "a/model_x.onnx",
        "b/model.onnx",
        "a/right.model.yaml",
        "a/right_x.model.yaml",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    first, second = exports(tmp_path, [])
    assert [label(first), label(second)] == ["a", "a/x"]
    assert [sidecar_of(each).name for each in (first, second)] == ["right.model.yaml", "right_x.model.yaml"]
    assert [label(each) for each in exports(tmp_path, ["a/model_x.onnx"])] == ["a/x"]


@pytest.mark.slow
def test_an_export_is_measured_and_written_into_the_guide(
    tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model is inspected, built, compared with independent matrices, timed, and written between the guide's marks."""
    folder = tmp_path / "exports" / "tiny"
    folder.mkdir(parents=True)
    onnx.save(tiny_model.tiny_model(), folder / "model.onnx")
    (folder / "right.model.yaml").write_text(tiny_model.SPEC.to_text())
    matrices = {vehicle: _matrices(vehicle) for vehicle in ("car42", "car43")}
    (folder / "truth.py").write_text(f"from numpy import array, float64\nMATRICES = {matrices!r}\n{TRUTH}")
    guide, results = tmp_path / "guide.md", tmp_path / "results.json"
    guide.write_text(f"before\n{BEGIN}old\n{END}\nafter\n")
    given = [str(folder.parent), "--results", str(results), "--guide", str(guide), "--rounds", "3", "--write"]
    main(given)  # its exit code follows a measured ratio, which a test does not assert
    kept = json.loads(results.read_text())["exports"]["tiny"]
    assert kept["draft"]["wrong"] == [] and kept["build"]["sites"] == 1
    assert kept["runs"]["matrices"] == "truth.py" and kept["runs"]["difference"] < 1e-6
    assert kept["runs"]["difference_other"] > 1e-3
    text = guide.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| export |") and text.endswith(f"{END}\nafter\n")
    assert "| tiny | zero-padded |" in text and "old" not in text
    capsys.readouterr()
    assert main(["--results", str(results), "--guide", str(guide)]) in (0, 1)
    assert "| tiny |" in capsys.readouterr().out


def _matrices(vehicle: str) -> list[list[list[float]]]:
    """Return the matrices of a packaged vehicle as plain numbers, for the file of an independent truth."""
    from specialize.calibration.load import load_profile
    from tests.cli.running import REPOSITORY

    profile = load_profile(REPOSITORY / "calib_profiles" / f"{vehicle}.yaml")
    return np.asarray(tiny_model.SPEC.network_from_lidar(profile))[None].tolist()  # type: ignore[no-any-return]
