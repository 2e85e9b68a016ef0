"""Reasons for declining: every code has its texts in one golden file, and no code has two texts by accident."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import specialize
from specialize.graph.declined import Declined
from tests.golden_files import check_golden

PACKAGE = Path(specialize.__file__).parent


def reasons_in(text: str) -> list[tuple[str, str]]:
    """Return code and text of every `Declined("code", text)` of a module; what is computed stands in braces."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Declined":
            code, said = node.args[:2]
            if isinstance(code, ast.Constant):
                found.append((str(code.value), _template(said)))
    return found


def _template(said: ast.expr) -> str:
    if isinstance(said, ast.Constant):
        return str(said.value)
    if isinstance(said, ast.JoinedStr):
        return "".join(
            f"{{{ast.unparse(part.value)}}}" if isinstance(part, ast.FormattedValue) else _template(part)
            for part in said.values
        )
    return f"{{{ast.unparse(said)}}}"


def test_the_reasons_are_those_of_the_golden_file() -> None:
    """A reason that is added, removed or reworded shows as one line."""
    texts = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        for code, text in reasons_in(path.read_text()):
            texts[code].add(text)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code) for code in texts)
    check_golden(
        "reasons.txt", "".join(f"{code}: {text}\n" for code in sorted(texts) for text in sorted(texts[code]))
    )


def test_reasons_are_found_in_code() -> None:
    """Constants, computed parts and names of texts are read; other calls are not."""
    text = 'x = Declined("a-b", f"it has {len(y)} rows")\nz = [Declined("c", told), Other("d", "e")]'
    assert reasons_in(text) == [("a-b", "it has {len(y)} rows"), ("c", "{told}")]


def test_a_reason_names_what_led_to_it() -> None:
    """The codes of causes follow, however deep."""
    cause = Declined("mixes", "it mixes rows", (Declined("deep", "far above"),))
    assert Declined("no-work", "no work above", (cause,)).codes == ("no-work", "mixes", "deep")
