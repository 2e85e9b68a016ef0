"""The YAML reader: YAML 1.2 numbers, no duplicate keys, no tags, no bombs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from specialize.calibration import document
from specialize.calibration.document import parse_document, read_document
from specialize.errors import InputError


@pytest.fixture(params=["C parser", "Python parser"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test with libyaml and without."""
    loader = yaml.SafeLoader if request.param == "Python parser" else document._LOADER
    monkeypatch.setattr(document, "_LOADER", loader)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.0", 1.0),
        ("1e0", 1.0),
        ("1E+3", 1000.0),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("010", 10),
        ("1" * 400, math.inf),
        (".inf", math.inf),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("no", "no"),
        ("true", True),
        ("null", None),
        ("2024-01-01", "2024-01-01"),
        ("'1'", "1"),
        ('"true"', "true"),
    ],
)
def test_plain_words_are_read_as_yaml_1_2_does(text: str, value: object) -> None:
    """Numbers have one meaning, and no word turns into a boolean, a date or a base-60 number."""
    read = parse_document(f"key: {text}", "f.yaml")["key"]
    assert read == value
    assert type(read) is type(value)


def test_lists_mappings_and_aliases() -> None:
    """Nested values come out as lists and dicts, and an alias repeats its anchor's value."""
    text = "a: &k [1, {b: c}]\nd: *k\n? e\n: - 1\n  - [2]\n"
    assert parse_document(text, "f.yaml") == {"a": [1, {"b": "c"}], "d": [1, {"b": "c"}], "e": [1, [2]]}


def bomb(levels: int) -> str:
    """Return YAML that expands to 9 ** levels values."""
    lines = ["l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml: line 3, column 1: expected the key 'a' once, got it twice"),
        ("a: {b: 1, b: 1}", "f.yaml: line 1, column 11: expected the key 'b' once, got it twice"),
        ("a: !!python/object/apply:os.system ['true']", "expected plain values without tags"),
        (
            "a: !!float 1",
            "f.yaml: line 1, column 4: expected plain values without tags, got tag:yaml.org,2002:float",
        ),
        ("a: 1\n---\nb: 2\n", "f.yaml: expected one YAML document, got several"),
        ("a: [1, 2\nb: 3", "expected valid YAML, got "),
        ("a: *b", "expected "),
        ("a: &a [*a]", "expected an alias of a finished anchor, got *a"),
        ("[a]: 1", "f.yaml: line 1, column 1: expected a plain word as key, got a nested value"),
        ("a: \x01", "f.yaml: expected valid YAML, got "),
        ("[" * 40 + "]" * 40, "expected at most 16 levels of nesting, got more"),
        (bomb(9), "expected at most 50000 values, aliases expanded, got more"),
        ("[" + "1," * 60_000 + "1]", "expected at most 50000 values, aliases expanded, got more"),
    ],
)
def test_bad_yaml_is_refused(text: str, message: str) -> None:
    """Duplicate keys, tags, second documents, syntax errors, depth and bombs are errors with a line."""
    with pytest.raises(InputError) as caught:
        parse_document(text, "f.yaml")
    assert message in str(caught.value)


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    """Half a million open brackets end in an error of ours."""
    with pytest.raises(InputError):
        parse_document("[" * 500_000, "f.yaml")


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    """More bytes than the limit are an error that says how many there are."""
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * 1_200_000)
    with pytest.raises(InputError, match="expected at most 1048576 bytes, got 1200000 bytes"):
        read_document(path)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """A UTF-8 file with a byte order mark reads as one without."""
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(path) == {"a": 1}
