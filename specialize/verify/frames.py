"""Generate seeded synthetic inputs: the same seed gives the same frames on every machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from specialize.errors import InputError, closest
from specialize.graph.bind_batch import bind_batch
from specialize.model.parts import InputRule


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Shape and numpy dtype of a model's input."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Frames:
    """A sequence of frames, each generated on demand, so that no frame is kept in memory.

    Attributes:
        inputs: Type and shape of each input, by name.
        rules: How to generate each input; standard normal noise by default.
        seed: Starting point of every random stream.
        count: Number of frames.
    """

    inputs: Mapping[str, TensorInfo]
    rules: Mapping[str, InputRule]
    seed: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, frame: int) -> dict[str, np.ndarray]:
        """Return the inputs of one frame by name; an input's values do not depend on the other inputs."""
        if not 0 <= frame < self.count:
            raise IndexError(frame)
        return {name: self.one(frame, name) for name in self.inputs}

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return (self[frame] for frame in range(self.count))

    def one(self, frame: int, name: str) -> np.ndarray:
        """Return one input of one frame."""
        rule = self.rules.get(name, InputRule())
        return _values(self.inputs[name], rule, self._random(name, frame), frame)

    def _random(self, name: str, frame: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, frame, *name.encode()]))


def make_frames(
    inputs: Mapping[str, TensorInfo], rules: Mapping[str, InputRule], seed: int = 0, count: int = 4
) -> Frames:
    """Return `count` seeded frames.

    Whether a frame has history is a matter of the rules: `values: [0, 1]` for `use_prev_bev` makes every
    second frame one with history. The numbering starts with the first value.

    Raises:
        InputError: A rule names no input, or the count is not positive.
    """
    unknown = sorted(set(rules) - set(inputs))
    if unknown:
        raise InputError("inputs", f"rules for {', '.join(sorted(inputs))}", ", ".join(unknown))
    if count <= 0:
        raise InputError("frames", "at least one frame", str(count))
    for name, rule in rules.items():
        _require_held(name, inputs[name], rule)
    return Frames(dict(inputs), dict(rules), seed, count)


def require_free(rules: Iterable[str], inputs: Iterable[str], bound: Collection[str]) -> None:
    """Reject a rule of the sidecar that verification would ignore.

    Args:
        rules: Names of the inputs that the sidecar has a rule for.
        inputs: Names of the original's inputs.
        bound: Names of those that the calibration or a constant of the sidecar determines.

    Raises:
        InputError: A rule is for a bound input, or for none.
    """
    known = list(inputs)
    free = [name for name in known if name not in bound]
    for name in rules:
        if name in free:
            continue
        expected = f"a rule for a free input of the model ({', '.join(free) or 'it has none'})"
        if name in known:
            hint = "remove the rule: the profile, or `other_inputs`, determines this input"
            raise InputError(f"sidecar: inputs: {name}", expected, "an input that is bound", hint)
        raise InputError(f"sidecar: inputs: {name}", expected, "no input of that name", closest(name, known))


def model_inputs(path: Path, bound: Collection[str] = ()) -> dict[str, TensorInfo]:
    """Return the inputs of an ONNX file, without reading its weights; a batch axis without a number is 1.

    Args:
        path: The file.
        bound: Inputs that are not made as frames: a dimension of theirs without a number is -1.

    Raises:
        InputError: The file is no ONNX model, or another input has a dimension without a number.
    """
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
        weights = {tensor.name for tensor in graph.initializer}
        del graph.node[:], graph.initializer[:], graph.output[:], graph.value_info[:]
        model = ir.from_proto(onnx.helper.make_model(graph))
    except Exception as error:
        raise InputError(str(path), "an ONNX model", str(error)) from error
    bind_batch(model)
    inputs = [value for value in model.graph.inputs if value.name not in weights]
    return {str(value.name): _info(value, path, value.name in bound) for value in inputs}


def _info(value: ir.Value, path: Path, bound: bool) -> TensorInfo:
    if value.shape is not None and value.dtype is not None:
        sizes = tuple(size if isinstance(size, int) else -1 for size in value.shape)
        if bound or -1 not in sizes:
            return TensorInfo(sizes, value.dtype.numpy().name)
    raise InputError(f"{path}: input {value.name!r}", "a number for every dimension", "a symbolic dimension")


def _values(info: TensorInfo, rule: InputRule, random: np.random.Generator, frame: int) -> np.ndarray:
    """Make one input: a value of `values` in turn, else uniform in [low, high], else normal noise."""
    dtype = np.dtype(info.dtype)
    if rule.values:
        return np.full(info.shape, rule.values[frame % len(rule.values)], dtype)
    if dtype.kind in "iub":
        low, high = rule.low or 0.0, 1.0 if rule.high is None else rule.high
        return random.integers(int(low), int(high) + 1, size=info.shape).astype(dtype)
    if rule.low is not None and rule.high is not None:
        return random.uniform(rule.low, rule.high, size=info.shape).astype(dtype)
    noise = rule.offset + rule.scale * random.standard_normal(info.shape, dtype=np.float32)
    low = -np.inf if rule.low is None else rule.low
    high = np.inf if rule.high is None else rule.high
    return np.asarray(np.clip(noise, low, high), dtype=dtype)


def _require_held(name: str, info: TensorInfo, rule: InputRule) -> None:
    """Reject a rule whose numbers do not fit the type of its input.

    Raises:
        InputError: A number would be rounded or wrapped, or there is no number between the bounds.
    """
    dtype = np.dtype(info.dtype)
    place = f"sidecar: inputs: {name}"
    if dtype.kind not in "iub":
        largest = float(np.finfo(dtype).max)
        if any(abs(number) > largest for number in (rule.scale, rule.offset, *rule.values)):
            raise InputError(place, f"numbers of {dtype.name}, at most {largest:g}", "a larger one")
        return
    low, high = (
        (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, min(np.iinfo(dtype).max, (1 << 63) - 2))
    )
    bounds = [rule.low or 0.0, 1.0 if rule.high is None else rule.high]
    for number in (*rule.values, *([] if rule.values else bounds)):
        if number != int(number) or not low <= int(number) <= high:
            raise InputError(place, f"whole numbers of {dtype.name}", repr(number))
    if not rule.values and bounds[0] > bounds[1]:
        hint = "without `high` the upper bound is 1: give both"
        raise InputError(place, "`low` of at most `high`", f"{bounds[0]:g} and {bounds[1]:g}", hint)
