"""Originals and specialized models to prove: the tiny camera-to-BEV model, and one that amplifies rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from specialize.binding.modes import bind_model
from specialize.calibration.load import load_profile
from specialize.compiler.prove import Shown
from specialize.evidence.power import Conditioning
from specialize.graph.graph_file import GraphFile
from specialize.model.parts import InputRule
from specialize.model.visible import visible_sets
from specialize.request import BuildRequest
from specialize.verify import SiteRows, Subject, VerifyReport, make_frames, model_inputs, prove
from specialize.verify.models import Progress
from tests.cli.running import CAR42
from tests.end_to_end.tiny_model import SPEC, tiny_model
from tests.graphs import GraphMaker

FRAMES = 3
Mutation = Callable[[onnx.GraphProto], None]


def judged(report: VerifyReport) -> Conditioning:
    """Return what the only output of a report was judged by."""
    assert report.power
    (conditioning,) = report.power.outputs.values()
    return conditioning


@dataclass(frozen=True)
class Pair:
    """An original and a specialized model, and what both are fed."""

    subject: Subject
    candidate: Path
    calibration: Mapping[str, np.ndarray]
    rules: Mapping[str, InputRule]

    def prove(
        self, *allowed: str, frames: int = FRAMES, progress: Progress = lambda stage, frame: None
    ) -> VerifyReport:
        """Compare both."""
        shown = Shown(make_frames(self.subject.free, self.rules, 0, frames), (self.calibration,))
        return prove(self.subject, self.candidate, shown, {}, allowed, progress)

    def mutated(self, mutate: Mutation) -> Pair:
        """Return the pair with a change of the specialized graph."""
        model = onnx.load(self.candidate)
        mutate(model.graph)
        path = self.candidate.with_name("mutated.onnx")
        onnx.save(model, path)
        return replace(self, candidate=path)


def tiny_pair(folder: Path, factor: float = 1.0, **rules: InputRule) -> Pair:
    """Return the tiny model for car42, its output times a factor, and its specialization."""
    profile, original = load_profile(CAR42), folder / "original.onnx"
    onnx.save(scaled(tiny_model(), factor), original)
    bound = bind_model(
        BuildRequest(calib=CAR42), profile, SPEC, GraphFile(original), visible_sets(SPEC, profile)
    )
    candidate = folder / "candidate.onnx"
    ir.save(bound.compiled.model, candidate)
    (case,) = bound.fed.cases
    pair = _pair(original, candidate, profile.camera_names(), case, bound.fed.turned, rules)
    sites = tuple(SiteRows(site.where, site.seen) for site in bound.compiled.sites)
    return replace(pair, subject=replace(pair.subject, sites=sites))


def amplifying_pair(folder: Path, factor: float, switched: bool = False) -> Pair:
    """Return sin(factor * sum of 64 numbers), and the same with the sum in another order.

    Args:
        folder: Where both are written.
        factor: What amplifies the rounding of the sum.
        switched: Whether it does so in every second frame only: an input `on` of 0 or 1 is another factor.
    """
    paths = []
    for name, order in (("original", 1), ("candidate", -1)):
        make = GraphMaker()
        rows = make.input("rows", (50, 64))
        column = np.arange(64)[::order].copy()
        total = make.op("Gather", rows, make.const(column[:1]), axis=1)
        for index in column[1:]:
            total = make.op("Add", total, make.op("Gather", rows, make.const(np.array([index])), axis=1))
        gain = make.const(factor)
        if switched:
            off = make.op("Sub", make.const(1.0), make.input("on", (1,)))
            gain = make.op("Add", make.op("Mul", off, gain), make.const(1.0))
        model = make.model(out=make.op("Sin", make.op("Mul", total, gain)))
        paths.append(folder / f"{name}.onnx")
        onnx.save(model, paths[-1])
    rules = {"on": InputRule(values=(0.0, 1.0))} if switched else {}
    return _pair(paths[0], paths[1], (), {}, {}, rules)


def fixed_pair(folder: Path) -> Pair:
    """Return the rows that one calibration sees, their number written into the file as a tracing exporter does."""
    depths = np.arange(-4.0, 6.0, dtype=np.float32)
    seen = np.flatnonzero(depths > 0)
    make = GraphMaker()
    found = make.op("NonZero", make.op("Greater", make.input("depths", depths.shape), make.const(0.0)))
    rows = make.op("Gather", make.input("rows", (10, 4)), make.op("Squeeze", found, make.const([0])))
    fixed = make.op("Expand", rows, make.const([len(seen), 4]))
    onnx.save(
        make.model(out=make.op("Add", fixed, make.const(np.zeros((len(seen), 4))))), folder / "original.onnx"
    )
    make = GraphMaker()
    onnx.save(
        make.model(out=make.op("Gather", make.input("rows", (10, 4)), make.const(seen))),
        folder / "candidate.onnx",
    )
    turned = {"depths": -depths}
    return _pair(folder / "original.onnx", folder / "candidate.onnx", (), {"depths": depths}, turned, {})


def stepping_pair(folder: Path) -> Pair:
    """Return floor(1000 * a convolution), and the same in the order that the runtime leaves when it fuses nothing."""
    paths = []
    for name, fused in (("original", True), ("candidate", False)):
        make, random = GraphMaker(), np.random.default_rng(0)
        rows = make.input("rows", (1, 4, 200, 100))
        made = make.op("Conv", rows, make.const(random.standard_normal((1, 4, 1, 1))))
        made = made if fused else make.op("Max", made, make.const(-1e30))
        moved = make.op("Add", make.op("Mul", made, make.const(1.7)), make.const(0.3))
        model = make.model(out=make.op("Floor", make.op("Mul", moved, make.const(1000.0))))
        paths.append(folder / f"{name}.onnx")
        onnx.save(model, paths[-1])
    return _pair(paths[0], paths[1], (), {}, {}, {})


def pair_of(folder: Path, original: onnx.ModelProto, candidate: onnx.ModelProto) -> Pair:
    """Return two models without calibration."""
    paths = folder / "original.onnx", folder / "candidate.onnx"
    for path, model in zip(paths, (original, candidate), strict=True):
        onnx.save(model, path)
    return _pair(*paths, (), {}, {}, {})


def count_twice(graph: onnx.GraphProto) -> None:
    """Add number 6 a second time in place of number 5."""
    for tensor in graph.initializer:
        if numpy_helper.to_array(tensor).tolist() == [5]:
            tensor.CopyFrom(numpy_helper.from_array(np.array([6]), tensor.name))


def shift_steps(graph: onnx.GraphProto) -> None:
    """Step elsewhere."""
    for tensor in graph.initializer:
        if numpy_helper.to_array(tensor).shape == () and numpy_helper.to_array(tensor) == np.float32(0.3):
            tensor.CopyFrom(numpy_helper.from_array(np.array(0.3001, np.float32), tensor.name))


def scaled(model: onnx.ModelProto, factor: float) -> onnx.ModelProto:
    """Multiply the only output of a model by a factor, in place."""
    graph = model.graph
    last = graph.node[-1]
    name, last.output[0] = last.output[0], "unscaled"
    graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    graph.node.append(helper.make_node("Mul", ["unscaled", "factor"], [name], name="scale"))
    return model


def swap_cameras(graph: onnx.GraphProto) -> None:
    """Give camera 0 the features of camera 1, and the other way round."""
    graph.initializer.append(numpy_helper.from_array(np.array([1, 0, 2, 3, 4, 5]), "swap"))
    for node in graph.node:
        node.input[:] = ["swapped" if name == "features" else name for name in node.input]
    graph.node.insert(0, helper.make_node("Gather", ["features", "swap"], ["swapped"], name="swap", axis=0))


def leak_features(graph: onnx.GraphProto) -> None:
    """Add an output that features reach past every site."""
    graph.node.append(helper.make_node("ReduceMean", ["features"], ["leak"], name="leak", keepdims=0))
    graph.output.append(helper.make_tensor_value_info("leak", onnx.TensorProto.FLOAT, []))


def shuffle_rows(graph: onnx.GraphProto) -> None:
    """Sum the rows of another query into each query."""
    _rotate_first(graph, "bev", 1)


def _rotate_first(graph: onnx.GraphProto, name: str, by: int) -> None:
    count = 48
    order = numpy_helper.from_array(np.roll(np.arange(count), by), "order")
    graph.initializer.append(order)
    last = next(node for node in graph.node if name in node.output)
    last.output[0] = "ordered"
    graph.node.append(helper.make_node("Gather", ["ordered", "order"], [name], name="shuffle", axis=0))


def flip_corners(graph: onnx.GraphProto) -> None:
    """Sample with the corners of pixels where the original means their centres."""
    samplers = [node for node in graph.node if node.op_type == "GridSample"]
    assert samplers
    for node in samplers:
        kept = [each for each in node.attribute if each.name != "align_corners"]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("align_corners", 1)])


def _pair(
    original: Path,
    candidate: Path,
    cameras: tuple[str, ...],
    case: Mapping[str, np.ndarray],
    turned: Mapping[str, np.ndarray],
    rules: Mapping[str, InputRule],
) -> Pair:
    free = {name: info for name, info in model_inputs(original).items() if name not in case}
    switches = frozenset(name for name, rule in rules.items() if rule.values)
    spare = make_frames(free, rules, 0, FRAMES + 1)
    return Pair(Subject(original, 1, cameras, free, switches, turned, spare), candidate, case, rules)
