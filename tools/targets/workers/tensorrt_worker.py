"""NVIDIA TensorRT-RTX: build an engine for a named compute capability, without a GPU; it cannot be run here."""

from pathlib import Path

import tensorrt_rtx as trt
from report import Made, work


def compile_(model: Path, folder: Path) -> Made:
    logger = trt.Logger(trt.Logger.INFO)  # how much memory an engine takes is said in the log
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model)):
        raise RuntimeError(
            "; ".join(str(parser.get_error(index).desc()) for index in range(parser.num_errors))
        )
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise RuntimeError("no engine was built")
    return Made(engine.nbytes, None)


work(compile_, f"tensorrt-rtx {trt.__version__}")
