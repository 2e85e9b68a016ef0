"""Tables from C++, through ctypes."""

from __future__ import annotations

import ctypes
import dataclasses
from pathlib import Path

import numpy as np

from specialize.binding.relink.checksum import sealed
from specialize.binding.relink.kinds import calibration_of
from specialize.binding.relink.places import DoesNotFitError
from specialize.binding.relink.program import DTYPES, Program
from specialize.binding.relink.run import run
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.vehicle import native
from specialize.vehicle.contract import CAMERA, Contract
from specialize.vehicle.packing import pack
from specialize.vehicle.today import Today
from specialize.vehicle.words import Reason
from specialize.visibility.perturb import at_the_edge
from specialize.visibility.pyramid import Deviation
from tests.cli.running import CAR42
from tests.vehicle import compiling
from tests.vehicle.engines import Tensor


class Relink(ctypes.Structure):
    """`specialize_relink`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        *((name, ctypes.c_uint32) for name in ("cameras", "slots", "instructions", "tables")),
        *((name, ctypes.c_size_t) for name in ("arena", "code_at", "names_at", "constants_at")),
    )


class Misfit(ctypes.Structure):
    """`specialize_misfit`."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("cameras", "cameras_per_query", "kept_per_query", "unused")),
        ("wanted", ctypes.c_uint64 * 64),
        ("kept", ctypes.c_uint64 * 64),
        *(
            (name, ctypes.c_uint64)
            for name in ("rows_per_cell", "kept_rows_per_cell", "blocks", "kept_blocks", "block_rows")
        ),
    )


def compiled(folder: Path) -> ctypes.CDLL:
    """Return the tests' own interface to relink.hpp."""
    path = compiling.compiled(compiling.HERE / "relink_many.cpp", folder / "librelink.so", "-shared", "-fPIC")
    return ctypes.CDLL(str(path))


def contract_for(program: Program) -> Contract:
    """Return a contract that holds a program and little else."""
    cameras = np.zeros(program.cameras, CAMERA)
    cameras["name"] = [f"camera{index}".encode() for index in range(program.cameras)]
    cameras["has"], cameras["scale"] = 2, 1.0
    cameras["image_from_lidar"] = np.eye(4).ravel()
    return Contract(
        mode="tables", vehicle=b"car", build=bytes(32), profile=bytes(32), cameras=cameras, reads=0,
        ego_from_lidar=np.zeros(16), fan_in=64, min_depth=1e-5, rounding=1e-6, grids=(),
        relink=sealed(program.to_bytes()),
    )  # fmt: skip


@dataclasses.dataclass(eq=False)
class Linker:
    """A program, opened by C++."""

    library: ctypes.CDLL
    program: Program
    reason: Reason = Reason.OK
    expected: Contract | None = None

    def __post_init__(self) -> None:
        whole = self.expected or contract_for(self.program)
        self.bytes = np.frombuffer(whole.to_bytes(), np.uint64).copy()  # aligned
        self.contract, self.relink, self.misfit = native.Contract(), Relink(), Misfit()
        self.reason = Reason(
            self.library.relink_open(
                ctypes.c_void_p(self.bytes.ctypes.data),
                ctypes.c_size_t(self.bytes.nbytes),
                ctypes.byref(self.contract),
                ctypes.byref(self.relink),
            )
        )

    def make(self, today: Today) -> tuple[Reason, dict[str, np.ndarray]]:
        """Return the tables of a calibration, or the reason for none."""
        slots = {name: self.program.slots[slot] for name, slot in self.program.outputs.items()}
        room = np.zeros(sum(slot.nbytes for slot in slots.values()) + 1, np.uint8)
        data = today.to_bytes()
        reason = self.library.relink_make(
            ctypes.byref(self.relink),
            data,
            ctypes.c_size_t(len(data)),
            ctypes.c_void_p(room.ctypes.data),
            ctypes.c_size_t(room.nbytes),
            ctypes.byref(self.misfit),
        )
        tables, at = {}, 0
        for name, slot in slots.items():
            tables[name] = room[at : at + slot.nbytes].view(DTYPES[slot.dtype]).reshape(slot.shape)
            at += slot.nbytes
        return Reason(reason), tables

    def bind(self, inputs: dict[str, tuple[int, int]]) -> tuple[Reason, list[int]]:
        """Return where in the arena inputs find their table, -1 for none; they have a type and a size, by name."""
        tensors, places = (Tensor * len(inputs))(), (ctypes.c_ssize_t * len(inputs))()
        for tensor, (name, (dtype, size)) in zip(tensors, inputs.items(), strict=True):
            tensor.name, tensor.type, tensor.bytes = name.encode(), dtype, size
        reason = self.library.relink_bind(ctypes.byref(self.relink), tensors, len(inputs), places)
        return Reason(reason), list(places)

    def points(self, profile: CalibrationProfile) -> list[tuple[int, ...]] | Reason:
        """Return camera, depth, row, column and cell of the lifted points that rounding decides, or why none."""
        room, data = np.zeros((1 << 16, 5), np.int64), pack(profile).to_bytes()
        self.library.relink_points.restype = ctypes.c_int64
        count = self.library.relink_points(
            ctypes.byref(self.contract), ctypes.byref(self.relink), data, ctypes.c_size_t(len(data)),
            ctypes.c_void_p(room.ctypes.data), ctypes.c_size_t(len(room)),
        )  # fmt: skip
        return Reason(-count) if count < 0 else [tuple(row) for row in room[:count].tolist()]

    def of(self, profile: CalibrationProfile) -> tuple[Reason, dict[str, np.ndarray]]:
        """Return the tables of a profile."""
        return self.make(pack(profile))


def vehicles(count: int, seed: int, first: int = 0) -> list[CalibrationProfile]:
    """Return calibrations around car42 from number `first` on, a third of them far away."""
    near, far = Deviation(0.02, 0.1, 0.02, 5.0), Deviation(0.6, 0.5, 0.3, 40.0)
    own = load_profile(CAR42)
    return [
        next(iter(at_the_edge(own, [near if number % 3 else far] * 6, 1, seed=seed + number)))
        for number in range(first, first + count)
    ]


def compare(linker: Linker, profile: CalibrationProfile) -> bool:
    """Require the same bits, or the same refusal, of both; return whether it fits."""
    reason, tables = linker.of(profile)
    try:
        expected = run(linker.program, calibration_of(profile))
    except DoesNotFitError as error:
        assert reason == Reason.DOES_NOT_FIT
        said, wanted = linker.misfit, (*error.wanted, *error.kept)
        if error.what == "sum":
            assert (said.cameras_per_query, said.kept_per_query) == wanted
        elif error.what == "fan-in":
            assert (said.rows_per_cell, said.kept_rows_per_cell) == wanted
        elif error.what == "blocks":
            assert (said.blocks, said.kept_blocks, said.block_rows) == (*wanted, error.size)
        else:
            assert tuple(linker.misfit.wanted[: len(error.wanted)]) == error.wanted
            assert tuple(linker.misfit.kept[: len(error.kept)]) == error.kept
        return False
    assert reason == Reason.OK
    for name, table in expected.items():
        assert table.tobytes() == tables[name].tobytes(), name
    return True
