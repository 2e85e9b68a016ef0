"""Render the description of a build or a model as text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from specialize.artifact import Build, Manifest
from specialize.cli.render_build import headline, sites_tables, ties, title
from specialize.model.sidecar import with_guesses_taken
from specialize.report.baked import baked_parts
from specialize.report.contents import passes_table, tensors_table
from specialize.report.costs import costs_table
from specialize.report.proof import precision_parts, proof
from specialize.text.document import Document, Table, table
from specialize.text.terminal import command
from specialize.text.units import size

if TYPE_CHECKING:
    from specialize.explain.inspect import ModelInspection


_MOST_OPERATORS = 12
_MOST_MASKS = 2
_REFERENCES = {
    "in standard operators": "the user's model in standard operators",
    "written anew": "the user's model, written anew",
}
"""How `source.reference` of a manifest reads in a sentence, where it is no whole one."""


def build_text(build: Build) -> Document:
    """Return what `specialize inspect BUILD` shows."""
    manifest = build.manifest
    return (
        title(manifest),
        *(["\n".join(f"warning: {each}" for each in manifest.warnings)] if manifest.warnings else []),
        headline(manifest.sites),
        *baked_parts(manifest.baked),
        *sites_tables(manifest.sites),
        *([costs_table(manifest.flops)] if manifest.flops.forms else []),
        tensors_table({"in": manifest.inputs, "out": manifest.outputs}),
        passes_table(manifest.passes),
        _files(build),
        *precision_parts(manifest.precision),
        f"{proof(manifest.verify)}{_reference(manifest)}\n{manifest.witness.line()}{_accepted(manifest)}\n{ties(manifest)}",
    )


def _accepted(manifest: Manifest) -> str:
    """Return what a person accepted despite findings."""
    return f"\naccepted: {', '.join(manifest.allowed)}" if manifest.allowed else ""


def _reference(manifest: Manifest) -> str:
    """Return what the outputs were compared with."""
    said = manifest.source.get("reference")
    return f"\ncompared with: {_REFERENCES.get(said, said)}" if said else ""


def model_text(found: ModelInspection, draft: Path | None = None, taken: bool = False) -> Document:
    """Return what `inspect MODEL.onnx` shows; `draft` is where the draft was saved; `taken`: with guesses."""
    named = ", ".join(f"{name} ({kind})" for name, kind in found.calibration_inputs.items())
    dependent = ", ".join(f"{name} x{count}" for name, count in found.data_dependent.items())
    operators = ", ".join(
        f"{name} {count}" for name, count in list(found.operators.items())[:_MOST_OPERATORS]
    )
    facts = [
        f"{found.path}: {found.nodes:,} nodes, opset {found.opset}",
        f"calibration inputs: {named or 'none found; name them in a sidecar'}",
        f"shapes that depend on data: {dependent or 'none'}",
        f"operators: {operators}",
    ]
    if found.masks:
        more = len(found.masks) - _MOST_MASKS
        facts.append(
            f"masks: {', '.join(found.masks[:_MOST_MASKS])}" + (f" and {more} more" if more > 0 else "")
        )
    facts += _forms(found)
    parts: list[str | Table] = ["\n".join(facts), tensors_table({"in": found.inputs, "out": found.outputs})]
    if found.obstacle:
        parts.append(f"not specialized: {found.obstacle}")
    if found.notes:
        parts += [
            f"with the calibration of {found.rig}: {found.nodes:,} to {found.nodes_after:,} nodes",
            headline(found.sites),
            *sites_tables(found.sites),
            passes_table(found.notes),
        ]
    title = "sidecar"
    if found.drafted:
        title += (
            " (a draft, with the likeliest value of what no graph says)"
            if taken
            else " (a draft: GUESS marks what no graph says; `build` refuses it until you decide)"
        )
    sidecar = with_guesses_taken(found.sidecar) if taken else found.sidecar
    return (*parts, f"{title}:\n{_indented(sidecar)}", _following(found, draft, taken))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())


def _forms(found: ModelInspection) -> list[str]:
    """Return one line for sites that are written alike."""
    alike = Counter((form.form, form.sampling, form.rows) for form in found.forms)
    return [
        f"sites: {count} {form}, sampled by {sampling}, {rows:,} rows each"
        for (form, sampling, rows), count in alike.items()
    ]


def _following(found: ModelInspection, draft: Path | None, taken: bool) -> str:
    """Return what to do next; where a draft was saved, or which command saves it beside the model."""
    beside = found.path.with_suffix(".model.yaml")
    build = f"specialize build --calib PROFILE --model {command(found.path)}"
    if found.drafted and draft is not None:
        spec = "" if draft.resolve() == beside.resolve() else f" --model-spec {command(draft)}"
        saved = f"the draft is saved as {command(draft)}"
        if taken:
            return (
                f"{saved}, with the likeliest value of every guess: builds warn of them\nnext: {build}{spec}"
            )
        return f"{saved}\nnext: decide what is marked GUESS in it, then {build}{spec}"
    if found.drafted and not found.obstacle:
        saving = f"specialize inspect {command(found.path, '--save-draft', beside)}"
        return f"next: {saving}, decide what is marked GUESS, then {build}"
    if found.notes:
        return f"next: {build}"
    return f"next: specialize inspect {command(found.path)} --calib PROFILE"


def _files(build: Build) -> Table:
    rows = ((name, size(record.size)) for name, record in build.manifest.files.items())
    return table("file", "size", rows=rows)
