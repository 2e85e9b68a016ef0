"""The calibration stays an input: the rows of an envelope are computed, and what they give is the original's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from specialize.calibration.profile import CalibrationProfile
from specialize.errors import DeclinedError
from specialize.graph.closure import Closure
from specialize.model.visible import visible_sets
from specialize.passes.bind import feeds_of
from specialize.passes.masks import Mask, Trial, find_masks
from specialize.passes.pipeline import Specialized, specialize_graph
from specialize.passes.superset import OUTSIDE, restrict
from specialize.rows.arrange import Packing
from specialize.visibility.envelope import superset_within
from specialize.visibility.grid import QueryGrid
from tests.graphs import PADDED, RAGGED, assert_static, operators, run
from tests.synthetic.attention import Model, Style
from tests.synthetic.styles import (
    BASE,
    ONE_CAMERA,
    REBATCHED_LEVELS,
    STYLES,
    TURN_RAD,
    WIDE_BOOL,
    exported_layers,
)
from tests.synthetic.vehicles import BOUNDS, others, spec_of, vehicle

pytestmark = pytest.mark.torch

WRITTEN = STYLES | ONE_CAMERA | WIDE_BOOL | {"rebatched, two levels": REBATCHED_LEVELS}


def trial(model: ir.Model, style: Style, profile: CalibrationProfile) -> Trial:
    """Return what masks are tried with."""
    spec = spec_of(style)
    return Trial(feeds_of(model, spec, profile), visible_sets(spec, profile))


def masks_of(model: ir.Model, style: Style) -> tuple[Closure, dict[ir.Value, Mask]]:
    """Return the calibration's share of a graph and the masks in it."""
    closure = Closure(model, ["lidar2img"])
    profiles = [vehicle(style, TURN_RAD), *others(style, 2, turn_rad=TURN_RAD)]
    return closure, find_masks(closure, [trial(model, style, profile) for profile in profiles])


def superset_of(style: Style) -> np.ndarray:
    """Return the pairs that a vehicle within `BOUNDS` may see."""
    (plan,) = visible_sets(spec_of(style), vehicle(style, TURN_RAD))
    allowed = [BOUNDS] * style.cameras
    return superset_within(plan, allowed)


def enveloped(
    proto: onnx.ModelProto, style: Style, packing: Packing = RAGGED, pairs: np.ndarray | None = None
) -> Specialized:
    """Return a model with the superset ANDed into its masks, compacted, with the count of what is outside."""
    model = prepared(proto)
    closure, masks = masks_of(model, style)
    kept = superset_of(style) if pairs is None else pairs
    nominal = trial(model, style, vehicle(style, TURN_RAD)).arrays
    done = restrict(model, closure, masks, [kept], nominal, count=True)
    return specialize_graph(model, {}, packing, done.gates)


def prepared(proto: onnx.ModelProto) -> ir.Model:
    """Return a model with everything folded that depends on weights alone, as the compiler prepares it."""
    model = ir.from_proto(onnx.ModelProto.FromString(proto.SerializeToString()))
    return specialize_graph(model, {}, RAGGED).model


def outputs(made: Specialized, proto: onnx.ModelProto, style: Style, profile: CalibrationProfile) -> float:
    """Check that a model fed with a calibration gives the original's numbers; return the pairs outside."""
    feeds = {name: value.numpy() for name, value in Model(style).example().items()}
    feeds["lidar2img"] = spec_of(style).calibration_arrays(profile)["lidar2img"][None].astype(np.float32)
    got, wanted = run(made.model, feeds), run(proto, feeds)
    np.testing.assert_allclose(got["out"], wanted["out"], atol=2e-5, rtol=2e-4)
    return float(got[OUTSIDE][0])


@pytest.mark.parametrize("packing", [RAGGED, PADDED], ids=["ragged", "padded"])
@pytest.mark.parametrize("name", WRITTEN)
def test_every_calibration_inside_gives_the_originals_numbers(name: str, packing: Packing) -> None:
    """The rows of the envelope are computed, no more, for any spelling of the mask; nothing is outside."""
    style = WRITTEN[name]
    proto = exported_layers(style)
    made = enveloped(proto, style, packing)
    pairs = superset_of(style)
    (site,) = made.sites
    np.testing.assert_array_equal(site.seen, pairs)
    assert site.pairs == pairs.sum() < pairs.size
    assert not {"NonZero", "ScatterND", "ScatterElements"} & set(operators(made.model))
    assert_static(made.model)
    assert "lidar2img" in [value.name for value in made.model.graph.inputs]
    for profile in (vehicle(style, TURN_RAD), *others(style, 6, turn_rad=TURN_RAD)):
        assert outputs(made, proto, style, profile) == 0


def test_pairs_outside_are_counted() -> None:
    """A calibration beyond the bounds sees pairs outside, and the extra output says how many."""
    made = enveloped(exported_layers(BASE), BASE)
    far = vehicle(BASE, TURN_RAD + 0.4)
    (plan,) = visible_sets(spec_of(BASE), far)
    feeds = {name: value.numpy() for name, value in Model(BASE).example().items()}
    feeds["lidar2img"] = spec_of(BASE).calibration_arrays(far)["lidar2img"][None].astype(np.float32)
    assert run(made.model, feeds)[OUTSIDE][0] == (plan.seen & ~superset_of(BASE)).sum() > 0


def test_layers_share_one_restricted_mask() -> None:
    """Three layers read one mask: three sites, one product with the superset."""
    made = enveloped(exported_layers(BASE, 3), BASE)
    pairs = superset_of(BASE)
    assert [site.pairs for site in made.sites] == [pairs.sum()] * 3
    products = [
        node for node in made.model.graph if "superset" in str(node.name) and node.op_type in ("And", "Mul")
    ]
    assert len([node for node in products if "outside" not in str(node.inputs[1])]) == 1


def test_one_mask_per_height() -> None:
    """Where every anchor has a mask of its own, the points of a pair are restricted together."""
    style = replace(BASE, form="height_masks")
    proto = exported_layers(style)
    made = enveloped(proto, style)
    assert len(made.sites) == style.grid.anchors
    assert all(site.pairs == superset_of(style).sum() for site in made.sites)
    for profile in others(style, 3, turn_rad=TURN_RAD):
        assert outputs(made, proto, style, profile) == 0


def test_masks_are_found_by_what_they_compute() -> None:
    """Every value has another name: the same masks are found."""
    model = prepared(exported_layers(BASE))
    _, masks = masks_of(model, BASE)
    renamed = prepared(exported_layers(BASE))
    for number, node in enumerate(renamed.graph):
        for value in node.outputs:
            if not value.is_graph_output():
                value.name = f"x{number}_{value.index()}"
    _, found = masks_of(renamed, BASE)
    kinds = [(mask.sizes, mask.order, value.dtype) for value, mask in masks.items()]
    assert kinds == [(mask.sizes, mask.order, value.dtype) for value, mask in found.items()]
    assert any(mask.is_plain for mask in found.values())


def test_without_a_mask_there_is_no_envelope() -> None:
    """A model whose masks are not the plan's is declined, with what to do."""
    style = replace(BASE, grid=QueryGrid((4, 6), (-20.0, -20.0, -3.0, 21.0, 20.0, 1.0), 2))
    model = prepared(exported_layers(BASE))
    closure = Closure(model, ["lidar2img"])
    masks = find_masks(closure, [trial(model, style, vehicle(style, TURN_RAD))])
    assert not masks
    with pytest.raises(DeclinedError, match="a mask of visible queries"):
        restrict(model, closure, masks, [superset_of(style)], {}, count=False)


def test_too_small_a_superset_is_seen() -> None:
    """If the superset lacks a visible pair, the numbers differ and the pair is counted: the checks can fail."""
    (plan,) = visible_sets(spec_of(BASE), vehicle(BASE, TURN_RAD))
    lacking = superset_of(BASE)
    camera, query = np.argwhere(plan.certain)[0]
    lacking[camera, query] = False
    proto = exported_layers(BASE)
    made = enveloped(proto, BASE, pairs=lacking)
    with pytest.raises(AssertionError):
        outputs(made, proto, BASE, vehicle(BASE, TURN_RAD))
