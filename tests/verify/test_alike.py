"""Which sites are compared by one of them: one formula, one geometry, and the same tables at the same places."""

from __future__ import annotations

import onnx
import onnx.parser
import pytest

from specialize.verify.alike import alike, constants_of
from specialize.verify.cutting import Cutting, cut_both
from specialize.verify.segments import Net, net_of

CALIBRATION = frozenset({"calib"})


def net(inputs: str, constants: dict[str, float], body: str) -> Net:
    """Return a graph of two sites, with constants of two equal numbers each."""
    given = ", ".join(f"float[2] {name} = {{{value}, {value}}}" for name, value in constants.items())
    text = (
        f'<ir_version: 8, opset_import: ["" : 17]> agraph ({inputs}) => (float[2] out) <{given}> {{ {body} }}'
    )
    return net_of(onnx.parser.parse_model(text))


def original(second: float = 3.0) -> Net:
    """Return an original whose sites have weights of their own, and whose second one has a point at `second`."""
    body = (
        "g = Mul(calib, p)  a = Mul(x, g)  s = Mul(a, w)"
        "  t = Tanh(s)  h = Mul(calib, q)  b = Mul(t, h)  out = Mul(b, v)"
    )
    return net("float[2] x, float[2] calib", {"p": 3.0, "q": second, "w": 5.0, "v": 7.0}, body)


def built(first: float, second: float, weight: float = 7.0) -> Net:
    """Return a specialized model with a table at each site."""
    body = "a = Mul(x, g)  s = Mul(a, w)  t = Tanh(s)  b = Mul(t, h)  out = Mul(b, v)"
    return net("float[2] x", {"g": first, "h": second, "w": 5.0, "v": weight}, body)


def cutting(given: Net, made: Net) -> Cutting:
    """Return both models, cut."""
    found = cut_both(given, made, CALIBRATION)
    assert found.bound == {"a", "b"}
    return found


def compared(made: Net, given: Net | None = None) -> dict[str, str]:
    """Return which value is compared for which, after a first build with tables of 1."""
    given = given or original()
    first = cutting(given, built(1, 1))
    recorded = {
        name: constants_of(first.specialized, name, first.of_specialized[name], {}) for name in first.bound
    }
    return alike(cutting(given, made), recorded, {})


def test_the_same_tables_at_both_sites_are_alike() -> None:
    """One of both is compared."""
    assert compared(built(2, 2)) == {"a": "a", "b": "a"}


@pytest.mark.parametrize(
    "tables", [(2, 3), (2, 1), (1, 2)], ids=["another", "second forgotten", "first forgotten"]
)
def test_another_table_at_one_site_is_not_alike(tables: tuple[float, float]) -> None:
    """A table of its own, or the one of the first build, lets both be compared."""
    assert compared(built(*tables)) == {"a": "a", "b": "b"}


def test_another_geometry_is_not_alike() -> None:
    """Where the original projects other points at the second site, equal tables would be wrong at one of them."""
    assert compared(built(2, 2), original(second=4.0)) == {"a": "a", "b": "b"}


def test_another_structure_is_not_alike() -> None:
    """A site that has other nodes than in the first build is compared itself."""
    body = "a = Mul(x, g)  s = Mul(a, w)  t = Tanh(s)  b0 = Mul(t, h)  b = Identity(b0)  out = Mul(b, v)"
    made = net("float[2] x", {"g": 2, "h": 2, "w": 5, "v": 7}, body)
    assert compared(made) == {"a": "a", "b": "b"}


def test_another_value_that_a_site_reads_is_not_alike() -> None:
    """A second site that reads what the first one reads is another function, although its nodes are the same."""
    given = net(
        "float[2] x, float[2] y, float[2] calib",
        {"p": 3, "q": 3, "v": 7},
        "m = Relu(x)  n = Tanh(y)  g = Mul(calib, p)  a = Mul(m, g)  h = Mul(calib, q)  b = Mul(n, h)"
        "  u = Add(a, b)  o = Mul(u, v)  out = Mul(o, n)",
    )
    body = "m = Relu(x)  n = Tanh(y)  a = Mul(m, g)  b = Mul({}, h)  u = Add(a, b)  o = Mul(u, v)  out = Mul(o, n)"
    right, wrong = (
        net("float[2] x, float[2] y", {"g": table, "h": table, "v": 7}, body.format(read))
        for table, read in ((1, "n"), (2, "m"))
    )
    first = cutting(given, right)
    recorded = {
        name: constants_of(first.specialized, name, first.of_specialized[name], {}) for name in first.bound
    }
    assert alike(cutting(given, wrong), recorded, {}) == {"a": "a", "b": "b"}


def test_tables_that_differed_before_are_not_alike() -> None:
    """Where the first build has a table of its own at each site, the same ones at both are not evident."""
    given, first = original(), cutting(original(), built(1, 4))
    recorded = {
        name: constants_of(first.specialized, name, first.of_specialized[name], {}) for name in first.bound
    }
    assert alike(cutting(given, built(2, 2)), recorded, {}) == {"a": "a", "b": "b"}
