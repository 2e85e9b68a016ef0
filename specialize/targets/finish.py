"""The last step of a build: bring a specialized graph to the form a toolchain wants, check it, write its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.files import write_file
from specialize.graph import known
from specialize.graph.custom import POOL, ROTATE, is_custom
from specialize.graph.edit import PASS_KEY
from specialize.graph.io import read_as_written, write_graph
from specialize.graph.shapes import dims
from specialize.passes.attention import DOMAIN, is_attention
from specialize.passes.base import Note, node_name
from specialize.passes.custom_conv import write_convs
from specialize.passes.lower import HORIZON_DOMAIN, lower_deformable_attention, read_plugins
from specialize.passes.lower import NAME as LOWER
from specialize.passes.lower_batch import lower_batch
from specialize.passes.lower_bool_casts import lower_bool_casts
from specialize.passes.lower_defaults import lower_defaults
from specialize.passes.lower_deform_conv import lower_deform_conv
from specialize.passes.lower_flat import lower_flat
from specialize.passes.lower_grid import lower_grid_samples
from specialize.passes.lower_operands import lower_batched_weights, lower_operands
from specialize.passes.lower_opset import NAME as OPSET
from specialize.passes.lower_opset import lower_opset
from specialize.passes.lower_pool import lower_pools
from specialize.passes.lower_rank import lower_rank
from specialize.passes.lower_resize import lower_resize
from specialize.passes.lower_rotate import write_rotations
from specialize.passes.lower_rows import NAME as ROWS
from specialize.passes.lower_sampling import spell_out
from specialize.passes.lower_zero_rows import lower_zero_rows
from specialize.passes.recognise import recognise_custom, recognise_sampling
from specialize.passes.tidy import tidy
from specialize.targets import target
from specialize.targets.attributes import NearestMode
from specialize.targets.base import BuildFacts, FileFacts, Profile, Rule, TensorFacts
from specialize.targets.conformance import Conformance, check, conformance_notes, operator_of
from specialize.targets.coordinates import coordinate_branches
from specialize.targets.limits import CastTo

MODEL = "model.onnx"
TABLES = "tables"
LEAST_TABLE = 64
"""Constants of fewer elements are not worth a file of their own."""


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
    profile = target(target_name).PROFILE
    notes = lower(model, profile, form)
    hindrances = [note for note in notes if note.verdict == "declined" and note.pass_name == OPSET]
    report = check(model, profile, hindrances)
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
    tables = _write_tables(model, folder) if module.PROFILE.swaps_constants else ()
    return (*written, *tables)


def lower(model: ir.Model, profile: Profile, form: str | None = None) -> list[Note]:
    """Write a graph as a toolchain wants it, in place; return what was done or declined.

    Raises:
        UsageError: The toolchain does not take that form of deformable attention.
    """
    if form is not None:
        profile.require_form(form)
    notes = _write_attention(model, profile, form)
    if profile.operators.get(POOL, profile.unlisted).verdict == "allowed":
        notes += lower_pools(model)
    if profile.operators.get(ROTATE, profile.unlisted).verdict == "allowed":
        notes += write_rotations(model)
    notes += write_convs(model, profile.operators)
    if profile.operators.get("DeformConv", profile.unlisted).verdict != "allowed":
        notes += lower_deform_conv(model)
    if profile.grid_sample == "gather":
        notes += lower_grid_samples(model)
    elif profile.grid_sample == "horizon":
        _to_horizon(model)
    lower_rank(model)
    lower_flat(model)
    notes += lower_opset(model, profile.opset)
    known.fold(model)
    return [*notes, *_write_around(model, profile), *tidy(model)]


def _write_attention(model: ir.Model, profile: Profile, form: str | None) -> list[Note]:
    wanted = form or profile.form
    notes = recognise_custom(model)
    if wanted not in ("gridsample", "nearest-gather"):
        notes += [note for note in recognise_sampling(model) if note.verdict == "applied"]
        known.fold(model)  # what custom operators ask of constants is told by their numbers
    notes += lower_deformable_attention(model, wanted)
    written = any(note.pass_name in (LOWER, ROWS) for note in notes)
    if form not in (None, "gridsample") and not written:
        notes.append(
            Note(LOWER, "declined", "graph", f"{form}: no deformable attention was found to write so")
        )
    if any(is_attention(node) for node in model.graph) and wanted != "microsoft":
        notes += lower_deformable_attention(model, "gridsample")  # what the custom operator cannot express
    return notes


def _write_around(model: ir.Model, profile: Profile) -> list[Note]:
    """Write another way what a toolchain computes wrongly, or slowly, or does not take as it is."""
    notes = []
    lower_defaults(model)
    if profile.batched_weights:
        notes += lower_batched_weights(model)
    if profile.short_batch:
        notes += lower_batch(model)
    if profile.zero_rows == "pad":
        notes += lower_zero_rows(model)
    if any(isinstance(limit, NearestMode) for limit in _rule("Resize", profile).limits):
        notes += lower_resize(model)
    if any(isinstance(limit, CastTo) and not limit.from_bool for limit in _rule("Cast", profile).limits):
        notes += lower_bool_casts(model)
    if profile.equal_ranks:
        notes += lower_operands(model)
    return notes


def _rule(operator: str, profile: Profile) -> Rule:
    return profile.operators.get(operator, profile.unlisted)


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
    known.evaluate(graph)
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
