"""The rules that every build of the tests is held to notice what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from specialize.artifact import Manifest, write_manifest
from specialize.evidence.costs import FormCost
from tests.artifact.examples import manifest
from tests.built import false_statements
from tests.cost_rules import told_wrong, violations


def true_manifest() -> Manifest:
    """Return the example, its costs with as many pairs as its site computes rows."""
    made = manifest()
    return costs_with("specialized", pairs=72)(msgspec.structs.replace(made, key={"vehicle": "car42"}))


def site_with(**changes: Any) -> Callable[[Manifest], Manifest]:
    """Return what changes the manifest's only site."""
    return lambda made: msgspec.structs.replace(
        made, sites=tuple(msgspec.structs.replace(site, **changes) for site in made.sites)
    )


def costs_with(form: str, **changes: Any) -> Callable[[Manifest], Manifest]:
    """Return what changes the costs of a form."""

    def change(made: Manifest) -> Manifest:
        changed = msgspec.structs.replace(made.flops.forms[form], **changes)
        flops = msgspec.structs.replace(made.flops, forms={**made.flops.forms, form: changed})
        return msgspec.structs.replace(made, flops=flops)

    return change


def test_a_true_manifest_violates_nothing() -> None:
    """Sites, headline, table and costs of the example agree."""
    assert violations(true_manifest()) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (site_with(pairs=71), "not those of its cameras"),
        (site_with(longest=41), "not those of its cameras"),
        (site_with(rows_computed=69), "fewer rows are computed than are seen"),
        (costs_with("specialized", pairs=73), "73 pairs in the costs, 72 in the sites"),
        (costs_with("specialized", attention_flops=-5), "a negative number"),
    ],
    ids=["pairs", "longest", "rows", "costs", "negative"],
)
def test_what_is_wrong_is_noticed(change: Callable[[Manifest], Manifest], named: str) -> None:
    """Each kind of false statement has a line."""
    assert any(named in line for line in violations(change(true_manifest())))


def test_a_ratio_of_what_is_not_counted_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that divides by an uncounted number, or calls a loss a saving, is reported."""
    costs = true_manifest().flops
    assert list(told_wrong(costs)) == []
    known = FormCost.known
    monkeypatch.setattr(FormCost, "known", lambda form, key: (known(form, key) or 0) + 1)
    assert any(line.startswith("whole-model FLOPs") for line in told_wrong(costs))
    monkeypatch.undo()
    monkeypatch.setattr("specialize.report.costs.saved", lambda before, after: "0.50x")
    assert any(line.startswith("attention FLOPs") for line in told_wrong(costs))


def test_builds_are_found_by_their_manifest(tmp_path: Path) -> None:
    """A build with false costs is named with its path; an example without a key, and a damaged file, are not judged."""
    wrong = costs_with("specialized", pairs=73)(true_manifest())
    for name, made in (("wrong", wrong), ("example", msgspec.structs.replace(wrong, key={}))):
        (tmp_path / name).mkdir()
        write_manifest(tmp_path / name, made)
    (line,) = false_statements(tmp_path / "wrong" / "manifest.json")
    assert line.startswith(str(tmp_path / "wrong")) and "73 pairs" in line
    assert false_statements(tmp_path / "example" / "manifest.json") == []
    (tmp_path / "wrong" / "manifest.json").write_text("{}")
    assert false_statements(tmp_path / "wrong" / "manifest.json") == []
