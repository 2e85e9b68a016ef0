"""Make what is recorded for proofs at the sites generic, so that no other vehicle is judged by accidents of the first.

Values that follow from the first vehicle's calibration have zeros where none of its cameras sees anything. A table of
that vehicle which leaves out such rows computes the same on these values, and something else on those of a vehicle that
sees more. So what is recorded of them stands in another order, in which zeros are anywhere. Segments behind the sites
that are not the original's, node for node, are run on such values once, when they are recorded.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from specialize.verify.alike import structure_of
from specialize.verify.cutting import Cutting
from specialize.verify.segments import Net


def shuffle(arrays: MutableMapping[str, np.ndarray], names: Collection[str], seed: int = 0) -> None:
    """Bring the elements of some arrays into another order; shapes and types stay.

    Args:
        arrays: By name, any shape.
        names: Which of them.
        seed: Of the order.
    """
    random = np.random.default_rng(seed)
    for name in sorted(arrays.keys() & {*names}):
        array = arrays[name]
        arrays[name] = random.permutation(array.reshape(-1)).reshape(array.shape)


def rewritten(cutting: Cutting, original: Path, specialized: Path) -> list[str]:
    """Return the values behind the sites that are not computed by the original's nodes from its constants, sorted.

    Args:
        cutting: Two graphs, cut at the same values.
        original: Folder of the original's file.
        specialized: Folder of the specialized model's.
    """
    tainted = cutting.tainted
    behind = sorted(
        name
        for name, segment in cutting.of_specialized.items()
        if name not in cutting.bound and segment.reads & tainted
    )
    if list(cutting.original.model.functions) != list(cutting.specialized.model.functions):
        return behind
    return [name for name in behind if not _is_same(cutting, name, original, specialized)]


def _is_same(cutting: Cutting, name: str, original: Path, specialized: Path) -> bool:
    one = structure_of(cutting.original, name, cutting.of_original[name], ())
    other = structure_of(cutting.specialized, name, cutting.of_specialized[name], ())
    return (one.digest, one.reads) == (other.digest, other.reads) and all(
        _equal(
            _content(cutting.original, first, original), _content(cutting.specialized, second, specialized)
        )
        for first, second in zip(one.constants, other.constants, strict=True)
    )


def _content(net: Net, name: str, folder: Path) -> tuple[onnx.TensorProto, np.ndarray]:
    tensor = net.constants[name]
    return tensor, numpy_helper.to_array(tensor, base_dir=str(folder))


def _equal(one: tuple[onnx.TensorProto, np.ndarray], other: tuple[onnx.TensorProto, np.ndarray]) -> bool:
    same = (one[0].data_type, list(one[0].dims)) == (other[0].data_type, list(other[0].dims))
    return same and one[1].tobytes() == other[1].tobytes()


def switched(cutting: Cutting, switches: Collection[str]) -> list[str]:
    """Return what bound segments read that follows from switches alone, sorted: one frame shows one of its values."""
    known = {*switches, *cutting.original.constants}
    for number, node in enumerate(cutting.original.model.graph.node):
        if all(name in known for name in cutting.original.reads(number)):
            known.update(node.output)
    return sorted(cutting.reads & known)
