"""What lenses leave to save: the figures of the guide are those of the plans."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from specialize import zoo
from specialize.calibration.load import load_profile
from specialize.files.resources import resource_dir
from specialize.model.visible import visible_sets

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "lenses.md").read_text(encoding="utf-8")


def _fewer(rig: str, model: str) -> str:
    (plan,) = visible_sets(zoo.spec(model), load_profile(resource_dir("calib_profiles") / f"{rig}.yaml"))
    return f"{plan.seen.size / plan.pairs:.3g}"


@pytest.mark.parametrize(
    ("rig", "model", "said"),
    [
        ("fisheye4", "bevformer_tiny_mei", r"four fisheyes leave ([\d.]+) times fewer pairs"),
        ("kitti360_like", "bevformer_tiny_mei", r"two fisheyes and two pinholes ([\d.]+) times"),
        ("car42", "bevformer_tiny", r"six pinholes ([\d.]+) times"),
    ],
)
def test_the_guide_says_what_a_plan_says(rig: str, model: str, said: str) -> None:
    """Wide cameras see more: the honest figures, with three digits as `plan` has them."""
    found = re.search(said, GUIDE)
    assert found is not None and found[1] == _fewer(rig, model)
