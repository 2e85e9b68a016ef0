"""One command turns a calibration and a model into a build, whatever else happens on the machine."""

from __future__ import annotations

import errno
import json
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml

from specialize.artifact import Build, read_metadata
from specialize.artifact.witness import Witness
from specialize.binding import modes as binding
from specialize.calibration.load import load_profile
from specialize.compiler import lower
from specialize.compiler import specialize as specializing
from specialize.model.visible import visible_sets
from specialize.passes.pipeline import Specialized, specialize_bound
from tests.cli.running import CAR42, CAR43, REPOSITORY, Ran, run_here, run_process
from tests.end_to_end.tiny_model import SPEC, write_tiny
from tests.graphs import GraphMaker

HANG_BEFORE_THE_MANIFEST = """
import sys, time
from specialize.compiler import publish
from specialize.compiler import specialize as specializing
from specialize.cli.app import run
def hang(*_):
    print("ready", flush=True)
    time.sleep(60)
publish.write_manifest = hang
run(sys.argv[1:])
"""


@dataclass(frozen=True)
class Bench:
    """A folder with the tiny model, a store, and a place for builds."""

    folder: Path
    model: Path
    capsys: pytest.CaptureFixture[str]

    def arguments(
        self, *more: str | Path, name: str = "car42", calib: Path = CAR42
    ) -> tuple[str | Path, ...]:
        """Return the command line of a build."""
        return ("build", "--calib", calib, "--model", self.model, "-o", self.folder / name, *more)

    def build(self, *more: str | Path, name: str = "car42", calib: Path = CAR42) -> Ran:
        """Run a build in this process."""
        return run_here(self.capsys, *self.arguments(*more, name=name, calib=calib))

    def outcome(self, *more: str | Path, name: str = "car42", calib: Path = CAR42) -> dict[str, object]:
        """Run a build that must succeed and return its JSON."""
        ran = self.build(*more, "--json", name=name, calib=calib)
        assert ran.code == 0, ran.err
        found: dict[str, object] = json.loads(ran.out)
        return found

    def names(self) -> set[str]:
        """Return what lies in the folder of builds."""
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def bench(tmp_path: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    """Return an empty bench with the tiny model and a store of its own."""
    (tmp_path / "builds").mkdir()
    return Bench(tmp_path / "builds", write_tiny(tmp_path / "model"), capsys)


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def session(path: Path) -> onnxruntime.InferenceSession:
    """Open a model on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def test_a_build_computes_only_what_is_seen(bench: Bench) -> None:
    """The rows computed are the pairs of the plan, camera by camera, and every output was verified."""
    data = bench.outcome()
    (plan,) = visible_sets(SPEC, load_profile(CAR42))
    (site,) = data["sites"]
    assert [camera["visible"] for camera in site["cameras"]] == plan.lengths.tolist()
    assert [camera["name"] for camera in site["cameras"]] == list(load_profile(CAR42).camera_names())
    assert site["pairs"] == site["rows_computed"] == plan.pairs
    assert site["longest"] == plan.longest
    assert data["digests"]["plan"] == plan.digest
    assert data["verify"]["passed"] is True
    assert set(data["verify"]["outputs"]) == {"bev"}
    assert data["flops"]["specialized"]["pairs"] == plan.pairs
    assert data["up_to_date"] is False
    assert data["seconds"]


def test_a_build_equals_its_original(bench: Bench) -> None:
    """On inputs that verification never saw, both models give the same; only the runtime is asked."""
    bench.outcome()
    generic, special = session(bench.model), session(bench.folder / "car42" / "model.onnx")
    random = np.random.default_rng(123)
    feeds = {put.name: random.standard_normal(put.shape).astype(np.float32) for put in special.get_inputs()}
    lidar2img = SPEC.calibration_arrays(load_profile(CAR42))["lidar2img"][None].astype(np.float32)
    (expected,) = generic.run(None, {**feeds, "lidar2img": lidar2img})
    (found,) = special.run(None, feeds)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_a_built_model_is_static_and_free_of_calibration(bench: Bench) -> None:
    """No calibration input, no operator that depends on data, and every dimension is a number."""
    bench.outcome()
    model = onnx.load(bench.folder / "car42" / "model.onnx")
    assert [put.name for put in model.graph.input] == ["query", "features"]
    assert not {"NonZero", "ScatterND", "Where"} & {node.op_type for node in model.graph.node}
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    assert all(dim.HasField("dim_value") for value in values for dim in value.type.tensor_type.shape.dim)


def test_a_built_model_names_its_calibration(bench: Bench) -> None:
    """The model's metadata says the same as the manifest."""
    bench.outcome()
    build = Build.open(bench.folder / "car42")
    props = {prop.key: prop.value for prop in onnx.load(build.model).metadata_props}
    tie = read_metadata(props, "model.onnx")
    digests = build.manifest.digests
    assert (tie.profile, tie.plan, tie.model, tie.build) == (
        digests.profile,
        digests.plan,
        digests.model,
        digests.build,
    )
    assert tie.cameras == build.manifest.cameras
    assert [sum(lengths) for lengths in tie.lengths] == [site.rows_computed for site in build.manifest.sites]


def test_the_same_inputs_give_the_same_bytes(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder, another store, a model file with another name and time: the same bytes."""
    bench.outcome()
    monkeypatch.setenv("SPECIALIZE_STORE", str(tmp_path / "other store"))
    bench.outcome(name="again")
    assert content(bench.folder / "car42") == content(bench.folder / "again")


def test_nothing_is_done_twice(bench: Bench) -> None:
    """A build that is there from the same inputs is up to date and not touched."""
    first = bench.outcome()
    before = (bench.folder / "car42" / "model.onnx").stat()
    second = bench.outcome()
    assert second["up_to_date"] is True
    assert (bench.folder / "car42" / "model.onnx").stat() == before
    assert second["digests"] == first["digests"]


@pytest.mark.parametrize(
    "option", [("--align", "4"), ("--layout", "padded"), ("--frames", "2"), ("--seed", "3")], ids=" ".join
)
def test_another_option_is_another_build(bench: Bench, option: tuple[str, str]) -> None:
    """An option that can change a byte makes another build, with another key and equal results."""
    first = bench.outcome()
    second = bench.outcome(*option)
    assert second["up_to_date"] is False
    assert second["digests"]["build"] != first["digests"]["build"]
    assert second["verify"]["passed"] is True


def test_layouts_and_alignment_set_the_rows(bench: Bench) -> None:
    """Padded computes cameras times the longest; alignment rounds each length up."""
    (ragged,) = bench.outcome("--align", "4")["sites"]
    assert ragged["rows_computed"] == sum(-(-camera["visible"] // 4) * 4 for camera in ragged["cameras"])
    (padded,) = bench.outcome("--layout", "padded")["sites"]
    assert padded["rows_computed"] == 6 * padded["longest"]


def test_another_calibration_makes_the_build_stale(bench: Bench) -> None:
    """`check` detects a changed calibration, and `build` builds again."""
    bench.outcome()
    assert run_here(bench.capsys, "check", bench.folder / "car42", "--calib", CAR42).code == 0
    stale = run_here(bench.capsys, "check", bench.folder / "car42", "--calib", CAR43)
    assert stale.code == 3
    assert f"next: specialize build --calib {CAR43} --model MODEL.onnx -o " in stale.out
    assert bench.outcome(calib=CAR43)["up_to_date"] is False
    assert run_here(bench.capsys, "check", bench.folder / "car42", "--calib", CAR43).code == 0


def test_a_flipped_bit_is_built_again(bench: Bench) -> None:
    """A model that changed under its manifest is not up to date, and `verify` refuses it."""
    bench.outcome()
    path = bench.folder / "car42" / "model.onnx"
    good = path.read_bytes()
    path.write_bytes(bytes([good[0]]) + bytes([good[1] ^ 1]) + good[2:])
    assert run_here(bench.capsys, "verify", bench.folder / "car42").code == 1
    assert bench.outcome()["up_to_date"] is False
    assert path.read_bytes() == good


def test_verify_repeats_the_proof(bench: Bench) -> None:
    """`verify` compares again, over as many frames as asked for."""
    bench.outcome()
    ran = run_here(bench.capsys, "verify", bench.folder / "car42", "--frames", "2", "--json")
    data = json.loads(ran.out)
    assert ran.code == 0
    assert (data["passed"], data["frames"]) == (True, 2)


def test_verify_without_the_original_says_so(bench: Bench, store_dir: Path) -> None:
    """A user's own model that is no longer in the store cannot be compared with."""
    bench.outcome()
    shutil.rmtree(store_dir)
    ran = run_here(bench.capsys, "verify", bench.folder / "car42")
    assert ran.code == 1
    assert "build again" in ran.err


@pytest.mark.parametrize("judge", ["witness", "comparison"])
def test_a_wrong_graph_leaves_no_build(judge: str, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that drops one pair is caught twice, by what it gathers and by what it computes: exit 4, no build."""
    bench.outcome()
    before = content(bench.folder / "car42")

    def drops_a_pair(*given: object) -> Specialized:
        done = specialize_bound(*given)
        tables = [value for value in done.model.graph.initializers.values() if _is_table(value)]
        _lose_a_row(tables[0])
        return done

    monkeypatch.setattr(binding, "specialize_bound", drops_a_pair)
    if judge == "comparison":
        monkeypatch.setattr(specializing, "witness_build", lambda *given: Witness())
    ran = bench.build("--align", "2")
    assert ran.code == 4
    assert {"witness": "rows that its sums read", "comparison": "bev"}[judge] in ran.err
    assert content(bench.folder / "car42") == before
    assert bench.names() == {"car42"}


def _is_table(value: Any) -> bool:
    tensor = value.const_value
    return tensor.dtype.name.startswith("INT") and tensor.size > 20


def _lose_a_row(value: Any) -> None:
    import onnx_ir as ir

    table = value.const_value.numpy().copy()
    flat = table.reshape(-1)
    flat[3] = flat[4]
    value.const_value = ir.tensor(table, name=value.name)


def test_a_full_disk_leaves_no_build(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills while the model is written exits 1, says what to do, and leaves nothing."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    bench.outcome(name="other")  # the store has the model already
    monkeypatch.setattr(lower, "write_graph", full)
    ran = bench.build()
    assert ran.code == 1
    assert "free disk space" in ran.err
    assert bench.names() == {"other"}


def test_a_kill_leaves_no_half_build(bench: Bench) -> None:
    """After kill -9 in the middle there is no build; the next run leaves what an undisturbed one does."""
    command = [sys.executable, "-c", HANG_BEFORE_THE_MANIFEST, *map(str, bench.arguments())]
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (bench.folder / "car42").exists()
    assert sorted(name.partition("-")[0] for name in bench.names()) == [".car42.lock", ".car42.tmp"]
    bench.outcome()
    bench.outcome(name="undisturbed")
    assert content(bench.folder / "car42") == content(bench.folder / "undisturbed")
    assert bench.names() == {"car42", "undisturbed"}


def test_two_builders_of_one_folder_agree(bench: Bench) -> None:
    """Two processes that build the same thing at once both succeed, and one of them finds it done."""
    command = [sys.executable, "-m", "specialize", *map(str, bench.arguments("--json"))]
    both = [subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(output["up_to_date"] for output in outputs) == [False, True]
    assert bench.names() == {"car42"}


def test_nothing_to_specialize_is_declined(bench: Bench) -> None:
    """A model that does not read its calibration is declined; `--allow-unchanged` builds it nevertheless."""
    make = GraphMaker()
    make.input("lidar2img", (1, 6, 4, 4))
    query = make.input("query", (1, 48, 4))
    onnx.save(make.model(bev=make.op("Tanh", query)), bench.model)
    ran = bench.build()
    assert ran.code == 1
    assert "superfluous" in ran.err
    assert bench.names() == set()
    assert bench.outcome("--allow-unchanged")["verify"]["passed"] is True


def test_a_grid_of_another_size_is_refused(bench: Bench) -> None:
    """A sidecar whose grid is none that the model projects is refused, with those that it does."""
    sidecar = bench.model.with_suffix(".model.yaml")
    sidecar.write_text(sidecar.read_text().replace("shape: [6, 8]", "shape: [7, 8]"))
    ran = bench.build()
    assert ran.code == 1
    assert "shape [6, 8], range_m [-20.0, -15.0, -2.0, 20.0, 15.0, 1.0], anchors 2" in ran.err
    assert "shape [7, 8]" in ran.err


def test_a_profile_that_does_not_fit_is_refused_unless_a_person_knows_better(bench: Bench) -> None:
    """An error of `profile check` rejects a build; what is allowed is printed, recorded, and part of the key."""
    names = yaml.safe_load(CAR42.read_text())["cameras"]
    order = ", ".join(camera["name"] for camera in reversed(names))
    sidecar = bench.model.with_suffix(".model.yaml")
    sidecar.write_text(sidecar.read_text().replace("name: tiny", f"name: tiny\ncameras: [{order}]"))
    ran = bench.build()
    assert ran.code == 1
    assert "1 error:\n  error camera-order: the order is CAM_FRONT, " in ran.err
    assert "use --allow camera-order" in ran.err
    assert bench.names() == set()
    ran = bench.build("--allow", "camera-order")
    assert ran.code == 0, ran.err
    assert "warning: profile car42: allowed error camera-order: " in ran.err
    manifest = Build.open(bench.folder / "car42").manifest
    assert manifest.allowed == ("camera-order",)
    (warning,) = manifest.warnings
    assert "reorder" in warning
    for command in (("check", bench.folder / "car42", "--calib", CAR42), ("inspect", bench.folder / "car42")):
        assert "camera-order" in run_here(bench.capsys, *command).out
    assert bench.build("--allow", "no-such").code == 2
    sidecar.write_text(sidecar.read_text().replace(f"cameras: [{order}]", ""))
    digests = [
        bench.outcome(*allow, name=f"build{number}")["digests"]["build"]  # type: ignore[index]
        for number, allow in enumerate(((), ("--allow", "camera-order")))
    ]
    assert digests[0] != digests[1]


def test_warnings_do_not_refuse(bench: Bench) -> None:
    """Pixels that are not square are a warning, which the manifest keeps."""
    profile = yaml.safe_load(CAR42.read_text())
    profile["cameras"][0]["intrinsic"][1][1] *= 1.1
    path = bench.folder.parent / "odd.yaml"
    path.write_text(yaml.safe_dump(profile))
    ran = bench.build(calib=path)
    assert ran.code == 0, ran.err
    assert "warning: profile car42: pixel-aspect: CAM_FRONT: fx and fy differ by 9 %" in ran.err
    (warning,) = Build.open(bench.folder / "car42").manifest.warnings
    assert "pixel-aspect" in warning


def test_a_sidecar_that_is_not_the_models_is_refused(bench: Bench) -> None:
    """A sidecar whose grid keeps fewer queries than the model's own mask is refused, with the place."""
    sidecar = bench.model.with_suffix(".model.yaml")
    sidecar.write_text(sidecar.read_text().replace("-20.0", "-90.0"))
    ran = bench.build()
    assert ran.code == 1
    assert "sidecar" in ran.err
    assert bench.names() == set()


def test_missing_files_are_named(bench: Bench, tmp_path: Path) -> None:
    """A model without sidecar and a model that is not there are user errors that name the file."""
    bench.model.with_suffix(".model.yaml").unlink()
    ran = bench.build()
    assert ran.code == 1
    assert "tiny.model.yaml" in ran.err
    assert "specialize inspect" in ran.err
    gone = run_here(bench.capsys, "build", "--calib", CAR42, "--model", tmp_path / "gone.onnx")
    assert gone.code == 1
    assert "gone" in gone.err


def test_building_an_own_model_needs_no_torch(bench: Bench) -> None:
    """Torch is imported for nothing but the first export of a built-in model."""
    script = "import sys; from specialize.cli.app import run; code = run(sys.argv[1:])\n"
    script += "assert code == 0; assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", script, *map(str, bench.arguments())]
    assert subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False).returncode == 0


def test_flops_counts_without_building(bench: Bench) -> None:
    """`flops` shows the three forms and leaves no build."""
    ran = run_here(bench.capsys, "flops", "--calib", CAR42, "--model", bench.model, "--json")
    forms = json.loads(ran.out)["forms"]
    assert ran.code == 0
    assert forms["original"]["pairs"] > forms["rebatched"]["pairs"] > forms["specialized"]["pairs"]
    assert forms["original"]["attention_flops"] > forms["specialized"]["attention_flops"]
    assert bench.names() == set()


def test_warnings_go_to_stderr(bench: Bench) -> None:
    """With `--json` stdout is one JSON object, whatever is printed on stderr."""
    ran = run_process(*bench.arguments("--json"))
    assert ran.code == 0
    assert json.loads(ran.out)["schema"] == "specialize/build@1"
    assert "specializing" in ran.err


def test_the_command_of_a_check_builds_for_today(bench: Bench) -> None:
    """Another vehicle's build, with the options of the first, beside it; the first stays."""
    bench.outcome("--layout", "padded", "--align", "8", "--frames", "1", "--seed", "3")
    ran = run_here(bench.capsys, "check", bench.folder / "car42", "--calib", CAR43, "--json")
    found = json.loads(ran.out)
    assert ran.code == 3 and found["vehicles"] == {"built": "car42", "today": "car43"}
    words = [str(bench.model) if word == "MODEL.onnx" else word for word in shlex.split(found["next"])]
    assert run_here(bench.capsys, *words[1:]).code == 0
    made = Build.open(bench.folder / "car43").manifest
    first = Build.open(bench.folder / "car42").manifest
    own = {"vehicle", "profile", "calibration"}
    assert {name for name in made.key if made.key[name] != first.key[name]} == own
    assert run_here(bench.capsys, "check", bench.folder / "car43", "--calib", CAR43).code == 0


def test_a_build_of_another_model_is_not_replaced(bench: Bench) -> None:
    """A build of another model is replaced only with `--replace`; otherwise it stays."""
    bench.outcome()
    other = bench.model.with_name("other.onnx")
    shutil.copy(bench.model, other)
    shutil.copy(bench.model.with_suffix(".model.yaml"), other.with_suffix(".model.yaml"))
    words = [other if word == bench.model else word for word in bench.arguments()]
    ran = run_here(bench.capsys, *words)
    assert (
        ran.code == 1 and f"expected no build, or one of other, got a build of {bench.model.stem}" in ran.err
    )
    assert "--replace" in ran.err
    assert Build.intact(bench.folder / "car42").manifest.model == bench.model.stem
    assert run_here(bench.capsys, *words, "--replace").code == 0
    assert Build.intact(bench.folder / "car42").manifest.model == "other"


def test_files_of_others_are_not_taken_away(bench: Bench) -> None:
    """A build into the model's own folder, or a vehicle named like a path, deletes nothing and stays in its place."""
    before = sorted(bench.model.parent.rglob("*"))
    ran = bench.build("-o", bench.model.parent)
    assert ran.code == 1 and "-o" in ran.err and bench.model.name in ran.err
    assert [path for path in before if not path.exists()] == []


def test_a_negative_seed_is_a_wrong_option(bench: Bench) -> None:
    """Random streams have no such starting point."""
    ran = bench.build("--seed", "-1")
    assert ran.code == 2 and "--seed" in ran.err
