"""Comparing what two compilers build: what names the compiler does not count, everything else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.graphs import GraphMaker
from tools.same_builds import different, digest_of_file


def written(path: Path, bias: float, props: dict[str, str]) -> str:
    """Write a model with a constant and metadata; return its digest."""
    make = GraphMaker()
    out = make.op("Add", make.input("x", (2, 3)), make.const(np.full((2, 3), bias)))
    model = make.model(out=out)
    onnx.helper.set_model_props(model, props)
    onnx.save(model, path)
    return digest_of_file(path)


@pytest.mark.parametrize(
    ("bias", "props", "same"),
    [
        (1.0, {"specialize.compiler_version": "0.1.0+other"}, True),
        (1.5, {"specialize.compiler_version": "0.1.0+one"}, False),
        (1.0, {"specialize.compiler_version": "0.1.0+one", "author": "other"}, False),
    ],
    ids=["compiler", "constant", "other metadata"],
)
def test_only_what_names_the_compiler_may_differ(
    bias: float, props: dict[str, str], same: bool, tmp_path: Path
) -> None:
    """A constant or other metadata makes another graph, the compiler's version does not."""
    before = written(tmp_path / "before.onnx", 1.0, {"specialize.compiler_version": "0.1.0+one"})
    assert (written(tmp_path / "after.onnx", bias, props) == before) == same


def test_graphs_that_only_one_compiler_makes_are_named() -> None:
    """A changed, a lost and a new graph are reported; an equal one is not."""
    before = {"same": "a", "changed": "a", "lost": "a"}
    assert different(before, {"same": "a", "changed": "b", "new": "a"}) == ["changed", "lost", "new"]
