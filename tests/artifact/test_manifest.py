"""A manifest is the same text for the same build, and a damaged one is named."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import pytest

from specialize.artifact import read_manifest, write_manifest
from specialize.artifact.manifest import manifest_text, parse_manifest
from specialize.digest import UNSEALED, digest_bytes, seal
from specialize.errors import InputError
from tests.artifact.examples import manifest
from tests.golden_files import check_golden


def changed(**changes: object) -> str:
    """Return the text of the example manifest with some keys replaced."""
    return json.dumps({**json.loads(manifest_text(manifest())), **changes})


def test_a_manifest_survives_the_disk(tmp_path: Path) -> None:
    """What is read back equals what was written."""
    written = write_manifest(tmp_path, manifest())
    assert read_manifest(tmp_path) == written
    assert msgspec.structs.replace(written, digest=UNSEALED) == manifest()


def test_a_manifest_names_its_own_digest() -> None:
    """Anybody can check it: it is that of the file with zeros in its place."""
    written = parse_manifest(manifest_text(manifest()), "m")
    assert (
        digest_bytes(manifest_text(manifest()).replace(written.digest, UNSEALED).encode()) == written.digest
    )


def test_every_flipped_byte_is_noticed() -> None:
    """Nothing in the file can change without an error that names the file."""
    good = manifest_text(manifest()).encode()
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :]
        with pytest.raises(InputError, match=r"^manifest\.json"):
            parse_manifest(bad, "manifest.json")


def test_a_manifest_is_always_the_same_text() -> None:
    """The order in which a report's keys were made does not show in the text."""
    first = manifest()
    second = msgspec.structs.replace(first, key=dict(reversed(first.key.items())))
    assert manifest_text(first) == manifest_text(second)


def test_the_text_is_that_of_earlier_versions() -> None:
    """A manifest that was written while proof and costs were no records yet is read, and written again byte by byte."""
    text = manifest_text(msgspec.structs.replace(manifest(), compiler="0.1.0"))
    check_golden("manifest.json", text)
    assert manifest_text(parse_manifest(text, "manifest.json")) == text


def test_costs_of_the_first_versions_are_read() -> None:
    """They had neither movement nor sizes of constants; figures that are not numbers are read as such."""
    data = json.loads(manifest_text(manifest()))
    for form in data["flops"]["forms"].values():
        for key in ("movement", "weight_bytes", "constant_bytes", "model_predicted_ns", "uncounted"):
            del form[key]
    data["verify"]["outputs"]["bev_embed"]["max_rel"] = "inf"
    text = seal(json.dumps({**data, "digest": UNSEALED}))
    found = parse_manifest(text, "manifest.json")
    assert found.flops.forms["original"].constant_bytes == 0
    assert math.isinf(found.verify.outputs["bev_embed"].max_rel)
    assert '"max_rel": "inf"' in manifest_text(found)


def test_a_manifest_names_its_schema() -> None:
    """The first key of the text is the schema, for people and for `file`."""
    assert manifest_text(manifest()).startswith('{\n  "schema": "specialize/manifest@1",')


@pytest.mark.parametrize("keep", [0, 1, 100, -2])
def test_a_truncated_manifest_is_named(tmp_path: Path, keep: int) -> None:
    """A manifest cut off anywhere is an input error that names the file and says what to do."""
    (tmp_path / "manifest.json").write_text(manifest_text(manifest())[:keep])
    with pytest.raises(InputError, match=r"manifest\.json: expected JSON") as caught:
        read_manifest(tmp_path)
    assert caught.value.hint


def test_a_binary_file_is_no_manifest(tmp_path: Path) -> None:
    """Bytes that are no text are an input error too."""
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(InputError, match="expected JSON"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": "specialize/manifest@2"}', "null"])
def test_another_schema_is_refused(text: str) -> None:
    """A file of another kind or version says which was expected."""
    with pytest.raises(InputError, match="schema: expected 'specialize/manifest@1'"):
        parse_manifest(text, "manifest.json")


def test_a_wrong_type_is_named_by_its_path() -> None:
    """A value of the wrong type is named by its key path."""
    with pytest.raises(InputError, match=r"digests\.plan"):
        parse_manifest(changed(digests={"profile": "a", "plan": 3, "model": "b", "build": "c"}), "m")


def test_a_missing_key_is_named() -> None:
    """A missing key is named."""
    data = json.loads(manifest_text(manifest()))
    del data["sites"]
    with pytest.raises(InputError, match="sites"):
        parse_manifest(json.dumps(data), "m")


def test_an_unknown_key_is_refused() -> None:
    """A key that no version of this schema has is refused by name."""
    with pytest.raises(InputError, match="sitez"):
        parse_manifest(changed(sitez=[]), "m")


def test_a_folder_without_manifest_is_no_build(tmp_path: Path) -> None:
    """A folder or a path that is no build gets a remedy."""
    with pytest.raises(InputError, match="got no such file"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="got no such folder"):
        read_manifest(tmp_path / "nowhere")
