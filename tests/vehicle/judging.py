"""Both guards on the same calibrations."""

from __future__ import annotations

import ctypes
from collections import Counter

import numpy as np
import numpy.typing as npt

from specialize.vehicle.contract import Contract
from specialize.vehicle.native import Verdict
from specialize.vehicle.twin import Batch, Verdicts, judge
from specialize.vehicle.words import Reason, State

EXACT = ("state", "reason", "camera", "pairs", "camera_pairs")
CLOSE = ("rotation_mrad", "translation_mm", "focal_percent", "centre_px")


def judge_native(library: ctypes.CDLL, contract: bytes, batch: Batch) -> npt.NDArray[np.void]:
    """Return the verdicts (B,) of the guard in C++."""
    verdicts = np.zeros(len(batch.cameras), np.dtype(Verdict))
    cameras = np.ascontiguousarray(batch.cameras)
    arrays = [np.ascontiguousarray(a) for a in (batch.has_ego, batch.ego_from_lidar, batch.times_s)]
    lenses = None if batch.lenses is None else np.ascontiguousarray(batch.lenses)
    reason = library.judge_many(
        contract,
        ctypes.c_size_t(len(contract)),
        ctypes.c_void_p(cameras.ctypes.data),
        cameras.shape[1],
        ctypes.c_size_t(len(cameras)),
        *(ctypes.c_void_p(array.ctypes.data) for array in arrays),
        ctypes.c_void_p(None if lenses is None else lenses.ctypes.data),
        ctypes.c_void_p(verdicts.ctypes.data),
    )
    assert reason == 0, Reason(reason)
    return verdicts


def compare(library: ctypes.CDLL, contract: Contract, batch: Batch) -> Verdicts:
    """Require that both guards say the same of every calibration; return what they say."""
    ours, differ = differences(library, contract, batch)
    for name, rows in differ.items():
        assert not len(rows), (name, int(rows[0]), len(rows))
    return ours


def differences(
    library: ctypes.CDLL, contract: Contract, batch: Batch
) -> tuple[Verdicts, dict[str, npt.NDArray[np.intp]]]:
    """Return what the guard in numpy says, and by field the calibrations of which the one in C++ says otherwise."""
    ours, theirs = judge(contract, batch), judge_native(library, contract.to_bytes(), batch)
    differ = {name: getattr(ours, name) != theirs[name] for name in EXACT}
    for name in CLOSE:
        differ[name] = ~np.isclose(getattr(ours, name), theirs[name], rtol=1e-12, atol=0, equal_nan=True)
    return ours, {name: np.flatnonzero(rows) for name, rows in differ.items()}


def tally(verdicts: Verdicts) -> Counter[str]:
    """Count states and reasons by name."""
    states = Counter(State(int(state)).name for state in verdicts.state)
    return states + Counter(Reason(int(reason)).name for reason in verdicts.reason if reason)
