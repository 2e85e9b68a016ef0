"""Draw an attention site: group the nodes of a graph until they fit a page.

Reshapes and transposes are left out; nodes that apply the same operation to the same values (one per camera) form one
step, and so does a chain of element-wise operators.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from specialize.artifact.drawing import Drawing, Kind, Step
from specialize.compiler.specialize import Compilation
from specialize.costs.projections import with_projections
from specialize.costs.traffic import is_constant
from specialize.graph.builder import SITE_KEY
from specialize.graph.dependents import dependents
from specialize.graph.ops import BY_ELEMENT, PRODUCTS, SAMPLERS, of
from specialize.graph.shapes import dims, is_static

_LAYOUT = of("view", "turn") | {"Cast"}
_MOVES = of("gather", "cut", "join", "repeat", "pad", "write") - SAMPLERS
_LONGEST_CHAIN = 4  # operators of a chain that are listed by name


@dataclass(frozen=True, slots=True)
class _Group:
    """Nodes that become one step."""

    operators: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    after: tuple[int, ...]
    kind: Kind
    nodes: int = 1
    name: str = ""


@dataclass(slots=True)
class _Canvas:
    """Groups by number, and which group a value belongs to."""

    groups: dict[int, _Group] = field(default_factory=dict)
    owner: dict[ir.Value, int] = field(default_factory=dict)
    keys: dict[tuple[object, ...], int] = field(default_factory=dict)

    def add(self, key: tuple[object, ...], group: _Group, values: Iterable[ir.Value]) -> None:
        """Add a group, or put its nodes to the one with the same key."""
        number = self.keys.setdefault(key, len(self.keys))
        known = self.groups.get(number)
        if known is not None:
            group = replace(known, shapes=known.shapes + group.shapes, nodes=known.nodes + group.nodes)
        self.groups[number] = group
        self.owner.update(dict.fromkeys(values, number))


def draw_largest(compiled: Compilation) -> tuple[Drawing, ...]:
    """Return the drawing of the site with the most rows, before and after; empty if there is no site."""
    rows = [site.rows_before for site in compiled.sites]
    if not rows:
        return ()
    number = rows.index(max(rows))
    site, graph = compiled.sites[number], compiled.graph.graph
    made = {str(node.name) for node in graph if node.metadata_props.get(SITE_KEY) == str(number)}
    bound = compiled.generic.spec.calibration_inputs
    original = compiled.prepared.look().graph
    return (
        Drawing(
            site=number,
            rows=(site.rows_before, site.rows_computed),
            before=draw_site(original, site.replaced, bound),
            after=draw_site(graph, made, bound),
        ),
    )


def draw_site(graph: ir.Graph, core: Collection[str], bound: Collection[str] = ()) -> tuple[Step, ...]:
    """Return the steps of an attention site with the projections around it.

    Args:
        graph: The graph.
        core: Names of the nodes that work on rows.
        bound: Inputs of the graph that are part of the calibration.
    """
    marked = {node: "site" for node in graph if node.name in core}
    inside = with_projections(graph, marked)
    live = _live(graph, bound)
    canvas = _Canvas()
    for node in graph:
        if node in inside:
            _draw(canvas, node, live)
    return _numbered(_chained(canvas.groups))


def _draw(canvas: _Canvas, node: ir.Node, live: Collection[ir.Value]) -> None:
    read = [value for value in node.inputs if value is not None and not is_constant(value)]
    for value in read:
        if value not in canvas.owner:
            source: Kind = "input" if value in live else "calibration"
            canvas.add((value,), _Group((), (_shape(value),), (), source, name=str(value.name)), [value])
    after = tuple(dict.fromkeys(canvas.owner[value] for value in read))
    if node.op_type in _LAYOUT and len(after) == 1:
        canvas.owner.update(dict.fromkeys(node.outputs, after[0]))
        return
    weights = tuple(_shape(v) for v in node.inputs if v is not None and is_constant(v))
    key = (node.op_type, frozenset(after), weights if node.op_type in PRODUCTS else ())
    kind: Kind = "move" if node.op_type in _MOVES else "work"
    shapes = tuple(_shape(value) for value in node.outputs)
    canvas.add(key, _Group((node.op_type,), shapes, after, kind), node.outputs)


def _chained(groups: dict[int, _Group]) -> dict[int, _Group]:
    """Put an element-wise group to the one that it reads, if it reads no other and is its only reader."""
    readers: dict[int, int] = {}
    for group in groups.values():
        for number in group.after:
            readers[number] = readers.get(number, 0) + 1
    kept: dict[int, _Group] = {}
    moved: dict[int, int] = {}
    for number, group in groups.items():
        after = tuple(dict.fromkeys(moved.get(other, other) for other in group.after))
        group = replace(group, after=after)
        previous = kept.get(after[0]) if len(after) == 1 else None
        alone = len(group.after) == 1 and readers[groups[number].after[0]] == 1
        if previous is not None and alone and _makes_a_chain(previous, group):
            kept[after[0]] = replace(
                previous, operators=previous.operators + group.operators, shapes=group.shapes
            )
            moved[number] = after[0]
        else:
            kept[number] = group
    return kept


def _makes_a_chain(first: _Group, second: _Group) -> bool:
    """Return whether the second is element-wise and the first too, or a product whose bias the second adds."""
    if not first.operators or first.nodes != second.nodes or len(first.shapes) != len(second.shapes):
        return False
    if first.operators[-1] in PRODUCTS and second.operators == ("Add",):
        return True
    return all(name in BY_ELEMENT for name in (*first.operators, *second.operators))


def _numbered(groups: dict[int, _Group]) -> tuple[Step, ...]:
    """Return the groups as steps; each input comes right before its first reader."""
    order: list[int] = []
    for number, group in groups.items():
        if group.operators:
            order += [other for other in group.after if not groups[other].operators and other not in order]
            order.append(number)
    places = {number: place for place, number in enumerate(order)}
    return tuple(_step(groups[number], places) for number in order)


def _step(group: _Group, places: dict[int, int]) -> Step:
    names = group.operators
    what = ", ".join(names[: _LONGEST_CHAIN - 1]) if len(names) > _LONGEST_CHAIN else ", ".join(names)
    more = f" and {len(names) - _LONGEST_CHAIN + 1} more" if len(names) > _LONGEST_CHAIN else ""
    return Step(
        what=what + more if names else group.name,
        times=group.nodes,
        kind=group.kind,
        shape=_together(group.shapes),
        values=sum(_volume(shape) for shape in group.shapes),
        after=tuple(sorted(places[number] for number in group.after)),
    )


def _together(shapes: tuple[tuple[int, ...], ...]) -> str:
    """Return one shape for several: where they differ, the least and the most."""
    if len({len(shape) for shape in shapes}) > 1:
        return "several shapes"
    spans = [(min(sizes), max(sizes)) for sizes in zip(*shapes, strict=True)]
    return " x ".join(str(low) if low == high else f"{low}..{high}" for low, high in spans) or "1"


def _live(graph: ir.Graph, bound: Collection[str]) -> Collection[ir.Value]:
    """Return the values that depend on an input other than the calibration."""
    return dependents(graph, [value for value in graph.inputs if value.name not in bound])


def _shape(value: ir.Value) -> tuple[int, ...]:
    return dims(value) if is_static(value) else ()


def _volume(shape: tuple[int, ...]) -> int:
    volume = 1
    for size in shape:
        volume *= size
    return volume
