"""Write `specialize/zoo/interfaces.json`: inputs, outputs and parameters of every built-in model.

Models are built and run without data (fake tensors): seconds for all of them, and no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from specialize import zoo
from specialize.zoo.about import INTERFACES, Interface, Shape


class _Read(TorchFunctionMode):
    """Notes which trained parameters are read while it is on."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.sizes: dict[int, int] = {}
        self._trained = {id(each): each.numel() for each in model.parameters() if each.requires_grad}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        for value in (*args, *(kwargs or {}).values()):
            if id(value) in self._trained:
                self.sizes[id(value)] = self._trained[id(value)]
        return func(*args, **(kwargs or {}))


def interface(name: str) -> Interface:
    """Return the interface of a built-in model, read off its module."""
    module = zoo.zoo_module(name)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        model, inputs = module.build(name).eval(), module.example_inputs(name)
        read = _Read(model)
        with read:
            outputs = model(*inputs.values())
    named = zip(module.output_names(name), outputs if isinstance(outputs, tuple) else (outputs,), strict=True)
    return Interface(
        parameters=sum(read.sizes.values()),
        inputs=tuple(_shape(key, value) for key, value in inputs.items()),
        outputs=tuple(_shape(key, value) for key, value in named),
    )


def _shape(name: str, value: Tensor) -> Shape:
    return Shape(name=name, dtype=str(value.dtype).removeprefix("torch."), shape=tuple(value.shape))


def main() -> None:
    """Write the file."""
    found = {name: interface(name) for name in zoo.MODELS}
    INTERFACES.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


if __name__ == "__main__":
    main()
