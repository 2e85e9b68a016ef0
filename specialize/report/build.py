"""Turn a build's manifest and visible sets into a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from specialize.artifact.manifest import Manifest, PassNote
from specialize.artifact.measured import Measured
from specialize.digest import short
from specialize.evidence.costs import FormCost, FormsReport
from specialize.report.baked import baked_line, baked_table, cut_line
from specialize.report.contents import passes_table, tensors_table
from specialize.report.costs import MORE_QUANTITIES, costs_remarks, costs_table
from specialize.report.drawing import drawing_parts
from specialize.report.proof import compared, outputs_table, power_lines, precision_parts, proof
from specialize.report.sites import site_views
from specialize.report.times import how, measured_parts, memory_table, operator_shares, times_table
from specialize.text.document import Fact, Heading, Line, Page, Part, View, pairs
from specialize.text.units import count, counted, percent, saved, sentence
from specialize.visibility.plan import VisibilityPlan

if TYPE_CHECKING:
    from specialize.bench.report import BuildBench

_UNITS = {"percent": "%", "mps": "m/s", "degps": "deg/s"}
_HOW = "Medians with quartiles; a ratio is the median of the ratios of each round."


def build_page(
    manifest: Manifest,
    plans: Sequence[VisibilityPlan],
    bench: BuildBench | None = None,
    measured: Measured | None = None,
    rig: tuple[Part, ...] = (),
) -> Page:
    """Return the page of a build.

    Args:
        manifest: What the build says about itself.
        plans: The visible sets, one per grid of the model.
        bench: Measured times, if there are any.
        measured: What the build measured once; left out if there is a benchmark, which repeats it.
        rig: What shows the calibration.
    """
    views: list[Part] = [View("site", view) for view in site_views(plans, manifest.sites, manifest.cameras)]
    times = _benchmark(bench) if bench else _measured_once(measured)
    precision = "" if manifest.precision is None else f", in {manifest.precision.name}"
    return Page(
        title=f"{manifest.model} for {manifest.vehicle}",
        subtitle=f"{manifest.mode} binding, {manifest.layout} layout, for {manifest.target}{precision}",
        warnings=manifest.warnings,
        facts=_facts(manifest, plans),
        parts=(
            *_baked(manifest),
            Heading("What the cameras see"),
            *(views or ["The model has no grid of queries."]),
            *rig,
            *_costs(manifest.flops),
            *times,
            *_proof(manifest),
            *_compiler(manifest),
            *_contract(manifest),
        ),
    )


def _costs(flops: FormsReport) -> tuple[Part, ...]:
    if not flops.forms:
        return Heading("Costs"), "This build has no cost report."
    counted_all = [] if flops.uncounted else ["every operator of every form is counted"]
    remarks = map(sentence, [*costs_remarks(flops), *counted_all])
    how = "Counted on the real graph of each form; a multiply-add is two operations."
    return Heading("Costs"), how, costs_table(flops, MORE_QUANTITIES), *remarks


def _measured_once(measured: Measured | None) -> tuple[Part, ...]:
    return (Heading("Measured here, once"), *measured_parts(measured)) if measured else ()


def _benchmark(bench: BuildBench) -> tuple[Part, ...]:
    shares = operator_shares(bench)
    limits: list[Part] = [
        Heading("What limits the site: share of the time in operators", 3),
        pairs(shares.items()),
    ]
    memory = "Memory is that of the form's own process, without the idle runtime."
    return (
        Heading("Measured times"),
        f"Attention site {bench.site} on {how(bench)}. {_HOW} {memory}",
        times_table(bench),
        memory_table(bench),
        *(limits if shares else []),
    )


def _proof(manifest: Manifest) -> tuple[Part, ...]:
    verify = manifest.verify
    notes = (f"note: {note}" for note in verify.notes)
    precision = manifest.precision
    after = [f"After this proof the model was converted to {precision.name}."] if precision else []
    return (
        Heading("Proof"),
        Line(
            f"{'Passed' if verify.passed else 'Failed'}: {compared(verify)}.",
            "good" if verify.passed else "bad",
        ),
        outputs_table(verify),
        *map(sentence, (*verify.problems, *notes, *power_lines(manifest.power))),
        *after,
        *precision_parts(precision),
    )


def _baked(manifest: Manifest) -> tuple[Part, ...]:
    """Return what lenses changed, ahead of all else: the build is another function than the user's model."""
    baked = manifest.baked
    if baked is None:
        return ()
    lines = (Line(f"{sentence(baked_line(baked))}", "bad"), baked_table(baked), sentence(cut_line(baked)))
    return Heading("Another function: lenses are baked in"), *lines


def _compiler(manifest: Manifest) -> tuple[Part, ...]:
    drawings = (part for drawing in manifest.drawings for part in drawing_parts(drawing))
    notes = _merged(manifest.passes)
    return (
        Heading("What the compiler did"),
        *drawings,
        passes_table(notes) if notes else "No pass left a note.",
    )


def _merged(notes: Iterable[PassNote]) -> list[PassNote]:
    """Return one note per thing that a pass said, with all the places that it said it of."""
    places: dict[PassNote, list[str]] = {}
    for note in notes:
        places.setdefault(msgspec.structs.replace(note, where=""), []).append(note.where)
    return [msgspec.structs.replace(note, where=", ".join(where)) for note, where in places.items()]


def _contract(manifest: Manifest) -> tuple[Part, ...]:
    digests = manifest.digests
    more = {
        "cameras, in order": ", ".join(manifest.cameras),
        "lengths are multiples of": str(manifest.align),
    }
    ties = {
        "profile": digests.profile,
        "visible sets": digests.plan,
        "generic model": digests.model,
        "build": digests.build,
        "compiler": manifest.compiler,
    }
    return (
        Heading("What this build is"),
        Heading("Contract", 3),
        tensors_table({"in": manifest.inputs, "out": manifest.outputs}),
        pairs(more.items()),
        Heading("Digests", 3),
        pairs(ties.items(), "code"),
    )


def _facts(manifest: Manifest, plans: Sequence[VisibilityPlan]) -> tuple[Fact, ...]:
    verify = manifest.verify
    before = "" if manifest.precision is None else f", before conversion to {manifest.precision.name}"
    told = [sentence(line) for line in (proof(verify), manifest.witness.line())]
    if verify.outputs and not any(output.max_abs for output in verify.outputs.values()):
        told.insert(1, "Every number is exactly the same.")
    where = "" if verify.at is None else " at the sites, and to a proven build elsewhere"
    answer = f"Yes: equal to the original{where}{before}" if verify.passed else "No"
    state: Literal["good", "bad", "plain"] = "good" if verify.passed else "bad"
    if manifest.baked is not None and verify.passed:
        answer, state = f"Baked: another function than {manifest.baked.model}{before}", "plain"
        told.insert(0, f"It equals {manifest.model}, whose points are projected through lenses.")
        told.append(sentence(cut_line(manifest.baked)))
    return (
        Fact("Is it proven?", answer, " ".join(told), state),
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
        detail = f"and {counted(len(envelope['over']), 'further calibration')}; {detail}"
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
    """Return `5.30x fewer`, `1.20x more`, `as many`, a dash or, where either is not known, `uncounted`."""
    one, two = first.known(key), last.known(key)
    if one is None or two is None:
        return "uncounted"
    if one == two:
        return "as many"
    ratio = saved(one, two)
    return ratio if ratio.endswith(("more", "-")) else f"{ratio} fewer"


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
