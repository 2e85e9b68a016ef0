"""Print text from files and file names safely: escaped on a terminal, and quoted in commands that can be copied.

A name in a file is data. With an escape sequence in it a terminal would change its title, move the cursor or make a
link of it; with a quote or a blank in it a shell would run a different command than the one printed.
"""

from __future__ import annotations

import os
import shlex
import unicodedata
from dataclasses import dataclass
from pathlib import Path

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Categories of characters that are not shown, or change how others are."""


def is_plain(text: str) -> bool:
    """Return whether a text is one line of characters that are all shown."""
    return text.isprintable() or not any(map(_is_hidden, text))


def visible(text: str) -> str:
    r"""Return a text with all that is not shown written as Python writes it: `\x1b`, `\u202e`; lines stay lines."""
    if is_plain(text):
        return text
    return "".join(escaped(c) if _is_hidden(c) and c not in "\n\t" else c for c in text)


def escaped(character: str) -> str:
    r"""Return a character as Python writes it: `\x1b`."""
    return character.encode("unicode_escape").decode("ascii")


def command(*words: str | Path) -> str:
    """Return a command line that a shell reads as these words; paths stay paths, also those that begin with a dash."""
    return " ".join(map(_quoted, words))


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command that a person can copy, with words to put in.

    Attributes:
        words: The command.
        to_name: What a person has to put in the place of words in capitals: the word, and what it stands for.
    """

    words: tuple[str | Path, ...]
    to_name: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The command as a shell reads it."""
        return command(*self.words)

    @property
    def following(self) -> str:
        """A line that proposes it, and a line for every word to put in."""
        words = (f"      {word}: {what}" for word, what in self.to_name)
        return "\n".join([f"next: {self.text}", *words])


def _quoted(word: str | Path) -> str:
    text = os.fspath(word)
    if isinstance(word, Path) and text.startswith("-"):
        text = f"./{text}"
    if is_plain(text):
        return shlex.quote(text)
    data = os.fsencode(text)  # as bash, zsh and ksh write what is not shown
    return "$'" + "".join(chr(c) if chr(c) in _SAFE else f"\\x{c:02x}" for c in data) + "'"


_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 /._-+=:,@%~")


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN
