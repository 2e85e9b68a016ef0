"""Exports of tiny torch modules by both exporters, simplified by others' tools or not at all."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import nn


def export(
    model: nn.Module,
    inputs: dict[str, torch.Tensor],
    opset: int = 16,
    *,
    dynamo: bool = False,
    fold: bool = True,
    outputs: tuple[str, ...] = ("out",),
    domains: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """Return what an exporter makes of a module; `fold` lets it fold constants."""
    buffer = io.BytesIO()
    with torch.no_grad(), _quiet():
        if dynamo:
            program = torch.onnx.export(
                model.eval(),
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=opset,
                dynamo=True,
                verbose=False,
                optimize=fold,
            )
            assert program is not None
            return program.model_proto
        torch.onnx.export(
            model.eval(),
            tuple(inputs.values()),
            buffer,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=opset,
            dynamo=False,
            do_constant_folding=fold,
            custom_opsets=dict.fromkeys(domains, 1),
        )
    return onnx.load_from_string(buffer.getvalue())


def simplified(model: onnx.ModelProto, tool: str) -> onnx.ModelProto:
    """Return a model after `onnxsim` or `onnxslim`, or as it is for `raw`."""
    with _quiet():
        if tool == "onnxsim":
            import onnxsim

            found, _ = onnxsim.simplify(model)
            return found
        if tool == "onnxslim":
            import onnxslim

            return onnxslim.slim(model)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "onnxslim", "")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
