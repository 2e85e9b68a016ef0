"""Forms are timed side by side, each in its own process; a site can be cut out and timed alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from specialize.bench import (
    BenchReport,
    FormTime,
    Spread,
    Subject,
    bench_models,
    extract_site,
    measure,
    worker,
)
from specialize.errors import InputError
from specialize.text.record import to_json
from specialize.verify.runtime import open_model
from tests.costs.graphs import Builder, cross_attention


def _attention(path: Path, rows: int) -> Subject:
    ir.save(cross_attention(rows, 400, 2, (8, 8)), path)
    random = np.random.default_rng(0)
    shapes = {"x0": (400, 256), "x1": (128, 256)}
    return Subject(path, {name: random.normal(size=s).astype(np.float32) for name, s in shapes.items()})


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_forms_are_timed_on_both_runtimes(tmp_path: Path, runtime: str) -> None:
    """Every form has its times, ratios and memory, and the profile names operators; how fast it is no test says."""
    pytest.importorskip(runtime)
    subjects = {
        "original": _attention(tmp_path / "a.onnx", 3200),
        "specialized": _attention(tmp_path / "b.onnx", 400),
    }
    report = bench_models(subjects, rounds=5, warmup=1, runtime=runtime, threads=1)
    assert report.rounds == 5 and report.runtime.startswith(f"{runtime} ")
    assert report.ratios["original"].median == 1.0
    assert report.ratios["specialized"].least <= report.ratios["specialized"].median
    for form in report.forms.values():
        assert 0 < form.seconds.least <= form.seconds.median <= form.seconds.most
        assert form.peak_bytes > form.idle_bytes > 0
        assert sum(form.shares.values()) == pytest.approx(1.0)
        assert list(form.shares.values()) == sorted(form.shares.values(), reverse=True)
        assert any("gridsample" in name.lower() for name in form.shares)
    data = json.loads(json.dumps(to_json(report), allow_nan=False))
    assert next(iter(data)) == "ratios"


def test_a_cold_first_run_is_in_no_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the runs with a profile the first one, which waits for memory, does not count."""
    subject = _attention(tmp_path / "a.onnx", 400)
    events = [("node", "Concat", 100.0)] + 3 * [("node", "Concat", 1.0)]
    monkeypatch.setattr(worker, "kernel_times", lambda session: events)
    assert worker.profile_onnxruntime(subject.path, subject.feed, 1, 3) == {"Concat": 3.0}


def test_memory_is_measured_in_each_forms_own_process(tmp_path: Path) -> None:
    """A form that needs 200 MB more shows it, and the other does not inherit it."""
    paths = {}
    for name, size in [("large", 50_000_000), ("small", 1000)]:
        b = Builder()
        b("ReduceSum", b("Exp", b("Expand", b.input(1), np.array([size]))), keepdims=0)
        ir.save(b.model(), tmp_path / f"{name}.onnx")
        paths[name] = Subject(tmp_path / f"{name}.onnx", {"x0": np.ones(1, np.float32)})
    report = bench_models(paths, rounds=1, warmup=0, shares=False, threads=1)
    more = report.forms["large"].peak_bytes - report.forms["small"].peak_bytes
    assert 190e6 < more < 800e6
    assert report.forms["small"].shares == {}


@pytest.mark.parametrize(
    ("first_s", "counts"), [(measure.SHORT_S * 0.9, 1.0), (measure.SHORT_S * 1.1, measure.SHORT_S * 1.1)]
)
def test_a_short_run_is_measured_when_it_is_warm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_s: float, counts: float
) -> None:
    """In its turn a short form runs twice, and the second run counts; a long one runs once."""
    asked: list[str] = []
    ask = measure.Worker.ask

    def answers(self: measure.Worker, command: str) -> dict[str, float]:
        if command != "run" or not timing:
            return ask(self, command)
        asked.append(self._name)
        seconds = first_s if asked.count(self._name) % 2 or counts == first_s else counts
        return {"seconds": seconds, "cpu_seconds": seconds}

    timing: list[bool] = []
    real = measure._timed

    def watched(*arguments: Any) -> dict[str, list[float]]:
        timing.append(True)
        return real(*arguments)

    monkeypatch.setattr(measure.Worker, "ask", answers)
    monkeypatch.setattr(measure, "_timed", watched)
    report = bench_models({"a": _attention(tmp_path / "a.onnx", 100)}, rounds=3, shares=False, threads=1)
    assert asked == ["a"] * (3 if counts == first_s else 6)
    assert report.forms["a"].seconds.median == counts


def test_forms_that_fill_the_memory_are_open_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine too small for both, no form is opened before the one before it is closed; figures are all there."""
    subjects = {"a": _attention(tmp_path / "a.onnx", 200), "b": _attention(tmp_path / "b.onnx", 100)}
    alive: list[str] = []
    most = 0

    class Watched(measure.Worker):
        def __init__(self, name: str, *rest: Any) -> None:
            nonlocal most
            alive.append(name)
            most = max(most, len(alive))
            super().__init__(name, *rest)

        def __exit__(self, *error: Any) -> None:
            alive.pop()
            super().__exit__(*error)

    monkeypatch.setattr(measure, "Worker", Watched)
    report = bench_models(subjects, rounds=2, warmup=1, threads=1, shares=False)
    assert report.together and most == 2 and not alive
    most = 0
    monkeypatch.setattr(measure, "memory_bytes", lambda: 1)
    report = bench_models(subjects, rounds=2, warmup=1, threads=1, shares=False)
    assert not report.together and most == 1 and not alive
    assert report.rounds == 2 and report.forms["b"].peak_bytes > report.forms["b"].idle_bytes


def test_a_form_that_does_not_run_is_named(tmp_path: Path) -> None:
    """A broken file, a missing input and an unknown runtime are the user's errors, with the form's name."""
    good = _attention(tmp_path / "a.onnx", 100)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="form 'b'"):
        bench_models({"a": good, "b": Subject(tmp_path / "broken.onnx", {})}, rounds=1)
    with pytest.raises(InputError, match=r"form 'c'.*x1"):
        bench_models({"c": Subject(good.path, {"x0": good.feed["x0"]})}, rounds=1)
    with pytest.raises(InputError, match="did you mean 'onnxruntime'"):
        bench_models({"a": good}, rounds=1, runtime="onnxruntim")
    with pytest.raises(InputError, match="at least one round"):
        bench_models({"a": good}, rounds=0)


def test_ratios_are_taken_round_by_round() -> None:
    """A moment that slows both forms alike leaves the ratio as it is."""
    slow = FormTime((4.0, 40.0, 4.0), 300, 100, {})
    fast = FormTime((1.0, 10.0, 1.0), 200, 100, {})
    report = BenchReport.of("r", 1, 0, True, {"slow": slow, "fast": fast})
    assert report.ratios["fast"] == Spread(median=4.0, low=4.0, high=4.0, least=4.0, most=4.0)
    assert report.memory_ratios["fast"] == 2.0


def test_a_site_is_cut_out_with_its_inputs(tmp_path: Path) -> None:
    """The site alone computes what it computes inside the model, from the values that it gets there."""
    b = Builder()
    x = b.input(4, 8)
    before = b("Relu", b("MatMul", x, b.constant(np.eye(8, dtype=np.float32))))
    site = b("MatMul", before, b.constant(np.full((8, 8), 2.0, np.float32)))
    inner = b("Add", site, x)
    b("Abs", inner)
    names = {str(node.name) for node in b.nodes[2:4]}
    ir.save(b.model(), tmp_path / "m.onnx", external_data="m.data", size_threshold_bytes=16)
    feed = {"x0": np.arange(-16, 16, dtype=np.float32).reshape(4, 8)}
    subject = extract_site(tmp_path / "m.onnx", names, feed, tmp_path / "site")
    assert set(subject.feed) == {before.name, "x0"}
    runner = open_model(subject.path, "onnxruntime", 1)
    (found,) = runner.run(subject.feed).values()
    assert np.array_equal(found, np.maximum(feed["x0"], 0) @ np.full((8, 8), 2.0) + feed["x0"])


def test_a_site_without_nodes_is_an_error(tmp_path: Path) -> None:
    """Names that are not in the model are refused."""
    subject = _attention(tmp_path / "a.onnx", 100)
    with pytest.raises(InputError, match="none of the given names"):
        extract_site(subject.path, {"nothing"}, subject.feed, tmp_path / "site")
