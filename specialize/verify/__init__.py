"""Prove that a specialized model computes what the original computes: run both, compare every output."""

from specialize.verify.compare import compare_arrays
from specialize.verify.frames import Frames, TensorInfo, make_frames, model_inputs, require_free
from specialize.verify.models import compare_models
from specialize.verify.report import OutputReport, VerifyReport
from specialize.verify.runtime import RUNTIMES, Runner, open_model
from specialize.verify.tolerance import TOLERANCES, Tolerance

__all__ = [
    "RUNTIMES",
    "TOLERANCES",
    "Frames",
    "OutputReport",
    "Runner",
    "TensorInfo",
    "Tolerance",
    "VerifyReport",
    "compare_arrays",
    "compare_models",
    "make_frames",
    "model_inputs",
    "open_model",
    "require_free",
]
