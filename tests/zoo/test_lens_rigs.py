"""What lenses leave to save: the figures of the guide are those of the plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import lens_rigs

FOUND = lens_rigs.figures()


def test_the_stored_figures_are_those_of_the_plans() -> None:
    """`make lens-rigs` would write the same file and the same table."""
    assert lens_rigs.FIGURES.read_text() == lens_rigs.figures_text(FOUND)
    guide = lens_rigs.GUIDE.read_text()
    assert lens_rigs.with_table(guide, lens_rigs.table(FOUND)) == guide


def test_a_stale_table_is_noticed() -> None:
    """A figure that changed changes the page."""
    guide = lens_rigs.GUIDE.read_text()
    other = lens_rigs.table({"car42": FOUND["car42"]})
    assert lens_rigs.with_table(guide, other) != guide


def test_wide_cameras_save_less_and_padding_costs_more() -> None:
    """Five times for pinholes, about twice for fisheyes, less if all cameras are as long as the longest."""
    assert FOUND["car42"].ragged > 5
    for rig in ("kitti360_like", "fisheye4", "ftheta4"):
        assert 1.5 < FOUND[rig].ragged < 2.5
        assert FOUND[rig].padded < FOUND[rig].ragged


def test_ghosts_are_counted_where_xi_is_large() -> None:
    """Of KITTI-360's side cameras a third of what the published mask counts is behind them; of pinholes nothing."""
    ghosts = FOUND["kitti360_like"].ghosts
    assert ghosts["image_00"] == ghosts["image_01"] == 0.0
    assert min(ghosts["image_02"], ghosts["image_03"]) > 0.3


@pytest.mark.parametrize("rig", sorted(lens_rigs.RIGS))
def test_every_rig_is_shipped(rig: str) -> None:
    """The profile is one of `calib_profiles/`."""
    assert (Path(lens_rigs.ROOT) / "calib_profiles" / f"{rig}.yaml").is_file()
