"""The rules of the tree that a linter cannot state, each with a proof that its check can fail."""

from __future__ import annotations

import re
from pathlib import Path

import specialize.errors
from specialize.files.resources import resource_dir
from tests import architecture

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "specialize"
FILES = architecture.python_files(PACKAGE)
TESTS = architecture.python_files(REPOSITORY / "tests")
NAMELESS = [
    path
    for part in ("compiler", "attention", "binding", "lowering", "passes", "rows", "graph", "verify", "costs")
    for path in FILES
    if path.relative_to(PACKAGE).parts[0].removesuffix(".py") == part
]


def bad_file(folder: Path, text: str) -> list[Path]:
    """Return a list of one file that holds `text`."""
    path = folder / "bad.py"
    path.write_text(text)
    return [path]


def test_files_are_short() -> None:
    """No source file has more than 300 lines, and no pass of the pipeline more than 200."""
    assert architecture.long_files(FILES, 300) == []
    steps = {path.stem: path for path in FILES if "passes" in path.parts}
    pipeline = steps["pipeline"].read_text()
    own = [path for name, path in steps.items() if f"from specialize.passes.{name} import" in pipeline]
    assert len(own) >= 4
    assert architecture.long_files(own, 200) == []


def test_functions_are_short() -> None:
    """No function has more than 40 lines, its docstring not counted."""
    assert architecture.long_functions(FILES, 40) == []


def test_commands_parse_call_and_print() -> None:
    """No function of the command line's commands has more than 15 lines in its body."""
    commands = [path for path in FILES if path.match("cli/cmd_*.py")]
    assert architecture.long_bodies(commands, 15) == []


def test_modules_do_not_import_each_other() -> None:
    """There is no cycle of imports, at any depth, lazy imports included."""
    inside = [path for path in FILES if path != PACKAGE / "__init__.py"]
    assert architecture.import_cycles(inside, PACKAGE) == []


def test_imports_spell_the_package() -> None:
    """Every import is absolute, so that a reader sees which layer it reaches."""
    assert architecture.relative_imports(FILES) == []


def test_only_the_zoo_imports_torch() -> None:
    """Torch is imported below specialize/zoo and nowhere else."""
    strangers = [
        path for path in architecture.importers(FILES, "torch") if PACKAGE / "zoo" not in path.parents
    ]
    assert strangers == []


def test_the_compiler_knows_no_model() -> None:
    """Compiler, passes, rows and graph contain no name of a model outside prose."""
    assert architecture.model_names(NAMELESS, architecture.FAMILIES) == []


def test_only_the_command_line_prints() -> None:
    """`print` is called below specialize/cli and nowhere else."""
    assert architecture.prints([path for path in FILES if PACKAGE / "cli" not in path.parents]) == []


def test_every_module_says_what_it_is_for() -> None:
    """Every module of the package has a docstring."""
    assert architecture.undocumented_modules(FILES) == []


def test_every_test_states_its_behaviour() -> None:
    """Every test has a docstring."""
    assert architecture.undocumented_tests(TESTS) == []


def test_the_tree_of_errors_is_complete() -> None:
    """The docstring of errors.py names every error class with its exit code."""
    for name, value in vars(specialize.errors).items():
        if isinstance(value, type) and issubclass(value, specialize.errors.SpecializeError):
            assert re.search(rf"\b{name}\s+{value.exit_code}\b", specialize.errors.__doc__ or ""), name


def test_packaged_data_is_found() -> None:
    """Templates and calibration profiles are found in this installation, and in no other place."""
    assert resource_dir("templates").is_dir()
    assert (resource_dir("calib_profiles")).is_dir()


def test_the_checks_can_fail(tmp_path: Path) -> None:
    """Every check of this file finds the offence that it looks for."""
    assert architecture.long_files(bad_file(tmp_path, "x = 1\n" * 5), 4)
    assert architecture.long_functions(bad_file(tmp_path, "def f():\n" + "    x = 1\n" * 5), 4)
    assert architecture.long_bodies(bad_file(tmp_path, "def f(\n    a,\n):\n" + "    x = 1\n" * 5), 4)
    assert not architecture.long_bodies(bad_file(tmp_path, "def f(\n    a,\n):\n" + "    x = 1\n" * 4), 4)
    assert architecture.relative_imports(bad_file(tmp_path, "from . import x\n"))
    assert architecture.importers(bad_file(tmp_path, "def f():\n    import torch.nn\n"), "torch")
    assert architecture.model_names(bad_file(tmp_path, "a = 'BEVFormer_tiny'\n"), architecture.FAMILIES)
    assert architecture.prints(bad_file(tmp_path, "print(1)\n"))
    assert architecture.undocumented_modules(bad_file(tmp_path, "x = 1\n"))
    assert architecture.undocumented_tests(bad_file(tmp_path, "def test_a(): pass\n"))


def test_prose_may_name_a_model(tmp_path: Path) -> None:
    """A docstring or a comment that names a model is no offence."""
    text = '"""As BEVFormer does."""\n# BEVFormer\nx = 1\n'
    assert architecture.model_names(bad_file(tmp_path, text), architecture.FAMILIES) == []


def test_a_cycle_is_found(tmp_path: Path) -> None:
    """Two modules that import each other are named, even when one import is inside a function."""
    root = tmp_path / "pkg"
    root.mkdir()
    (root / "a.py").write_text("import pkg.b\n")
    (root / "b.py").write_text("def f():\n    from pkg import a\n")
    assert architecture.import_cycles(architecture.python_files(root), root) == ["pkg.a <-> pkg.b"]


def test_tests_assert_something() -> None:
    """No test only runs code; what it calls must assert, or it does itself."""
    assert architecture.tests_without_assertion(TESTS) == []


def test_a_test_without_an_assertion_is_found(tmp_path: Path) -> None:
    """A call of what asserts nothing counts for nothing; one of a helper that does is enough."""
    text = "def run(): pass\ndef holds(): assert run()\ndef test_runs(): run()\ndef test_holds(): holds()\n"
    (offence,) = architecture.tests_without_assertion(bad_file(tmp_path, text))
    assert offence.endswith("test_runs asserts nothing")
