"""Define the result of a count: per node, per operator, site and model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

from specialize.evidence.costs import NOTHING, Movement, Uncounted

UNKNOWN_SHAPE = "a shape is unknown"
"""Why a node has neither operations nor bytes; every other reason leaves out operations alone."""


@dataclass(frozen=True, slots=True)
class NodeCost:
    """The cost of one node.

    Attributes:
        name: Name of the node.
        op: Operator.
        site: Name of the attention site that the node belongs to; empty if none.
        per_row: Whether it works on the site's rows; false for the projections of values and results.
        multiply_adds: Multiply-adds; two operations each.
        other: Other operations.
        samples: Points sampled at computed places.
        activation_bytes: Bytes of activations read.
        weight_bytes: Bytes of weights read.
        constant_bytes: Bytes of other constants read.
        written_bytes: Bytes of results written.
        movement: What it sorts, scans, gathers and scatters.
        pieces: Contiguous pieces that it works on; see `pieces`.
    """

    name: str
    op: str
    site: str
    per_row: bool = False
    multiply_adds: int = 0
    other: int = 0
    samples: int = 0
    activation_bytes: int = 0
    weight_bytes: int = 0
    constant_bytes: int = 0
    written_bytes: int = 0
    movement: Movement = NOTHING
    pieces: int = 0

    @property
    def flops(self) -> int:
        """Operations, a multiply-add counted as two."""
        return 2 * self.multiply_adds + self.other

    @property
    def moved_bytes(self) -> int:
        """Bytes read and written."""
        return self.activation_bytes + self.weight_bytes + self.constant_bytes + self.written_bytes


@dataclass(frozen=True, slots=True)
class CostTotal:
    """The sum over some nodes; see `NodeCost` for the parts."""

    nodes: int
    flops: int
    multiply_adds: int
    other: int
    samples: int
    activation_bytes: int
    weight_bytes: int
    constant_bytes: int
    written_bytes: int
    pieces: int = 0
    movement: Movement = NOTHING

    @property
    def moved_bytes(self) -> int:
        """Bytes read and written."""
        return self.activation_bytes + self.weight_bytes + self.constant_bytes + self.written_bytes


@dataclass(frozen=True, slots=True)
class CostReport:
    """The cost of one graph.

    Attributes:
        nodes: One entry per node, in the order of the graph.
        uncounted: Operators without a formula, or with an unknown shape.
        peak_activation_bytes: Most bytes of activations alive at once; 0 if a size is unknown.
        weight_bytes: Bytes of all weights, each once.
        constant_bytes: Bytes of all other constants, each once.
    """

    nodes: tuple[NodeCost, ...]
    uncounted: tuple[Uncounted, ...]
    peak_activation_bytes: int
    weight_bytes: int
    constant_bytes: int

    @property
    def peak_bytes(self) -> int:
        """Activations at their peak, and all weights and constants."""
        return self.peak_activation_bytes + self.weight_bytes + self.constant_bytes

    def total(self) -> CostTotal:
        """Return the sum over the whole model."""
        return _sum(self.nodes)

    def attention(self) -> CostTotal:
        """Return the sum over all attention sites, their projections included."""
        return _sum(node for node in self.nodes if node.site)

    def per_row(self) -> CostTotal:
        """Return the sum over what works on the rows of attention sites: the part that shrinks with them."""
        return _sum(node for node in self.nodes if node.per_row)

    def by_site(self) -> dict[str, CostTotal]:
        """Return the sum of each attention site, in order of appearance."""
        return self._grouped(lambda node: node.site, lambda node: bool(node.site))

    def by_op(self) -> dict[str, CostTotal]:
        """Return the sum of each operator, the most expensive first."""
        groups = self._grouped(lambda node: node.op)
        return dict(sorted(groups.items(), key=lambda item: (-item[1].flops, -item[1].moved_bytes, item[0])))

    def _grouped(
        self, key: Callable[[NodeCost], str], wanted: Callable[[NodeCost], bool] = lambda node: True
    ) -> dict[str, CostTotal]:
        groups: dict[str, list[NodeCost]] = {}
        for node in filter(wanted, self.nodes):
            groups.setdefault(key(node), []).append(node)
        return {name: _sum(nodes) for name, nodes in groups.items()}


def _sum(nodes: Iterable[NodeCost]) -> CostTotal:
    chosen = list(nodes)
    parts = (
        "flops",
        "multiply_adds",
        "other",
        "samples",
        "activation_bytes",
        "weight_bytes",
        "constant_bytes",
        "written_bytes",
        "pieces",
    )
    sums = {part: sum(getattr(node, part) for node in chosen) for part in parts}
    moved = reduce(add, (node.movement for node in chosen), NOTHING)
    return CostTotal(nodes=len(chosen), **sums, movement=moved)
