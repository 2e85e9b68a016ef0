"""Reasons to leave a sink as it is: no work above it, every row is read, the calibration does not choose its rows."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from specialize.graph.declined import Declined
from specialize.graph.notes import node_name
from specialize.graph.ops import WRITES
from specialize.passes.attempt import Reading, Scope, read
from specialize.rows.arrange import Packing
from specialize.rows.calibration_decides import is_decided
from specialize.rows.expr import Source, demanded_rows, samples_groups
from specialize.rows.lift import Lifter
from specialize.rows.ops.scatter import WRITTEN_TWICE
from specialize.rows.sinks import is_incidental
from specialize.rows.sum_back import CAMERAS


def read_wanted(scope: Scope, node: ir.Node, others: Collection[ir.Node] = ()) -> Reading | Declined:
    """Return a sink whose rows the calibration decides, or why it is none.

    Args:
        scope: Where it stands.
        node: The sink.
        others: Sinks that are rewritten together with it.
    """
    reading = read(scope, node, others)
    if isinstance(reading, Declined) or not scope.traced or is_decided(reading.lifter):
        return reading
    return Declined("not-of-the-calibration", "its rows are the same for every calibration")


def is_left(packing: Packing, nodes: Collection[ir.Node], dear: bool) -> bool:
    """Return whether sinks stay as they are: one by name, or all because they cost more and need not be rewritten."""
    named = any(node_name(node) in packing.left for node in nodes)
    return named or (dear and not packing.many and not packing.every_site)


def written_twice(reading: Reading) -> Declined | None:
    """Return the reason if a sink reads a place that a scatter writes more than once; None if it does not."""
    terms, reasons = reading.sink.value.terms, reading.lifter.reasons
    found = (reasons.get(term.base.value) for term in terms if isinstance(term.base, Source))
    return next((why for why in found if why is not None and why.code == WRITTEN_TWICE.code), None)


def why_not(scope: Scope, reading: Reading) -> Declined | None:
    """Return why it is of no use to rewrite a sink; None if it is."""
    sink, node = reading.sink, reading.sink.node
    wanted, total = demanded_rows(sink.value)
    if reading.differs:
        return None
    if total == 0:
        return _why_no_work(reading.lifter)
    if is_incidental(node) and not samples_groups(sink.value):
        return Declined("not-sampled", "what it picks or masks is not sampled")
    if scope.packing.many and any(term.map.fan_in() > CAMERAS for term in sink.value.terms):
        return None  # what is pooled for many vehicles
    if wanted == total and (node.op_type not in WRITES or not samples_groups(sink.value)):
        return Declined("every-row-read", f"every one of the {total} rows is read")
    return None


def _why_no_work(lifter: Lifter) -> Declined:
    causes = tuple(sorted(set(lifter.reasons.values()), key=lambda cause: (cause.text, cause.code)))
    texts = f" ({'; '.join(cause.text for cause in causes)})" if causes else ""
    return Declined("no-work", f"no row-wise work above it{texts}", causes)
