"""Show the comparison of two models' outputs, and the loss of a conversion, for command line and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specialize.digest import short
from specialize.evidence.comparison import NOT_COMPARED, VerifyReport, Worst
from specialize.text.document import Cell, Column, Table, table
from specialize.text.units import counted, percent, size, small

if TYPE_CHECKING:
    from specialize.artifact.precision import Precision
    from specialize.evidence.at_sites import AtSites
    from specialize.evidence.power import Power


def compared(verify: VerifyReport) -> str:
    """Return what was run against what, and how often."""
    if verify.at is not None:
        what = f"at the sites on values of frame {verify.at.frame + 1}, recorded for {verify.at.vehicle}"
        return f"{what}, {verify.runtime} against {verify.reference_runtime}"
    return f"{verify.frames} frames, {verify.runtime} against {verify.reference_runtime}"


def proof(verify: VerifyReport) -> str:
    """Return in one line whether the outputs are the same."""
    if verify == NOT_COMPARED:
        return "not verified"
    if not verify.passed:
        return "verification FAILED"
    largest = max((float(output.max_rel) for output in verify.outputs.values()), default=0.0)
    difference = f"largest difference {small(largest, 1)} (relative)"
    if verify.at is not None:
        more = f" and {len(verify.at.alike):,} computed alike" if verify.at.alike else ""
        over = f"{counted(len(verify.outputs), 'value')} equal{more}"
        return f"verified at the sites: {over}, {difference}; {rest_line(verify.at)}"
    over = f"{counted(len(verify.outputs), 'output')} equal over {counted(verify.frames, 'frame')}"
    return f"verified: {over}, {difference}"


def rest_line(at: AtSites) -> str:
    """Return what the rest of a build that was proven at its sites is equal to."""
    equal = f"{at.equal:,} values are computed node for node"
    return f"{equal} as in build {short(at.build)} of {at.vehicle}, which was verified whole"


def power_lines(power: Power | None) -> list[str]:
    """Return what the proof could show, and each thing that it could not."""
    if power is None:
        return []
    lost = [*_ill(power), *(f"not shown: {line}" for line in power.not_shown)]
    if not power.influences:
        return lost
    shown = sum(each.shown for each in power.influences)
    moved, pairs = sum(site.moved for site in power.sites), sum(site.pairs for site in power.sites)
    seen = f", {moved:,} of {pairs:,} rows follow their camera" if pairs else ""
    return [f"power: {shown} of {len(power.influences)} changes move outputs{seen}", *lost]


def _ill(power: Power) -> list[str]:
    """Return which outputs the original itself does not determine to within rounding."""
    lines = []
    for name, judged in power.outputs.items():
        if judged.rule == "float64":
            lines.append(
                f"float64: output {name!r} equals the original with its cumulative sums in float64, itself less exact"
            )
        if judged.rule == "ill-conditioned":
            moved = f"the original itself moves by {max(judged.ulp, judged.order):.2g} of its scale under rounding"
            lines.append(f"ill-conditioned: output {name!r}: {moved}; {judged.rtol:.2g} was allowed")
        if judged.unsettled:
            two = "the original itself differs between two orders of sums; either was allowed"
            lines.append(f"ill-conditioned: output {name!r}: in {judged.unsettled:,} values {two}")
    return lines


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
        Column("output" if verify.at is None else "value at a site", "code"),
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
