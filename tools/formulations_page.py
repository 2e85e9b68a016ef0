"""Write the tables of docs/concepts/formulations.md, and targets' figures, from benchmarks/results/formulations.json.

usage: python -m tools.formulations_page [--write docs/concepts/formulations.md] [--defaults]

Figures of further machines lie in folders beside it, one for each, and follow those of the first on the page.
`--defaults` writes `specialize/targets/measured.json` from the first machine's, which decides how targets write
attention.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import geometric_mean
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.formulations import ALONE, PADDED, REBATCHED, Figure  # noqa: E402  the checkout
from benchmarks.run import RESULTS  # noqa: E402  the checkout, not an installed package
from benchmarks.turns import Times  # noqa: E402  the checkout
from specialize.lowering.formulations import FORMULATIONS, GRID_SAMPLE  # noqa: E402  the checkout
from specialize.targets.measured import FILE, MeasuredForms, as_file  # noqa: E402  the checkout
from tools.marks import Marks  # noqa: E402  the checkout

PAGE = ROOT / "docs" / "concepts" / "formulations.md"
MARKS = Marks("formulations")
FIGURES = "formulations.json"
Kind = TypeVar("Kind", bound=Times)


def text_of(results: Path) -> str:
    """Return the tables of the machine whose figures lie in a folder, and of those in folders below it."""
    paths = [results / FIGURES, *sorted(results.glob(f"*/{FIGURES}"))]
    return "\n\n".join(tables(json.loads(path.read_text())) for path in paths)


def tables(data: dict[str, object]) -> str:
    """Return what was measured on what, the times of all formulations, and what limits the quickest."""
    where, found = measured(data, Figure)
    return "\n\n".join((where, _times(found), _limits(found)))


def measured(data: dict[str, object], kind: type[Kind]) -> tuple[str, dict[str, Kind]]:
    """Return a sentence about what was measured on what, and the figures by name."""
    machine, figures = data["machine"], data["figures"]
    assert isinstance(machine, dict) and isinstance(figures, dict)
    found = {name: kind(**each) for name, each in figures.items()}
    runtimes = " and ".join(sorted({each.runtime for each in found.values()}))
    where = f"{runtimes} on {machine['processor']}, {machine['cores']} cores, {machine['system']}"
    return f"Measured with {where}.", found


def _times(figures: dict[str, Figure]) -> str:
    """Return medians, and how many times faster than GridSample each formulation is."""
    heads = ["site", "samples", *(f"`{form}`" for form in FORMULATIONS)]
    rows = [
        [name, f"{each.samples:,}", *(_time(each, form) for form in FORMULATIONS)]
        for name, each in figures.items()
    ]
    return table(heads, rows)


def _time(figure: Figure, form: str) -> str:
    if form not in figure.median_ms:
        return "-"
    text = f"{ms(figure.median_ms[form])} ms"
    return text if form == GRID_SAMPLE else f"{text}, {figure.faster[form]:.2f}x"


def _limits(figures: dict[str, Figure]) -> str:
    """Return how the quickest formulation compares with the other forms, with the pairs, and with what bounds it."""
    heads = [
        "site", "quickest", "pairs", "than zero-padded", "pairs", "than re-batched", "GridSample alone",
        "copy of the samples", "quickest",
    ]  # fmt: skip
    rows = []
    for name, each in figures.items():
        best = min((form for form in FORMULATIONS if form in each.median_ms), key=each.median_ms.__getitem__)
        rows.append([
            name, f"`{best}`", f"{each.all_pairs / each.pairs:.2f}x", _against(each, PADDED, best),
            f"{each.longest / each.pairs:.2f}x", _against(each, REBATCHED, best), f"{ms(each.median_ms[ALONE])} ms",
            f"{ms(each.copy_ms)} ms", f"{ms(each.median_ms[best])} ms",
        ])  # fmt: skip
    return table(heads, rows)


def _against(figure: Figure, form: str, best: str) -> str:
    return f"{figure.median_ms[form] / figure.median_ms[best]:.2f}x" if form in figure.median_ms else "-"


def ms(value: float) -> str:
    """Return milliseconds, with one digit behind the point below 100."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table of Markdown, numbers to the right of the first column."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def defaults(data: dict[str, object]) -> dict[str, MeasuredForms]:
    """Return how quick formulations are on each runtime, over all sites and threads that were measured on it."""
    machine, figures = data["machine"], data["figures"]
    assert isinstance(machine, dict) and isinstance(figures, dict)
    by_target: dict[str, list[Figure]] = {}
    for name, each in figures.items():
        by_target.setdefault(name.rpartition(", ")[2], []).append(Figure(**each))
    source = f"benchmarks/results/formulations.json, {machine['processor']}, {machine['cores']} cores"
    return {
        name: MeasuredForms(
            runtime=found[0].runtime, source=source, sites=len(found), faster=_mean_gains(found)
        )
        for name, found in by_target.items()
    }


def _mean_gains(figures: list[Figure]) -> dict[str, float]:
    """Return formulation -> how many times faster than GridSample, geometric mean of the sites that timed it."""
    gains = {
        form: [each.faster[form] for each in figures if form in each.faster]
        for form in FORMULATIONS
        if form != GRID_SAMPLE
    }
    return {form: round(geometric_mean(each), 3) for form, each in gains.items() if each}


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path)
    parser.add_argument("--defaults", action="store_true", help=f"write {FILE.relative_to(ROOT)} too")
    given = parser.parse_args()
    text = text_of(RESULTS)
    if given.defaults:
        FILE.write_text(as_file(defaults(json.loads((RESULTS / FIGURES).read_text()))))
    if given.write is None:
        print(text)
    else:
        MARKS.write(given.write, text)


if __name__ == "__main__":
    main()
