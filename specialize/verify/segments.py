"""Cut a graph at named values, and tell what each is computed from.

    named values --segment--> named value --segment--> named value ... outputs

Two graphs of one model have many values in common by name. Cut at all of these, each graph is a composition of
segments, and every value between is computed from the values named before it and from constants alone. So two graphs
are compared value by value, and what a calibration can change is what has a segment that reads it. This reads files
with the `onnx` package and shares no code with the passes that made them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import onnx

from specialize.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """What computes one value from those named before it.

    Attributes:
        reads: Named values and inputs of the graph that it starts from.
        constants: Names of the constants that it reads.
        nodes: Numbers of its nodes in the graph.
    """

    reads: frozenset[str]
    constants: frozenset[str]
    nodes: frozenset[int]


@dataclass(slots=True, eq=False)
class Net:
    """The graph of a file, by the names of its values.

    Attributes:
        model: The file, without the weights that lie beside it.
        makers: Number of the node that computes a value, by the value's name.
        constants: Constants by name.
        inputs: Names of the inputs that are no constants.
        outputs: Names of the outputs.
    """

    model: onnx.ModelProto
    makers: dict[str, int] = field(default_factory=dict)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    _reads: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Index the graph."""
        graph = self.model.graph
        self.makers = {name: at for at, node in enumerate(graph.node) for name in node.output if name}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = tuple(value.name for value in graph.input if value.name not in self.constants)
        self.outputs = tuple(value.name for value in graph.output)
        self._reads = [tuple(dict.fromkeys(reads_of(node))) for node in graph.node]

    def reads(self, number: int) -> tuple[str, ...]:
        """Return the names that a node reads, those that its subgraphs capture among them."""
        return self._reads[number]

    def files(self) -> list[str]:
        """Return the names of the files beside the graph that hold constants, sorted."""
        found = {
            entry.value
            for tensor in self.constants.values()
            if tensor.data_location == onnx.TensorProto.EXTERNAL
            for entry in tensor.external_data
            if entry.key == "location"
        }
        return sorted(found)

    def segment(self, name: str, cuts: Collection[str]) -> Segment:
        """Return what computes a value from the values of `cuts`."""
        reads, constants, nodes = set(), set(), set()
        waiting = [name]
        while waiting:
            maker = self.makers[waiting.pop()]
            if maker in nodes:
                continue
            nodes.add(maker)
            for value in self.reads(maker):
                if value in self.makers and value not in cuts:
                    waiting.append(value)
                elif value in self.constants:
                    constants.add(value)
                else:
                    reads.add(value)
        return Segment(frozenset(reads), frozenset(constants), frozenset(nodes))

    def segments(self, cuts: Collection[str]) -> dict[str, Segment]:
        """Return the segment of every value of `cuts` that the outputs depend on, and of the outputs, by name."""
        found: dict[str, Segment] = {}
        waiting = [name for name in self.outputs if name in self.makers]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.segment(name, cuts)
                waiting += [value for value in found[name].reads if value in self.makers]
        return found


def net_of(model: onnx.ModelProto) -> Net:
    """Return the graph of a file by the names of its values.

    Raises:
        InputError: Two nodes compute a value of one name.
    """
    names = [name for node in model.graph.node for name in node.output if name]
    if len(names) != len(set(names)):
        raise InputError("the graph", "a name of its own for every value", "a name that two nodes compute")
    return Net(model)


def in_common(one: Net, other: Net, bound: Collection[str]) -> frozenset[str]:
    """Return the names of values that nodes of both graphs compute, those that follow from constants alone left out.

    Args:
        one: A graph.
        other: Another one.
        bound: Inputs that are constant in one of them.
    """
    return frozenset(one.makers.keys() & other.makers.keys()) - _known(one, bound) - _known(other, bound)


def _known(net: Net, bound: Collection[str]) -> set[str]:
    """Return the values that depend on constants and bound inputs alone; a graph in a file is sorted."""
    known = {*net.constants, *bound}
    for number, node in enumerate(net.model.graph.node):
        if all(name in known for name in net.reads(number)):
            known.update(node.output)
    return known


def reads_of(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node reads from its graph, those that its subgraphs capture among them."""
    yield from (name for name in node.input if name)
    for graph in graphs_of(node):
        own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        own |= {name for inner in graph.node for name in inner.output}
        read = [value.name for value in graph.output]
        read += [name for inner in graph.node for name in reads_of(inner)]
        yield from (name for name in read if name not in own)


def graphs_of(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in the attributes of a node."""
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def segment_digests(net: Net, segments: Mapping[str, Segment], weights: Mapping[str, str]) -> dict[str, str]:
    """Return a digest of every segment, by the name of what it computes: equal digests are equal computations.

    A digest covers operators, attributes, the order of inputs and the content of every constant, and no name but those
    of the values at which the graph is cut. Functions of the file count as a whole.

    Args:
        net: The graph.
        segments: Its segments.
        weights: Digest of each file beside the graph, by its name.
    """
    shared = _hash(
        b"functions", *(each.SerializeToString(deterministic=True) for each in net.model.functions)
    )
    opsets = sorted(f"{each.domain} {each.version}".encode() for each in net.model.opset_import)
    hashes: dict[str, bytes] = {}
    return {name: _merkle(net, name, segments, weights, hashes, _hash(shared, *opsets)) for name in segments}


def _merkle(
    net: Net, name: str, segments: Mapping[str, Segment], weights: Mapping[str, str], hashes: dict[str, bytes],
    shared: bytes,
) -> str:  # fmt: skip
    """Return the digest of a segment; `hashes` keeps those of the constants, which are the same in all of them."""
    segment = segments[name]
    local: dict[str, bytes] = {}
    for number in sorted(segment.nodes):
        node = net.model.graph.node[number]
        parts = [node.op_type.encode(), node.domain.encode(), *attributes_of(node)]
        for value in (*node.input, b"", *net.reads(number)):
            parts.append(_value(net, value, segment, local, weights, hashes) if value else b"none")
        made = _hash(shared, *parts)
        local.update({output: _hash(made, str(at).encode()) for at, output in enumerate(node.output)})
    return f"sha256:{local[name].hex()}"


def _value(
    net: Net, name: str, segment: Segment, local: Mapping[str, bytes], weights: Mapping[str, str],
    hashes: dict[str, bytes],
) -> bytes:  # fmt: skip
    if name in net.constants:
        if name not in hashes:
            hashes[name] = constant_digest(net.constants[name], weights)
        return hashes[name]
    if name in segment.reads:
        return _hash(b"named", name.encode())
    return local[name]


def attributes_of(node: onnx.NodeProto) -> Iterator[bytes]:
    """Yield the attributes of a node as bytes, sorted by name."""
    for attribute in sorted(node.attribute, key=lambda each: each.name):
        yield attribute.SerializeToString(deterministic=True)


def constant_digest(tensor: onnx.TensorProto, weights: Mapping[str, str]) -> bytes:
    """Return the digest of a constant's type, shape and content; of one beside the graph, that of file and place.

    Raises:
        InputError: It lies in a file whose digest is not known.
    """
    head = f"{tensor.data_type} {list(tensor.dims)}".encode()
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        place = {entry.key: entry.value for entry in tensor.external_data}
        if place.get("location") not in weights:
            raise InputError(f"constant {tensor.name!r}", "a weights file of the build", str(place))
        lies = f"{weights[place['location']]} {place.get('offset', '0')} {place.get('length', '')}"
        return _hash(b"beside", head, lies.encode())
    if tensor.HasField("raw_data"):
        return _hash(b"raw", head, tensor.raw_data)
    bare = onnx.TensorProto()
    bare.CopyFrom(tensor)
    bare.ClearField("name")
    bare.ClearField("doc_string")
    return _hash(b"tensor", bare.SerializeToString(deterministic=True))


def _hash(*parts: bytes) -> bytes:
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()
