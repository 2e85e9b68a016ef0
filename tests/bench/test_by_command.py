"""A user's command times models, and what it computes is compared."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from specialize.bench import Subject
from specialize.bench.by_command import time_by_command, words_of
from specialize.errors import InputError, SpecializeError, UsageError

NO_NUMBERS = "expected an .npz file of numbers at {outputs}"
RUNS = """
import sys
import numpy as np
model, inputs, outputs = sys.argv[1:]
print("warming up")
print(4.0 if "twice" in model else 2.0)
print(5e0 if "twice" in model else 1.0)
print(4.5 if "twice" in model else 1.5)
fed = np.load(inputs)["x"]
np.savez(outputs, y={result})
"""


@pytest.fixture
def subjects(tmp_path: Path) -> dict[str, Subject]:
    """Return y = x + x and y = 2 x, each with its input."""
    made = {}
    for name, operator, second in (("once", "Add", "x"), ("twice", "Mul", "two")):
        x, y = (helper.make_tensor_value_info(each, TensorProto.FLOAT, [3]) for each in "xy")
        two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
        graph = helper.make_graph([helper.make_node(operator, ["x", second], ["y"])], name, [x], [y], [two])
        path = tmp_path / f"{name}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
        made[name] = Subject(path, {"x": np.array([1.0, 2.0, 3.0], np.float32)})
    return made


def command(folder: Path, script: str, words: str = "{model} {inputs} {outputs}") -> str:
    """Write a script, and return the command that runs it."""
    path = folder / "device.py"
    path.write_text(script)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))} {words}"


def test_the_median_of_every_call_counts(tmp_path: Path, subjects: dict[str, Subject]) -> None:
    """Lines that are numbers are milliseconds; every form is called once per round."""
    said: list[str] = []
    found = time_by_command(subjects, command(tmp_path, RUNS.format(result="2 * fed")), 3, said.append)
    assert found == {"once": pytest.approx([0.0015] * 3), "twice": pytest.approx([0.0045] * 3)}
    assert not said


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("2 * fed + (0.7 if 'twice' in model else 0)", "'y' differs by 0.12 of the largest value"),
        ("(2 * fed)[: 2 if 'twice' in model else 3]", "'y' differs by inf"),
        ("2 * fed * (np.nan if 'twice' in model else 1)", "'y' differs by nan"),
        ("2 * fed if 'once' in model else sys.exit('no such operator')", "1: no such operator"),
    ],
)
def test_a_form_that_is_wrong_is_left_out(
    tmp_path: Path, subjects: dict[str, Subject], result: str, reason: str
) -> None:
    """Wrong numbers, another shape, or none at all: the form gets no time, and the reason is told."""
    said: list[str] = []
    found = time_by_command(subjects, command(tmp_path, RUNS.format(result=result)), 2, said.append)
    assert list(found) == ["once"] and len(found["once"]) == 2
    (line,) = said
    assert line.startswith("tuning: twice is left out: ") and reason in line


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("print('fast')", "got no line that is a number"),
        ("print(1.0); print(-3)", "got 1 -3"),
        ("print('nan')", "got nan"),
        ("import sys; sys.exit(3)", "expected exit status 0, got 3"),
        ("raise RuntimeError('out of memory')", "RuntimeError: out of memory"),
        ("print(1.0)", NO_NUMBERS),
        ("import sys; print(1.0); open(sys.argv[3], 'wb').write(b'x')", NO_NUMBERS),
        ("import sys; print(1.0); open(sys.argv[3], 'wb')", NO_NUMBERS),
        ("import sys; print(1.0); open(sys.argv[3], 'wb').write(b'PK' + bytes(99))", NO_NUMBERS),
        ("import sys, numpy; print(1.0); numpy.save(open(sys.argv[3], 'wb'), numpy.ones(3))", NO_NUMBERS),
        ("import sys, numpy; print(1.0); numpy.savez(sys.argv[3], y=numpy.array(['a'] * 3))", NO_NUMBERS),
        ("import sys, numpy; print(1.0); numpy.savez(sys.argv[3], y=numpy.ones(3) * 1j)", NO_NUMBERS),
        ("import sys, numpy; print(1.0); numpy.savez(sys.argv[3], z=numpy.ones(3))", "expected output 'y'"),
    ],
)
def test_the_first_form_must_run(
    tmp_path: Path, subjects: dict[str, Subject], script: str, reason: str
) -> None:
    """Ratios refer to it, so that its failure is an error that names the form."""
    with pytest.raises(InputError) as caught:
        time_by_command(subjects, command(tmp_path, script), 1, print)
    assert reason in str(caught.value) and "for form 'once'" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "device", "device {inputs}", "device ' {model}", "device {model} {output}"]
)
def test_a_command_says_where_the_model_goes(text: str) -> None:
    """Without that it would time something else, and with a mark that is not known compare nothing."""
    with pytest.raises(UsageError, match="--command"):
        words_of(text)


def test_a_program_that_is_not_there(subjects: dict[str, Subject]) -> None:
    """The error names the program."""
    with pytest.raises(SpecializeError, match="no-such-program: No such file"):
        time_by_command(subjects, "no-such-program {model}", 1, print)
