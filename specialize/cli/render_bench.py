"""Measured times of the forms, ratios first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from specialize.report.times import PARTS, how, memory_table, operator_shares, times_table
from specialize.text.document import Document
from specialize.text.terminal import command
from specialize.text.units import times

if TYPE_CHECKING:
    from specialize.bench import BuildBench


def bench_text(bench: BuildBench, place: str) -> Document:
    """Return what `specialize bench` shows."""
    shares = [f"  {form:<12} {parts}" for form, parts in operator_shares(bench).items()]
    limits = ["\n".join(["what limits the site, share of the time in operators:", *shares])]
    return (
        f"{bench.model} for {bench.vehicle}, attention site {bench.site}\n{how(bench)}",
        _headline(bench),
        times_table(bench),
        memory_table(bench),
        *(limits if shares else []),
        f"next: specialize report {command(Path(place))} --bench",
    )


def _headline(bench: BuildBench) -> str:
    first, last = next(iter(bench.rows)), list(bench.rows)[-1]
    fewer = times(bench.rows[first] / bench.rows[last])
    faster = (f"{PARTS[part]} {times(bench.ratios[part][last])} faster" for part in bench.parts)
    return f"{fewer} fewer rows at the site; {', '.join(faster)}"
