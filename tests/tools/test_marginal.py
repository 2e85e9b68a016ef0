"""The table of what a further vehicle costs is that of the stored results."""

from __future__ import annotations

import json

from tools.marginal import MARKS, PAGE, RESULTS, table


def test_the_page_has_the_stored_table() -> None:
    """Every figure of the table stands in the results."""
    text = PAGE.read_text()
    assert text == MARKS.filled(text, table(json.loads(RESULTS.read_text())))


def test_further_vehicles_are_proven_at_their_sites() -> None:
    """The first vehicle of every model is proven whole, and the others take less than half of its time."""
    for measured in json.loads(RESULTS.read_text())["models"].values():
        assert [measured[which]["proof"] for which in ("first", "further")] == ["whole", "sites"]
        assert 2 * measured["further"]["cpu_seconds"] < measured["first"]["cpu_seconds"]
        assert measured["first"]["recording_bytes"] == measured["further"]["recording_bytes"] > 0
