"""The page about fleets has the stored figures."""

from __future__ import annotations

import json

from benchmarks import fleets
from benchmarks.run import RESULTS
from tools.fleets_page import MARKS, PAGE, table

STORED = json.loads((RESULTS / "fleets.json").read_text())


def test_the_page_has_the_stored_table() -> None:
    """The table is written from the results; with a changed figure it would differ."""
    text = PAGE.read_text()
    assert text == MARKS.filled(text, table(STORED))
    changed = json.loads(json.dumps(STORED))
    next(iter(changed["figures"].values()))["processor_ms_each"] += 1.0
    assert text != MARKS.filled(text, table(changed))


def test_stored_figures_are_of_cases_that_can_be_measured() -> None:
    """Each figure is of a case of the benchmark, and of as many vehicles as its name says."""
    for name, figure in STORED["figures"].items():
        case, _, count = name.partition(", ")
        assert case in fleets.CASES and int(count) == figure["vehicles"]
