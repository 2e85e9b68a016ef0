"""Formulations of attention are timed at a build's sizes, the choice is kept, and a build can be made with it."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from specialize.artifact import Build
from specialize.bench import BenchReport, FormTime, Subject
from specialize.cli.output import to_text
from specialize.cli.render_tune import tune_text
from specialize.compiler import tuning
from specialize.compiler.build import build
from specialize.compiler.tuning import Runs, candidates
from specialize.errors import DeclinedError, InputError, UsageError
from specialize.evidence.spread import Spread
from specialize.evidence.tuned import TunedKind, Tuning, chosen
from specialize.explain.tune import TuneOutcome, tune_build
from specialize.files.resources import resource_dir
from specialize.request import BuildRequest
from specialize.targets import target
from specialize.text.terminal import CommandLine
from specialize.verify.runtime import open_model
from tests.cli.running import CAR42, run_here
from tests.golden_files import check_golden

MODEL = resource_dir("demo") / "encoder.onnx"
QUICK = Runs(rounds=1, threads=1, again=True)
SECONDS = {
    "gridsample": 1.0,
    "points-first": 0.99,
    "deform-conv": 0.5,
    "corner-product": 3.0,
    "decomposed": 4.0,
}


def request(folder: Path, **more: Any) -> BuildRequest:
    """Return what a build of the packaged demonstration is asked for."""
    return BuildRequest(calib=CAR42, model=str(MODEL), output=folder / "car42", frames=1, **more)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build in its target's own form, made once, with its store beside it."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECIALIZE_STORE", str(folder / "store"))
        return build(request(folder, layout="padded")).build_dir


@pytest.fixture
def beside(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return that build, while its store is in use."""
    monkeypatch.setenv("SPECIALIZE_STORE", str(built.parent / "store"))
    return built


def pretend(patch: pytest.MonkeyPatch, seen: list[dict[str, Subject]]) -> None:
    """Let formulations take known times, and remember what was to be timed."""

    def timed(subjects: dict[str, Subject], **_: object) -> BenchReport:
        seen.append(subjects)
        forms = {name: FormTime((SECONDS[name],), 2, 1, {}) for name in subjects}
        return BenchReport.of("onnxruntime 1.2.3", 1, 2, True, forms)

    patch.setattr(tuning, "bench_models", timed)


def kind(times: int = 1, **seconds: float) -> TunedKind:
    """Return attention whose formulations take known times."""
    spreads = {name: Spread.of([value]) for name, value in seconds.items()}
    return TunedKind(
        what="site", times=times, operators=1, samples=8, channels=4, seconds=spreads, ratios=spreads
    )


def test_the_command_times_every_formulation(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tune` measures, names the choice, and keeps it; the store's measurement is shown if none is asked for."""
    given = ("tune", beside, "--rounds", "1", "--threads", "1")
    first = run_here(capsys, *given, "--again")
    assert first.code == 0 and all(name in first.out for name in SECONDS)
    assert "from the store" not in first.out and "next: specialize " in first.out
    data = json.loads(run_here(capsys, *given, "--json").out)
    assert data["schema"] == "specialize/tune@1" and data["tuning"]["stored"]
    assert list(data["tuning"]["kinds"][0]["seconds"]) == list(SECONDS)


def test_a_command_takes_the_place_of_a_runtime(
    beside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its times decide, its measurement is kept apart, and a form that it cannot run is no choice."""
    script = tmp_path / "device.py"
    script.write_text(
        "import sys, pathlib\n"
        "form = pathlib.Path(sys.argv[1]).name\n"
        "sys.exit('no kernel') if form.startswith('deform-conv') else None\n"
        "print(1.0 if form.startswith('decomposed') else 3.0)\n"
    )
    command = shlex.join([sys.executable, str(script)]) + " {model}"
    given = ("tune", beside, "--rounds", "2", "--command", command)
    found = run_here(capsys, *given)
    assert found.code == 0 and "attention as decomposed: 3.00x faster than gridsample" in found.out
    assert "2 calls of each formulation" in found.out and "--attention decomposed" in found.out
    assert "deform-conv is left out: 1: no kernel" in found.err
    tuning = json.loads(run_here(capsys, *given, "--json").out)["tuning"]
    assert tuning["stored"] and (tuning["runtime"], tuning["processor"], tuning["threads"]) == (
        command,
        "",
        0,
    )
    assert "deform-conv" not in tuning["kinds"][0]["seconds"]


def test_what_is_timed_computes_the_same(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cut out in every formulation gives the same result for the same frame."""
    results: list[dict[str, list[np.ndarray]]] = []

    def run(subjects: dict[str, Subject], **_: object) -> BenchReport:
        opened = {
            name: open_model(each.path, "onnxruntime", 1).run(each.feed) for name, each in subjects.items()
        }
        results.append({name: list(values.values()) for name, values in opened.items()})
        return BenchReport.of("none", 1, 0, True, {name: FormTime((1.0,), 2, 1, {}) for name in subjects})

    monkeypatch.setattr(tuning, "bench_models", run)
    made = tune_build(beside, QUICK, print)
    assert made.tuning.choice == "gridsample" and not made.command.words
    assert results
    for by_form in results:
        (wanted,), *others = by_form.values()
        assert len(others) == len(SECONDS) - 1 and np.abs(wanted).max() > 0
        for (found,) in others:
            np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-5)


def test_a_tuned_build_says_its_formulation(
    tmp_path: Path, store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`build --tune` equals `build --attention` with the choice; made again, it is up to date and measures nothing."""
    seen: list[dict[str, Subject]] = []
    pretend(monkeypatch, seen)
    asked = request(tmp_path, tune=True)
    made = build(asked)
    measured = len(seen)
    assert measured and made.tuning is not None and made.tuning.choice == "deform-conv"
    assert made.manifest.key["attention"] == made.manifest.options["attention"] == "deform-conv"
    explicit = build(replace(asked, tune=False, attention="deform-conv"))
    assert explicit.up_to_date and explicit.manifest.digest == made.manifest.digest
    again = build(asked)
    assert again.up_to_date and again.tuning is not None and again.tuning.stored and len(seen) == measured


def test_the_proposed_command_has_the_choice(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next command names the formulation, and everything else that the build was made with."""
    pretend(monkeypatch, [])
    text = tune_build(beside, QUICK, print).command.text
    assert "--attention deform-conv" in text and "--layout padded" in text and f"-o {beside}" in text


def test_a_build_with_a_formulation_is_not_tuned(tmp_path: Path, store_dir: Path) -> None:
    """Attention that is written in another form already is refused, with what to tune instead."""
    folder = build(request(tmp_path, attention="points-first")).build_dir
    assert Build.open(folder).manifest.key["attention"] == "points-first"
    with pytest.raises(InputError, match="build without --attention"):
        tune_build(folder, QUICK, print)


def test_a_form_that_is_not_read_again_says_what_to_build(tmp_path: Path, store_dir: Path) -> None:
    """TVM's own form is no GridSample: the build to tune is one with it, and the choice may be the target's own."""
    folder = build(request(tmp_path, target="tvm")).build_dir
    with pytest.raises(InputError, match="build with --attention gridsample, and tune that build"):
        tune_build(folder, QUICK, print)
    command = f"{shlex.quote(sys.executable)} -c 'import sys; print(1 + len(sys.argv[1]))' {{model}}"
    plain = build(request(tmp_path / "plain", target="tvm", attention="gridsample")).build_dir
    made = tune_build(plain, Runs(rounds=1, command=command), print)
    assert made.tuning.default == made.tuning.choice == "corner-product"
    assert made.command.words and "--attention" not in made.command.text


def test_a_model_without_attention_has_nothing_to_tune(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that no attention is recognised."""
    monkeypatch.setattr(tuning, "kinds_of", lambda model, sites: ())
    with pytest.raises(DeclinedError, match="none that is recognised"):
        tune_build(beside, QUICK, print)


def test_candidates_are_what_target_and_runtime_take() -> None:
    """The target's own form comes first; a convolution is no candidate where the runtime has no kernel for it."""
    assert candidates("onnxruntime", "onnxruntime") == tuple(SECONDS)
    assert candidates("tvm", "onnxruntime")[0] == target("tvm").TOOLCHAIN.form
    assert "deform-conv" not in candidates("openvino", "openvino")
    assert "deform-conv" not in candidates("onnxruntime", "openvino")
    with pytest.raises(UsageError, match="in standard operators"):
        candidates("denglin", "onnxruntime")


def test_the_quickest_in_all_is_chosen_if_it_is_clearly_quicker() -> None:
    """Every kind counts as often as it occurs; below five per cent the default stays."""
    few, many = kind(1, own=10.0, other=1.0), kind(30, own=1.0, other=2.0)
    assert chosen([few], "own") == ("other", 10.0)
    assert chosen([few, many], "own") == ("own", 1.0)
    assert chosen([kind(1, own=1.04, other=1.0)], "own") == ("own", 1.0)


def test_sites_and_other_attention_are_chosen_apart() -> None:
    """Each has its own quickest formulation, and the gain is that of both together."""
    site, rest = kind(own=4.0, one=2.0, two=3.0), kind(own=4.0, one=3.0, two=2.0)
    rest = msgspec.structs.replace(rest, what="other")
    assert chosen([site, rest], "own") == ("one/two", 2.0)
    assert chosen([site, msgspec.structs.replace(site, what="other")], "own") == ("one", 2.0)
    assert chosen([msgspec.structs.replace(rest, times=1)], "own") == ("two", 2.0)
    assert chosen([kind(own=4.0, one=3.0), kind(own=4.0, one=1.0, two=1.0)], "own") == ("one", 2.0)


def test_a_choice_depends_on_what_it_was_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another target, number of threads, runtime, version or processor is another key."""
    keys = {
        tuning.tuning_key("onnxruntime", Runs(), ()),
        tuning.tuning_key("openvino", Runs(), ()),
        tuning.tuning_key("onnxruntime", Runs(threads=1), ()),
        tuning.tuning_key("onnxruntime", Runs(runtime="openvino"), ()),
    }
    monkeypatch.setattr(tuning, "version", lambda name: "0")
    keys.add(tuning.tuning_key("onnxruntime", Runs(), ()))
    monkeypatch.setattr(tuning, "processor", lambda: "another")
    keys.add(tuning.tuning_key("onnxruntime", Runs(), ()))
    keys |= {tuning.tuning_key("onnxruntime", Runs(command=f"{name} {{model}}"), ()) for name in "ab"}
    assert len(keys) == 8


def test_a_form_and_a_measurement_exclude_each_other(tmp_path: Path) -> None:
    """`--tune` and `--attention` together are an error."""
    with pytest.raises(UsageError, match="no --attention"):
        BuildRequest(calib=CAR42, attention="decomposed", tune=True)


def test_a_tuning_reads_as_agreed() -> None:
    """What `tune` shows: each kind of attention, medians with quartiles and ratios, the choice, the next command."""
    own, ours = Spread.of([0.019, 0.020, 0.022]), Spread.of([0.014, 0.0145, 0.016])
    one = TunedKind(
        what="site", times=3, operators=6, samples=180_608, channels=32,
        seconds={"gridsample": own, "deform-conv": ours},
        ratios={"gridsample": Spread.of([1.0]), "deform-conv": Spread.of([1.3, 1.38, 1.4])},
    )  # fmt: skip
    made = Tuning(
        model="bevformer_tiny", vehicle="car42", target="onnxruntime", runtime="onnxruntime 1.2.3", processor="x86_64",
        threads=1, rounds=11, kinds=(one,), default="gridsample", choice="deform-conv", gain=1.379,
    )  # fmt: skip
    again = CommandLine(("specialize", "build", "--calib", "car42.yaml", "--attention", "deform-conv"))
    check_golden("tune.txt", to_text(tune_text(TuneOutcome(tuning=made, command=again), "build/car42")))
    stays = replace_choice(made)
    assert "next: specialize bench build/car42" in to_text(
        tune_text(TuneOutcome(tuning=stays, command=CommandLine(())), "build/car42")
    )


def replace_choice(made: Tuning) -> Tuning:
    """Return a tuning in which the default stays."""
    return msgspec.structs.replace(made, choice="gridsample", gain=1.0, stored=True)
