"""Qualcomm QNN HTP: write a context binary for a named SoC, and emulate it on x86."""

from importlib.metadata import version
from pathlib import Path

import onnxruntime
import onnxruntime_qnn
from report import work

NAME = "QNNExecutionProvider"
PROVIDER = {"backend_type": "htp", "htp_arch": "73", "soc_model": "43", "enable_htp_fp16_precision": "1"}


ERRORS, EVERYTHING = 3, 0


def session(model: Path, context: Path | None, log: int = ERRORS):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = log
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if context is not None:
        options.add_session_config_entry("ep.context_enable", "1")
        options.add_session_config_entry("ep.context_embed_mode", "0")
        options.add_session_config_entry("ep.context_file_path", str(context))
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == NAME]
    options.add_provider_for_devices(devices[:1], PROVIDER)
    return onnxruntime.InferenceSession(str(model), sess_options=options)


def compile_(model: Path, folder: Path):
    onnxruntime.register_execution_provider_library(NAME, onnxruntime_qnn.get_library_path())
    try:
        session(model, folder / "context.onnx")
    except Exception:
        session(model, None, EVERYTHING)  # fails again, and says in the log which node was refused for what
        raise
    size = sum(file.stat().st_size for file in folder.glob("*.bin"))

    def run(feeds):
        opened = session(model, None)
        return opened.run(None, {value.name: feeds[value.name] for value in opened.get_inputs()})

    return size, run


work(compile_, f"onnxruntime-qnn {version('onnxruntime-qnn')}")
