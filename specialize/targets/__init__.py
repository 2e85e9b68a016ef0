"""Toolchains: what each takes, how a graph is brought to it, and the files that it needs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from specialize.errors import UsageError, closest

if TYPE_CHECKING:
    from specialize.targets.base import Target

TARGETS: dict[str, str] = {
    name: f"specialize.targets.{name}"
    for name in (
        "onnxruntime", "openvino", "tvm", "qnn", "rknn", "tensorrt", "tensorrt_derryhub", "axera", "denglin",
        "horizon_j5", "horizon_j6", "ascend",
    )
}  # fmt: skip
"""Name to module: a new toolchain is a module here and a line there."""


def target(name: str) -> Target:
    """Return the module of a target.

    Raises:
        UsageError: There is no such target.
    """
    if name not in TARGETS:
        raise UsageError("--target", f"one of {', '.join(TARGETS)}", repr(name), closest(name, TARGETS))
    return cast("Target", importlib.import_module(TARGETS[name]))
