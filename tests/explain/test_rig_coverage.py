"""What a rig sees by distance, and with cameras missing, is what the plans of such rigs say."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialize.calibration.load import load_profile
from specialize.calibration.off import without
from specialize.errors import InputError, UsageError
from specialize.explain import coverage as module
from specialize.explain.coverage import Case, Coverage, coverage
from specialize.explain.plan import resolve_spec
from specialize.files.resources import resource_dir
from specialize.model.visible import visible_sets

CAR42 = resource_dir("calib_profiles") / "car42.yaml"
MODEL = "bevformer_tiny"


@pytest.fixture(scope="module")
def found() -> Coverage:
    """Return the coverage of car42, with up to two cameras missing."""
    return coverage(CAR42, MODEL, missing=2)


def planned(missing: tuple[str, ...]) -> tuple[int, tuple[int, ...]]:
    """Return pairs, and cells by number of cameras, of a rig that is planned without cameras."""
    profile = without(load_profile(CAR42), missing)
    (plan,) = visible_sets(resolve_spec(MODEL), profile)
    by = plan.seen_by_k
    return plan.pairs, (*by[:3], sum(by[3:]))


def test_every_case_is_the_plan_of_a_rig_whose_cameras_are_off(found: Coverage) -> None:
    """The rig as it is, each camera missing, and each pair: 1 + 6 + 15."""
    cases = found.grids[0].cases
    assert len(cases) == 22
    assert len({planned(case.missing) for case in cases[:7]}) == 7, "the check can fail"
    for case in cases:
        assert (case.pairs, case.seen_by) == planned(case.missing)


def test_rings_and_places_add_up(found: Coverage) -> None:
    """Each cell is in one ring, and each blind one in one place."""
    grid = found.grids[0]
    whole = grid.cases[0]
    for case in grid.cases:
        assert tuple(map(sum, zip(*(ring.seen_by for ring in case.rings), strict=True))) == case.seen_by
        assert sum(case.seen_by) == grid.cells
        assert case.goes_blind == case.seen_by[0] - whole.seen_by[0]
        blind = case.goes_blind if case.missing else case.seen_by[0]
        assert sum(place.cells for place in case.blind) == blind


def test_the_place_that_goes_blind_is_where_the_camera_looked(found: Coverage) -> None:
    """Of the rear camera it is the rear."""
    (rear,) = (case for case in found.grids[0].cases if case.missing == ("CAM_BACK",))
    assert rear.blind[0].side == "rear"


def test_cameras_that_are_off_are_off_in_every_case() -> None:
    """Six less one, each of which may be missing too."""
    degraded = coverage(CAR42, MODEL, off=("CAM_BACK",))
    assert degraded.off == ("CAM_BACK",)
    cases: tuple[Case, ...] = degraded.grids[0].cases
    assert [case.missing for case in cases[1:]] == [
        (name,) for name in load_profile(CAR42).camera_names() if name != "CAM_BACK"
    ]
    assert (cases[0].pairs, cases[0].seen_by) == planned(("CAM_BACK",))


def test_a_model_without_a_grid_has_no_cells() -> None:
    """The error names what is needed."""
    with pytest.raises(InputError, match="a grid that shows the ground"):
        coverage(CAR42, "streampetr")


def test_too_many_cases_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any is counted."""
    monkeypatch.setattr(module, "MOST_CASES", 6)
    with pytest.raises(UsageError, match="at most 6 cases"):
        coverage(Path(CAR42), MODEL)
