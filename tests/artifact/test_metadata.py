"""An ONNX file names the calibration that it was made for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from specialize.artifact import ModelTie, read_metadata, write_metadata
from specialize.errors import InputError

TIE = ModelTie(
    vehicle="car42 ü",
    mode="exact",
    layout="ragged",
    cameras=("CAM_FRONT", "back, left"),
    lengths=((30, 40), (3, 4)),
    profile="sha256:a",
    plan="sha256:b",
    model="sha256:c",
    build="sha256:d",
)


def test_the_tie_survives() -> None:
    """What was written into the metadata is read back, names with commas included."""
    props: dict[str, str] = {}
    write_metadata(props, TIE)
    assert read_metadata(props, "model.onnx") == TIE
    assert all(key.startswith("specialize.") for key in props)


def test_foreign_keys_stay() -> None:
    """Keys of others survive; keys of an earlier build do not."""
    props = {"author": "somebody", "specialize.gone": "1"}
    write_metadata(props, TIE)
    write_metadata(props, replace(TIE, vehicle="car43"))
    assert props["author"] == "somebody"
    assert "specialize.gone" not in props
    assert read_metadata(props, "m").vehicle == "car43"


def test_a_foreign_model_is_refused() -> None:
    """A model that specialize did not write has no tie."""
    with pytest.raises(InputError, match="metadata: expected 'specialize/onnx@1', got None"):
        read_metadata({"author": "somebody"}, "model.onnx")


@pytest.mark.parametrize("key", ["vehicle", "lengths", "plan_digest"])
def test_a_half_tie_is_refused(key: str) -> None:
    """A missing or spoilt key is an input error."""
    props: dict[str, str] = {}
    write_metadata(props, TIE)
    with pytest.raises(InputError, match="metadata"):
        read_metadata({name: text for name, text in props.items() if name != f"specialize.{key}"}, "m")
    with pytest.raises(InputError, match="metadata"):
        read_metadata({**props, "specialize.lengths": "["}, "m")
