"""The examples compile with the lines of the guide as they stand, and do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnx import numpy_helper

from specialize.artifact import Build
from specialize.binding.table_program import RELINK, linked, read_link
from specialize.calibration.load import load_profile
from specialize.vehicle import parse_golden
from specialize.vehicle.export import export_build
from specialize.vehicle.packing import pack
from specialize.vehicle.toolchain import include_dir
from tests.cli.running import CAR42, CAR43, REPOSITORY
from tests.vehicle import compiling
from tests.vehicle.engines import onnx_engine

GUIDE = REPOSITORY / "docs" / "guides" / "vehicle.md"
EXAMPLES = REPOSITORY / "examples"
RUNTIMES = ("onnxruntime", "openvino")
HEADERS = "ONNXRUNTIME_INCLUDE"
"""Variable that names a folder with the real header of ONNX Runtime, to be used instead of the tests' own."""

Ran = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def cars(builds: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what builds need on the car, by mode, and two calibrations."""
    folder = tmp_path_factory.mktemp("cars")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(builds["exact"].parent / "store"))
        for mode in ("exact", "tables"):
            export_build(builds[mode], folder / mode, golden=True)
    for path in (CAR42, CAR43):
        (folder / f"{path.stem}.bin").write_bytes(pack(load_profile(path)).to_bytes())
    return folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the guide's compiler lines were run, with both runtimes as their archives have them."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "examples").symlink_to(EXAMPLES)
    (folder / "car").mkdir(parents=True)
    (folder / "car" / "include").symlink_to(include_dir())
    for name in ("ort", "openvino"):
        (folder / name / "lib").mkdir(parents=True)
    ort = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"))
    (folder / "ort" / "include").symlink_to(os.environ.get(HEADERS) or compiling.HERE / "onnxruntime")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / "ort" / "lib" / name).symlink_to(ort)
    package = Path(openvino.__file__).parent
    (folder / "openvino" / "include").symlink_to(package / "include")
    for path in (package / "libs").iterdir():
        (folder / "openvino" / "lib" / path.name).symlink_to(path)
    found = next((package / "libs").glob("libopenvino.so.*"))
    (folder / "openvino" / "lib" / "libopenvino.so").symlink_to(found)
    lines = re.findall(r"^\$ (g\+\+ .*)$", GUIDE.read_text(), re.MULTILINE)
    assert len(lines) == len(RUNTIMES)
    places = {"ORT": str(folder / "ort"), "OPENVINO": str(folder / "openvino")}
    for line in lines:
        ran = subprocess.run(
            line, shell=True, cwd=folder, env={**os.environ, **places}, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
    return folder


def drive(program: Path, model: Path, car: Path, today: Path) -> Ran:
    """Run an example."""
    words = [program, model, car / "contract.bin", car / "golden.bin", today]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)


def first_value(ran: Ran) -> float:
    """Return the first value of the first output, as an example prints it."""
    return float(ran.stdout.split()[-1])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_build_runs_on_its_own_car(
    builds: Mapping[str, Path], cars: Path, programs: Path, runtime: str
) -> None:
    """Guard, golden frame and one run, in both modes, with the numbers that Python gets."""
    for mode in ("exact", "tables"):
        ran = drive(programs / f"car_{runtime}", builds[mode] / "model.onnx", cars / mode, cars / "car42.bin")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.splitlines()[:2] == ["guard: FRESH", "golden frame: pass"]
        golden = parse_golden((cars / mode / "golden.bin").read_bytes())
        assert first_value(ran) == pytest.approx(float(golden.outputs[0].frames[0].flat[0]), rel=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_another_car_is_refused_or_relinked(
    builds: Mapping[str, Path], cars: Path, programs: Path, runtime: str
) -> None:
    """A build in mode exact is stale; one with tables makes the other car's, whose numbers its engine then gives."""
    stale = drive(
        programs / f"car_{runtime}", builds["exact"] / "model.onnx", cars / "exact", cars / "car43.bin"
    )
    assert (stale.returncode, stale.stdout) == (3, "guard: STALE\n")
    model = builds["tables"] / "model.onnx"
    ran = drive(programs / f"car_{runtime}", model, cars / "tables", cars / "car43.bin")
    assert (ran.returncode, ran.stdout.splitlines()[:2]) == (0, ["guard: RELINK", "golden frame: pass"])
    build = Build.open(builds["tables"])
    table = linked(read_link(build.file(RELINK)), load_profile(CAR43), build.manifest.cameras)
    golden = parse_golden((cars / "tables" / "golden.bin").read_bytes())
    gave = onnx_engine(model)({**{each.name: each.frames[0] for each in golden.inputs}, **table})
    found, own = gave[golden.outputs[0].name].flat[0], golden.outputs[0].frames[0].flat[0]
    assert first_value(ran) == pytest.approx(float(found), rel=1e-4)
    assert abs(float(found) - float(own)) > 1e-3  # another car is not the same


def tampered(model: Path, folder: Path) -> Path:
    """Return a model of which one weight was changed."""
    loaded = onnx.load(str(model))
    floats = [each for each in loaded.graph.initializer if each.data_type == onnx.TensorProto.FLOAT]
    largest = max(floats, key=lambda each: numpy_helper.to_array(each).size)
    values = numpy_helper.to_array(largest).copy()
    values *= np.float32(1.02)
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))
    onnx.save(loaded, str(folder / "tampered.onnx"))
    return folder / "tampered.onnx"


def ignoring(model: Path, golden: Path, folder: Path) -> Path:
    """Return a model with the same inputs and outputs that gives the outputs of the first frame, whatever it is fed."""
    loaded = onnx.load(str(model))
    graph = loaded.graph
    expected = parse_golden(golden.read_bytes()).outputs
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    for each in expected:
        values = numpy_helper.from_array(np.array(each.frames[0]), f"{each.name}.frozen")
        graph.initializer.append(values)
        graph.node.append(onnx.helper.make_node("Identity", [values.name], [each.name]))
    onnx.save(loaded, str(folder / "ignoring.onnx"))
    return folder / "ignoring.onnx"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_another_engine_is_refused(
    builds: Mapping[str, Path], cars: Path, programs: Path, runtime: str, tmp_path: Path
) -> None:
    """A changed weight and an engine that ignores its inputs fail the golden frame, each with its own reason."""
    model = builds["exact"] / "model.onnx"
    wrong = drive(programs / f"car_{runtime}", tampered(model, tmp_path), cars / "exact", cars / "car42.bin")
    assert wrong.returncode == 5
    assert re.search(r"expected .* the engine gives other outputs for the golden frame", wrong.stderr)
    frozen = ignoring(model, cars / "exact" / "golden.bin", tmp_path)
    blind = drive(programs / f"car_{runtime}", frozen, cars / "exact", cars / "car42.bin")
    assert blind.returncode == 5
    assert "the engine gives the same outputs for two different frames" in blind.stderr


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_is_wrong_with_files_is_said(
    builds: Mapping[str, Path], cars: Path, programs: Path, runtime: str, tmp_path: Path
) -> None:
    """A calibration that cannot be right ends with 4, another build's golden frame and a missing file with 1."""
    model, program = builds["exact"] / "model.onnx", programs / f"car_{runtime}"
    profile = pack(load_profile(CAR42))
    profile.cameras["intrinsic"][0, 0] = np.nan
    (tmp_path / "nan.bin").write_bytes(profile.to_bytes())
    ran = drive(program, model, cars / "exact", tmp_path / "nan.bin")
    assert ran.returncode == 4
    assert "NaN or infinity" in ran.stderr
    words = [
        program,
        model,
        cars / "exact" / "contract.bin",
        cars / "tables" / "golden.bin",
        cars / "car42.bin",
    ]
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "another build" in ran.stderr
    assert drive(program, model, cars / "exact", tmp_path / "none.bin").returncode == 1


def test_examples_are_short() -> None:
    """Each is read in minutes."""
    sizes = {path: len(path.read_text().splitlines()) for path in EXAMPLES.rglob("*.[ch]pp")}
    assert len(sizes) >= 6
    assert {path for path, size in sizes.items() if size >= 200} == set()
    shared = sizes[EXAMPLES / "car.hpp"]
    assert {name: shared + sizes[EXAMPLES / name / "car.cpp"] < 120 for name in RUNTIMES} == dict.fromkeys(
        RUNTIMES, True
    )
    assert {path for path in EXAMPLES.rglob("car.*") if len(path.read_text().splitlines()) >= 120} == set()


def python_car(*words: object) -> Ran:
    """Run the example in Python; its last line of output names the packages that were imported."""
    code = (
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: code = end.code\n"
        "names = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(*sorted(name for name in names if not name.startswith('_')))\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-S", "-c", code, str(EXAMPLES / "python" / "car.py"), *map(str, words)]
    paths = os.pathsep.join([str(REPOSITORY), str(Path(np.__file__).parents[1])])
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths}
    )


def test_python_on_the_car_imports_numpy_alone(cars: Path) -> None:
    """The exit codes are those of the guard, and nothing but numpy and this package is imported."""
    for mode, today, code in (("exact", "car42", 0), ("exact", "car43", 3), ("tables", "car43", 2)):
        ran = python_car(cars / mode / "contract.bin", cars / f"{today}.bin")
        assert ran.returncode == code, ran.stderr
        assert ran.stdout.splitlines()[-1].split() == ["numpy", "specialize"]


def test_python_on_the_car_tests_its_engine(builds: Mapping[str, Path], cars: Path, tmp_path: Path) -> None:
    """The build's own engine passes, one that ignores its inputs ends with 5."""
    files = (cars / "exact" / "contract.bin", cars / "car42.bin", cars / "exact" / "golden.bin")
    model = builds["exact"] / "model.onnx"
    ran = python_car(*files, model)
    assert ran.returncode == 0, ran.stderr
    assert "golden frame: OK" in ran.stdout
    ran = python_car(*files, ignoring(model, files[2], tmp_path))
    assert (ran.returncode, "GOLDEN_BLIND" in ran.stdout) == (5, True)
