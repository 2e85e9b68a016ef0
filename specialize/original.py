"""The original that a specialization is compared with: counted as it stands, and named after its form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from specialize.anatomy import site_forms
from specialize.flops import CostReport, count
from specialize.graph.io import read_graph
from specialize.graph.known import evaluate
from specialize.passes.bind import bind
from specialize.passes.site import CompactedSite


def count_original(
    prepared: Path, constants: Mapping[str, np.ndarray], attention: Collection[str] = ()
) -> CostReport:
    """Count every node of the original, those that compute its geometry included.

    The shapes of a re-batched or boolean-masked export depend on the calibration, so it is bound first, on a copy;
    nothing is removed. What runs once per graph, the branch of an `If` that is not taken, is not counted.

    Args:
        prepared: The prepared graph.
        constants: What is bound, by input name.
        attention: Names of the nodes that belong to an attention site.

    Raises:
        InputError: The constants do not fit the graph.
    """
    model = read_graph(prepared)
    bind(model, constants)
    evaluate(model)
    return count(model, attention)


def form_of(prepared: Path, bound: Collection[str], sites: Sequence[CompactedSite], cameras: int) -> str:
    """Return how the sites of the original are written, the most frequent form first; empty without sites."""
    forms = [form.form for form in site_forms(read_graph(prepared), bound, sites, cameras)]
    return ", ".join(sorted(dict.fromkeys(forms), key=lambda form: (-forms.count(form), form)))
