"""What toolchains say is read, quoted and laid out as they said it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from specialize.targets import qnn, rknn
from tools.targets import declined, table
from tools.targets import run as tool
from tools.targets.plugin_kernels import function_of
from tools.targets.quote import quoted

LOGS = {
    "a marked reason, with the node before it": (
        "[V:onnxruntime:, qnn.cc:1 LogNodeSupport] Validation FAILED for 1 nodes in OrtNodeUnit (NonZero) :\n"
        "\tOperator type: NonZero Node name: found Node index: 0\n"
        "\tREASON : NonZero output shape must be static.\n"
        "Fail: fallback to CPU EP has been explicitly disabled by the user.",
        "NonZero at found: NonZero output shape must be static.",
    ),
    "the shortest line that names the operator": (
        "W something else is not supported\n\x1b[31mE build: NonZero('n') need to be constant!\x1b[0m\n"
        "Traceback: E build: The input of NonZero('n') need to be constant! and more",
        "E build: NonZero('n') need to be constant!",
    ),
    "a graph that does not fit, though its nodes were taken": (
        "2026-11-21 09:09:49.4 [V:onnxruntime:Default, qnn.cc:519 QnnLogging] input must be static\n"
        '2026-11-21 09:09:49.4 [V:onnxruntime:Default, qnn.cc:519 QnnLogging]  <E> "first" generated: Operator named '
        "q::*InputSlicePad (0x9) not sufficiently tiled to fit in TCM. Requires 14745600 bytes\n"
        "EPFail: Failed to finalize QNN graph.",
        "Operator named q::*InputSlicePad (0x9) not sufficiently tiled to fit in TCM. Requires 14745600 bytes",
    ),
    "nothing": ("everything went well\nRESULT {}", ""),
}


@pytest.mark.parametrize("case", LOGS)
def test_a_refusal_is_quoted(case: str) -> None:
    """The line that says why is found, without colours and times."""
    log, wanted = LOGS[case]
    assert quoted(log) == wanted


def line(**fields: Any) -> str:
    """Return a line of a worker."""
    return tool.MARK + json.dumps(fields)


@pytest.mark.parametrize(
    "said", ["I Total Internal Memory Size: 2KB", "[I] Total Activation Memory: 2048 bytes"]
)
def test_memory_is_read_from_the_log(said: str) -> None:
    """Toolchains say it in different words and units."""
    found = tool.read(f"{said}\n{line(version='v', accepted=True, compile_s=1.0, bytes=5)}", "ended with 0")
    assert found["memory_bytes"] == 2048


def test_the_last_result_counts() -> None:
    """What is known after the run replaces what was known after compiling."""
    log = "\n".join([
        line(version="v", accepted=True, compile_s=1.0, bytes=5, run="no answer"),
        "Total Internal Memory Size: 2KB",
        line(version="v", accepted=True, compile_s=1.0, bytes=5, error=0.0, largest=1.0),
    ])  # fmt: skip
    found = tool.read(log, "ended with 0")
    assert found["error"] == 0.0 and found["memory_bytes"] == 2048 and "run" not in found


@pytest.mark.parametrize("ended", ["no answer in 5 s", "ended with -11"])
def test_a_run_that_is_stopped_or_dies_keeps_what_was_compiled(ended: str) -> None:
    """It was compiled, and the end of the run is recorded; the table shows both."""
    found = tool.read(
        line(version="v", accepted=True, compile_s=1.0, bytes=5_000_000, run="no answer"), ended
    )
    assert found["accepted"] and found["run"] == ended
    assert table.numbers(found) == f"5.00 MB, 1.0 s, run: **{ended}**"


def test_a_refusal_has_the_words_of_the_log() -> None:
    """They replace those of the exception, which only says that it failed."""
    log = "NonZero plugin creator was not found in registry\n" + line(
        version="v", accepted=False, message="failed"
    )
    found = tool.read(log, "ended with 0")
    assert found["message"] == "NonZero plugin creator was not found in registry"
    assert table.dynamic(found) == 'refused: "NonZero plugin creator was not found in registry"'


def test_a_process_without_a_result_is_not_passed() -> None:
    """One that dies while it compiles, or never answers, accepted nothing."""
    assert not tool.read("Segmentation fault", "ended with -11")["accepted"]
    assert tool.read("", "no answer in 5 s")["message"] == "no answer in 5 s"
    assert table.numbers({"checked": False, "message": "not checked: it does not install here"}).startswith(
        "not"
    )


@pytest.mark.parametrize(("error", "wrong"), [(0.001, False), (0.5, True)])
def test_a_large_error_is_called_wrong(error: float, wrong: bool) -> None:
    """What differs by more than a share of the largest number is no rounding."""
    fields = {"checked": True, "accepted": True, "bytes": 1, "compile_s": 1.0, "error": error, "largest": 4.0}
    assert ("**wrong**" in table.numbers(fields)) == wrong


def test_a_declined_build_says_why() -> None:
    """The table has its message where others have numbers."""
    text = table.builds({"qnn": {"built": False, "message": "--target qnn: refused | at n"}})
    assert "| `qnn` | declined: --target qnn: refused / at n |" in text


def test_the_page_shows_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/targets.md is what the tool writes from docs/targets.json and the toolchains."""
    written = table.PAGE.read_text()
    copy = tmp_path / "targets.md"
    copy.write_text(written)
    monkeypatch.setattr(table, "PAGE", copy)
    table.main()
    assert copy.read_text() == written, "run `python tools/targets/table.py`"


def test_the_general_kernel_is_taken() -> None:
    """Of a template and its variants for single types, the first is compiled; another version of a file is named."""
    text = "template <typename T>\nT half(T a) { if (a) { a /= 2; } return a; }\ntemplate <>\nint half(int a) {}\n"
    assert function_of(text, "half") == text[: text.index("\ntemplate <>")]
    with pytest.raises(SystemExit, match="no function third"):
        function_of(text, "third")


def test_options_that_a_toolchain_needed_are_shown() -> None:
    """A size that was reached with other options than the rest says with which."""
    fields = {"checked": True, "accepted": True, "bytes": 81_000_000, "compile_s": 26.8, "options": "mode 1"}
    assert table.numbers(fields) == "81.00 MB, 26.8 s with mode 1, not run"


READY = "import pathlib; pathlib.Path(__file__).with_name('ready').touch()\n"
SLEEP = "import time; time.sleep(3600)\n"
CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
WORKERS = {
    "hangs": (READY + SLEEP, "no answer in 60 s"),
    "dies": ("import os; os.abort()", "ended with -6"),
    "leaves a child behind": (
        CHILD + "print('the input must be static', flush=True)\n" + READY + SLEEP,
        "no answer in 60 s: the input must be static",
    ),
}


class Impatient(subprocess.Popen[bytes]):
    """A process whose limit is up as soon as its script is where it hangs."""

    started: ClassVar[list[int]] = []

    def wait(self, timeout: float | None = None) -> int:
        """Return how the process ended, or raise that it did not once it says that it is ready."""
        self.started.append(self.pid)
        script = Path(self.args[1])  # type: ignore[index, arg-type]
        while timeout is not None and self.poll() is None:
            if script.with_name("ready").exists():
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return super().wait()


def await_end_of_group(leader: int) -> None:
    """Return when no process of a group is left; the test's own limit ends one that waits for ever."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.killpg(leader, 0)
            time.sleep(0.01)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", WORKERS)
def test_a_toolchain_that_hangs_or_dies_gives_one_row(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row says how it ended, and none of its processes is left, children included."""
    script, said = WORKERS[case]
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "qnn_worker.py").write_text(script)
    monkeypatch.setattr(tool, "HERE", tmp_path)
    monkeypatch.setattr(subprocess, "Popen", Impatient)
    found = tool.one("qnn", Path(sys.executable), tmp_path, "padded", limit_s=60)
    assert not found["accepted"] and found["message"] == said
    await_end_of_group(Impatient.started[-1])


def test_a_toolchain_that_does_not_start_is_not_checked(tmp_path: Path) -> None:
    """An environment that lost its Python is no refusal."""
    found = tool.one("qnn", tmp_path / "python", tmp_path, "padded", limit_s=1)
    assert found == {
        "checked": False,
        "message": "not checked: its Python does not start (FileNotFoundError)",
    }


def test_a_graph_that_a_target_declines_is_a_refusal(tmp_path: Path) -> None:
    """The table has its reason, and the toolchain is not asked."""
    (tmp_path / "qnn").mkdir()
    declined.write(tmp_path / "qnn", ValueError("Einsum at n:\nno builder"))
    found = tool.one("qnn", tmp_path / "python", tmp_path, "specialized", limit_s=1)
    assert table.numbers(found) == 'refused: "Einsum at n: no builder"'


def test_a_link_to_an_environment_that_is_gone_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be installed leaves a row that says so, and no half of an environment."""
    (tmp_path / "qnn").symlink_to(tmp_path / "gone")
    monkeypatch.setattr(tool, "HOME", tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert tool.environment("qnn") == "not checked: it does not install here (FileNotFoundError)"
    assert not (tmp_path / "qnn").exists() and not (tmp_path / "qnn").is_symlink()


def test_workers_disable_the_rules_that_scripts_disable() -> None:
    """What a script does for a user is what was tried here."""
    text = (tool.HERE / "workers" / "rknn_worker.py").read_text()
    assert all(f'"{rule}"' in text for rule in rknn.DISABLED)
    text = (tool.HERE / "workers" / "qnn_worker.py").read_text()
    assert all(f'"{key}": "{value}"' in text for key, value in qnn.IF_REFUSED.items())
