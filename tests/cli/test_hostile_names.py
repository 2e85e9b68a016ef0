"""Names are data: whatever stands in a file or a path, no terminal obeys it and no shell runs it."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import onnx
import pytest
from onnx import helper

from specialize.text.terminal import is_plain
from tests.cli.running import CAR42, CAR43, run_here
from tests.end_to_end.tiny_model import write_tiny

ESCAPE = "a\x1b]0;title\x07\x1b[2J\x9b1m\u202eb"
SHELL = "x;touch pwned;$(id) `id` 'q'"


def require_plain(*texts: str) -> None:
    """Assert that nothing hidden is printed."""
    for text in texts:
        assert all(map(is_plain, text.split("\n"))), ascii(text)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [ESCAPE, "a\nerror: b", "a\x85b"])
def test_a_profile_with_an_escape_in_a_name_is_refused(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Vehicles and cameras are refused with the key; the name is shown escaped."""
    text = CAR42.read_text()
    for old, key in (("vehicle: car42", "vehicle"), ("name: CAM_BACK\n", "cameras[3].name")):
        path = here / "car.yaml"
        path.write_text(text.replace(old, f"{old.split(':')[0]}: {json.dumps(name)}\n"))
        ran = run_here(capsys, "profile", "show", path)
        assert ran.code == 1
        assert f"car.yaml: {key}: expected printable characters" in ran.err
        require_plain(ran.out, ran.err)


@pytest.mark.parametrize("name", [ESCAPE, SHELL, "-rf"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_path_is_shown_and_quoted(
    name: str, as_json: bool, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file's name reaches neither the terminal nor, when the next command is copied, the shell."""
    path = here / name
    shutil.copy(CAR42, path)
    more = ["--json"] if as_json else []
    ran = run_here(capsys, "profile", "show", *more, path)
    require_plain(ran.out, ran.err)
    assert ran.code == 0
    if as_json:
        json.loads(ran.out)
    elif name == SHELL:
        (following,) = [line for line in ran.out.splitlines() if line.startswith("next: ")]
        assert shlex.split(following.removeprefix("next: "))[2:4] == ["--calib", str(path)]


@pytest.mark.parametrize("name", [ESCAPE, SHELL])
def test_a_drift_names_paths_that_can_be_copied(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files are compared, and one that is missing is complained about."""
    (here / name).mkdir()
    first, second = here / name / "a.yaml", here / name / "b.yaml"
    shutil.copy(CAR42, first)
    shutil.copy(CAR43, second)
    for arguments, code in ((("diff", first, second), 3), (("diff", first, here / f"{name}.none"), 2)):
        ran = run_here(capsys, *arguments)
        assert ran.code == code
        require_plain(ran.out, ran.err)


def test_an_argument_is_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Complaints about the command line quote it."""
    for arguments in ((ESCAPE,), ("profile", f"--{ESCAPE}"), ("models", "--json", ESCAPE), ("store", ESCAPE)):
        ran = run_here(capsys, *arguments)
        assert ran.code == 2
        require_plain(ran.out, ran.err)


def test_names_in_a_graph_are_shown_escaped(
    here: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inputs, nodes and domains of a stranger's model, in what `inspect` prints and in errors."""
    value = helper.make_tensor_value_info(ESCAPE, 1, [2, 3])
    nodes = [
        helper.make_node("Strange\x1b[1m", [ESCAPE], ["z"], f"node{ESCAPE}", domain=f"own{ESCAPE}"),
        helper.make_node("Relu", [ESCAPE], ["y"], f"node{ESCAPE}"),
    ]
    graph = helper.make_graph(nodes, "g", [value], [helper.make_empty_tensor_value_info("y")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(f"own{ESCAPE}", 1)]
    path = here / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    for more in ([], ["--json"]):
        ran = run_here(capsys, "inspect", path, *more)
        assert ran.code in (0, 1)
        require_plain(ran.out, ran.err)
    nodes[1].op_type = "Frobnicate"
    graph = helper.make_graph(nodes, "g", [value], [helper.make_empty_tensor_value_info("y")])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", path)
    assert ran.code == 1
    require_plain(ran.out, ran.err)


def test_the_command_after_a_build_can_be_copied(
    here: Path, store_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder's name with blanks and quotes is one word of the next command."""
    ran = run_here(capsys, "build", "--calib", CAR42, "--model", write_tiny(here), "-o", here / SHELL)
    assert ran.code == 0, ran.err
    (following,) = [line for line in ran.out.splitlines() if line.startswith("next: ")]
    words = shlex.split(following.removeprefix("next: "))
    assert words == ["specialize", "check", str(here / SHELL), "--calib", str(here / SHELL / "profile.yaml")]
    assert run_here(capsys, *words[1:]).code == 0


@pytest.mark.parametrize("place", [".", "..", "/", "", "folder"])
@pytest.mark.parametrize(
    "command",
    [
        ("plan", "--calib", CAR42, "--model", "bevformer_tiny"),
        ("export", "--model", "bevformer_tiny"),
        ("build", "--calib", CAR42, "--model", "tiny.onnx"),
    ],
    ids=["plan", "export", "build"],
)
def test_an_output_that_is_no_place_is_refused(
    command: tuple[str | Path, ...],
    place: str,
    here: Path,
    store_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is written to or beside the current folder or the root, and nothing is computed before."""
    write_tiny(here / "inside")
    (here / "inside" / "folder").mkdir()
    (here / "inside" / "folder" / "file").write_text("mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here / "inside")
        ran = run_here(capsys, *command, "-o", place)
    assert ran.code == 1, ran.err
    assert "hint: " in ran.err
    left = {path.name for path in here.rglob("*") if store_dir not in (path, *path.parents)}
    assert left == {"inside", "folder", "file", "tiny.onnx", "tiny.model.yaml"}
    assert not Path("/..lock").exists()
