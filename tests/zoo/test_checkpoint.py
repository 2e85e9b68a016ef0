"""Loading checkpoints: what is accepted, and what an error names."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from specialize.errors import InputError
from specialize.zoo.checkpoint import load_checkpoint, read_state

pytestmark = pytest.mark.torch


def _model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def _state(value: float = 0.5) -> dict[str, torch.Tensor]:
    return {key: torch.full_like(tensor, value) for key, tensor in _model().state_dict().items()}


def _write(path: Path, data: object) -> Path:
    torch.save(data, path)
    return path


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_public_nestings_are_understood(tmp_path: Path, nested: bool, prefix: str) -> None:
    """Weights may stand under `state_dict`, with `module.` before each key, beside other plain data."""
    state = {prefix + key: value for key, value in _state().items()}
    data = {"meta": {"epoch": 24, "CLASSES": ("car",)}, "state_dict": state} if nested else state
    model = _model()
    load_checkpoint(model, _write(tmp_path / "x.pth", data))
    assert float(model.state_dict()["0.weight"][0, 0]) == 0.5


def test_numbers_of_numpy_beside_the_weights_are_accepted(tmp_path: Path) -> None:
    """Training frameworks leave scores as numpy scalars in `meta`; they are data, not code."""
    meta = {"best": np.float64(0.25), "epoch": np.int64(24), "flag": np.bool_(True)}
    model = _model()
    load_checkpoint(model, _write(tmp_path / "x.pth", {"meta": meta, "state_dict": _state()}))
    assert float(model.state_dict()["0.bias"][0]) == 0.5


def test_half_precision_weights_become_the_models(tmp_path: Path) -> None:
    """A checkpoint in float16 loads into the model's float32."""
    state = {key: value.half() if value.is_floating_point() else value for key, value in _state().items()}
    model = _model()
    load_checkpoint(model, _write(tmp_path / "x.pth", state))
    assert model.state_dict()["0.weight"].dtype == torch.float32


def test_a_checkpoint_without_batch_counters_loads(tmp_path: Path) -> None:
    """Old checkpoints lack `num_batches_tracked`, which no inference reads."""
    state = _state()
    del state["1.num_batches_tracked"]
    model = _model()
    load_checkpoint(model, _write(tmp_path / "x.pth", state))
    loaded = model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
    assert int(loaded["1.num_batches_tracked"]) == 0


def test_one_error_names_all_differences(tmp_path: Path) -> None:
    """Missing, unexpected, misshapen and broken weights are listed together."""
    state = _state()
    del state["0.bias"]
    state["fc.weight"] = torch.zeros(1)
    state["0.weight"] = torch.zeros(2, 4)
    state["1.weight"] = torch.tensor([float("nan"), 1.0])
    with pytest.raises(InputError) as caught:
        load_checkpoint(_model(), _write(tmp_path / "x.pth", state))
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'x.pth'}: expected the 7 weights of Sequential, got")
    assert "1 missing: 0.bias" in text
    assert "1 unexpected: fc.weight" in text
    assert "1 of another shape: 0.weight [2, 4] for [2, 3]" in text
    assert "1 with NaN or infinity: 1.weight" in text


def test_a_failed_load_changes_nothing(tmp_path: Path) -> None:
    """A model keeps all its weights if a checkpoint does not fit."""
    model, state = _model(), _state(7.0)
    del state["0.bias"]
    before = model.state_dict()["0.weight"].clone()
    with pytest.raises(InputError):
        load_checkpoint(model, _write(tmp_path / "x.pth", state))
    assert torch.equal(model.state_dict()["0.weight"], before)


def test_many_differences_are_counted_not_all_listed(tmp_path: Path) -> None:
    """An error about hundreds of keys shows the first and says how many more."""
    state = _state() | {f"other.{index}": torch.zeros(1) for index in range(300)}
    with pytest.raises(InputError, match=r"300 unexpected: other\.0, .* and 288 more"):
        load_checkpoint(_model(), _write(tmp_path / "x.pth", state))


class _Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_code_in_a_checkpoint_is_refused(tmp_path: Path) -> None:
    """A file that would run something when read is refused, with what to do instead."""
    path = _write(tmp_path / "x.pth", {"state_dict": _state(), "meta": _Harmful()})
    with pytest.raises(InputError, match=r"tensors and plain data[\s\S]*save only the weights"):
        read_state(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    """Empty, foreign and truncated files end in an error that names the file."""
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.pth: expected a checkpoint"):
        read_state(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that does not exist ends in the same kind of error."""
    with pytest.raises(InputError, match="No such file"):
        read_state(tmp_path / "none.pth")


@pytest.mark.parametrize("data", [[1, 2], {"epoch": 3}, {"state_dict": {}}])
def test_a_checkpoint_without_weights_is_refused(tmp_path: Path, data: object) -> None:
    """Plain data that holds no tensors is no checkpoint."""
    with pytest.raises(InputError, match="expected"):
        read_state(_write(tmp_path / "x.pth", data))


def _rewritten(change: Callable[[str, bytes], bytes | None], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a checkpoint whose parts were changed one by one; None leaves a part out."""
    whole, made = io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": _state()}, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(made, "w", compression) as target:
        for part in source.infolist():
            content = change(part.filename, source.read(part))
            if content is not None:
                target.writestr(part.filename, content)
    return made.getvalue()


def _data(change: Callable[[bytes], bytes | None], ending: str) -> bytes:
    return _rewritten(lambda name, content: change(content) if name.endswith(ending) else content)


def _shared() -> bytes:
    """Return an archive whose directory names one part a thousand times."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 1000)
        archive.filelist *= 1000
    return made.getvalue()


def _old(cut: int) -> bytes:
    """Return the beginning of a checkpoint in the form before zip archives."""
    made = io.BytesIO()
    torch.save(_state(), made, _use_new_zipfile_serialization=False)
    return made.getvalue()[:cut]


DAMAGED = {
    "a zip bomb": (
        lambda: _rewritten(
            lambda name, content: bytes(1 << 26) if name.endswith("data/0") else content, zipfile.ZIP_DEFLATED
        ),
        "without compressed parts",
    ),
    "one part under many names": (_shared, "the size of the file"),
    "a tensor cut short": (lambda: _data(lambda content: content[:4], "data/0"), "written by torch.save"),
    "a tensor left out": (lambda: _data(lambda _: None, "data/0"), "written by torch.save"),
    "no index": (lambda: _data(lambda _: None, "data.pkl"), "written by torch.save"),
    "an index of garbage": (
        lambda: _data(lambda _: b"\x80\x02garbage", "data.pkl"),
        "tensors and plain data",
    ),
    "an index with a huge memo": (
        lambda: _data(lambda _: b"\x80\x02Nr\xff\xff\xff\x7f.", "data.pkl"),
        "a mapping",
    ),
    "a storage of 64 GiB": (
        lambda: _data(lambda index: index.replace(b"K\x06t", b"\x8a\x05\0\0\0\0\x04t"), "data.pkl"),
        "written by torch.save",
    ),
    "an old form cut early": (lambda: _old(57), "written by torch.save"),
    "an old form cut later": (lambda: _old(131), "written by torch.save"),
    "an old form cut late": (lambda: _old(600), "expected"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_checkpoint_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    """Archives that hold more than they have, or less than they say, end in one error."""
    made, said = DAMAGED[name]
    path = tmp_path / "x.pth"
    path.write_bytes(made())
    with pytest.raises(InputError) as caught:
        read_state(path)
    assert str(caught.value).startswith(f"{path}: expected")
    assert said in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("value", [torch.ones(3).to_sparse(), torch.ones(3, device="meta")])
def test_tensors_without_plain_numbers_are_refused(value: torch.Tensor, tmp_path: Path) -> None:
    """Sparse tensors, and tensors that are a shape alone, are named."""
    with pytest.raises(InputError, match=r"dense tensors with their numbers, got others: 0\.bias"):
        read_state(_write(tmp_path / "x.pth", {**_state(), "0.bias": value}))


def test_a_checkpoint_that_holds_itself_is_refused(tmp_path: Path) -> None:
    """A mapping under its own key has no weights in it."""
    data: dict[str, object] = {}
    data["state_dict"] = data
    with pytest.raises(InputError, match="expected tensors"):
        read_state(_write(tmp_path / "x.pth", data))
