"""The passes in their order, each with the reason why it stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.graph import known
from specialize.passes.base import Note
from specialize.passes.bind import bind
from specialize.passes.compact import compact
from specialize.passes.narrow import narrow
from specialize.passes.site import CompactedSite
from specialize.passes.sums import restore_sums, show_sums
from specialize.passes.tidy import tidy
from specialize.passes.unscatter import unscatter
from specialize.rows.arrange import Packing
from specialize.rows.gating import Gate


@dataclass(frozen=True, slots=True)
class Specialized:
    """A specialized graph and how it came about.

    Attributes:
        model: The graph.
        sites: Where rows were dropped, in graph order.
        notes: What every pass did or declined, in order.
    """

    model: ir.Model
    sites: tuple[CompactedSite, ...]
    notes: tuple[Note, ...]


def specialize_graph(
    model: ir.Model, constants: Mapping[str, np.ndarray], packing: Packing, gates: Sequence[Gate] = ()
) -> Specialized:
    """Bind inputs of a graph to constants and compute only what is still needed; changes the graph in place."""
    return tidied(compact_graph(model, constants, packing, gates))


def compact_graph(
    model: ir.Model, constants: Mapping[str, np.ndarray], packing: Packing, gates: Sequence[Gate] = ()
) -> Specialized:
    """Do what `specialize_graph` does, except for merging what is there twice."""
    notes = bind(model, constants)  # the calibration becomes a constant ...
    model.graph.outputs.extend(gate.value for gate in gates)  # so that folding leaves them alone
    notes.append(_fold(model))  # ... and so do the mask, the reference points and every index
    notes.extend(narrow(model))  # runtimes have no GridSample for float64 places
    shown = show_sums(model)  # a sum over cameras may be written as a convolution with ones
    sites, compacted = compact(model, packing, gates)  # rows that nobody reads are not computed
    sites, restored = restore_sums(model, shown, sites)
    compacted += restored
    for gate in gates:
        model.graph.outputs.remove(gate.value)
    notes.extend(compacted)
    notes.extend(unscatter(model))  # in-place slices of heads, which edge compilers run badly or not at all
    return Specialized(model, tuple(sites), tuple(notes))


def tidied(done: Specialized) -> Specialized:
    """Merge what is there twice, in place: equal tables of several layers are one."""
    return Specialized(done.model, done.sites, (*done.notes, *tidy(done.model)))


def _fold(model: ir.Model) -> Note:
    before = len(model.graph)
    removed = known.fold(model)
    return Note("fold", "applied", "graph", f"{removed} of {before} nodes depend on constants alone")
