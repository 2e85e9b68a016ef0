"""Read and count the original that a specialization is compared with, and name its form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx_ir as ir

from specialize.compiler.forms import site_forms
from specialize.costs import CostReport, FormsReport, count
from specialize.graph.bind_batch import bind_batch
from specialize.graph.equal_nodes import with_equals
from specialize.graph.folding import evaluate, fold
from specialize.graph.io import read_graph
from specialize.graph.remembered import Remembered
from specialize.graph.shapes import is_static
from specialize.graph.subgraphs import has_subgraph
from specialize.passes.bind import bind
from specialize.passes.site import CompactedSite


def read_original(path: Path) -> ir.Model:
    """Return the graph of a model in which only what depends on weights alone is computed, as by every runtime.

    Equal nodes stay apart, so it has what a frame really computes; the prepared graph has each of them once.

    Args:
        path: The model that a proof compares with.

    Raises:
        InputError: The file is no model, or contradicts itself.
    """
    model = read_graph(path)
    bind_batch(model)
    fold(model)
    return model


_COUNTED: Remembered[CostReport] = Remembered()


def count_once(
    key: str, path: Path, constants: Mapping[str, np.ndarray], attention: Collection[str] = ()
) -> CostReport:
    """Do what `count_original` does, and for each further vehicle only if the calibration decides a shape.

    Costs follow from shapes, and from which values are constant. Where all shapes are numbers before the calibration is
    bound, and no branch waits for it, they are the same for every calibration.

    Args:
        key: What the model and its file are.
        path: As for `count_original`.
        constants: Likewise.
        attention: Likewise.
    """
    bound = tuple(sorted((name, array.shape, array.dtype.str) for name, array in constants.items()))
    whole = (key, bound, frozenset(attention))
    known = _COUNTED.get(whole)
    if known is not None:
        return known
    model = read_original(path)
    alike = _is_settled(model)
    found = _counted(model, constants, attention)
    return _COUNTED.keep(whole, found) if alike else found


def _is_settled(model: ir.Model) -> bool:
    """Return whether no shape and no branch of a graph depends on an input."""
    return not any(has_subgraph(node) for node in model.graph) and all(
        value.dtype is not None and is_static(value)
        for value in (*model.graph.inputs, *(made for node in model.graph for made in node.outputs))
        if value.name
    )


def count_original(
    path: Path, constants: Mapping[str, np.ndarray], attention: Collection[str] = ()
) -> CostReport:
    """Count every node of the original, those that compute its geometry included.

    The shapes of a re-batched or boolean-masked export depend on the calibration, so it is bound first, on a copy;
    nothing is removed. What runs once per graph, the branch of an `If` that is not taken, is not counted.

    Args:
        path: The model that a proof compares with; or the prepared graph, whose equal nodes are merged.
        constants: What is bound, by input name.
        attention: Names of the nodes that belong to an attention site; nodes equal to them belong to it, too.

    Raises:
        InputError: The constants do not fit the graph.
    """
    return _counted(read_original(path), constants, attention)


def _counted(model: ir.Model, constants: Mapping[str, np.ndarray], attention: Collection[str]) -> CostReport:
    bind(model, constants)
    evaluate(model)
    return count(model, with_equals(model.graph, attention))


GROWTH = 1.1
"""Growth of the bytes moved, as a factor, above which a specialization is a warning."""


def losses(forms: FormsReport) -> tuple[str, ...]:
    """Return a warning if a specialization moves more bytes and its operations fall by less than those grow."""
    first, last = forms.forms["original"], forms.forms["specialized"]
    bytes_grow = 1 / max(forms.ratio("specialized", "model_bytes"), 1e-9)
    flops_fall = forms.ratio("specialized", "model_flops")
    if not bytes_grow > max(GROWTH, flops_fall):
        return ()
    constants = last.constant_bytes - first.constant_bytes
    more = f" and has {constants:,} bytes more of constants" if constants > 0 else ""
    operations = (
        "operations are not counted" if flops_fall != flops_fall else f"operations fall {flops_fall:.2f}x"
    )
    return (
        f"the specialized model moves {bytes_grow:.2f}x the bytes of the original{more}, while {operations}: it may "
        "be slower; measure it with `specialize bench BUILD --whole-model`",
    )


def form_of(prepared: ir.Model, bound: Collection[str], sites: Sequence[CompactedSite], cameras: int) -> str:
    """Return how the sites of the original are written, the most frequent form first; empty without sites."""
    forms = [form.form for form in site_forms(prepared, bound, sites, cameras)]
    return ", ".join(sorted(dict.fromkeys(forms), key=lambda form: (-forms.count(form), form)))
