"""Single operators, each of a kind of work: what the rates of `specialize.costs.predict` are measured with.

No case is taken from a model, so that models can show whether the rates hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

_RANDOM = np.random.default_rng(0)
_OPSET = 17


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One operator with its inputs.

    Attributes:
        name: What it is.
        op: The operator.
        inputs: What it is fed.
        constants: Its further inputs, in the file.
        attributes: Its attributes.
        outputs: Number of its outputs.
        copies: How many such nodes stand one behind the other.
    """

    name: str
    op: str
    inputs: tuple[np.ndarray, ...]
    constants: tuple[np.ndarray, ...] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)
    outputs: int = 1
    copies: int = 1

    def feed(self) -> dict[str, np.ndarray]:
        """Return the inputs by name."""
        return {f"x{index}": array for index, array in enumerate(self.inputs)}

    def model(self) -> onnx.ModelProto:
        """Return a model of this node, or of a chain of them."""
        names = [*self.feed(), *(f"c{index}" for index in range(len(self.constants)))]
        nodes = []
        for copy in range(self.copies):
            outputs = [f"y{copy}_{index}" for index in range(self.outputs)]
            nodes.append(helper.make_node(self.op, names, outputs, name=f"n{copy}", **self.attributes))
            names = [outputs[0], *names[1:]]
        graph = helper.make_graph(
            nodes,
            "operator",
            [_info(name, array) for name, array in self.feed().items()],
            [helper.make_empty_tensor_value_info(name) for name in nodes[-1].output],
            [numpy_helper.from_array(array, f"c{index}") for index, array in enumerate(self.constants)],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)


def _info(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _floats(*shape: int) -> np.ndarray:
    return _RANDOM.standard_normal(shape).astype(np.float32)


def _index(most: int, *shape: int) -> np.ndarray:
    return _RANDOM.integers(0, most, shape).astype(np.int64)


def _pairs(first: int, second: int, count: int) -> np.ndarray:
    return np.stack([_index(first, count), _index(second, count)], axis=1)


def _places(*shape: int) -> np.ndarray:
    """Return places in an image, a quarter of them outside."""
    return ((_RANDOM.random(shape) * 2 - 1) * 1.15).astype(np.float32)


def _ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


CASES: tuple[Case, ...] = (
    Case("64 additions of one number", "Add", (_floats(1),), (_floats(1),), copies=64),
    Case("sum of 1 M numbers", "Add", (_floats(10**6), _floats(10**6))),
    Case("sum of 8 M numbers", "Add", (_floats(8 * 10**6), _floats(8 * 10**6))),
    Case("exponentials", "Exp", (_floats(10**6),)),
    Case("concatenation of rows", "Concat", (_floats(1000, 256), _floats(1000, 256)), attributes={"axis": 0}),
    Case("choice", "Where", (_floats(10**6) > 0, _floats(10**6), _floats(10**6))),
    Case("matrix product", "MatMul", (_floats(2000, 256),), (_floats(256, 256),)),
    Case("matrix product, narrow", "MatMul", (_floats(20000, 32),), (_floats(32, 32),)),
    Case("convolution", "Conv", (_floats(1, 64, 60, 100),), (_floats(64, 64, 3, 3),), {"pads": [1, 1, 1, 1]}),
    Case("48 products of 200 x 32 x 200", "MatMul", (_floats(48, 200, 32), _floats(48, 32, 200))),
    Case("100 k products of 3 x 3 and 3 x 1", "MatMul", (_floats(100000, 3, 3), _floats(100000, 3, 1))),
    Case("120 k products of 4 x 4 and 4 x 1, one matrix per camera", "MatMul",
         (_floats(6, 1, 4, 4), _floats(6, 20000, 4, 1))),
    Case("sampling, many channels", "GridSample", (_floats(6, 64, 60, 100), _places(6, 500, 16, 2))),
    Case("sampling, heads", "GridSample", (_floats(48, 32, 15, 25), _places(48, 2000, 4, 2))),
    Case("gather of rows of 64", "Gather", (_floats(20000, 64),), (_index(20000, 50000),)),
    Case("gather of rows of 8", "Gather", (_floats(20000, 8),), (_index(20000, 200000),)),
    Case("gather of columns", "Gather", (_floats(64, 20000),), (_index(20000, 20000),), {"axis": 1}),
    Case("gather of numbers", "Gather", (_floats(100000),), (_index(100000, 10**6),)),
    Case("gather by pairs", "GatherND", (_floats(6, 2000, 64),), (_pairs(6, 2000, 50000),)),
    Case("gather by pairs of numbers", "GatherND", (_floats(64, 2000),), (_pairs(64, 2000, 10**6),)),
    Case("gather of elements", "GatherElements", (_floats(20000, 64),), (_index(20000, 20000, 64),), {"axis": 0}),
    Case("scatter of rows of 64", "ScatterND", (_floats(20000, 64),), (_index(20000, 20000, 1), _floats(20000, 64))),
    Case("scatter of numbers", "ScatterND", (_floats(64, 20000),), (_pairs(64, 20000, 10**6), _floats(10**6))),
    Case("scatter that adds", "ScatterElements", (_floats(20000, 64),),
         (_index(20000, 20000, 64), _floats(20000, 64)), {"axis": 0, "reduction": "add"}),
    Case("sort of 10 k", "TopK", (_floats(10**4),), (_ints(10**4),), {"axis": 0}, 2),
    Case("sort of 100 k", "TopK", (_floats(10**5),), (_ints(10**5),), {"axis": 0}, 2),
    Case("sort of 100 k integers", "TopK", (_index(30000, 10**5),), (_ints(10**5),), {"axis": 0, "largest": 0}, 2),
    Case("300 largest of 100 k", "TopK", (_floats(10**5),), (_ints(300),), {}, 2),
    Case("running sum of numbers", "CumSum", (_floats(10**6),), (_ints(0).reshape(()),)),
    Case("running sum of rows of 64", "CumSum", (_floats(50000, 64),), (_ints(0).reshape(()),)),
    Case("sum with one number per row of 3", "Mul", (_floats(100000, 1), _floats(1, 3))),
    Case("pairs less a pair per camera", "Sub", (_floats(6, 20000, 2), _floats(6, 1, 2))),
    Case("numbers repeated 8 times", "Expand", (_floats(100000, 1),), (_ints(100000, 8),)),
    Case("rows of 256 weighted", "Mul", (_floats(4000, 256), _floats(4000, 1))),
    Case("transposition of rows of 3", "Transpose", (_floats(6, 59, 704, 3),), (), {"perm": [0, 2, 1, 3]}),
    Case("transposition of rows of 64", "Transpose", (_floats(6, 100, 20, 64),), (), {"perm": [0, 2, 1, 3]}),
    Case("transposition of channels", "Transpose", (_floats(6, 64, 100, 60),), (), {"perm": [0, 2, 3, 1]}),
    Case("softmax along an inner axis", "Softmax", (_floats(6, 59, 16, 44),), (), {"axis": 1}),
    Case("softmax of 8", "Softmax", (_floats(100000, 8),)),
    Case("sum of 4 rows of 64", "ReduceSum", (_floats(4000, 4, 64),), (_ints(1),), {"keepdims": 0}),
    Case("sum of rows of 8", "ReduceSum", (_floats(100000, 8),), (_ints(-1),), {"keepdims": 0}),
)  # fmt: skip
"""What the rates are fitted to, all with the same weight."""
