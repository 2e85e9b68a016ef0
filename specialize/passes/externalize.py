"""Externalize: tables that follow from the calibration become inputs, so that one graph serves many vehicles.

What: constants that differ between calibrations  ->  inputs, one for all constants that are always equal.
Why it is sound: the same nodes were made for every calibration that was tried, in room that is kept for the rows of any
    vehicle; only these constants differ. Places without a row are never read back.
Needs: `compact_graph` with rooms, for at least two calibrations that differ in everything.
Declines when: the graphs differ in more than the contents of constants.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from specialize.digest import digest, digest_bytes
from specialize.errors import DeclinedError
from specialize.graph.nodes import array_of
from specialize.graph.notes import Note, node_name
from specialize.graph.subgraphs import remove_dead
from specialize.rows.table_input import MADE, Table, folded_name

NAME = "tables"

Array = npt.NDArray[np.generic]

WORDS = {
    "rows": "rows",
    "back": "sum",
    "scale": "weights",
    "order": "order",
    "blocks": "blocks",
    "cells": "cells",
    "table": "values",
}
"""Label of a constant that compaction made, and what its table is called."""


ALWAYS = frozenset({"rows", "back", "scale", "order", "blocks", "cells"})
"""Labels of what is a table even if it has been the same for every calibration that was tried."""


def made_constants(model: ir.Model, shared: Iterable[str]) -> dict[str, Array]:
    """Return the constants of a graph that something reads, those aside that all vehicles have in common."""
    kept = frozenset(shared)
    found = {
        name: array_of(value)
        for name, value in model.graph.initializers.items()
        if name not in kept and value.uses()
    }
    return {name: array for name, array in found.items() if array is not None}


def find_tables(
    models: Sequence[ir.Model],
    far: Sequence[ir.Model],
    shared: frozenset[str],
    origins: Mapping[str, frozenset[str]],
) -> tuple[Table, ...]:
    """Return the constants that differ between graphs made for different calibrations, equal ones as one table.

    Args:
        models: The same graph, compiled for several calibrations in the same room.
        far: Parts of it, compiled for other calibrations in other room.
        shared: Names of the constants that all vehicles have in common.
        origins: By the prefix of what a site's constants are called, what the site is computed from. Constants of two
            sites can only be one table if both are computed from the same.

    Raises:
        DeclinedError: The graphs differ in more than that.
    """
    made = [made_constants(model, shared) for model in models]
    for other in made[1:]:
        if other.keys() != made[0].keys():
            raise _differs(sorted(other.keys() ^ made[0].keys())[0])
    others = [made_constants(model, shared) for model in far]
    groups: dict[tuple[object, ...], list[str]] = {}
    for name in made[0]:
        seen = tuple(digest_bytes(each[name].tobytes()) for each in made)
        beyond = tuple(
            digest_bytes(each[name].tobytes()) for each in others if _label(name) in WORDS and name in each
        )
        if len(set(seen)) > 1 or _label(name) in ALWAYS:
            groups.setdefault((*seen, *beyond, _origin(name, origins)), []).append(name)
    return tuple(Table(name, tuple(members)) for name, members in _named(groups.values()))


def require_alike(models: Sequence[ir.Model], tables: Sequence[Table], shared: frozenset[str]) -> None:
    """Check that graphs differ in the contents of tables alone.

    Raises:
        DeclinedError: They differ in more.
    """
    if len({signature(model, tables, shared) for model in models}) > 1:
        raise _differs("an operator or a constant")


def signature(model: ir.Model, tables: Sequence[Table], shared: frozenset[str]) -> str:
    """Return a digest of a graph without the contents of its tables and of what all vehicles have in common."""
    members = {name for table in tables for name in table.members}
    fixed = [
        [name, array.dtype.str, list(array.shape), array.tobytes()]
        for name, array in sorted(made_constants(model, shared).items())
        if name not in members
    ]
    nodes = [ir.serde.serialize_node(node).SerializeToString(deterministic=True) for node in model.graph]
    return digest([nodes, fixed])


def read_tables(model: ir.Model, tables: Sequence[Table]) -> dict[str, Array]:
    """Return the contents of tables from a graph that has them as constants."""
    found = {}
    for table in tables:
        held = [model.graph.initializers[name] for name in table.members if name in model.graph.initializers]
        array = array_of(held[0])
        assert array is not None
        found[table.name] = array
    return found


def externalize(model: ir.Model, tables: Sequence[Table]) -> list[Note]:
    """Make tables inputs of a graph, in place."""
    notes = []
    for table in tables:
        members = [model.graph.initializers[name] for name in table.members]
        first = members[0]
        given = ir.Value(name=table.name, type=first.type, shape=first.shape)
        model.graph.inputs.append(given)
        for member in members:
            ir.convenience.replace_all_uses_with(member, given)
            del model.graph.initializers[str(member.name)]
        what = f"input of shape {list(given.shape or ())} in place of {len(members)} constants"
        notes.append(Note(NAME, "applied", table.name, what))
    return notes


def vanished(original: ir.Model, compiled: ir.Model) -> frozenset[str]:
    """Return the names of the nodes of a graph that folding and compaction took away."""
    left = {node_name(node) for node in compiled.graph}
    return frozenset(node_name(node) for node in original.graph if node_name(node) not in left)


def prune(
    model: ir.Model,
    compiled: ir.Model,
    nodes: frozenset[str],
    worked: frozenset[str],
    tables: Sequence[Table],
) -> None:
    """Keep only some nodes of a graph, in place; what they read of the others becomes inputs.

    What other nodes read of the row-wise work becomes outputs, so that it counts as read.

    Args:
        model: The graph.
        compiled: The same graph, compiled: there every shape is known.
        nodes: Names of the nodes that stay.
        worked: Those of them that are row-wise work; the others are folded.
        tables: What must be computed.
    """
    graph = model.graph
    known = {value.name: value for node in compiled.graph for value in node.outputs}
    gone = [node for node in graph if node_name(node) not in nodes]
    dropped = set(gone)
    asked = {folded_name(name) for table in tables for name in table.members}
    outputs = [
        value
        for node in graph
        if node not in dropped
        for value in node.outputs
        if value.name in asked
        or (node_name(node) in worked and (value.is_graph_output() or _is_read_by(value, dropped)))
    ]
    graph.outputs.clear()
    graph.outputs.extend(outputs)
    for node in gone:
        for value in node.outputs:
            readers = [usage for usage in value.uses() if usage.node not in dropped]
            if readers:
                like = known.get(value.name, value)
                given = ir.Value(name=f"{value.name}_given", type=like.type, shape=like.shape)
                graph.inputs.append(given)
                for usage in readers:
                    usage.node.replace_input_with(usage.idx, given)
    for node in reversed(gone):
        graph.remove(node, safe=True)
    remove_dead(graph)  # shapes and indices of what other nodes worked on
    _drop_unread(graph)


def _is_read_by(value: ir.Value, nodes: set[ir.Node]) -> bool:
    return any(usage.node in nodes for usage in value.uses())


def _drop_unread(graph: ir.Graph) -> None:
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]
    for value in list(graph.inputs):
        if not value.uses():
            graph.inputs.remove(value)


def _label(name: str) -> str:
    """Return the kind of a constant that compaction made; nothing for one that was folded."""
    return re.sub(r"\d+$", "", name.rsplit("/", 1)[-1]) if name.startswith(MADE) else ""


def _origin(name: str, origins: Mapping[str, frozenset[str]]) -> object:
    """Return a key by which constants differ that must not be one table although they have been equal so far."""
    return next((origin for prefix, origin in origins.items() if name.startswith(prefix)), name)


def _named(groups: Iterable[list[str]]) -> Iterable[tuple[str, list[str]]]:
    """Yield groups with a name each: after the kind of table, or after the value that was folded."""
    counts: dict[str, int] = {}
    for members in groups:
        if not _label(members[0]):
            yield f"table.{folded_name(members[0])}", members
            continue
        word = WORDS.get(_label(members[0]), _label(members[0]))
        number = counts[word] = counts.get(word, -1) + 1
        yield f"table.{word}{number}", members


def _differs(where: str) -> DeclinedError:
    return DeclinedError(
        "--mode tables",
        "a graph that looks the same for every calibration",
        f"one that differs at {where}",
        "use --mode exact or --mode envelope",
    )


def contents_equal(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    """Return whether two sets of tables are the same."""
    return one.keys() == other.keys() and all(
        array.dtype == other[name].dtype and np.array_equal(array, other[name]) for name, array in one.items()
    )
