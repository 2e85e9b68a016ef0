"""Write the tables of docs/concepts/view-transforms.md from benchmarks/results/view_transforms.json.

usage: python -m tools.view_transforms_page [--write docs/concepts/view-transforms.md]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.run import RESULTS  # noqa: E402  the checkout, not an installed package
from benchmarks.view_transforms import ALONE, FILE, FOLDED, ORIGINAL, SPECIALIZED, SUMMED, Figure  # noqa: E402
from specialize.text.units import percent  # noqa: E402  the checkout
from tools.formulations_page import measured, ms, table  # noqa: E402  the checkout
from tools.marks import Marks  # noqa: E402  the checkout

PAGE = ROOT / "docs" / "concepts" / "view-transforms.md"
MARKS = Marks("view transforms")
NAMED = 3
"""Operators that are named."""


def tables(data: dict[str, object]) -> str:
    """Return what was measured on what, what specializing saves, and what bounds the rest."""
    where, found = measured(data, Figure)
    return "\n\n".join((where, _saved(found), _limits(found)))


def _saved(figures: dict[str, Figure]) -> str:
    """Return points, times and peak memory before and after."""
    heads = [
        "view transform", "points", "computed", "fewer", ORIGINAL, FOLDED, SPECIALIZED, "than original", "than folded",
        "of the points' ratio", "peak memory",
    ]  # fmt: skip
    rows = []
    for name, each in figures.items():
        fewer, faster = (
            each.points / max(1, each.computed),
            each.median_ms[FOLDED] / each.median_ms[SPECIALIZED],
        )
        rows.append([
            name, f"{each.points:,}", f"{each.computed:,}", f"{fewer:.2f}x" if each.computed else "-",
            *(f"{ms(each.median_ms[form])} ms" for form in (ORIGINAL, FOLDED, SPECIALIZED)),
            f"{each.faster[SPECIALIZED]:.2f}x", f"{faster:.2f}x",
            percent(faster / fewer, 0) if each.computed else "-",
            f"{each.peak_mib[ORIGINAL]:,} to {each.peak_mib[SPECIALIZED]:,} MiB",
        ])  # fmt: skip
    return table(heads, rows)


def _limits(figures: dict[str, Figure]) -> str:
    """Return what bounds the specialized form, and which operators take its time."""
    heads = [
        "view transform", "what is read", "copy of it", ALONE, SUMMED, SPECIALIZED, "over the bound",
        "its operators",
    ]  # fmt: skip
    rows = []
    for name, each in figures.items():
        own, bound = each.median_ms[SPECIALIZED], each.median_ms.get(SUMMED, each.median_ms.get(ALONE))
        rows.append([
            name, f"{each.read_bytes / 2**20:,.0f} MiB", f"{ms(each.copy_ms)} ms", _time(each, ALONE),
            _time(each, SUMMED), f"{ms(own)} ms", f"{own / bound:.2f}x" if bound else "-", _operators(each.shares),
        ])  # fmt: skip
    return table(heads, rows)


def _time(figure: Figure, form: str) -> str:
    return f"{ms(figure.median_ms[form])} ms" if form in figure.median_ms else "-"


def _operators(shares: dict[str, float]) -> str:
    largest = sorted(shares, key=shares.__getitem__, reverse=True)[:NAMED]
    return ", ".join(f"{name} {percent(shares[name], 0)}" for name in largest)


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    text = tables(json.loads((RESULTS / FILE).read_text()))
    if given.write is None:
        print(text)
    else:
        MARKS.write(given.write, text)


if __name__ == "__main__":
    main()
