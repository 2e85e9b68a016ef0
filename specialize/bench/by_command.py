"""Time forms of a model with a command of the user's: on a device, or in a runtime that is not here.

The command is told where a model and its inputs are, runs the model as often as it likes, and prints the time of each
run in milliseconds, one number per line; other lines are left alone. It may write the outputs, which are compared with
ONNX Runtime's: a time of wrong numbers is no result. Forms take turns, as in `measure`.
"""

from __future__ import annotations

import math
import re
import shlex
import statistics
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from specialize.bench.measure import Subject
from specialize.errors import InputError, UsageError
from specialize.files.scratch import temporary_folder
from specialize.text.progress import Say
from specialize.verify.runtime import open_model

MODEL, INPUTS, OUTPUTS = "{model}", "{inputs}", "{outputs}"
"""What stands in a command for the paths of an ONNX file, of an .npz file with its inputs, and of one for outputs."""
CLOSE = 5e-2
"""Largest difference, as a share of the largest expected value, that counts as equal: devices compute in 16 bits."""


def words_of(command: str) -> list[str]:
    """Return the words of a command, as a shell would split them.

    Raises:
        UsageError: It cannot be split, or does not say where the model goes.
    """
    wanted = (
        f"a command with {MODEL}, with {INPUTS} where it reads inputs and {OUTPUTS} where it writes outputs"
    )
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError("--command", wanted, f"{command!r}: {error}") from None
    unknown = {*re.findall(r"\{\w+\}", command)} - {MODEL, INPUTS, OUTPUTS}
    if unknown or not any(MODEL in word for word in words):
        raise UsageError("--command", wanted, ", ".join(sorted(unknown)) or repr(command))
    return words


def time_by_command(
    subjects: Mapping[str, Subject], command: str, rounds: int, say: Say
) -> dict[str, tuple[float, ...]]:
    """Return the seconds of one run of every form: per round, the median of what the command printed.

    A form that the command cannot run, or computes wrongly, is left out, unless it is the first.

    Args:
        subjects: Form name -> model and inputs.
        command: With `MODEL`; with `INPUTS` and `OUTPUTS` if it reads and writes those.
        rounds: Calls of the command for each form; the forms take turns.
        say: Is told which form is left out, and why.

    Raises:
        UsageError: The command does not say where the model goes.
        InputError: It fails or is wrong for the first form, or fails later for any.
    """
    words, first = words_of(command), next(iter(subjects))
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    with temporary_folder("command") as folder:
        calls = {
            name: _Call(words, subject, folder / f"{place}", name)
            for place, (name, subject) in enumerate(subjects.items())
        }
        for turn in range(rounds):
            for name in list(seconds):
                try:
                    seconds[name].append(calls[name].seconds(checked=not turn))
                except InputError as error:
                    if turn or name == first:
                        raise
                    say(f"tuning: {name} is left out: {error.found}")
                    del seconds[name]
    return {name: tuple(each) for name, each in seconds.items()}


class _Call:
    """The command for one form."""

    def __init__(self, words: list[str], subject: Subject, base: Path, form: str) -> None:
        self._subject, self._where = subject, f"--command, for form {form!r}"
        inputs, self._outputs = base.with_suffix(".npz"), base.with_suffix(".out.npz")
        np.savez(inputs, allow_pickle=False, **subject.feed)
        paths = {MODEL: subject.path, INPUTS: inputs, OUTPUTS: self._outputs}
        self._words = [_filled(word, paths) for word in words]
        self._writes = any(OUTPUTS in word for word in words)

    def seconds(self, *, checked: bool) -> float:
        """Return the median of the times of one call; compare what it wrote if that is wanted."""
        try:
            done = subprocess.run(self._words, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            found = f"{self._words[0]}: {error.strerror}"
            raise InputError(self._where, "a program that starts", found) from None
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            reason = f": {said[-1][:300]}" if said else ""
            raise InputError(self._where, "exit status 0", f"{done.returncode}{reason}")
        times = _numbers(done.stdout)
        if not times or min(times) <= 0 or not all(map(math.isfinite, times)):
            found = " ".join(f"{each:g}" for each in times[:5]) or "no line that is a number"
            wanted = "the time of each run in milliseconds, one number per line"
            raise InputError(self._where, wanted, found)
        if checked and self._writes:
            self._check()
        return statistics.median(times) * 1e-3

    def _check(self) -> None:
        """Compare the outputs with those of ONNX Runtime."""
        expected = open_model(self._subject.path, "onnxruntime", 1).run(self._subject.feed)
        found = self._written()
        for name, wanted in expected.items():
            if name not in found:
                raise InputError(self._where, f"output {name!r} in {OUTPUTS}", ", ".join(found) or "none")
            apart = _apart(found[name], wanted)
            if not apart <= CLOSE:
                share = f"{name!r} differs by {apart:.2g} of the largest value"
                raise InputError(self._where, f"outputs within {CLOSE:g} of ONNX Runtime's", share)

    def _written(self) -> dict[str, np.ndarray]:
        """Return the outputs that the command wrote."""
        wanted = f"an .npz file of numbers at {OUTPUTS}"
        try:
            with np.load(self._outputs, allow_pickle=False) as stored:
                found = {name: stored[name] for name in stored.files}
        except Exception as error:  # whatever numpy and zipfile find in a damaged file
            raise InputError(self._where, wanted, f"{type(error).__name__}: {error}") from None
        for name, array in found.items():
            if array.dtype.kind not in "fiub":
                raise InputError(self._where, wanted, f"{name!r} of type {array.dtype}")
        return found


def _filled(word: str, paths: Mapping[str, Path]) -> str:
    for mark, path in paths.items():
        word = word.replace(mark, str(path))
    return word


def _apart(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference as a share of the largest expected value; infinite for another shape."""
    if found.shape != wanted.shape:
        return math.inf
    scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-30)
    return float(np.abs(found.astype(np.float64) - wanted).max(initial=0.0)) / scale


def _numbers(text: str) -> list[float]:
    found = []
    for line in text.splitlines():
        try:
            found.append(float(line))
        except ValueError:
            continue
    return found
