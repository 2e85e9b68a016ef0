"""What toolchains say is read, quoted and laid out as they said it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.targets import run as tool
from tools.targets import table
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
    """It was compiled, and how the run ended is said; the table shows both."""
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
    """docs/targets.md is what the tool writes from docs/targets.json and the profiles."""
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
