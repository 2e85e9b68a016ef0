"""Making small ONNX graphs, specializing them, and comparing what two graphs compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from specialize.graph.shapes import is_static
from specialize.passes.pipeline import Specialized, specialize_graph
from specialize.rows.arrange import Packing

Arrays = Mapping[str, np.ndarray]

RAGGED = Packing("ragged")
PADDED = Packing("padded")
ALIGNED = Packing("ragged", 8)
PACKINGS = (RAGGED, PADDED, ALIGNED, Packing("padded", 4))


class GraphMaker:
    """Makes an ONNX graph node by node; values are known by their names.

    Args:
        opset: Of the standard domain.
        domains: Further domains that its operators come from.
    """

    def __init__(self, opset: int = 17, domains: Sequence[str] = ()) -> None:
        self.opset = opset
        self.domains = tuple(domains)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.infos: list[onnx.ValueInfoProto] = []
        self._count = 0

    def name(self, stem: str = "v") -> str:
        """Return a name that nothing has yet."""
        self._count += 1
        return f"{stem}{self._count}"

    def input(self, name: str, shape: Sequence[int | str], dtype: int = TensorProto.FLOAT) -> str:
        """Declare an input of the graph."""
        self.inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def const(self, array: np.ndarray | Sequence[int] | float, dtype: type | None = None) -> str:
        """Add an initializer: by default integers are int64 and floats float32."""
        data = np.asarray(array)
        if dtype is None:
            dtype = {"f": np.float32, "i": np.int64}.get(data.dtype.kind, data.dtype.type)
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(np.asarray(data, dtype, order="C"), name))
        return name

    def op(self, op_type: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        """Add a node with one output and return its name."""
        return self.ops(op_type, *inputs, count=1, domain=domain, **attributes)[0]

    def ops(
        self, op_type: str, *inputs: str, count: int, domain: str = "", **attributes: object
    ) -> list[str]:
        """Add a node with several outputs and return their names."""
        outputs = [self.name() for _ in range(count)]
        name = f"{op_type}_{outputs[0]}"
        self.nodes.append(helper.make_node(op_type, list(inputs), outputs, name, domain=domain, **attributes))
        return outputs

    def annotate(self, name: str, shape: Sequence[int], dtype: int = TensorProto.FLOAT) -> str:
        """State the shape of a value that shape inference knows nothing about."""
        self.infos.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def model(self, **outputs: str) -> onnx.ModelProto:
        """Return the model whose outputs, by name, are the given values."""
        nodes = [
            *self.nodes,
            *(helper.make_node("Identity", [value], [name]) for name, value in outputs.items()),
        ]
        empty = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(
            nodes, "made", self.inputs, empty, self.constants, value_info=list(self.infos)
        )
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(domain, 1) for domain in self.domains]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        return onnx.shape_inference.infer_shapes(made, data_prop=True)


def run(model: onnx.ModelProto | ir.Model, feeds: Arrays) -> dict[str, np.ndarray]:
    """Return what a model computes, by output name; inputs that it does not have are not fed."""
    proto = ir.to_proto(model) if isinstance(model, ir.Model) else model
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    wanted = {value.name for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    fed = {name: array for name, array in feeds.items() if name in wanted}
    return dict(zip(names, session.run(names, fed), strict=True))


def random_feeds(model: onnx.ModelProto, seed: int = 0) -> dict[str, np.ndarray]:
    """Return one normally distributed array per input of a static model."""
    random = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        data = random.normal(size=shape)
        feeds[value.name] = (data > 0 if dtype == np.bool_ else data).astype(dtype)
    return feeds


def specialize_proto(
    model: onnx.ModelProto, constants: Arrays | None = None, packing: Packing = RAGGED
) -> Specialized:
    """Specialize a model without changing it."""
    return specialize_graph(
        ir.from_proto(onnx.ModelProto.FromString(model.SerializeToString())), constants or {}, packing
    )


def operators(model: ir.Model) -> Counter[str]:
    """Return how often each operator stands in the main graph."""
    return Counter(node.op_type for node in model.graph)


def assert_static(model: ir.Model) -> None:
    """Check that every dimension of every tensor is a number."""
    loose = [
        value.name for node in model.graph for value in node.outputs if value.name and not is_static(value)
    ]
    loose += [value.name for value in [*model.graph.inputs, *model.graph.outputs] if not is_static(value)]
    assert loose == []


def assert_annotations_true(model: ir.Model, feeds: Arrays) -> None:
    """Check that every annotated shape and type is what the runtime computes."""
    proto = ir.to_proto(model)
    names = [value.name for node in model.graph for value in node.outputs if value.name]
    del proto.graph.output[:]
    proto.graph.output.extend(helper.make_empty_tensor_value_info(str(name)) for name in names)
    found = run(proto, feeds)
    for node in model.graph:
        for value in node.outputs:
            if value.name:
                assert value.shape is not None and value.dtype is not None
                assert found[str(value.name)].shape == tuple(value.shape), value.name
                assert found[str(value.name)].dtype == value.dtype.numpy(), value.name


def assert_same(
    original: onnx.ModelProto, specialized: ir.Model, feeds: Arrays, atol: float = 2e-5, rtol: float = 2e-4
) -> None:
    """Check that a specialized model computes what the original computes, names and shapes included."""
    wanted, got = run(original, feeds), run(specialized, feeds)
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        assert got[name].shape == array.shape, name
        assert got[name].dtype == array.dtype, name
        np.testing.assert_allclose(got[name], array, atol=atol, rtol=rtol, err_msg=name)


def check(
    model: onnx.ModelProto, constants: Arrays | None = None, packing: Packing = RAGGED, seed: int = 0
) -> Specialized:
    """Specialize a model, compare both on random inputs, and return the result."""
    made = specialize_proto(model, constants, packing)
    feeds = {**random_feeds(model, seed), **(constants or {})}
    assert_same(model, made.model, feeds)
    return made


def codes(made: Specialized) -> list[tuple[str, ...]]:
    """Return the codes of the reasons why passes declined, one tuple per note."""
    return [note.codes for note in made.notes if note.verdict == "declined"]


def reasons(made: Specialized) -> list[str]:
    """Return why passes declined."""
    return [note.reason for note in made.notes if note.verdict == "declined"]
