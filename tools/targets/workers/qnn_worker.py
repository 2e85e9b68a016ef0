"""Qualcomm QNN HTP: write a context binary for a named SoC, and emulate it on x86."""

from importlib.metadata import version
from pathlib import Path

import onnxruntime
import onnxruntime_qnn
from report import Made, work

RefusedGraph = onnxruntime.capi.onnxruntime_pybind11_state.EPFail  # of nodes that were taken one by one
NAME = "QNNExecutionProvider"
PROVIDER = {"backend_type": "htp", "htp_arch": "73", "soc_model": "43", "enable_htp_fp16_precision": "1"}
IF_REFUSED = {"htp_graph_finalization_optimization_mode": "1"}  # as `compile_qnn.py` does

ERRORS, EVERYTHING = 3, 0


def session(model: Path, provider: dict[str, str], context: Path | None = None, log: int = ERRORS):
    onnxruntime.set_default_logger_severity(log)  # the compiler's own words go to the default logger
    options = onnxruntime.SessionOptions()
    options.log_severity_level = log
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if context is not None:
        options.add_session_config_entry("ep.context_enable", "1")
        options.add_session_config_entry("ep.context_embed_mode", "0")
        options.add_session_config_entry("ep.context_file_path", str(context))
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == NAME]
    options.add_provider_for_devices(devices[:1], provider)
    return onnxruntime.InferenceSession(str(model), sess_options=options)


def compile_(model: Path, folder: Path) -> Made:
    onnxruntime.register_execution_provider_library(NAME, onnxruntime_qnn.get_library_path())
    context, extra = folder / "context.onnx", {}
    try:
        try:
            session(model, PROVIDER, context)
        except RefusedGraph:
            extra = IF_REFUSED
            session(model, PROVIDER | extra, context)
    except Exception:
        session(model, PROVIDER, log=EVERYTHING)  # fails as at first, and says in the log what for
        raise
    size = sum(file.stat().st_size for file in folder.glob("*.bin"))

    def run(feeds):
        opened = session(context, PROVIDER)
        return opened.run(None, {value.name: feeds[value.name] for value in opened.get_inputs()})

    return Made(size, run, " ".join(f"{key} {value}" for key, value in extra.items()))


work(compile_, f"onnxruntime-qnn {version('onnxruntime-qnn')}")
