"""Turn a build's manifest and visible sets into the page that the template lays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from specialize.artifact.manifest import Manifest, PassNote, Tensor
from specialize.artifact.measured import Measured
from specialize.bench.report import BuildBench
from specialize.digest import short
from specialize.evidence.comparison import OutputReport, VerifyReport
from specialize.evidence.costs import FormCost
from specialize.report.costs import cost_table, once_table, share_rows, time_table
from specialize.report.drawing import drawing_view
from specialize.report.numbers import count, percent, plural, saved, small, width
from specialize.report.page import BuildPage, Fact, OutputRow, Pair, Parity, PassRow
from specialize.report.sites import site_views
from specialize.visibility.plan import VisibilityPlan

_UNITS = {"percent": "%", "mps": "m/s", "degps": "deg/s"}


def build_page(
    manifest: Manifest,
    plans: Sequence[VisibilityPlan],
    bench: BuildBench | None = None,
    measured: Measured | None = None,
) -> BuildPage:
    """Return the page of a build.

    Args:
        manifest: What the build says about itself.
        plans: The visible sets, one per grid of the model.
        bench: Measured times, if there are any.
        measured: What the build measured once; left out if there is a benchmark, which repeats it.
    """
    return BuildPage(
        title=f"{manifest.model} for {manifest.vehicle}",
        subtitle=f"{manifest.mode} binding, {manifest.layout} layout, for {manifest.target}{_format(manifest)}",
        warnings=manifest.warnings,
        facts=_facts(manifest, plans),
        sites=site_views(plans, manifest.sites, manifest.cameras),
        costs=cost_table(manifest.flops),
        once=once_table(measured) if measured and not bench else None,
        times=time_table(bench) if bench else None,
        shares=share_rows(bench) if bench else (),
        parity=_with_loss(parity(manifest.verify), manifest),
        drawings=tuple(drawing_view(drawing) for drawing in manifest.drawings),
        passes=_passes(manifest.passes),
        contract=_contract(manifest),
        digests=_digests(manifest),
    )


def parity(verify: VerifyReport) -> Parity:
    """Return the comparison with the original."""
    outputs, passed = verify.outputs, verify.passed
    frames = plural(verify.frames, "frame")
    word = "equal" if passed else "not equal"
    runtimes = [runtime or "no runtime" for runtime in (verify.runtime, verify.reference_runtime)]
    sentence = (
        f"{plural(len(outputs), 'output')} of the specialized model on {runtimes[0]}, "
        f"{word} to the original on {runtimes[1]} over {frames}, within rounding."
    )
    remarks = (*verify.problems, *(f"Note: {note}." for note in verify.notes))
    return Parity(
        passed, sentence, tuple(_output_row(name, entry) for name, entry in outputs.items()), remarks
    )


def _format(manifest: Manifest) -> str:
    return "" if manifest.precision is None else f", in {manifest.precision.name}"


def _before(manifest: Manifest) -> str:
    return "" if manifest.precision is None else f", before conversion to {manifest.precision.name}"


def _with_loss(found: Parity, manifest: Manifest) -> Parity:
    """Add what a conversion to another number format loses; the proof is that of the model before it."""
    precision = manifest.precision
    if precision is None:
        return found
    losses = "; ".join(
        f"{name}: {small(loss.max_abs)} at most, cosine {loss.cosine:.6f}"
        for name, loss in precision.outputs.items()
    )
    remark = (
        f"After this proof the model was converted to {precision.name}. "
        f"What that loses against float32, on {precision.frames_text}, with {precision.measured_on.text}: {losses}."
    )
    if precision.on_target is not None:
        there = "; ".join(
            f"{name}: {small(loss.max_abs)} at most" for name, loss in precision.on_target.outputs.items()
        )
        remark += f" On {precision.on_target.measured_on.text}: {there}."
    return replace(found, remarks=(*found.remarks, remark))


def _output_row(name: str, output: OutputReport) -> OutputRow:
    worst = output.worst
    place = f"{list(worst.index)}, frame {worst.frame}"
    return OutputRow(
        name=name,
        verdict="equal" if output.passed else "different",
        passed=output.passed,
        max_abs=small(output.max_abs),
        max_rel=small(output.max_rel),
        cosine=f"{output.cosine:.9f}",
        margin=percent(output.margin),
        margin_width=width(output.margin),
        worst=f"{place}: {worst.reference:.7g} and {worst.candidate:.7g}",
    )


def _passes(notes: Sequence[PassNote]) -> tuple[PassRow, ...]:
    """Return one row per thing that a pass said, with all the places that it said it of."""
    places: dict[tuple[str, bool, str], list[str]] = {}
    for note in notes:
        places.setdefault((note.name, note.applied, note.reason), []).append(note.where)
    return tuple(
        PassRow(name, "applied" if applied else "declined", applied, ", ".join(where), reason)
        for (name, applied, reason), where in places.items()
    )


def _facts(manifest: Manifest, plans: Sequence[VisibilityPlan]) -> tuple[Fact, ...]:
    verdict = parity(manifest.verify)
    return (
        Fact(
            "Is it proven?",
            f"Yes: equal to the original{_before(manifest)}" if verdict.passed else "No",
            f"{_proof(verdict)} {_witnessed(manifest)}",
            "good" if verdict.passed else "bad",
        ),
        _saved(manifest),
        _costliest(manifest, plans),
        _calibration(manifest),
    )


def _calibration(manifest: Manifest) -> Fact:
    """Return which calibration a build is for: one, those within an envelope, or all that fit its tables."""
    detail = f"profile {short(manifest.digests.profile)}, visible sets {short(manifest.digests.plan)}"
    if manifest.mode == "tables":
        detail = f"and every vehicle with tables that fit; made with {detail}"
    envelope = manifest.options.get("envelope", {})
    within = _tolerance(envelope)
    if within:
        detail = f"and every calibration within {within} of it; {detail}"
    if envelope.get("over"):
        detail = f"and {plural(len(envelope['over']), 'further calibration')}; {detail}"
    return Fact("Which calibration?", manifest.vehicle, detail)


def _tolerance(envelope: Mapping[str, Any]) -> str:
    """Return what an envelope covers beyond a calibration; empty for nothing."""
    if "tolerance" in envelope and envelope["tolerance"] is None:
        return "its own tolerance"
    return ", ".join(_amount(name, value) for name, value in envelope.get("tolerance", {}).items() if value)


def _amount(name: str, value: float) -> str:
    """Return `rotation 0.3 deg` for `rotation_deg`, 0.3."""
    what, _, unit = name.rpartition("_")
    return f"{what.replace('_', ' ')} {value:g} {_UNITS.get(unit, unit)}"


def _proof(verdict: Parity) -> str:
    worst = max(verdict.rows, key=lambda row: float(row.margin_width), default=None)
    if worst is None:
        return "nothing was compared"
    if all(row.max_abs == "0" for row in verdict.rows):
        return f"{verdict.sentence} Every number is exactly the same."
    return f"{verdict.sentence} Closest to its bound: {worst.name}, {worst.margin} of what is allowed."


def _witnessed(manifest: Manifest) -> str:
    """Return what the second computation of the geometry agrees in, as a sentence."""
    line = manifest.witness.line()
    return f"{line[0].upper()}{line[1:]}."


def _saved(manifest: Manifest) -> Fact:
    forms = manifest.flops.forms
    question = "How much is saved?"
    if not {"original", "specialized"} <= set(forms):
        return Fact(question, "not counted", "the build has no cost report")
    first, last = forms["original"], forms["specialized"]
    told = [
        f"{place}: {_compared(first, last, key)} operations"
        for place, key in (("attention", "attention_flops"), ("whole model", "model_flops"))
    ]
    return Fact(question, f"{_compared(first, last, 'pairs')} pairs", "; ".join(told))


def _compared(first: FormCost, last: FormCost, key: str) -> str:
    """Return `5.3x fewer`, `1.2x more`, `as many` or, where either is not known, `uncounted`."""
    one, two = first.known(key), last.known(key)
    if one is None or two is None:
        return "uncounted"
    if one == two:
        return "as many"
    ratio = saved(one, two)
    return ratio if ratio.endswith("more") or not ratio else f"{ratio} fewer"


def _costliest(manifest: Manifest, plans: Sequence[VisibilityPlan]) -> Fact:
    question = "Which camera costs most?"
    if not plans:
        return Fact(question, "unknown", "the model has no grid of queries")
    plan = plans[0]
    index = int(plan.lengths.argmax())
    seen = f"{count(plan.longest)} of {count(plan.grid.queries)} queries"
    return Fact(
        question, manifest.cameras[index], f"sees {seen} ({percent(plan.longest / plan.grid.queries)})"
    )


def _contract(manifest: Manifest) -> tuple[Pair, ...]:
    return (
        *(Pair(f"input {tensor.name}", _kind(tensor)) for tensor in manifest.inputs),
        *(Pair(f"output {tensor.name}", _kind(tensor)) for tensor in manifest.outputs),
        Pair("cameras, in order", ", ".join(manifest.cameras)),
        Pair("lengths are multiples of", str(manifest.align)),
    )


def _kind(tensor: Tensor) -> str:
    return f"{tensor.dtype} [{', '.join(str(size) for size in tensor.shape)}]"


def _digests(manifest: Manifest) -> tuple[Pair, ...]:
    digests = manifest.digests
    return (
        Pair("profile", digests.profile),
        Pair("visible sets", digests.plan),
        Pair("generic model", digests.model),
        Pair("build", digests.build),
        Pair("compiler", manifest.compiler),
    )
