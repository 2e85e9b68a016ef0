"""Golden frames: exported with a build, they pass its engine and refuse any other, in C++ and in Python alike."""

from __future__ import annotations

import ctypes
import json
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialize.artifact import Build
from specialize.artifact.tensors import read_tensors
from specialize.binding.relink.checksum import sealed
from specialize.errors import VerificationError
from specialize.vehicle import framing, native, parse_golden, selftest
from specialize.vehicle.binary import FileRefusedError
from specialize.vehicle.contract import Contract
from specialize.vehicle.framing import frame_build
from specialize.vehicle.golden import TYPES, Array, Expected, Given, Golden
from specialize.vehicle.selftesting import Engine, Selftest
from specialize.vehicle.words import Reason
from tests.cli.running import run_here
from tests.vehicle.engines import frozen, native_selftest, onnx_engine, opened, playing

MODES = ("exact", "envelope", "tables", "padded")
Judge = Callable[[Golden, Engine], Selftest]


@pytest.fixture(scope="module")
def goldens(builds: Mapping[str, Path]) -> Mapping[str, Golden]:
    """Return the golden frame of the builds, read from bytes; the store has their original."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(builds["exact"].parent / "store"))
        framed = {mode: frame_build(Build.open(builds[mode])) for mode in MODES}
    assert [each.notes for each in framed.values()] == [()] * len(MODES)
    return {mode: parse_golden(each.golden.to_bytes()) for mode, each in framed.items()}


@pytest.fixture(scope="module", params=["C++", "numpy"])
def judge(request: pytest.FixtureRequest, library: Path) -> Judge:
    """Return both twins in turn."""
    if request.param == "numpy":
        return selftest
    loaded = ctypes.CDLL(str(library))
    return lambda golden, run: native_selftest(loaded, golden, run)


@pytest.mark.parametrize("mode", MODES)
def test_a_build_passes_its_own_golden_frame(
    builds: Mapping[str, Path], goldens: Mapping[str, Golden], judge: Judge, mode: str
) -> None:
    """The engine of every mode passes, fed with the file's inputs alone: tables and calibration are among them."""
    assert judge(goldens[mode], onnx_engine(builds[mode] / "model.onnx")).reason is Reason.OK
    assert goldens[mode].reference == "original"


def test_the_table_is_part_of_the_frame(builds: Mapping[str, Path], goldens: Mapping[str, Golden]) -> None:
    """Of a build with tables, both frames hold the build's own table."""
    table, _ = read_tensors(builds["tables"] / "table.safetensors")
    inputs = {each.name: each for each in goldens["tables"].inputs}
    assert set(table) < set(inputs)
    for name, array in table.items():
        assert all(np.array_equal(frame, array) for frame in inputs[name].frames)


def test_bounds_are_those_of_the_proof(builds: Mapping[str, Path], goldens: Mapping[str, Golden]) -> None:
    """Tolerances are read from the manifest, and every element's bound follows from them."""
    outputs = Build.open(builds["exact"]).manifest.verify.outputs
    for each in goldens["exact"].outputs:
        tolerance = outputs[each.name].tolerance
        assert (each.rtol, each.atol) == (tolerance.rtol, tolerance.atol)
        least = each.atol + each.rtol * np.abs(each.frames[0].astype(np.float64))
        assert (each.allowed[0] >= least * (1 - 1e-6)).all()


@pytest.mark.parametrize("frame", [0, 1])
def test_an_engine_that_ignores_its_inputs_fails(
    goldens: Mapping[str, Golden], judge: Judge, frame: int
) -> None:
    """One that always gives the outputs of one frame is found to be blind, on the other frame."""
    for golden in goldens.values():
        found = judge(golden, frozen(golden, frame))
        assert (found.reason, found.frame) == (Reason.GOLDEN_BLIND, 1 - frame)


def test_an_engine_of_zeros_fails(goldens: Mapping[str, Golden], judge: Judge) -> None:
    """One that gives zeros differs on the first frame."""
    golden = goldens["exact"]
    found = judge(golden, playing(golden, lambda frame, name, array: np.zeros_like(array)))
    assert (found.reason, found.frame, found.found) == (Reason.GOLDEN_DIFFERS, 0, 0.0)


def test_the_first_difference_is_named(goldens: Mapping[str, Golden], judge: Judge) -> None:
    """Frame, output, element, what it must be, what it is, how far it may be off, and how many are."""
    golden = goldens["exact"]
    output = golden.outputs[-1]

    def change(frame: int, name: str, array: Array) -> Array:
        moved = array.copy()
        if (frame, name) == (1, output.name):
            moved.reshape(-1)[[7, 9]] += 1
        return moved

    found = judge(golden, playing(golden, change))
    wanted = float(output.frames[1].reshape(-1)[7])
    assert (found.reason, found.frame, found.output) == (Reason.GOLDEN_DIFFERS, 1, output.name)
    assert (found.index, found.beyond, found.expected) == (7, 2, wanted)
    assert found.found == float(output.frames[1].reshape(-1)[7] + 1)
    assert found.allowed == float(output.allowed[1].reshape(-1)[7])


def test_nan_is_no_answer(goldens: Mapping[str, Golden], judge: Judge) -> None:
    """One NaN among outputs within bounds fails."""
    golden = goldens["exact"]

    def change(frame: int, name: str, array: Array) -> Array:
        moved = array.copy()
        moved.reshape(-1)[0] = np.nan if moved.dtype.kind == "f" else moved.reshape(-1)[0]
        return moved

    assert judge(golden, playing(golden, change)).reason is Reason.GOLDEN_DIFFERS


def test_an_engine_that_gives_less_fails(goldens: Mapping[str, Golden], judge: Judge) -> None:
    """An output that is missing or has another size is a failure of the engine, and is named."""
    golden = goldens["exact"]
    for run in (lambda inputs: {}, playing(golden, lambda frame, name, array: array.reshape(-1)[:-1])):
        found = judge(golden, run)
        assert (found.reason, found.output) == (Reason.ENGINE_FAILED, golden.outputs[0].name)


def test_an_engine_that_fails_is_said_to(goldens: Mapping[str, Golden], library: Path) -> None:
    """A callback that returns an error ends the test."""

    def run(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        raise RuntimeError

    found = native_selftest(ctypes.CDLL(str(library)), goldens["exact"], run)
    assert (found.reason, found.frame) == (Reason.ENGINE_FAILED, 0)


def test_without_the_original_the_builds_own_model_says_what_is_expected(
    builds: Mapping[str, Path], store_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty store is enough, and file, JSON and text say whose outputs these are."""
    ran = run_here(capsys, "vehicle", "export", builds["exact"], "-o", tmp_path / "car", "--golden", "--json")
    data = json.loads(ran.out)
    assert data["golden"] == "specialized"
    assert "the original is not in the store" in "\n".join(data["notes"])
    golden = parse_golden((tmp_path / "car" / "golden.bin").read_bytes())
    assert golden.reference == "specialized"
    assert selftest(golden, onnx_engine(builds["exact"] / "model.onnx")).reason is Reason.OK
    text = run_here(capsys, "vehicle", "export", builds["exact"], "-o", tmp_path / "car", "--golden").out
    assert "golden frame: expected is what the build's own model gives" in text


def test_frames_that_no_output_tells_apart_are_refused(
    builds: Mapping[str, Path], store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two frames of the same seed show nothing: an engine that ignores its inputs would pass."""
    monkeypatch.setattr(framing, "SEEDS", (1, 1))
    monkeypatch.setattr(framing, "make_frames", _same_frames(framing.make_frames))
    with pytest.raises(VerificationError, match="outputs that differ between two frames"):
        frame_build(Build.open(builds["exact"]))


def _same_frames(make: Callable[..., object]) -> Callable[..., object]:
    def same(*args: object) -> object:
        frame = make(*args)[0]  # type: ignore[index]
        return [frame, frame]

    return same


def test_a_build_that_differs_from_its_original_is_refused(
    builds: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the original gives is compared with the build's own model before it is written."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(builds["exact"].parent / "store"))
    true = framing._original

    def moved(*args: object) -> object:
        outputs, why = true(*args)  # type: ignore[arg-type]
        assert outputs is not None
        return [{name: array + array.dtype.type(1) for name, array in each.items()} for each in outputs], why

    monkeypatch.setattr(framing, "_original", moved)
    with pytest.raises(VerificationError, match="golden frame: output"):
        frame_build(Build.open(builds["exact"]))


def random_golden(random: np.random.Generator) -> Golden:
    """Return a small golden frame with tensors of every type, zero axes and empty ones among them."""

    def array(dtype: str, shape: tuple[int, ...]) -> Array:
        values = random.normal(0, 20, shape)
        if dtype.startswith("float"):
            values = np.where(
                random.random(shape) < 0.1,
                random.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 6e-8], shape),
                values,
            )
        return (
            np.asarray(values > 0)
            if dtype == "bool"
            else np.abs(values).astype(dtype)
            if "u" in dtype
            else values.astype(dtype)
        )

    def shape() -> tuple[int, ...]:
        return tuple(
            int(size) for size in random.integers(0 if random.random() < 0.1 else 1, 5, random.integers(0, 4))
        )

    inputs = []
    for number in range(random.integers(1, 4)):
        size, dtype = shape(), str(random.choice(TYPES))
        inputs.append(Given(name=f"in{number}", frames=(array(dtype, size), array(dtype, size))))
    outputs = []
    for number in range(random.integers(1, 4)):
        size, dtype = shape(), str(random.choice(TYPES))
        bounds = [random.exponential(0.5, size).astype(np.float32) for _ in range(2)]
        first = array(dtype, size)
        second = first.copy() if random.random() < 0.3 else array(dtype, size)
        outputs.append(
            Expected(
                name=f"out{number}", frames=(first, second), allowed=(bounds[0], bounds[1]),
                may_differ=int(random.integers(0, 3)), nonfinite=bool(random.random() < 0.5),
            )
        )  # fmt: skip
    return Golden(
        build=random.bytes(32), profile=random.bytes(32), reference=str(random.choice(["original", "specialized"])),
        seeds=(1, 2), inputs=tuple(inputs), outputs=tuple(outputs),
    )  # fmt: skip


def random_change(random: np.random.Generator) -> Callable[[int, str, Array], Array]:
    """Return what changes outputs by less, by as much or by more than is allowed; mostly not at all."""

    def change(frame: int, name: str, array: Array) -> Array:
        moved = array.copy()
        flat, kind = moved.reshape(-1), random.integers(6)
        if kind >= 3 or not flat.size:
            return moved
        at = random.integers(flat.size, size=random.integers(1, 4))
        if kind == 0:
            flat[at] = np.array(random.choice([0, 1, 3], len(at))).astype(array.dtype)
        elif array.dtype.kind == "f":
            flat[at] += random.normal(0, 0.5, len(at)).astype(array.dtype)
            if kind == 2:
                flat[at[0]] = random.choice([np.nan, np.inf, -np.inf])
        return moved

    return change


def test_the_twins_agree(library: Path) -> None:
    """On random frames and engines both say the same, to the element and to the bit."""
    loaded = ctypes.CDLL(str(library))
    said = []
    for seed in range(3000):
        random = np.random.default_rng(seed)
        golden = parse_golden(random_golden(random).to_bytes())
        run = frozen(golden, int(random.integers(2)))
        if random.random() < 0.8:
            change, frames = random_change(random), []
            run = playing(golden, change)
            frames = [run({}) for _ in range(2)]
            results = [selftest(golden, _replay(frames)), native_selftest(loaded, golden, _replay(frames))]
        else:
            results = [selftest(golden, run), native_selftest(loaded, golden, run)]
        assert repr(results[0]) == repr(results[1]), seed  # NaN equals NaN in this form
        said.append(results[0].reason)
    assert min(said.count(each) for each in (Reason.OK, Reason.GOLDEN_DIFFERS, Reason.GOLDEN_BLIND)) > 50


def _replay(frames: list[Mapping[str, Array]]) -> Engine:
    left = iter(frames)
    return lambda inputs: next(left)


def test_what_was_written_is_read_back() -> None:
    """Every field survives, whatever the types."""
    for seed in range(100):
        golden = random_golden(np.random.default_rng(seed))
        found = parse_golden(golden.to_bytes())
        assert found.to_bytes() == golden.to_bytes()
        both: list[tuple[Any, Any]] = [
            *zip(golden.inputs, found.inputs, strict=True),
            *zip(golden.outputs, found.outputs, strict=True),
        ]
        for mine, theirs in both:
            assert mine.name == theirs.name
            for a, b in zip(mine.frames, theirs.frames, strict=True):
                assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def test_a_golden_frame_belongs_to_one_build(
    goldens: Mapping[str, Golden], contracts: Mapping[str, Contract], library: Path
) -> None:
    """Opened with the contract of another build it is refused."""
    loaded = native.load(library)
    views = {mode: (native.Contract(), contract.to_bytes()) for mode, contract in contracts.items()}
    for view, data in views.values():
        assert loaded.specialize_open(data, len(data), ctypes.byref(view)) == 0
    for mode, (view, _) in views.items():
        said = {other: opened(loaded, goldens[other].to_bytes(), ctypes.byref(view))[0] for other in views}
        assert said == {other: Reason.OK if other == mode else Reason.OTHER_BUILD for other in views}


def test_memory_must_be_aligned(goldens: Mapping[str, Golden], library: Path) -> None:
    """Arrays are handed to the engine where they lie, so a file that begins between two words is refused."""
    data = goldens["exact"].to_bytes()
    assert opened(ctypes.CDLL(str(library)), data, shift=4)[0] is Reason.NOT_ALIGNED
    assert opened(ctypes.CDLL(str(library)), data, shift=8)[0] is Reason.OK


# ---- damaged files ---------------------------------------------------------------------------------------------------


def read(reader: Path, cases: list[bytes]) -> list[Reason]:
    """Return what the reader in C++, with both sanitizers on, says of each case."""
    stream = b"".join(struct.pack("<II", 3, len(data)) + data for data in cases)
    ran = subprocess.run([str(reader)], input=stream, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()[-3000:]
    return [Reason(int(line)) for line in ran.stdout.split()]


def parsed(data: bytes) -> Reason:
    """Return what the reader in Python says of a case."""
    try:
        parse_golden(data)
    except FileRefusedError as error:
        return error.reason
    return Reason.OK


@pytest.fixture(scope="module")
def small() -> bytes:
    """Return a golden frame of about a kilobyte."""

    def array(*values: float) -> Array:
        return np.array(values, np.float32)

    return Golden(
        build=bytes(range(32)), profile=bytes(32), reference="original", seeds=(1, 2),
        inputs=(Given(name="image", frames=(array(1, 2, 3), array(4, 5, 6))),),
        outputs=(Expected(name="boxes", frames=(array(1, 2), array(3, 4)), allowed=(array(0, 0), array(0, 0))),),
    ).to_bytes()  # fmt: skip


def test_every_truncation_is_refused(reader: Path, small: bytes) -> None:
    """Of a file that ends early every length is refused, by both readers alike."""
    cases = [small[:length] for length in range(len(small))]
    said = read(reader, [small, *cases])
    assert said[0] is Reason.OK and Reason.OK not in said[1:]
    assert said[1:] == [parsed(case) for case in cases]


def test_every_flipped_byte_is_refused(reader: Path, small: bytes) -> None:
    """Each single bit, and all bits of one byte, in any place are noticed, by both readers alike."""
    flips = [*(1 << bit for bit in range(8)), 0xFF]
    cases = [
        small[:at] + bytes([small[at] ^ flip]) + small[at + 1 :] for at in range(len(small)) for flip in flips
    ]
    said = read(reader, cases)
    assert Reason.OK not in said
    assert said == [parsed(case) for case in cases]


def test_files_with_a_right_checksum_and_wrong_content(reader: Path, small: bytes) -> None:
    """Numbers that cannot be are refused although the checksum is right, by both readers alike."""
    random = np.random.default_rng(5)
    odd = [0, 1, 2, 3, 7, 8, 9, 12, 63, 64, 65, 128, 1 << 31, (1 << 32) - 1]
    cases = []
    for _ in range(20000):
        words = np.frombuffer(small, "<u4").copy()
        at = int(random.integers(8, 100))
        words[at] = random.choice([*odd, words[at] + 1, words[at] - 1, words[at] + 64, len(small)])
        cases.append(sealed(words.tobytes()))
    cases += [sealed(small + bytes(8)), sealed(small[:-8]), sealed(small[:128]), sealed(small[:256])]
    said = read(reader, cases)
    assert said == [parsed(case) for case in cases]
    assert {Reason.OK, Reason.MALFORMED} <= set(said)
