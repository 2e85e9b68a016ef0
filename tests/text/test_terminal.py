"""Text that a terminal does not obey, and commands that a shell reads as they were meant."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specialize.text.terminal import command, is_plain, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("car42", "car42"),
        ("Jürgens Wagen ✓ 車", "Jürgens Wagen ✓ 車"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b1m", "\\x9b1m"),
        ("abc\u202edef", "abc\\u202edef"),
        ("a\rb", "a\\rb"),
        ("a\nb\tc", "a\nb\tc"),
        ("\udc80", "\\udc80"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_is_not_shown_is_written_as_an_escape(text: str, shown: str) -> None:
    """Control characters, escapes, directions of writing and broken bytes; lines and tabs stay."""
    assert visible(text) == shown
    assert is_plain(visible(text).replace("\n", "").replace("\t", ""))


@given(st.text())
def test_whatever_is_shown_can_be_printed(text: str) -> None:
    """Any text becomes lines that encode and hold nothing hidden."""
    assert all(is_plain(line.replace("\t", "")) for line in visible(text).split("\n"))
    visible(text).encode()


@given(st.lists(st.binary(min_size=1).filter(lambda word: b"\0" not in word), min_size=1, max_size=4))
def test_a_shell_reads_the_words_again(words: list[bytes]) -> None:
    """Bash takes a printed command apart into the words that it was made of."""
    line = command(*(word.decode(errors="surrogateescape") for word in words))
    assert is_plain(line)
    done = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == words


def test_a_path_with_a_dash_in_front_is_no_option() -> None:
    """Paths are distinguished from options; options stay options."""
    assert command(Path("-rf"), "--calib", Path("a b")) == "./-rf --calib 'a b'"
