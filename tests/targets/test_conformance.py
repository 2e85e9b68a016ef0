"""What a toolchain refuses is refused, by the right rule, and nothing unknown passes as allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto

from specialize import targets
from specialize.errors import DeclinedError, UsageError
from specialize.targets.base import VERDICTS
from specialize.targets.conformance import check
from specialize.targets.lower import finish
from tests.graphs import GraphMaker
from tests.targets import graphs


def verdicts(model: ir.Model, name: str) -> dict[str, tuple[str, str]]:
    """Return verdict and reason by operator."""
    report = check(model, targets.target(name).TOOLCHAIN)
    return {finding.operator: (finding.verdict, finding.rule) for finding in report.nodes}


@pytest.mark.parametrize(
    ("make", "operator", "name", "reason"),
    [
        (graphs.rank_six, "Add", "qnn", "rank 6, at most 5"),
        (graphs.rank_six, "Add", "rknn", "broadcasts at rank 6"),
        (graphs.non_zero, "NonZero", "qnn", "must be static"),
        (graphs.non_zero, "NonZero", "rknn", "need to be constant"),
        (graphs.non_zero, "NonZero", "tensorrt", "plugin creator"),
        (graphs.non_zero, "NonZero", "axera", "depend on data"),
        (graphs.non_zero, "NonZero", "horizon_j5", "not integrated"),
        (graphs.non_zero, "NonZero", "denglin", "would come out dynamic"),
        (graphs.non_zero, "NonZero", "ascend", "not made of numbers"),
        (graphs.non_zero, "NonZero", "horizon_j6", "not made of numbers"),
        (graphs.scatter_add, "ScatterND", "tensorrt", "reduction is add"),
        (graphs.scatter_add, "ScatterND", "tensorrt_derryhub", "reduction is add"),
        (graphs.scatter_elements_add, "ScatterElements", "qnn", "reduction is add"),
        (graphs.gather_2d, "Gather", "axera", "indices have rank 2"),
        (graphs.camera_sum, "ReduceSum", "openvino", "sum over axis 0"),
        (graphs.volume_sampling, "GridSample", "qnn", "rank 5"),
        (graphs.volume_sampling, "GridSample", "openvino", "rank 5"),
        (graphs.layer_norm_inside, "LayerNormalization", "axera", "only the last"),
        (graphs.layer_norm_inside, "LayerNormalization", "horizon_j5", "not listed"),
    ],
)
def test_refused(make: Callable[[], ir.Model], operator: str, name: str, reason: str) -> None:
    """Each of these is refused by the toolchain that refuses it, with its rule."""
    verdict, rule = verdicts(make(), name)[operator]
    assert verdict == "refused" and reason in rule


@pytest.mark.parametrize(
    ("make", "operator", "name"),
    [
        (graphs.scatter_add, "ScatterND", "qnn"),
        (graphs.gather_2d, "Gather", "onnxruntime"),
        (graphs.gather_2d, "Gather", "tensorrt"),
        (graphs.point_sum, "ReduceSum", "openvino"),
        (graphs.rank_six, "Add", "onnxruntime"),
        (graphs.non_zero, "NonZero", "openvino"),
        (graphs.volume_sampling, "GridSample", "onnxruntime"),
    ],
)
def test_allowed(make: Callable[[], ir.Model], operator: str, name: str) -> None:
    """The same graphs are taken by toolchains without the limit."""
    assert verdicts(make(), name)[operator][0] == "allowed"


@pytest.mark.parametrize(
    ("make", "operator", "name"),
    [(graphs.scatter_add, "ScatterND", "horizon_j5"), (graphs.scatter_add, "ScatterND", "rknn")],
)
def test_falls_to_the_cpu(make: Callable[[], ir.Model], operator: str, name: str) -> None:
    """What the accelerator leaves to its host is neither allowed nor refused."""
    assert verdicts(make(), name)[operator][0] == "cpu"


STATIC = {
    "qnn",
    "rknn",
    "tensorrt",
    "tensorrt_derryhub",
    "axera",
    "denglin",
    "horizon_j5",
    "horizon_j6",
    "ascend",
}
REFUSED_BY: dict[str, tuple[Callable[[], ir.Model], set[str]]] = {
    "Add": (graphs.rank_six, {"qnn", "rknn"}),
    "NonZero": (graphs.non_zero, STATIC),
    "ScatterND": (graphs.scatter_add, {"tensorrt", "tensorrt_derryhub"}),
    "ScatterElements": (graphs.scatter_elements_add, {"qnn", "tensorrt", "tensorrt_derryhub"}),
    "Gather": (graphs.gather_2d, {"axera"}),
}
"""Operator of a graph that some refuse, and exactly who."""


@pytest.mark.parametrize("name", targets.TARGETS)
@pytest.mark.parametrize("operator", REFUSED_BY)
def test_refused_by_exactly_these(operator: str, name: str) -> None:
    """A toolchain that rejects it names the node, the rule, its source and a remedy; the others do not reject it."""
    make, refusing = REFUSED_BY[operator]
    report = check(make(), targets.target(name).TOOLCHAIN)
    (finding,) = [each for each in report.nodes if each.operator == operator]
    assert (finding.verdict == "refused") == (name in refusing)
    if name in refusing:
        assert operator in finding.node and finding.rule and finding.source and finding.help


def test_unknown_is_unknown() -> None:
    """An operator that no document names is unknown, and that alone refuses nothing."""
    g = GraphMaker()
    model = graphs.read(g, out=g.op("Trilu", g.input("x", (3, 3))))
    for name in ("denglin", "ascend", "horizon_j6", "qnn", "axera"):
        assert verdicts(model, name)["Trilu"][0] == "unknown"
    check(model, targets.target("qnn").TOOLCHAIN).require_accepted()


def test_a_newer_opset_is_refused() -> None:
    """A model in an opset that a toolchain does not read is refused as a whole."""
    g = GraphMaker(20)
    model = graphs.read(g, out=g.op("Relu", g.input("x", (3, 3))))
    assert verdicts(model, "rknn")["opset"] == (
        "refused",
        "the model is written in opset 20, only 7 to 19 can be read",
    )


def test_what_keeps_a_graph_in_a_newer_opset_is_named(tmp_path: Path) -> None:
    """Where a node cannot be written in the opset that is read, the refusal says which and why."""
    g = GraphMaker()
    out = g.op("Einsum", g.input("x", (2, 3)), equation="ab->ba")
    with pytest.raises(
        DeclinedError, match=r"opset 17, only 10 to 11 can be read; Einsum_\w+: Einsum in opset 11"
    ):
        finish(graphs.read(g, out=out), "horizon_j5", tmp_path, graphs.FACTS)


def test_refusal_names_node_rule_source_and_help() -> None:
    """The error says which node, why, who says so, and what would help."""
    report = check(graphs.scatter_add(), targets.target("tensorrt").TOOLCHAIN)
    with pytest.raises(DeclinedError) as caught:
        report.require_accepted()
    text = str(caught.value)
    for part in (
        "--target tensorrt",
        "ScatterND_",
        "reduction is add",
        "onnx-tensorrt",
        "hint: write the sum with Gather",
    ):
        assert part in text


def test_every_node_has_a_finding() -> None:
    """No node is passed over, and the counts add up."""
    model = graphs.attention_block()
    for name in targets.TARGETS:
        report = check(model, targets.target(name).TOOLCHAIN)
        assert sum(report.counts.values()) == len(report.nodes) >= len(model.graph)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_profiles_say_how_they_are_known(name: str) -> None:
    """Every target names its evidence and a source; its form is one that can be written; its files are announced."""
    from specialize.lowering.attention import FORMS

    toolchain = targets.target(name).TOOLCHAIN
    assert toolchain.name == name and toolchain.evidence and toolchain.source and toolchain.title
    assert {toolchain.form, *toolchain.forms} <= set(FORMS)
    assert toolchain.opsets[0] <= toolchain.opset <= toolchain.opsets[1]
    rules = [*toolchain.operators.values(), toolchain.unlisted]
    assert {rule.verdict for rule in rules} | {rule.otherwise for rule in rules} <= set(VERDICTS)
    assert all(rule.text for rule in rules if rule.verdict != "allowed" or rule.limits)
    assert toolchain.unlisted.verdict != "allowed"


def test_unknown_target() -> None:
    """A target that does not exist is named, with the closest one."""
    with pytest.raises(UsageError, match="did you mean 'horizon_j6'"):
        targets.target("horizon_j7")


def _attributes(
    operator: str, *shapes: tuple[int, ...], constants: int = 0, **attributes: object
) -> ir.Model:
    """Return a model of one operator; the last so many inputs are constants."""
    g = GraphMaker(18 if operator in ("ReduceMax", "Pad") else 17)
    values = [
        g.const(np.ones(shape, np.float32))
        if place >= len(shapes) - constants
        else g.input(f"x{place}", shape)
        for place, shape in enumerate(shapes)
    ]
    return graphs.read(g, out=g.op(operator, *values, **attributes))


MAP, KERNEL = (1, 2, 8, 8), (2, 2, 3, 3)
PULSAR2: dict[str, tuple[ir.Model, ir.Model, str]] = {
    "average": (
        _attributes("AveragePool", MAP, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
        _attributes("AveragePool", MAP, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        "padding out of averages",
    ),
    "padding": (
        _attributes("Conv", MAP, KERNEL, constants=1, pads=[1, 1, 1, 1]),
        _attributes("Conv", MAP, KERNEL, constants=1, auto_pad="SAME_UPPER"),
        "auto_pad is SAME_UPPER",
    ),
    "transposed": (
        _attributes("ConvTranspose", MAP, KERNEL, constants=1, dilations=[1, 1]),
        _attributes("ConvTranspose", MAP, KERNEL, constants=1, dilations=[2, 2]),
        r"dilations are [2, 2]",
    ),
    "depth": (
        _attributes("DepthToSpace", (1, 4, 2, 2), blocksize=2),
        _attributes("DepthToSpace", (1, 4, 2, 2), blocksize=2, mode="CRD"),
        "mode is CRD",
    ),
    "product": (
        _attributes("Gemm", (2, 3), (3, 4), constants=1, alpha=1.0),
        _attributes("Gemm", (2, 3), (3, 4), constants=1, alpha=0.5),
        "alpha is 0.5",
    ),
    "reduction": (
        _attributes("ReduceMax", MAP),
        _attributes("ReduceMax", MAP, noop_with_empty_axes=1),
        "noop_with_empty_axes is 1",
    ),
}


@pytest.mark.parametrize("case", PULSAR2)
def test_attributes_of_pulsar2(case: str) -> None:
    """What the list of operators says of attributes is kept: one value is taken, another refused with what to do."""
    taken, other, reason = PULSAR2[case]
    toolchain = targets.target("axera").TOOLCHAIN
    assert check(taken, toolchain).of("refused") == ()
    (finding,) = check(other, toolchain).of("refused")
    assert reason in finding.rule and "op_support_list" in finding.source and finding.help


@pytest.mark.parametrize("name", targets.TARGETS)
def test_whatever_may_be_refused_has_help(name: str) -> None:
    """No refusal leaves a user without what would help."""
    toolchain = targets.target(name).TOOLCHAIN
    for model in (*(other for _, other, _ in PULSAR2.values()), graphs.rank_six(), graphs.volume_sampling()):
        assert all(finding.help for finding in check(model, toolchain).of("refused"))
    g = GraphMaker()
    for operator in ("Det", "Unique", "Range"):
        sources = [g.input(f"{operator}{place}", (2, 2) if operator == "Det" else ()) for place in range(3)]
        made = g.op(operator, *sources[: 3 if operator == "Range" else 1])
        model = graphs.read(g, out=made)
        assert all(finding.help for finding in check(model, toolchain).of("refused"))


@pytest.mark.parametrize("name", targets.TARGETS)
def test_float64_is_unknown_unless_somebody_says(name: str) -> None:
    """A node in float64 is not allowed for toolchains that no source shows accepting one."""
    g = GraphMaker()
    wide = g.op("Cast", g.input("x", (2, 3)), to=TensorProto.DOUBLE)
    model = graphs.read(g, out=g.op("Cast", g.op("Add", wide, wide), to=TensorProto.FLOAT))
    report = check(model, targets.target(name).TOOLCHAIN)
    (verdict,) = [finding.verdict for finding in report.nodes if finding.operator == "Add"]
    assert (verdict == "allowed") == (name in {"onnxruntime", "openvino", "tvm", "tensorrt"})


@pytest.mark.parametrize("operator", ["NonZero", "IsNaN"])
def test_an_operator_that_an_older_opset_has_is_refused_by_its_own_rule(
    operator: str, tmp_path: Path
) -> None:
    """Horizon J5 is not said to have no such opset, but what its list says of the operator."""
    g = GraphMaker()
    model = graphs.read(g, out=g.op(operator, g.input("x", (3, 3))))
    with pytest.raises(DeclinedError, match=rf"{operator} at \S+: listed as not integrated"):
        finish(model, "horizon_j5", tmp_path, graphs.FACTS)
