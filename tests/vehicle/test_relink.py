"""Tables on the vehicle: the program gives what the compiler gave, in C++ and in numpy to the same bits."""

from __future__ import annotations

import ctypes
import dataclasses
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from specialize.artifact import Build
from specialize.binding.relink.assemble import Assembler, Draft, NotPortableError
from specialize.binding.relink.checksum import sealed
from specialize.binding.relink.kinds import calibration_of, input_of, sources_of
from specialize.binding.relink.memory import placed
from specialize.binding.relink.program import (
    DTYPES,
    INPUTS,
    Binary,
    Op,
    Program,
    Reduce,
    Unary,
    parse_program,
)
from specialize.binding.relink.run import run
from specialize.binding.table_inputs import program_of
from specialize.binding.table_program import RELINK, linked, read_link
from specialize.calibration.camera import Camera
from specialize.calibration.dump import dump_profile
from specialize.calibration.load import load_profile, parse_profile
from specialize.calibration.profile import CalibrationProfile
from specialize.errors import InputError, StaleError
from specialize.model.kinds import KINDS
from specialize.model.spec import ModelSpec
from specialize.vehicle import export
from specialize.vehicle.packing import pack
from specialize.vehicle.words import Reason
from tests import shared_files
from tests.cli.running import CAR42, CAR43, run_here
from tests.vehicle import compiling, linking
from tests.vehicle.linking import Linker, compare, vehicles

FLOATS = ("<f4", "<f8")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return what runs programs in C++."""
    return linking.compiled(tmp_path_factory.mktemp("relink"))


@pytest.fixture(scope="module", params=["tables", "padded"])
def build(request: pytest.FixtureRequest, builds: Mapping[str, Path]) -> Build:
    """Return a build in mode tables, in both layouts."""
    return Build.open(builds[request.param])


def test_both_executors_agree(build: Build, library: ctypes.CDLL) -> None:
    """On 300 calibrations: the same bytes, or the same rows too many on the same cameras."""
    linker = Linker(library, read_link(build.file(RELINK)))
    fits = [compare(linker, profile) for profile in vehicles(300, seed=10)]
    assert 30 < sum(fits) < 290


@pytest.mark.slow
def test_both_executors_agree_by_the_thousand(build: Build, library: ctypes.CDLL) -> None:
    """As above, on 10,000 calibrations."""
    linker = Linker(library, read_link(build.file(RELINK)))
    assert sum(compare(linker, profile) for profile in vehicles(10_000, seed=5000)) > 1000


def test_real_rigs(build: Build, library: ctypes.CDLL) -> None:
    """On the matrices of every real rig of six cameras."""
    linker, own = Linker(library, read_link(build.file(RELINK))), load_profile(CAR42)
    compared = 0
    for path in shared_files.calibrations():
        rig = parse_profile(shared_files.profile_document(path), path.name)
        if len(rig.cameras) == 6:
            named = [
                dataclasses.replace(camera, name=like.name)
                for camera, like in zip(rig.cameras, own.cameras, strict=True)
            ]
            compare(linker, CalibrationProfile("car", tuple(named), rig.ego_from_lidar))
            compared += 1
    assert compared > 50


def test_tables_are_bound_by_name(build: Build, library: ctypes.CDLL) -> None:
    """Every table to its own input; a missing one, another type or size, and a longer name are refused."""
    linker = Linker(library, read_link(build.file(RELINK)))
    slots = {name: linker.program.slots[slot] for name, slot in linker.program.outputs.items()}
    inputs = {"img": (3, 64), **{name: (slot.dtype, slot.nbytes) for name, slot in slots.items()}}
    assert linker.bind(inputs) == (Reason.OK, [-1, *(slot.at for slot in slots.values())])
    last = list(slots)[-1]
    dtype, size = inputs[last]
    for wrong in ((dtype ^ 1, size), (dtype, size + 4)):
        assert linker.bind({**inputs, last: wrong})[0] is Reason.MALFORMED
    renamed = {f"{name}2" if name == last else name: each for name, each in inputs.items()}
    assert linker.bind(renamed)[0] is Reason.MALFORMED
    assert linker.bind({})[0] is Reason.MALFORMED


def test_the_program_gives_what_the_compiler_gives(build: Build) -> None:
    """Compiling the model's part for a vehicle gives the same tables, up to rounding of places."""
    program = program_of(build)
    compiled = dataclasses.replace(program, link=None)
    for profile in (load_profile(CAR42), load_profile(CAR43)):
        expected = compiled.contents(profile)
        for name, table in program.contents(profile).items():
            assert (table.dtype, table.shape) == (expected[name].dtype, expected[name].shape)
            if table.dtype.kind == "f":
                np.testing.assert_allclose(table, expected[name], rtol=1e-5, atol=1e-5)
            else:
                np.testing.assert_array_equal(table, expected[name])


def test_the_tool_writes_the_bytes_of_the_command(
    builds: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`guard relink` and `specialize table` write the same file, digest included; a name needs escapes in JSON."""
    compiling.gxx()
    tool, table, car = tmp_path / "guard", tmp_path / "table.safetensors", tmp_path / "car"
    run_here(capsys, "vehicle", "tool", "-o", tool)
    run_here(capsys, "vehicle", "export", builds["tables"], "-o", car)
    quoted = tmp_path / "quoted.yaml"
    quoted.write_text(CAR43.read_text().replace("vehicle: car43", "vehicle: 'a \"car\" \\ ü'"))
    for calib in (CAR42, CAR43, quoted):
        run_here(capsys, "vehicle", "pack", "--calib", calib, "-o", car / "today.bin")
        assert run_here(capsys, "table", "--calib", calib, "--for", builds["tables"], "-o", table).code == 0
        words = [tool, "relink", car / "contract.bin", car / "today.bin", "-o", tmp_path / "own.safetensors"]
        assert subprocess.run(words, check=False).returncode == 0
        assert (tmp_path / "own.safetensors").read_bytes() == table.read_bytes()


def test_a_calibration_that_does_not_fit(
    builds: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is truncated or written; both say how many rows too many on which camera."""
    compiling.gxx()
    own = load_profile(CAR42)
    cameras = []
    for camera in own.cameras:
        k = np.array(camera.intrinsic)
        k[:2, :2] *= 0.4
        assert camera.camera_from_lidar is not None
        size = (camera.width_px, camera.height_px)
        cameras.append(Camera.pinhole(camera.name, size, k, camera.camera_from_lidar))
    wide = tmp_path / "wide.yaml"
    wide.write_text(dump_profile(CalibrationProfile("wide", tuple(cameras), own.ego_from_lidar)))
    tool, car, output = tmp_path / "guard", tmp_path / "car", tmp_path / "table.safetensors"
    run_here(capsys, "vehicle", "tool", "-o", tool)
    run_here(capsys, "vehicle", "export", builds["tables"], "-o", car)
    run_here(capsys, "vehicle", "pack", "--calib", wide, "-o", car / "today.bin")
    words = [tool, "relink", car / "contract.bin", car / "today.bin", "-o", output]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert not output.exists()
    program = read_link(builds["tables"] / RELINK)
    with pytest.raises(StaleError) as caught:
        linked(program, load_profile(wide), own.camera_names())
    first = done.stderr.splitlines()[1]  # CAM_FRONT: 12 rows too many (20 of 8)
    camera, _, rest = first.partition(": ")
    assert rest.replace("rows too many", f"rows too many on {camera}") in str(caught.value)


def test_table_imports_no_graph(builds: Mapping[str, Path], tmp_path: Path) -> None:
    """`specialize table` runs the program: neither onnx nor a runtime is imported."""
    arguments = ["table", "--calib", str(CAR43), "--for", str(builds["tables"]), "-o", str(tmp_path / "t")]
    code = f"import sys; from specialize.cli.app import run; code = run({arguments!r}); print(code, *sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    words = ran.stdout.splitlines()[-1].split()
    assert words[0] == "0"
    assert not {"onnx", "onnx_ir", "onnxruntime", "scipy", "networkx"} & set(words)


def test_a_build_without_a_program_says_why(builds: Mapping[str, Path], tmp_path: Path) -> None:
    """Where the program was declined, export says so, and the contract has none."""
    build = Build.open(builds["tables"])
    tables = {**build.manifest.options["tables"], "relink": {"declined": "operator Erf"}}  # type: ignore[dict-item]
    options = {**build.manifest.options, "tables": tables}
    changed = dataclasses.replace(build, manifest=msgspec.structs.replace(build.manifest, options=options))
    assert export._relink(changed) == (
        b"",
        b"",
        ("no tables on the car, make them with `specialize table`: operator Erf",),
    )


# ---- Every operator, on numbers that are hard to agree on ------------------------------------------------------

HARD = np.array(
    [0.0, -0.0, 1.0, -1.5, np.nan, np.inf, -np.inf, 1e-310, 3.4e38, 1e-40, 2.5, 1 / 3, 1e19, -1e19]
)


def draw(random: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return random content, hard numbers among it."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return random.random(shape) < 0.5
    if kind == "i":
        info = np.iinfo(dtype)
        hard = np.array([0, -1, 1, info.min, info.max, 7, -7], dtype)
        return np.where(
            random.random(shape) < 0.4, random.choice(hard, shape), random.integers(-99, 99, shape)
        ).astype(dtype)
    with np.errstate(over="ignore"):
        mixed = np.where(
            random.random(shape) < 0.4, random.choice(HARD, shape), random.standard_normal(shape)
        )
        return mixed.astype(dtype)


def finished(assembler: Assembler, results: list[Draft]) -> Program:
    """Return a program that gives some arrays."""
    return placed(assembler, {f"t{n:03}": draft.number for n, draft in enumerate(results)}, 1)[0]


def started() -> Assembler:
    """Return a program in the making, of one camera."""
    assembler = Assembler()
    for number in range(len(INPUTS)):
        assembler.new(DTYPES.index(np.dtype("<f8")), (1, 4, 4) if number < 3 else (4, 4))
    return assembler


def agree(library: ctypes.CDLL, program: Program) -> None:
    """Require the same bits of both executors; one NaN is as good as another."""
    linker = Linker(library, parse_program(program.to_bytes()))
    assert linker.reason == Reason.OK
    (profile,) = vehicles(1, seed=1)
    one = CalibrationProfile("one", profile.cameras[:1], profile.ego_from_lidar)
    reason, tables = linker.of(one)
    assert reason == Reason.OK
    for name, expected in run(program, calibration_of(one)).items():
        found = tables[name]
        if expected.dtype.kind == "f":
            found, expected = (
                np.where(np.isnan(each), 0, each) + 0 * np.isnan(each) for each in (found, expected)
            )
        assert found.tobytes() == expected.tobytes(), (name, program.instructions)


@pytest.mark.parametrize("dtype", [dtype.str for dtype in DTYPES])
def test_binary_and_where(library: ctypes.CDLL, dtype: str) -> None:
    """Functions of two numbers, broadcast along every axis."""
    random, assembler, results = np.random.default_rng(1), started(), []
    shapes = [((7, 5), (7, 5)), ((7, 1), (1, 5)), ((3, 4, 5), ()), ((2, 1, 3, 1), (4, 1, 5)), ((200,), (1,))]
    for function in Binary:
        for first, second in shapes:
            a, b = (assembler.constant(draw(random, dtype, shape)) for shape in (first, second))
            logic = function in (Binary.AND, Binary.OR)
            wanted = logic or function is Binary.EQUAL if dtype == "|b1" else not logic
            if function is Binary.MOD and np.dtype(dtype).kind == "f":
                wanted = False
            if wanted:
                results.append(assembler.binary(function, a, b))
            else:
                with pytest.raises(NotPortableError):
                    assembler.binary(function, a, b)
    condition = assembler.constant(draw(random, "?", (7, 5)))
    results.append(
        assembler.where(condition, *(assembler.constant(draw(random, dtype, s)) for s in ((7, 1), (5,))))
    )
    agree(library, finished(assembler, results))


@pytest.mark.parametrize("dtype", [dtype.str for dtype in DTYPES])
def test_unary_casts_and_reductions(library: ctypes.CDLL, dtype: str) -> None:
    """Functions of one number, casts to every type, and reductions along every axis."""
    random, assembler, results = np.random.default_rng(2), started(), []
    a = assembler.constant(draw(random, dtype, (4, 6, 5)))
    results += [assembler.cast(a, number) for number in range(len(DTYPES)) if number != a.dtype]
    for function in list(Unary)[1:]:
        kind = np.dtype(dtype).kind
        if (function is Unary.NOT) == (kind == "b") and kind in "bf":
            results.append(assembler.unary(function, a))
        else:
            with pytest.raises(NotPortableError):
                assembler.unary(function, a)
    for reduction in Reduce:
        for axis in range(3):
            if reduction is not Reduce.SUM or dtype != "|b1":
                results.append(assembler.reduce(reduction, a, axis))
    agree(library, finished(assembler, results))


@pytest.mark.parametrize("dtype", [dtype.str for dtype in DTYPES])
def test_movements(library: ctypes.CDLL, dtype: str) -> None:
    """Transposing, slicing backwards, expanding, joining and picking."""
    random, assembler = np.random.default_rng(3), started()
    a = assembler.constant(draw(random, dtype, (3, 4, 5)))
    index = assembler.ints([2, 0, 3, 3])
    results = [
        assembler.transpose(a, (2, 0, 1)),
        assembler.copy(a, (3, 2, 5), (20, -10, 1), offset=15),
        assembler.expand(assembler.constant(draw(random, dtype, (3, 1, 5))), (2, 3, 4, 5)),
        assembler.concat([a, assembler.constant(draw(random, dtype, (3, 2, 5)))], 1),
        assembler.take(a, index, 1),
    ]
    agree(library, finished(assembler, results))


@pytest.mark.parametrize("dtype", FLOATS)
def test_products_and_inverses(library: ctypes.CDLL, dtype: str) -> None:
    """Products summed in order, with and without batches, longer than a tile; inverses with every pivot."""
    random, assembler = np.random.default_rng(4), started()

    def numbers(*shape: int) -> Draft:
        return assembler.constant(random.standard_normal(shape).astype(dtype))

    results = [
        assembler.matmul(numbers(6, 4, 4), numbers(4, 2500)),
        assembler.matmul(numbers(4, 4), numbers(3, 4, 7)),
        assembler.matmul(numbers(2, 1, 3, 5), numbers(4, 5, 2)),
    ]
    matrices = assembler.constant(
        random.standard_normal((50, 4, 4)) * random.choice([0.0, 1.0], (50, 4, 4), p=[0.2, 0.8])
    )
    results.append(assembler.inverse(matrices))
    agree(library, finished(assembler, results))


def test_a_wrong_executor_would_be_seen(library: ctypes.CDLL) -> None:
    """A program that adds in another order gives other bits, so the comparisons can fail."""
    numbers = np.random.default_rng(5).standard_normal((40, 50)).astype(np.float32)
    sums = []
    for content in (numbers, np.ascontiguousarray(numbers[::-1])):
        assembler = started()
        results = [assembler.reduce(Reduce.SUM, assembler.constant(content), 0)]
        sums.append(Linker(library, finished(assembler, results)).of(one_camera())[1]["t000"])
    assert np.allclose(*sums, rtol=1e-4, atol=1e-5)
    assert (sums[0] != sums[1]).any()


def one_camera() -> CalibrationProfile:
    """Return a vehicle with one camera."""
    return CalibrationProfile("one", load_profile(CAR42).cameras[:1])


# ---- Damaged programs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tables", "pooled"])
def test_changed_programs_do_no_harm(
    kind: str, builds: Mapping[str, Path], pooled: Path, reader: Path
) -> None:
    """Any word of a program changed and sealed again: refused, or run within its own memory; the sanitizers watch."""
    program = read_link((builds | {"pooled": pooled})[kind] / RELINK).to_bytes()
    contract = linking.contract_for(parse_program(program))
    random = np.random.default_rng(6)
    code = 80 + 48 * struct.unpack_from("<I", program, 32)[0]
    cases = [(1, pack(load_profile(CAR42)).to_bytes()), (2, contract.to_bytes())]
    for number in range(6000):
        words = np.frombuffer(program, "<i4").copy()
        low, high = (
            (8, 20) if number % 5 == 0 else (20, code // 4) if number % 5 == 1 else (code // 4, len(words))
        )
        at = int(random.integers(low, min(high, low + 900)))
        words[at] = random.choice(
            [0, 1, -1, 2, 3, 4, 7, 64, 65, 1 << 20, (1 << 31) - 1, -(1 << 31), words[at] + 1]
        )
        cases.append((2, dataclasses.replace(contract, relink=sealed(words.tobytes())).to_bytes()))
    stream = b"".join(struct.pack("<II", kind, len(data)) + data for kind, data in cases)
    ran = subprocess.run([str(reader)], input=stream, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()[-3000:]
    said = [Reason(int(line)) for line in ran.stdout.split()]
    assert said[:2] == [Reason.OK, Reason.OK]
    assert said.count(Reason.MALFORMED) > 1000
    assert said.count(Reason.OK) > 500
    if kind == "pooled":
        assert said.count(Reason.DOES_NOT_FIT) > 10
        cut = [contract.to_bytes()[:-size] for size in (1, 8, 4000)]
        assert Reason.OK not in read_programs(reader, cut)


def read_programs(reader: Path, contracts: Sequence[bytes]) -> list[Reason]:
    """Return what the reader says of contracts and their programs."""
    stream = b"".join(struct.pack("<II", 2, len(data)) + data for data in contracts)
    ran = subprocess.run([str(reader)], input=stream, capture_output=True, check=True)
    return [Reason(int(line)) for line in ran.stdout.split()]


def test_numpy_reads_no_memory_but_its_own(builds: Mapping[str, Path]) -> None:
    """An instruction whose strides lead out of its slot is refused, before anything is read there."""
    profile = load_profile(CAR42)
    program = read_link(builds["tables"] / RELINK)
    own, refused = program.instructions, 0
    for place, each in enumerate(own):
        if each.op in (Op.BINARY, Op.COPY, Op.WHERE):
            for last in (1 << 20, -1, -(1 << 31)):
                words = (*each.words[:-1], last)
                changed = (*own[:place], dataclasses.replace(each, words=words), *own[place + 1 :])
                try:
                    linked(
                        dataclasses.replace(program, instructions=changed), profile, profile.camera_names()
                    )
                except InputError:
                    refused += 1
    assert refused > 20


def test_kinds_are_the_models(library: ctypes.CDLL) -> None:
    """Every kind of calibration input that has instructions is the matrix that the compiler feeds."""
    profile, known = load_profile(CAR42), set()
    for kind in KINDS:
        inputs = {"m": {"kind": kind, "stride": 8.0}} if KINDS[kind].pixels else {"m": kind}
        spec = msgspec.convert(
            {
                "image": {"size_px": (800, 450), "scale": 0.5, "crop_px": (3.0, 5.0)},
                "calibration_inputs": inputs,
            },
            ModelSpec,
        )
        assembler = Assembler()
        sources = sources_of(assembler, spec, 6)
        try:
            made = input_of(sources, spec, "m", (1, 6, 4, 4), DTYPES.index(np.dtype("<f8")), profile)
        except NotPortableError:
            continue
        known.add(kind)
        program = placed(assembler, {"m": assembler.copy(made, made.shape, (96, 16, 4, 1)).number}, 6)[0]
        reason, tables = Linker(library, program).of(profile)
        assert reason == Reason.OK
        expected = spec.calibration_arrays(profile)["m"]
        np.testing.assert_allclose(
            tables["m"][0], expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(), err_msg=kind
        )
    assert {"lidar2img", "img2lidar", "ego2img", "cam2ego", "inverse_network_intrinsic", "image_aug"} <= known
    assert len(known) >= 21
