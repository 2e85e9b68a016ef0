"""The shell completes commands, options, models and toolchains, as docs/guides/getting-started.md sets it up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from specialize.targets import TARGETS
from specialize.zoo import MODELS
from tests.cli.running import REPOSITORY


def completed(*words: str) -> list[str]:
    """Return what bash is given for the last of these words, without the kinds."""
    env = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "_SPECIALIZE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("specialize", *words)),
        "COMP_CWORD": str(len(words)),
    }
    start = [sys.executable, "-c", "from specialize.__main__ import main; main()"]
    done = subprocess.run(start, env=env, capture_output=True, text=True, check=False)
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ver",), ["verify"]),
        (("fleet", "st"), ["status"]),
        (("plan", "--model", "surround"), [name for name in MODELS if name.startswith("surround")]),
        (("build", "--target", ""), list(TARGETS)),
        (("targets", "open"), ["openvino"]),
        (("build", "--mode", "e"), ["exact", "envelope"]),
    ],
    ids=str,
)
def test_words_are_completed(words: tuple[str, ...], expected: list[str]) -> None:
    """Commands, models, toolchains and choices."""
    assert completed(*words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_documented_lines_make_a_shell_complete(shell: str) -> None:
    """Each line of the guide asks for a script of that shell, and gets one."""
    text = (REPOSITORY / "docs" / "guides" / "getting-started.md").read_text()
    assert f"_SPECIALIZE_COMPLETE={shell}_source specialize" in text
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "_SPECIALIZE_COMPLETE": f"{shell}_source"}
    start = [
        sys.executable,
        "-c",
        "import sys; sys.argv[0] = 'specialize'\nfrom specialize.__main__ import main; main()",
    ]
    done = subprocess.run(start, env=env, capture_output=True, text=True, check=False)
    assert f"_SPECIALIZE_COMPLETE={shell}_complete" in done.stdout
