"""How the outputs of two models compare, and what a conversion loses, as the command line and reports show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specialize.text.document import Cell, Column, Table, table
from specialize.text.units import percent, size, small

if TYPE_CHECKING:
    from specialize.artifact.precision import Precision
    from specialize.evidence.comparison import VerifyReport, Worst


def outputs_table(verify: VerifyReport) -> Table:
    """Return the comparison of every output."""
    rows = (
        (
            name,
            small(output.max_abs),
            small(output.max_rel),
            f"{output.cosine:.7f}",
            Cell(percent(output.margin, 0), min(1.0, output.margin)),
            Cell("equal", state="good") if output.passed else Cell("DIFFERENT", state="bad"),
            _closest(output.worst),
        )
        for name, output in verify.outputs.items()
    )
    worst = Column("closest to its bound:\nindex, original and specialized", "words", page=True)
    columns = (
        Column("output", "code"),
        "max abs",
        "max rel",
        "cosine",
        Column("of bound", "bars"),
        "",
        worst,
    )
    return table(*columns, rows=rows)


def _closest(worst: Worst) -> str:
    place = f"{list(worst.index)}, frame {worst.frame}"
    return f"{place}: {worst.reference:.7g} and {worst.candidate:.7g}"


def precision_parts(precision: Precision | None) -> list[str | Table]:
    """Return the loss of every output, and what stays in float32; nothing for a float32 build."""
    if precision is None:
        return []
    rows = (
        (name, small(loss.max_abs), small(loss.max_rel), f"{loss.cosine:.6f}")
        for name, loss in precision.outputs.items()
    )
    losses = table("loss of output", "max abs", "max rel", "cosine", rows=rows)
    return [_summary(precision), losses, *_on_target(precision)]


def _on_target(precision: Precision) -> list[str | Table]:
    """Return the loss on the target's own runtime, where that ran."""
    if precision.on_target is None:
        return []
    losses = ", ".join(f"{name} {small(loss.max_abs)}" for name, loss in precision.on_target.outputs.items())
    return [f"on {precision.on_target.measured_on.text}: {losses}"]


def _summary(precision: Precision) -> str:
    wide = f", and {precision.wide:,} tensors beyond 16 bits" if precision.wide else ""
    kept = f"{precision.kept:,} of {precision.nodes:,} nodes stay in float32 (places and geometry{wide})"
    scheme = (
        f", {precision.activations} activations, weights of {precision.weight_bits} bits {precision.weights}"
        if precision.activations
        else ""
    )
    sizes = f"constants {size(precision.constant_bytes)} instead of {size(precision.constant_bytes_float32)}"
    measured = f"measured against the float32 build on {precision.frames_text}"
    machine = f"with {precision.measured_on.text}"
    return f"{precision.name}{scheme}: {sizes}; {kept}\nits loss, {measured}, {machine}:"
