"""Which attention a graph has: its kinds by size, how often each occurs, and the nodes of every occurrence.

The compiler marks the nodes that it made for a site with the site's number. Attention that no calibration prunes has no
number; here it gets one, so that all of it can be timed alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from specialize.attention.match import Site, find_sites
from specialize.attention.operator import Sizes, is_attention, read_attention
from specialize.attention.recognise import recognise_sampling
from specialize.graph.builder import SITE_KEY
from specialize.graph.declined import Declined
from specialize.graph.views import MOVES

ALONG = MOVES | {"Add", "Concat", "Div", "GridSample", "Mul", "ReduceSum", "Sub", "Sum"}
"""What belongs to an occurrence, from its result up to projections and a softmax."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Attention of one size.

    Attributes:
        sizes: Those of its operators, one per image and level that are sampled apart.
        numbers: The number of each occurrence.
        pruned: Whether it is a site, of which only the visible rows are computed.
    """

    sizes: tuple[Sizes, ...]
    numbers: tuple[str, ...]
    pruned: bool

    @property
    def samples(self) -> int:
        """Places that are sampled, per head."""
        return sum(
            each.batch * each.queries * each.heads * each.points * len(each.levels) for each in self.sizes
        )


def mark_attention(graph: ir.Graph, sites: int) -> None:
    """Number the attention that belongs to no site, in place, counting on from the number of sites."""
    number = sites
    for site in find_sites(graph)[0]:
        if SITE_KEY in site.parts[0].node.metadata_props:
            continue
        for node in _nodes(site):
            node.metadata_props.setdefault(SITE_KEY, str(number))
        number += 1


def kinds_of(model: ir.Model, sites: int) -> tuple[Kind, ...]:
    """Return the kinds of attention of a marked graph, those of sites first.

    Args:
        model: The graph; its attention becomes internal operators.
        sites: Number of sites that the compiler marked.
    """
    recognise_sampling(model, (SITE_KEY,))
    operators: dict[str, list[Sizes]] = defaultdict(list)
    for node in model.graph:
        attention = read_attention(node) if is_attention(node) else None
        if attention is not None and not isinstance(attention, Declined) and SITE_KEY in node.metadata_props:
            operators[node.metadata_props[SITE_KEY]].append(attention.sizes)
    alike: dict[tuple[bool, tuple[Sizes, ...]], list[str]] = defaultdict(list)
    for number, sizes in sorted(operators.items(), key=lambda item: int(item[0])):
        alike[int(number) < sites, tuple(sizes)].append(number)
    return tuple(Kind(sizes, tuple(numbers), pruned) for (pruned, sizes), numbers in alike.items())


def _nodes(site: Site) -> Iterator[ir.Node]:
    """Yield the nodes of one attention: from its result up to what is no move and no arithmetic."""
    first = site.output.producer()
    stack, known = [first], {first}
    while stack:
        node = stack.pop()
        assert node is not None
        yield node
        for value in node.inputs:
            above = None if value is None else value.producer()
            if above is not None and above not in known and above.op_type in ALONG:
                known.add(above)
                stack.append(above)
