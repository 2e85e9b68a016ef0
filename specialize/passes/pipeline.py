"""The passes in their order, each with the reason why it stands there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from specialize.errors import InputError
from specialize.graph import folding
from specialize.graph.budget import VALUE_BYTES
from specialize.graph.declined import Declined
from specialize.graph.notes import Note, declined, node_name
from specialize.graph.running import NotComputableError
from specialize.graph.shapes import ShapeError
from specialize.passes.bind import bind
from specialize.passes.clean_up import tidy
from specialize.passes.compact import compact
from specialize.passes.conv_sums import restore_sums, show_sums
from specialize.passes.demote_float64 import narrow
from specialize.passes.look_up import look_up
from specialize.passes.site import CompactedSite
from specialize.passes.unscatter import unscatter
from specialize.rows.arrange import Packing
from specialize.rows.gating import Gate

FITTING_SHAPES = "shapes in the file that fit this calibration"
_TRACED_LENGTHS = """the shapes fitted until this calibration was bound, so one of two things is the case:
  - The file has lengths in it that belong to another vehicle. `len(index)` and `int(index.max())` of visible queries
    are written down as numbers while an exporter traces, and then fit the calibration that was traced with, alone.
    Export with `index.shape[0]` and `torch.stack([...]).max()`, which stay in the graph, or the zero-padded form;
    docs/guides/forms.md shows both.
  - The sidecar gives an input another matrix, or the images another scale, crop or size, than the model was exported
    for, so that a camera sees another number of queries: compare `calibration_inputs` and `image` with the training."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A graph whose inputs are bound and folded, before rows are dropped.

    Attributes:
        model: The graph.
        notes: What was done or declined.
    """

    model: ir.Model
    notes: tuple[Note, ...]

    def copy(self) -> Bound:
        """Return the same, to be changed on its own."""
        return Bound(self.model.clone(), self.notes)


class Spare:
    """A bound graph for one who needs another form of it, and may change it."""

    def __init__(self, bound: Bound) -> None:
        self._bound: Bound | None = bound

    def take(self) -> Bound | None:
        """Return the graph, and let go of its constants; None if it was taken before."""
        bound, self._bound = self._bound, None
        return bound


def specialize_graph(
    model: ir.Model, constants: Mapping[str, np.ndarray], packing: Packing, gates: Sequence[Gate] = ()
) -> Specialized:
    """Bind inputs of a graph to constants and compute only what is still needed; changes the graph in place."""
    return tidied(compact_graph(model, constants, packing, gates))


def specialize_bound(bound: Bound, packing: Packing) -> Specialized:
    """Do what `specialize_graph` does with a graph that is bound already, in place."""
    return tidied(compact_bound(bound, packing))


def compact_graph(
    model: ir.Model, constants: Mapping[str, np.ndarray], packing: Packing, gates: Sequence[Gate] = ()
) -> Specialized:
    """Do what `specialize_graph` does, except for merging what is there twice."""
    return compact_bound(bind_graph(model, constants, gates), packing, gates)


def bind_graph(model: ir.Model, constants: Mapping[str, np.ndarray], gates: Sequence[Gate] = ()) -> Bound:
    """Bind inputs of a graph to constants and fold what follows from them, in place."""
    notes = bind(model, constants)  # the calibration becomes a constant ...
    model.graph.outputs.extend(gate.value for gate in gates)  # so that folding leaves them alone
    notes.extend(_fold(model))  # ... and so do the mask, the reference points and every index
    notes.extend(narrow(model))  # runtimes have no GridSample for float64 places
    return Bound(model, tuple(notes))


def compact_bound(bound: Bound, packing: Packing, gates: Sequence[Gate] = ()) -> Specialized:
    """Drop the rows that are not read, in place, without merging what is there twice."""
    model, notes = bound.model, list(bound.notes)
    shown = show_sums(model)  # a sum over cameras may be written as a convolution with ones
    sites, compacted = compact(model, packing, gates)  # rows that are not read are not computed
    sites, restored = restore_sums(model, shown, sites)
    compacted += restored
    for gate in gates:
        model.graph.outputs.remove(gate.value)
    looked_up = [] if packing.many else look_up(model)  # how many rows are looked up differs between vehicles
    notes.extend(_still_true(compacted, model) if looked_up else compacted)
    notes.extend(looked_up)  # volumes of cameras that overwrite each other
    notes.extend(unscatter(model))  # in-place slices of heads, which edge compilers run badly or not at all
    return Specialized(model, tuple(sites), tuple(notes))


def _still_true(notes: Sequence[Note], model: ir.Model) -> list[Note]:
    """Return notes without those that miss work on rows at nodes that are gone, since their rows are looked up."""
    names = {node_name(node) for node in model.graph}
    return [note for note in notes if note.codes != ("no-work",) or note.where in names]


def tidied(done: Specialized) -> Specialized:
    """Merge what is there twice, in place: equal tables of several layers are one."""
    return Specialized(done.model, done.sites, (*done.notes, *tidy(done.model)))


def _fold(model: ir.Model) -> list[Note]:
    before = len(model.graph)
    try:
        folded = folding.fold(model)
    except (ShapeError, NotComputableError) as error:
        expected = f"{FITTING_SHAPES}: {error.expected}"
        raise InputError(error.where, expected, error.found, _TRACED_LENGTHS) from error
    notes = [
        Note("fold", "applied", "graph", f"{folded.removed} of {before} nodes depend on constants alone")
    ]
    for name, size in folded.large:
        reason = (
            f"its result of {size / 2**30:.1f} GiB is larger than a constant may be, {VALUE_BYTES >> 30} GiB"
        )
        notes.append(declined("fold", name, Declined("too-large", reason)))
    return notes
