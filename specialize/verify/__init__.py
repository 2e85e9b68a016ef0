"""Prove that a specialized model computes what the original computes: run both, compare every output."""

from specialize.verify.compare import compare_arrays
from specialize.verify.frames import Frames, TensorInfo, make_frames, model_inputs, require_free
from specialize.verify.models import compare_models
from specialize.verify.opened import SiteRows
from specialize.verify.proof import prove
from specialize.verify.report import OutputReport, VerifyReport, require_power
from specialize.verify.runtime import RUNTIMES, Runner, open_model
from specialize.verify.study import Subject
from specialize.verify.tolerance import TOLERANCES, Tolerance

__all__ = [
    "RUNTIMES",
    "TOLERANCES",
    "Frames",
    "OutputReport",
    "Runner",
    "SiteRows",
    "Subject",
    "TensorInfo",
    "Tolerance",
    "VerifyReport",
    "compare_arrays",
    "compare_models",
    "make_frames",
    "model_inputs",
    "open_model",
    "prove",
    "require_free",
    "require_power",
]
