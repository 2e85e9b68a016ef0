"""Find bound values that are computed alike, so that comparing one of them shows all.

The sites of a detector are often one formula with weights of their own: their geometry is the same, and so are their
tables. Between two vehicles nothing changes but these tables. Two bound values are *alike* in a build if

- their segments in the original have the same structure, the same constants but for weights, and the same geometry,
- their segments in the specialized model have the same structure, and the same constants but for weights,
- their segments in the specialized model read the values that they read in the recorded build,
- what differs from the recorded build stands at the same places in both, is the same there, and was the same.

Weights are constants of floating-point numbers that are as in the recorded build. A table that was forgotten at one of
the sites, or put in another place, or a changed weight, is a difference at that site alone, which is then not alike.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx

from specialize.digest import digest
from specialize.evidence.at_sites import SiteConstants
from specialize.verify.cutting import Cutting
from specialize.verify.segments import Net, Segment, attributes_of, constant_digest

FLOATS = frozenset(
    {
        onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Structure:
    """A segment without its constants and names.

    Attributes:
        digest: Of its operators, attributes and edges.
        constants: Names of the constants, in the order in which they are read; one stands there as often as it is.
        geometry: Whether a node reads it that depends on constants and the calibration alone, likewise.
        reads: Named values, in the order in which they are first read; the digest covers their numbers alone.
    """

    digest: str
    constants: tuple[str, ...]
    geometry: tuple[bool, ...]
    reads: tuple[str, ...]


def structure_of(net: Net, name: str, segment: Segment, calibration: Collection[str]) -> Structure:
    """Return the structure of the segment of a value; the calibration counts by the names of its inputs."""
    places: dict[str, object] = {}
    known = set(calibration)
    reads: dict[str, int] = {}
    constants: list[str] = []
    geometry: list[bool] = []
    rows: list[object] = []
    for at, number in enumerate(_in_order(net, name, segment)):
        node = net.model.graph.node[number]
        fixed = all(value in known or value in net.constants for value in net.reads(number))
        edges: list[object] = []
        for value in (*node.input, *net.reads(number)):
            if value in net.constants:
                edges.append("constant")
                constants.append(value)
                geometry.append(fixed)
            elif value in segment.reads:
                edges.append(value if value in calibration else reads.setdefault(value, len(reads)))
            else:
                edges.append(places.get(value, ""))
        places.update({value: [at, index] for index, value in enumerate(node.output) if value})
        known.update(node.output if fixed else ())
        rows.append([node.op_type, node.domain, list(attributes_of(node)), edges])
    return Structure(digest([rows, places[name]]), tuple(constants), tuple(geometry), tuple(reads))


def _in_order(net: Net, name: str, segment: Segment) -> list[int]:
    """Return the nodes of a segment in an order that follows from its edges: what a node reads comes before it."""
    order: dict[int, None] = {}
    waiting = [(net.makers[name], False)]
    while waiting:
        number, ready = waiting.pop()
        if number in order:
            continue
        if ready:
            order[number] = None
            continue
        waiting.append((number, True))
        makers = [net.makers[value] for value in net.reads(number) if value in net.makers]
        waiting += [(maker, False) for maker in reversed(makers) if maker in segment.nodes]
    return list(order)


def constants_of(net: Net, name: str, segment: Segment, weights: Mapping[str, str]) -> SiteConstants:
    """Return what a recording keeps of the segment of a bound value in the specialized model."""
    structure = structure_of(net, name, segment, ())
    kept = tuple(constant_digest(net.constants[one], weights).hex() for one in structure.constants)
    return SiteConstants(structure=structure.digest, constants=kept, reads=structure.reads)


def alike(
    cutting: Cutting, recorded: Mapping[str, SiteConstants], weights: Mapping[str, str]
) -> dict[str, str]:
    """Return for each bound value the one that is compared for it, which may be itself.

    Args:
        cutting: The original and the specialized model.
        recorded: What the recorded build had, by the values' names.
        weights: Digest of each file beside the specialized model, by name.
    """
    files = {name: name for name in cutting.original.files()}  # one place is one content, whatever that is
    first: dict[str, str] = {}
    found = {}
    for name in sorted(cutting.bound):
        own = constants_of(cutting.specialized, name, cutting.of_specialized[name], weights)
        key = name  # alike to itself alone
        before = recorded.get(name)
        if before is not None and (own.structure, own.reads) == (before.structure, before.reads):
            key = digest(
                [
                    _of_original(cutting, name, files),
                    own.structure,
                    _of_specialized(cutting, name, own.constants, before.constants),
                ]
            )
        found[name] = first.setdefault(key, name)
    return found


def _of_original(cutting: Cutting, name: str, weights: Mapping[str, str]) -> object:
    """Return constants by their content, but weights that no geometry reads by their shape."""
    net = cutting.original
    structure = structure_of(net, name, cutting.of_original[name], cutting.calibration)
    kept = [
        constant_digest(net.constants[one], weights).hex()
        if fixed or net.constants[one].data_type not in FLOATS
        else _kind(net.constants[one])
        for one, fixed in zip(structure.constants, structure.geometry, strict=True)
    ]
    return [structure.digest, kept]


def _of_specialized(cutting: Cutting, name: str, own: Sequence[str], recorded: Sequence[str]) -> object:
    """Return constants by their content, now and before, but weights, which are as recorded, by their shape."""
    net = cutting.specialized
    names = structure_of(net, name, cutting.of_specialized[name], ()).constants
    return [
        _kind(net.constants[one])
        if now == before and net.constants[one].data_type in FLOATS
        else [now, before]
        for one, now, before in zip(names, own, recorded, strict=True)
    ]


def _kind(tensor: onnx.TensorProto) -> object:
    return [tensor.data_type, list(tensor.dims)]
