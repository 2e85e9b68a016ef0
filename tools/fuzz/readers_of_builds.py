"""Readers of what a build consists of and of what goes with it: started from one small build in each mode.

Files with a checksum get a right one again after every change, so that changes reach what is behind it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

import msgspec
import numpy as np
import onnx

from specialize.artifact.measured import Measured, MeasuredForm, MeasuredPart, measured_path, read_measured
from specialize.artifact.metadata import read_metadata, read_props
from specialize.attest.making import statements, whole_build
from specialize.attest.signature import model_statement, signed_digests, unsigned_bundle
from specialize.attest.statement import named_digests, read_json, statement_text
from specialize.binding.envelope_file import read_cases, read_supersets
from specialize.binding.relink.checksum import sealed
from specialize.binding.table_program import RELINK, linked, read_link
from specialize.calibration.load import load_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.compiler.build import build as compile_model
from specialize.errors import InputError
from specialize.files.resources import resource_dir
from specialize.request import BuildRequest
from specialize.vehicle.binary import Bytes, FileRefusedError, padded
from specialize.vehicle.expect import contract_of
from specialize.vehicle.golden import Expected, Given, Golden, parse_golden
from specialize.vehicle.guard import Guard
from specialize.vehicle.packing import pack
from specialize.vehicle.selftesting import selftest
from specialize.vehicle.words import LENS_BYTES, REFERENCES
from tests.end_to_end.tiny_kept import write_kept
from tests.end_to_end.tiny_model import write_tiny

TOLERANCE = "rotation=0.5deg,translation=3cm,focal=0.5%,principal_point=2px"
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "exact": {},
    "envelope": {"tolerance": TOLERANCE},
    "tables": {"capacity": "auto"},
}


@functools.cache
def _builds() -> dict[str, Mapping[str, bytes]]:
    """Return the files of a small model's builds, by mode, and what is made of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, calib = str(write_tiny(folder / "model")), resource_dir("calib_profiles") / "car42.yaml"
        with mock.patch.dict(os.environ, {"SPECIALIZE_STORE": str(folder / "store")}):
            for mode, extra in OPTIONS.items():
                request = {"calib": calib, "model": model, "mode": mode, "output": folder / mode, "frames": 1}
                compile_model(BuildRequest(**(request | dict(extra))))  # type: ignore[arg-type]
            request = {"calib": calib, "mode": "tables", "output": folder / "pooled", "frames": 1}
            compile_model(BuildRequest(**request, model=str(write_kept(folder / "lift"))))  # type: ignore[arg-type]
        return {mode: _files(folder / mode) for mode in (*OPTIONS, "pooled")}


def _files(folder: Path) -> Mapping[str, bytes]:
    build, digests = whole_build(folder)
    made = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    contract = contract_of(build, build.calibration())
    made["contract.bin"] = contract.to_bytes()
    made["contract of lenses"] = dataclasses.replace(
        contract, lenses=_lenses(len(contract.cameras))
    ).to_bytes()
    made["statement"] = statement_text(next(iter(statements(build, digests).values()))).encode()
    bundle = json.loads(unsigned_bundle(model_statement(build.manifest, digests)))
    bundle["dsseEnvelope"]["signatures"] = [{"sig": "AAAA"}]
    made["bundle"] = json.dumps(bundle).encode()
    return made


def seeds(*names: str) -> Sequence[bytes]:
    """Return the files of these names, of all builds that have them."""
    return [files[name] for files in _builds().values() for name in names if files.get(name)]


def _written(data: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@functools.cache
def _car42() -> CalibrationProfile:
    return load_profile(resource_dir("calib_profiles") / "car42.yaml")


def todays() -> Sequence[bytes]:
    """Return calibrations as a vehicle reads them."""
    plain, behind = pack(_car42()), _lenses(len(_car42().cameras))
    timed, through = pack(_car42(), 5.0, (0.0, 10.0)), dataclasses.replace(plain, lenses=behind)
    return [each.to_bytes() for each in (plain, timed, through)]


def _lenses(count: int) -> Bytes:
    """Return records of lenses, one of which is none."""
    found = np.full((count, LENS_BYTES), 7, np.uint8)
    found[0] = 0
    return found


def _resealed(data: bytes) -> bytes:
    return sealed(padded(data)) if len(data) >= 32 else data


def _judged(contract: bytes, today: bytes) -> object:
    try:
        return Guard(_resealed(contract)).check_file(_resealed(today))
    except FileRefusedError as error:
        raise InputError("file", "a file of the vehicle", str(error)) from error


def contract(data: bytes, folder: Path) -> object:
    """Judge a calibration by a contract."""
    del folder
    return [_judged(data, each) for each in (todays()[0], todays()[2])]


def today(data: bytes, folder: Path) -> object:
    """Judge a calibration by every contract."""
    del folder
    return [_judged(each, data) for each in seeds("contract.bin", "contract of lenses")]


def relink(data: bytes, folder: Path) -> object:
    """Make tables by a program."""
    profile = _car42()
    return linked(read_link(_written(data, folder, RELINK)), profile, profile.camera_names())


def golden(data: bytes, folder: Path) -> object:
    """Compare an engine with two frames, one that gives back what is expected first."""
    del folder
    try:
        read = parse_golden(_resealed(data))
    except FileRefusedError as error:
        raise InputError("file", "a golden frame", str(error)) from error
    return selftest(read, lambda given: {each.name: each.frames[0] for each in read.outputs})


def goldens() -> Sequence[bytes]:
    """Return two frames of a small engine."""
    dice = np.random.default_rng(0)
    rows, labels = dice.standard_normal((2, 3, 4), np.float32), np.arange(6).reshape(2, 3)
    bounds, exact = np.full((3, 4), 1e-3, np.float32), np.zeros(3, np.float32)
    made = Golden(
        build=bytes(32), profile=bytes(32), reference=REFERENCES[0], seeds=(0, 1),
        inputs=(Given(name="images", frames=(rows[0], rows[1])),),
        outputs=(
            Expected(name="bev", frames=(rows[1], rows[0]), allowed=(bounds, bounds), rtol=1e-4, atol=1e-5),
            Expected(name="labels", frames=(labels[0], labels[1]), allowed=(exact, exact), may_differ=1),
        ),
    )  # fmt: skip
    return [made.to_bytes()]


def envelope(data: bytes, folder: Path) -> object:
    """Read the pairs and the cases of an envelope."""
    _written(data, folder, "envelope.npz")
    return read_supersets(folder), read_cases(folder)


def measured(data: bytes, folder: Path) -> object:
    """Read the figures beside a build; whatever cannot be read is none."""
    build = folder / "build"
    measured_path(build).write_bytes(data)
    read = read_measured(build, MEASURED.build)
    if read is None:
        raise InputError("file", "figures of the build", "none")
    return read.how()


MEASURED = Measured(
    build="sha256:0",
    runtime="onnxruntime 1",
    threads=1,
    parts=(
        MeasuredPart(
            part="sites", runs=3, warm=True, ratio=2.0,
            original=MeasuredForm(cpu_seconds=2.0, seconds=2.0, peak_bytes=9),
            specialized=MeasuredForm(cpu_seconds=1.0, seconds=1.0, peak_bytes=5),
        ),
    ),
    not_measured=("the model",),
)  # fmt: skip


def statement(data: bytes, folder: Path) -> object:
    """Read a statement and the files that it names."""
    path = _written(data, folder, "s.intoto.json")
    return named_digests(read_json(path, "a statement", "").get("subject"), str(path), "")


def signature(data: bytes, folder: Path) -> object:
    """Read the files that a signature names."""
    return signed_digests(_written(data, folder, "model.sig"))


def metadata(data: bytes, folder: Path) -> object:
    """Read what a built model says of itself, without onnx."""
    path = _written(data, folder, "model.onnx")
    return read_metadata(read_props(path), str(path))


def figures() -> Sequence[bytes]:
    """Return what a build measured."""
    return [msgspec.json.encode(MEASURED)]


def small_models() -> Sequence[bytes]:
    """Return built models without their graphs."""
    made = []
    for data in seeds("model.onnx"):
        model = onnx.load_from_string(data)
        model.ClearField("graph")
        made.append(model.SerializeToString())
    return made
