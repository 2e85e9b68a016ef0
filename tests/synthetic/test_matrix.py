"""Every form, in every binding mode, in every layout: the same pairs as the plan, the same numbers as its original."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from specialize.errors import DeclinedError
from specialize.rows.rowmap import RowMap
from tests.graphs import RAGGED
from tests.synthetic.matrix import CASES, MODES, PACKINGS, holds
from tests.synthetic.sampling import CUSTOM, IN_PIXELS
from tests.synthetic.styles import STYLES

pytestmark = pytest.mark.torch

REFUSED = ("heights rebatched", "envelope")
"""A query whose anchors have rows of their own has no rows that today's mask of the query could gate."""
EVERY = [case for case in product(CASES, MODES, PACKINGS) if case[:2] != REFUSED]
FEW = (
    ("looped, onnxsim", "exact", "ragged"),
    ("mask per height", "exact", "padded"),
    ("masked twice, opset 13", "exact", "aligned"),
    ("heights at once", "envelope", "ragged"),
    ("masks of heights first", "envelope", "padded"),
    ("heights at once", "tables", "padded"),
    ("heights rebatched", "exact", "padded"),
    ("heights rebatched", "tables", "ragged"),
    ("masked twice, dynamo, raw", "envelope", "ragged"),
    ("com.microsoft::MultiScaleDeformableAttn", "envelope", "padded"),
    ("rebatched, onnxslim", "envelope", "padded"),
    ("rebatched", "envelope", "aligned"),
    ("npu::MultiScaleDeformableAttn", "tables", "ragged"),
    ("summed by a convolution", "tables", "ragged"),
    ("rebatched, onnxsim", "tables", "ragged"),
    ("masked twice, onnxslim", "tables", "padded"),
    ("rebatched, not folded", "tables", "aligned"),
)


@pytest.mark.parametrize(("name", "mode", "layout"), FEW)
def test_forms_meet_modes_and_layouts(name: str, mode: str, layout: str, tmp_path: Path) -> None:
    """A few of the matrix, so that every form, every mode and every layout occurs."""
    holds(CASES[name], mode, PACKINGS[layout], tmp_path)


def test_the_few_have_everything() -> None:
    """Every mode and layout, and every pair of both, is among the few."""
    assert {(mode, layout) for _, mode, layout in FEW} == set(product(MODES, PACKINGS))
    assert set(FEW) <= set(EVERY)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "mode", "layout"), EVERY)
def test_the_whole_matrix(name: str, mode: str, layout: str, tmp_path: Path) -> None:
    """Form by mode by layout, all of it."""
    holds(CASES[name], mode, PACKINGS[layout], tmp_path)


def test_anchors_with_rows_of_their_own_have_no_envelope(tmp_path: Path) -> None:
    """One of them may be invisible today where another one is not: the mask of the query does not tell."""
    with pytest.raises(DeclinedError, match="rows of single anchors"):
        holds(CASES[REFUSED[0]], REFUSED[1], RAGGED, tmp_path)


@pytest.mark.parametrize("operator", [*CUSTOM, *IN_PIXELS])
@pytest.mark.parametrize("name", ["rebatched", "looped"])
def test_a_custom_operator_on_rows_that_are_counted_at_run_time(
    name: str, operator: str, tmp_path: Path
) -> None:
    """Its sizes are known after binding only; the original runs in operators that need no size."""
    case = replace(CASES[name], style=replace(STYLES[name], sampler=operator))
    holds(case, "exact", RAGGED, tmp_path)


def test_the_check_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rows brought back to other queries the numbers differ, and the matrix says so."""
    right = RowMap.table
    monkeypatch.setattr(RowMap, "table", lambda *args: tuple(part[::-1].copy() for part in right(*args)))
    with pytest.raises(AssertionError):
        holds(CASES["masked twice"], "exact", RAGGED, tmp_path)
