"""Verify that a specialized model computes what the original computes: run both, and compare every output."""

from specialize.evidence.comparison import OutputReport, VerifyReport
from specialize.evidence.tolerance import Tolerance
from specialize.verify.compare import compare_arrays
from specialize.verify.frames import Frames, TensorInfo, make_frames, model_inputs, require_free
from specialize.verify.models import compare_models
from specialize.verify.opened import SiteRows
from specialize.verify.proof import prove
from specialize.verify.runtime import RUNTIMES, Runner, open_model
from specialize.verify.study import Subject
from specialize.verify.tolerance import TOLERANCES

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
]
