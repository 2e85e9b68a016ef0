"""Whether the weights of a file are all there: in the file itself, or in files beside it and nowhere else."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from specialize.errors import InputError

LONGEST_NAME = 255
AGAIN = "the file is damaged: export it again"


def require_weights(model: ir.Model, path: Path) -> None:
    """Refuse initializers whose data are missing, truncated, or outside the model's folder.

    Raises:
        InputError: What is wrong, and with which initializer.
    """
    folder = path.parent.resolve()
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        place = f"{path}: initializer {name!r}"
        if tensor is None:
            raise InputError(place, "data", "none")
        if tensor.dtype == ir.DataType.UNDEFINED:
            raise InputError(place, "a type of its elements", "none", AGAIN)
        if any(not isinstance(dim, int) or dim < 0 for dim in tensor.shape):
            raise InputError(place, "dimensions of 0 or more", str(tensor.shape))
        if isinstance(tensor, ir.ExternalTensor):
            _check_external(tensor, place, folder)
        else:
            require_numbers(tensor, place)


def require_numbers(tensor: ir.TensorProtocol, place: str) -> None:
    """Refuse a tensor in the graph's file that does not have the numbers that its type and dimensions say.

    Raises:
        InputError: It has fewer or more, or keeps them where its type does not.
    """
    if tensor.size and not _is_whole(tensor):
        hint = "the file is truncated or damaged: export it again"
        raise InputError(place, f"{tensor.nbytes} bytes of data", "fewer or more", hint)
    raw = getattr(tensor, "raw", None)
    if not isinstance(raw, onnx.TensorProto) or not raw.HasField("raw_data"):
        try:
            tensor.numpy()
        except Exception as error:  # onnx_ir asserts which field has which type
            found = str(error) or type(error).__name__
            raise InputError(place, f"numbers of type {tensor.dtype.name}", found, AGAIN) from error


def _check_external(tensor: ir.ExternalTensor, place: str, folder: Path) -> None:
    location = str(tensor.location)
    if not location.isprintable() or not 0 < len(location.encode()) <= LONGEST_NAME:
        expected = f"external data in a file with a printable name of at most {LONGEST_NAME} bytes"
        raise InputError(place, expected, repr(location[:LONGEST_NAME]), AGAIN)
    file = (folder / location).resolve()
    if not file.is_relative_to(folder):
        raise InputError(place, "external data in the model's folder", location, "put it next to the model")
    wanted = tensor.nbytes
    if tensor.length is not None and tensor.length < wanted:
        raise InputError(
            f"{place}: length", f"{wanted} bytes, according to its dimensions", str(tensor.length)
        )
    status = file.stat() if file.is_file() else None
    end = (tensor.offset or 0) + max(wanted, tensor.length or 0)
    if status is None or status.st_size < end:
        found = "no such file" if status is None else f"{status.st_size} bytes"
        raise InputError(f"{place}: {location}", f"a file of at least {end} bytes", found)
    if status.st_nlink > 1:
        hint = "ONNX refuses hard links, which may lead outside the folder: make a copy of the file"
        raise InputError(f"{place}: {location}", "a file with one name", f"{status.st_nlink} names", hint)


def _is_whole(tensor: ir.TensorProtocol) -> bool:
    """Return whether a tensor in the graph's file has as many numbers as its dimensions say."""
    raw = getattr(tensor, "raw", None)
    if not isinstance(raw, onnx.TensorProto):
        return True
    if raw.HasField("raw_data"):
        return len(raw.raw_data) == tensor.nbytes
    if raw.string_data or tensor.dtype.bitwidth < 8:  # packed: several elements in one number
        return True
    fields = (raw.float_data, raw.int32_data, raw.int64_data, raw.double_data, raw.uint64_data)
    pairs = tensor.dtype in (ir.DataType.COMPLEX64, ir.DataType.COMPLEX128)
    return sum(map(len, fields)) == tensor.size * (2 if pairs else 1)
