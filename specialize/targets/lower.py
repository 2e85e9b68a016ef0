"""The last step of a build: bring a specialized graph to the form that a toolchain reads, check it, write its files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.attention.operator import DOMAIN, is_attention
from specialize.attention.recognise import recognise_custom, recognise_sampling
from specialize.files.atomic import write_file
from specialize.graph import folding
from specialize.graph.builder import PASS_KEY, SITE_KEY
from specialize.graph.custom import POOL, ROTATE, is_custom
from specialize.graph.declined import Declined
from specialize.graph.io import read_as_written, write_graph
from specialize.graph.notes import Note, declined, node_name
from specialize.graph.rewrite import Rule as Rewrite
from specialize.graph.rewrite import apply
from specialize.graph.shapes import dims
from specialize.lowering.attention import HORIZON_DOMAIN, lower_deformable_attention, read_plugins
from specialize.lowering.attention import NAME as LOWER
from specialize.lowering.batch import AXIS_IN_FRONT
from specialize.lowering.bool_casts import CHOSEN_BOOLS
from specialize.lowering.defaults import WRITTEN_DEFAULTS
from specialize.lowering.deform_conv import SAMPLED_CONVS
from specialize.lowering.flat import UNFLATTENED
from specialize.lowering.formulations import is_formulation, least_opset
from specialize.lowering.grid_sample import GATHERED_SAMPLES
from specialize.lowering.operands import BATCHED_WEIGHTS, OPERANDS
from specialize.lowering.opset import NAME as OPSET
from specialize.lowering.opset import lower_opset
from specialize.lowering.pool import lower_pools
from specialize.lowering.rank import few_axes
from specialize.lowering.resize import HALF_PIXELS
from specialize.lowering.rotate import TURNED_MAPS
from specialize.lowering.rows import NAME as ROWS
from specialize.lowering.sampling import spell_out
from specialize.lowering.vendor_conv import vendor_convs
from specialize.lowering.zero_rows import PADDED_ZEROS
from specialize.passes.clean_up import tidy
from specialize.targets import target
from specialize.targets.base import BuildFacts, FileFacts, Quirk, Rule, TensorFacts, Toolchain
from specialize.targets.conformance import Conformance, check, conformance_notes, operator_of
from specialize.targets.coordinates import coordinate_branches

MODEL = "model.onnx"
TABLES = "tables"
LEAST_TABLE = 64
"""Constants of fewer elements are not worth a file of their own."""

QUIRKS: dict[Quirk, Rewrite] = {
    "batched weights": BATCHED_WEIGHTS,
    "axis in front": AXIS_IN_FRONT,
    "zeros by Pad": PADDED_ZEROS,
    "half pixels": HALF_PIXELS,
    "choices for bools": CHOSEN_BOOLS,
    "equal ranks": OPERANDS,
}
"""What writes a graph around a quirk, in the order in which that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a graph.

    Attributes:
        notes: What was lowered or declined, and what the toolchain does with it, for the manifest.
        conformance: What it does with every node.
        files: Names of the files written beside the model.
        runnable: Whether ONNX Runtime takes the graph as it is; if not, prove `runnable_copy` instead.
    """

    notes: tuple[Note, ...]
    conformance: Conformance
    files: tuple[str, ...]
    runnable: bool


def finish(
    model: ir.Model,
    target_name: str,
    folder: Path,
    facts: BuildFacts,
    form: str | None = None,
    name: str = MODEL,
) -> Finished:
    """Lower a specialized graph for a toolchain, in place, and write the toolchain's files.

    Args:
        model: The graph; the caller writes it.
        target_name: A key of `TARGETS`.
        folder: Where files go.
        facts: What the compiler knows about the build.
        form: How deformable attention is written; the target's own form without it.
        name: File name that the model gets.

    Raises:
        UsageError: There is no such target, or it does not take that form.
        DeclinedError: The toolchain refuses a node.
    """
    toolchain = target(target_name).TOOLCHAIN
    notes = lower(model, toolchain, form)
    hindrances = [note for note in notes if note.verdict == "declined" and note.pass_name == OPSET]
    report = check(model, toolchain, hindrances)
    report.require_accepted()
    notes += conformance_notes(report)
    written = write_files(model, report, folder, facts, name)
    return Finished(notes=tuple(notes), conformance=report, files=written, runnable=not _foreign(model))


def write_files(
    model: ir.Model, report: Conformance, folder: Path, facts: BuildFacts, name: str = MODEL
) -> tuple[str, ...]:
    """Write what a toolchain wants beside a model, in place of what is there; return the names of the files.

    Args:
        model: The graph.
        report: What the toolchain does with it.
        folder: Where the files go.
        facts: What the compiler knows about the build.
        name: File name of the model.

    Raises:
        InputError: A name of the model cannot be said in a file of the toolchain.
    """
    module = target(report.target)
    written = module.files(file_facts(model, report, facts, name))
    for file, text in written.items():
        write_file(folder / file, text)
    tables = _write_tables(model, folder) if module.TOOLCHAIN.swaps_constants else ()
    return (*written, *tables)


def lower(model: ir.Model, toolchain: Toolchain, form: str | None = None) -> list[Note]:
    """Write a graph as a toolchain wants it, in place; return what was done or declined.

    Raises:
        UsageError: The toolchain does not take that form of deformable attention.
    """
    if form is not None:
        toolchain.require_form(form)
    notes = _write_attention(model, toolchain, form)
    if toolchain.operators.get(POOL, toolchain.unlisted).verdict == "allowed":
        notes += lower_pools(model)
    notes += apply(model, *_own_operators(toolchain))
    if toolchain.grid_sample == "horizon":
        _to_horizon(model)
    notes += apply(model, *(replace(rule, keeps=_kept(form)) for rule in (few_axes(), UNFLATTENED)))
    notes += lower_opset(model, max(toolchain.opset, least_opset(form or "")))
    folding.fold(model)
    return [
        *notes,
        *apply(model, WRITTEN_DEFAULTS, *(QUIRKS[quirk] for quirk in QUIRKS if quirk in toolchain.quirks)),
        *tidy(model),
    ]


def _own_operators(toolchain: Toolchain) -> list[Rewrite]:
    """Return what writes operators that a toolchain has of its own, and those that it lacks."""
    rules = [TURNED_MAPS] if _rule(ROTATE, toolchain).verdict == "allowed" else []
    rules += vendor_convs(toolchain.operators)
    rules += [SAMPLED_CONVS] if _rule("DeformConv", toolchain).verdict != "allowed" else []
    return rules + ([GATHERED_SAMPLES] if toolchain.grid_sample == "gather" else [])


def _write_attention(model: ir.Model, toolchain: Toolchain, form: str | None) -> list[Note]:
    wanted = form or toolchain.form
    keeps = _kept(form)
    notes = recognise_custom(model)
    if wanted not in ("gridsample", "nearest-gather"):
        notes += [note for note in recognise_sampling(model, keeps) if note.verdict == "applied"]
        folding.fold(model)  # what custom operators ask of constants is told by their numbers
    notes += lower_deformable_attention(model, wanted, keeps)
    written = any(note.pass_name in (LOWER, ROWS) for note in notes)
    if form not in (None, "gridsample") and not written:
        notes.append(
            declined(
                LOWER,
                "graph",
                Declined("no-attention", f"{form}: no deformable attention was found that can be written so"),
            )
        )
    if any(is_attention(node) for node in model.graph) and wanted != "microsoft":
        notes += lower_deformable_attention(model, "gridsample")  # what the custom operator cannot express
    return notes


def _kept(form: str | None) -> tuple[str, ...]:
    """Return the metadata that lowered nodes keep: a formulation is timed by its site."""
    return (SITE_KEY,) if is_formulation(form) else ()


def _rule(operator: str, toolchain: Toolchain) -> Rule:
    return toolchain.operators.get(operator, toolchain.unlisted)


def runnable_copy(model: ir.Model) -> ir.Model:
    """Return a graph that ONNX Runtime takes and that computes the same: custom operators by what defines them."""
    copy = model.clone()
    for node in copy.graph:
        if node.domain == HORIZON_DOMAIN and node.op_type == "GridSample":
            node.domain = DOMAIN  # ONNX Runtime has GridSample of any opset under this domain
            copy.graph.opset_imports[DOMAIN] = 1
    copy.graph.opset_imports.pop(HORIZON_DOMAIN, None)
    recognise_custom(copy)
    read_plugins(copy)
    opset = copy.graph.opset_imports.get("", 0)
    lower_deformable_attention(copy, "gridsample" if opset >= 16 else "decomposed")
    return copy


def runnable_file(model: Path, aside: Path) -> Path:
    """Return the file of a model that ONNX Runtime takes: the model itself, or `aside`, where `runnable_copy` is put.

    The folder of `aside` has the same weights.
    """
    graph = read_as_written(model)
    if not _foreign(graph):
        return model
    folding.evaluate(graph)
    write_graph(runnable_copy(graph), aside)
    return aside


def file_facts(model: ir.Model, report: Conformance, facts: BuildFacts, name: str = MODEL) -> FileFacts:
    """Return what templates are filled with."""
    branches = coordinate_branches(model)
    return FileFacts(
        build=facts,
        target=report.target,
        model=name,
        opset=model.graph.opset_imports.get("", 0),
        inputs=tuple(_tensor(value) for value in model.graph.inputs),
        outputs=tuple(_tensor(value) for value in model.graph.outputs),
        coordinates=tuple(dict.fromkeys(node for branch in branches for node in branch.nodes)),
        branches=tuple((branch.starts, branch.end) for branch in branches),
        samplers=tuple(dict.fromkeys(name for branch in branches for name in branch.readers)),
        tables=tuple(_tables(model)),
        plugins=tuple(sorted({operator_of(node) for node in model.graph if _is_foreign(node)})),
        nodes=_names_by_operator(model),
        allowed=frozenset(finding.node for finding in report.of("allowed")),
    )


def _names_by_operator(model: ir.Model) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {}
    for node in model.graph:
        names.setdefault(operator_of(node), []).append(node_name(node))
    return {operator: tuple(found) for operator, found in names.items()}


def _is_foreign(node: ir.Node) -> bool:
    return is_custom(node) or node.domain == HORIZON_DOMAIN


def _foreign(model: ir.Model) -> bool:
    return any(_is_foreign(node) for node in model.graph)


def _tensor(value: ir.Value) -> TensorFacts:
    assert value.dtype is not None
    return TensorFacts(name=str(value.name), dtype=value.dtype.numpy().name, shape=dims(value))


def _to_horizon(model: ir.Model) -> None:
    for node in model.graph:
        if node.op_type == "GridSample" and node.domain == "":
            node.domain = HORIZON_DOMAIN
            spell_out(node, 1)  # as the exporter of the maker does
            model.graph.opset_imports[HORIZON_DOMAIN] = 1


def _tables(model: ir.Model) -> dict[str, np.ndarray]:
    """Return the constants that specialization made: index tables, reference points, masks of this vehicle."""
    found = {}
    for node in model.graph:
        if node.metadata_props.get(PASS_KEY) != "compact":
            continue
        for value in node.inputs:
            if value is None or value.const_value is None or not str(value.name).startswith("specialize/"):
                continue
            if value.const_value.size >= LEAST_TABLE:
                found[str(value.name)] = value.const_value.numpy()
    return found


def _write_tables(model: ir.Model, folder: Path) -> tuple[str, ...]:
    """Write the vehicle's constants beside the model, one file each, for toolchains that swap constants."""
    names = []
    for number, array in enumerate(_tables(model).values()):
        file = folder / TABLES / f"{number}.npy"
        file.parent.mkdir(exist_ok=True)
        np.save(file, array)
        names.append(f"{TABLES}/{file.name}")
    return tuple(names)
