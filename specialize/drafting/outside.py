"""Find inputs that are computed outside of the model from the calibration, by their names, and say so."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from specialize.artifact.manifest import Tensor
from specialize.drafting.entries import Entry

_PROJECTED = re.compile(r"^projected\d*$|^reference_?points?_?(cam|img|image)")
_TABLE = re.compile(
    r"^(img_?|image_?|3d_?)?pos(ition)?s?_?(emb|enc)|^coords?(_?3d|_?pos\w*)?$|^geom(etry)?(_?feats?)?$"
    r"|^(kept|indices|ranks?)$"
)
_LEAST_AXES = 3
_NO_MATRICES = (
    "by its name a table that was computed from matrices before the model; no kind computes it again: it stays an "
    "input, to be fed for each vehicle; export what computes it with the model to have it bound"
)


def tables_from_outside(inputs: Sequence[Tensor], known: Collection[str]) -> tuple[Entry, ...]:
    """Return an entry, left out with a reason, for every input that by its name was computed from the calibration.

    Args:
        inputs: Inputs of the graph.
        known: Names of inputs that already have an entry.
    """
    found = []
    for tensor in inputs:
        plain = tensor.name.lower().split("/")[-1]
        if tensor.name in known:
            continue
        points = len(tensor.shape) >= _LEAST_AXES and tensor.shape[-1] in (3, 4)
        if _PROJECTED.search(plain) and points and tensor.dtype.startswith("float"):
            told = (
                f"by its name the points of a grid as the cameras project them; if they are columns and rows times "
                f"depth, and depth, write {{kind: projected, grid: 0, axes: nqd{tensor.shape[-1]}}}, axes in its order"
            )
        elif _TABLE.search(plain):
            told = _NO_MATRICES
        else:
            continue
        found.append(Entry(tensor.name, (), False, f"{list(tensor.shape)}: {told}"))
    return tuple(found)
