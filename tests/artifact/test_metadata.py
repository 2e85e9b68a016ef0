"""An ONNX file names the calibration that it was made for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from specialize.artifact import ModelTie, read_metadata, write_metadata
from specialize.artifact.metadata import read_props
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
    contract="sha256:e",
)


def test_the_tie_survives() -> None:
    """What was written into the metadata is read back, names with commas included."""
    props: dict[str, str] = {}
    write_metadata(props, TIE)
    assert read_metadata(props, "model.onnx") == TIE
    assert all(key.startswith("specialize.") for key in props)


def test_the_tie_is_read_without_onnx(tmp_path: Path) -> None:
    """The metadata of a file are found without reading the graph, whatever else the file has; cut off, they are not."""
    props: dict[str, str] = {"empty": ""}
    write_metadata(props, TIE)
    values = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", values, [])
    model = onnx.helper.make_model(graph, producer_name="somebody", model_version=1 << 40)
    onnx.helper.set_model_props(model, props)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    assert read_props(tmp_path / "model.onnx") == props
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString()[:-1])
    with pytest.raises(InputError, match="protobuf"):
        read_props(tmp_path / "model.onnx")


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
