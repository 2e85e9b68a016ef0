"""Lower: write the internal operator of deformable attention in the form that a toolchain reads.

What: MultiScaleDeformableAttn  ->  GridSample per level | Floor, Clip and Gather | a custom operator.
Why it is sound: each form is the operator's definition, or a custom operator documented to compute it.
Needs: recognise.
Declines when: the form does not exist at the model's opset; a custom operator needs what the graph does not have,
    such as weights before the softmax.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from specialize.attention.operator import DOMAIN, Attention, is_attention, read_attention
from specialize.attention.recognise import recognise_custom
from specialize.attention.vendors import write_custom
from specialize.errors import InputError, InternalError, UsageError, closest
from specialize.graph import folding
from specialize.graph.builder import SITE_KEY, Builder
from specialize.graph.custom import SPELLINGS, is_custom, is_pool
from specialize.graph.declined import Declined
from specialize.graph.io import raise_opset
from specialize.graph.notes import Note, declined
from specialize.graph.rewrite import Outcome, Rewritten, Rule, apply
from specialize.lowering.formulations import (
    DECOMPOSED,
    FORMULATIONS,
    GRID_SAMPLE,
    is_formulation,
    least_opset,
    parts_of,
)
from specialize.lowering.operands import plain_weights
from specialize.lowering.pool import define_pools
from specialize.lowering.pool_inputs import define_pool_inputs
from specialize.lowering.rotate import READ_ROTATIONS
from specialize.lowering.rows import SAMPLED_ROWS
from specialize.lowering.sampling import GRID_SAMPLE_OPSET, spell_out, with_grid_sample
from specialize.lowering.unknown_sizes import define_unknown_sizes, has_unknown_sizes
from specialize.lowering.vendor_conv import DEFORM_CONV_OPSET, READ_CONVS, has_convs
from specialize.passes.clean_up import tidy

NAME = "lower"
HORIZON, NEAREST = "horizon", "nearest-gather"
FORMS: tuple[str, ...] = (*FORMULATIONS, HORIZON, NEAREST, *SPELLINGS)
"""Forms that `lower_deformable_attention` writes."""

HORIZON_DOMAIN = "horizon"
RAISED_OPSET = 17
"""Of a model that says sampling in operators of its own: older ones have no GridSample to say it in."""


def lower_deformable_attention(model: ir.Model, spelling: str, keeps: Collection[str] = ()) -> list[Note]:
    """Write every internal operator of a graph in one form, in place.

    Args:
        model: The graph; it is raised to the opset that a formulation asks for.
        spelling: A form of `FORMS`, or two formulations, `SITES/OTHERS`.
        keeps: Metadata that what is made takes over from the operator.

    Raises:
        UsageError: There is no such form.
    """
    if spelling not in FORMS and not is_formulation(spelling):
        raise UsageError("spelling", f"one of {', '.join(FORMS)}", repr(spelling), closest(spelling, FORMS))
    if any(map(is_attention, model.graph)):
        _raise(model, least_opset(spelling))
    notes = apply(model, _written_as(spelling, keeps), *((SAMPLED_ROWS,) if spelling == NEAREST else ()))
    _set_imports(model)
    return notes


def _written_as(spelling: str, keeps: Collection[str]) -> Rule:
    """Return the rule that writes every internal operator in one form."""
    sites, others = parts_of(spelling)

    def rewrite(node: ir.Node, builder: Builder) -> Outcome:
        if not is_attention(node):
            return None
        form = sites if SITE_KEY in node.metadata_props else others
        attention = read_attention(node)
        opset = builder.graph.opset_imports.get("", 0)
        made = attention if isinstance(attention, Declined) else _write(attention, form, builder, opset)
        if isinstance(made, Declined):
            return made
        return Rewritten([f"written as {_title(form)}"], [made])

    return Rule(name=NAME, domains={DOMAIN}, rewrite=rewrite, title=spelling, keeps=keeps)


def runnable(model: ir.Model) -> list[Note]:
    """Replace custom operators by what every runtime has, in place, so that an original can be run and compared.

    Raises:
        InputError: A custom operator cannot be read, so that no runtime takes the model.
        InternalError: A form that was read cannot be written.
    """
    _standard_grid_samples(model)
    folding.fold(model)
    notes = []
    if any(map(has_unknown_sizes, model.graph)) and _raise_to_grid_sample(model):
        notes += define_unknown_sizes(model)
    notes += recognise_custom(model)
    notes += read_plugins(model)
    unread = next((note for note in notes if note.verdict == "declined"), None)
    if unread is not None:
        hint = "export it zero-padded, so that every shape is a number, or with GridSample instead"
        raise InputError(f"node {unread.where!r}", "a custom operator that can be run", unread.reason, hint)
    if any(is_attention(node) for node in model.graph):
        _raise_to_grid_sample(model)
    has_grid_sample = model.graph.opset_imports[""] >= GRID_SAMPLE_OPSET
    lowered = lower_deformable_attention(model, GRID_SAMPLE if has_grid_sample else DECOMPOSED)
    failed = next((note for note in lowered if note.verdict == "declined"), None)
    if failed is not None:
        raise InternalError(failed.where, "a form that runs", failed.reason)
    return [*notes, *lowered, *tidy(model)]


def read_plugins(model: ir.Model) -> list[Note]:
    """Write poolings, convolutions and rotations of vendors in standard operators, in place, in an opset that has them.

    Shapes must be known, and attention read.
    """
    if not any(is_custom(node) and not is_attention(node) for node in model.graph):
        return []
    if not (has_convs(model) and _raise(model, DEFORM_CONV_OPSET)):
        _raise_to_grid_sample(model)
    define_pools(model)
    define_pool_inputs(model)
    return [
        *apply(model, READ_CONVS, READ_ROTATIONS),
        *(
            declined(
                NAME,
                node,
                Declined("depth-unknown", f"{node.op_type}: a size of its depth or features is unknown"),
            )
            for node in model.graph
            if is_pool(node)
        ),
    ]


def has_custom(model: ir.Model) -> bool:
    """Return whether a graph has sampling as a vendor's operator, so that no runtime takes it."""
    return bool(custom_operators(model))


def custom_operators(model: ir.Model) -> list[str]:
    """Return the domains and names of a vendor's operators in a graph, sorted."""
    nodes = (node for node in model.graph if is_custom(node) or _is_horizon(node))
    return sorted({f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in nodes})


def _is_horizon(node: ir.Node) -> bool:
    return node.domain == HORIZON_DOMAIN and node.op_type == "GridSample"


def _standard_grid_samples(model: ir.Model) -> None:
    """Write Horizon's GridSample, which is the standard one in an older opset, as that, in place."""
    if not any(_is_horizon(node) for node in model.graph):
        return
    standard = _raise_to_grid_sample(model)
    for node in model.graph:
        if _is_horizon(node):
            node.domain = "" if standard else DOMAIN  # where ONNX Runtime has it in every opset
            spell_out(node, model.graph.opset_imports[""] if standard else 1)
    plain_weights(model)
    _set_imports(model)


def _raise_to_grid_sample(model: ir.Model) -> bool:
    """Bring a graph to an opset that has GridSample, in place; return whether it is in one."""
    return model.graph.opset_imports[""] >= GRID_SAMPLE_OPSET or _raise(model, RAISED_OPSET)


def _raise(model: ir.Model, opset: int) -> bool:
    """Bring a graph to an opset or a newer one, in place; return whether it is in one."""
    if model.graph.opset_imports[""] >= opset:
        return True
    raised = raise_opset(model, opset)
    folding.evaluate(model)  # the converter keeps no shapes
    return raised


def _write(attention: Attention, spelling: str, builder: Builder, opset: int) -> ir.Value | Declined:
    if spelling == HORIZON:
        return with_grid_sample(attention, builder, opset, HORIZON_DOMAIN)
    formulation = FORMULATIONS.get(GRID_SAMPLE if spelling == NEAREST else spelling)
    if formulation is not None:
        return formulation.write(attention, builder, opset)
    return write_custom(attention, SPELLINGS[spelling], builder)


def _title(spelling: str) -> str:
    if spelling == HORIZON:
        return "horizon::GridSample"
    formulation = FORMULATIONS.get(GRID_SAMPLE if spelling == NEAREST else spelling)
    return SPELLINGS[spelling].title if formulation is None else formulation.title


def _set_imports(model: ir.Model) -> None:
    """Import the domains that the graph uses, and no others."""
    used = {node.domain for node in model.graph.all_nodes()} | {
        function.domain for function in model.functions.values()
    }
    imports = model.graph.opset_imports
    for domain in used - set(imports) - {"ai.onnx"}:
        imports[domain] = 1
    for domain in set(imports) - used - {"", "ai.onnx"}:
        del imports[domain]
