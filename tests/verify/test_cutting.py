"""Where two graphs are cut: at values that follow from the calibration in the same way in both."""

from __future__ import annotations

import onnx
import onnx.parser
import pytest

from specialize.errors import InputError
from specialize.verify.cutting import cut_both
from specialize.verify.segments import Net, net_of, segment_digests

HEAD = '<ir_version: 8, opset_import: ["" : 17]> agraph'
CALIBRATION = frozenset({"calib"})


def net(text: str) -> Net:
    """Return the graph of a text."""
    return net_of(onnx.parser.parse_model(f"{HEAD} {text}"))


ORIGINAL = net(
    "(float[2] x, float[2] calib) => (float[2] out) {"
    " u = Tanh(x)  d = Mul(u, calib)  v = Exp(d)  w = Relu(v)  out = Add(w, d) }"
)


def built(table: float, body: str) -> Net:
    """Return a specialized graph with a table."""
    return net(f"(float[2] x) => (float[2] out) <float[2] c = {{{table}, {table}}}> {{ u = Tanh(x) {body} }}")


SAME = "d = Mul(u, c)  v = Exp(d)  w = Relu(v)  out = Add(w, d)"


def test_only_the_segment_that_reads_the_calibration_is_bound() -> None:
    """Everything else is cut into segments that are the same for every calibration."""
    cutting = cut_both(ORIGINAL, built(2, SAME), CALIBRATION)
    assert cutting.bound == {"d"} and cutting.reads == {"u"}
    assert cutting.cuts == {"u", "d", "v", "w", "out"}


def test_a_value_that_only_one_graph_reads_is_no_cut() -> None:
    """Where `v` is computed past `d`, with a table of its own, `d` would hide whose table that is."""
    past = "d = Mul(u, c)  e = Mul(u, c)  v = Exp(e)  w = Relu(v)  out = Add(w, d)"
    cutting = cut_both(ORIGINAL, built(2, past), CALIBRATION)
    assert "d" not in cutting.cuts and cutting.bound == {"v", "out"}
    assert cutting.reads == {"u", "w"}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (SAME.replace("Relu", "Sigmoid"), {"w"}),
        (SAME.replace("Add(w, d)", "Add(d, w)"), {"out"}),
        (SAME.replace("w = Relu(v)", "w = Relu(u)"), {"v", "w"}),
        (SAME.replace("w = Relu(v)", "t = Relu(v)  w = Mul(t, c)"), {"w"}),
    ],
)
def test_another_node_is_another_digest(body: str, wrong: set[str]) -> None:
    """Operators, the order of inputs, what is read and constants count; the value at which it differs is known."""
    cuts = cut_both(ORIGINAL, built(2, SAME), CALIBRATION).cuts
    one, other = (
        segment_digests(graph, graph.segments(cuts), {}) for graph in (built(2, SAME), built(2, body))
    )
    assert {name for name in one if one[name] != other.get(name)} == wrong


def test_names_inside_a_segment_do_not_count() -> None:
    """A segment is what it computes, whatever its inner values and constants are called."""
    one = built(2, "d = Mul(u, c)  s = Exp(d)  out = Add(s, d)")
    other = built(2, "d = Mul(u, c)  t = Exp(d)  out = Add(t, d)")
    cuts = frozenset({"u", "d"})
    assert segment_digests(one, one.segments(cuts), {}) == segment_digests(other, other.segments(cuts), {})


def test_weights_of_an_unknown_file_are_refused() -> None:
    """A constant beside the graph is known by the digest of its file."""
    graph = built(2, SAME)
    tensor = graph.constants["c"]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "weights.bin"
    segments = graph.segments(frozenset({"u", "d"}))
    with pytest.raises(InputError, match="a weights file of the build"):
        segment_digests(graph, segments, {})
    first = segment_digests(graph, segments, {"weights.bin": "sha256:1"})
    assert first != segment_digests(graph, segments, {"weights.bin": "sha256:2"})


def test_two_nodes_of_one_name_are_refused() -> None:
    """A graph whose values have no names of their own cannot be cut at names."""
    with pytest.raises(InputError, match="a name of its own for every value"):
        net("(float[2] x) => (float[2] out) { u = Tanh(x)  u = Exp(x)  out = Add(u, u) }")
