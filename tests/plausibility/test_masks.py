"""A graph's masks are compared with an independent projection; a difference is reported with its likely cause."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from specialize import zoo
from specialize.model.parts import ImagePrep
from specialize.model.spec import GridSpec, ModelSpec
from specialize.model.visible import visible_sets
from specialize.plausibility.masks import Masks, SiteMask, judge_masks
from specialize.plausibility.sight import seen_queries
from specialize.plausibility.values import image_findings, see_points
from specialize.witness.rig import Grid
from tests.calibration.wrong_rigs import CAR42

TINY = zoo.spec("bevformer_tiny")
(PLAN,) = visible_sets(TINY, CAR42)
POSES = msgspec.structs.replace(TINY, calibration_inputs={"pose": "lidar2cam", "lens": "network_intrinsic"})
GRAPH = [SiteMask("site", PLAN.seen, PLAN.seen.size, PLAN.pairs)]


def grid(**changes: Any) -> ModelSpec:
    """Return bevformer_tiny with another grid in its sidecar."""
    return msgspec.structs.replace(TINY, grids=(msgspec.structs.replace(TINY.grids[0], **changes),))


def image(**changes: Any) -> ModelSpec:
    """Return bevformer_tiny with another image preparation in its sidecar."""
    return msgspec.structs.replace(TINY, image=ImagePrep(**changes))


def judged(spec: ModelSpec, sites: list[SiteMask] = GRAPH, mode: str = "exact") -> Masks:
    """Return the judgement of sites under a sidecar."""
    fed = {name: np.asarray(array) for name, array in spec.calibration_arrays(CAR42).items()}
    return judge_masks(sites, spec, see_points(spec, CAR42), fed, mode)


def test_masks_of_the_declared_grid_agree() -> None:
    """The graph's own mask and the projection of the declared grid are the same pairs."""
    found = judged(TINY)
    assert found.findings == () and found.not_compared == ()
    (mask,) = found.masks
    assert (mask.pairs, mask.projected, mask.agreement, mask.sites) == (2822, 2822, 1.0, 1)


WIDE = (-87.0, -87.0, -5.0, 87.0, 87.0, 3.0)
TALL = (-51.2, -51.2, -3.0, 51.2, 51.2, 5.0)
EXPLAINED = {
    "wide range": (grid(range_m=WIDE), "a `range_m` of about -52.1 to 52.1"),
    "narrow range": (
        grid(range_m=(-30.0, -30.0, -5.0, 30.0, 30.0, 3.0)),
        "a `range_m` of about -51.9 to 51.9",
    ),
    "anchors": (grid(anchors=2), "4 `anchors`"),
    "twice the scale": (image(size_px=(800, 480), scale=1.0), "half the image `scale`"),
    "half the scale": (image(size_px=(800, 480), scale=0.25), "twice the image `scale`"),
    "sides of the image": (image(size_px=(480, 800), scale=0.5), "width and height of `size_px` swapped"),
}


@pytest.mark.parametrize("mistake", EXPLAINED)
def test_a_wrong_sidecar_is_an_error_with_its_explanation(mistake: str) -> None:
    """A camera's wedge looks the same at every range, but a wrong range is still detected and explained."""
    spec, text = EXPLAINED[mistake]
    (found,) = judged(spec).findings
    assert (found.code, found.severity) == ("mask-differs", "error")
    assert f"; a likely cause: {text}" in found.message


def test_cameras_in_another_order_are_named() -> None:
    """A graph whose mask has two cameras exchanged is explained by the order of its cameras."""
    order = [0, 2, 1, 3, 4, 5]
    (found,) = judged(TINY, [SiteMask("site", PLAN.seen[order], 1, 1)]).findings
    assert "the cameras in the order CAM_FRONT, CAM_FRONT_LEFT, CAM_FRONT_RIGHT, CAM_BACK," in found.message


def test_a_matrix_used_in_another_way_is_named() -> None:
    """A graph that projects with the transpose, or the inverse, of what it is fed is explained by that."""
    sight = see_points(TINY, CAR42)
    points = Grid(TINY.grids[0].shape, TINY.grids[0].range_m, TINY.grids[0].anchors).points()
    fed = {"pose": see_points(POSES, CAR42).matrices}
    for used, text in (
        (np.swapaxes(fed["pose"], 1, 2), "a likely cause: pose transposed"),
        (np.linalg.inv(fed["pose"]), "a likely cause: the inverse of pose, as fed, used as lidar2img"),
    ):
        mask = seen_queries(used, sight.sizes_px, points, 1e-5)
        assert mask.any()
        (found,) = judge_masks([SiteMask("site", mask, 1, 1)], TINY, sight, fed, "exact").findings
        assert found.severity == "error" and text in found.message


def test_planes_of_one_size_are_told_apart_by_their_masks() -> None:
    """Two upright planes with as many queries have a site each: each is compared with its own, in whatever order."""
    low, high = (-40.0, -30.0, -3.0), (40.0, 30.0, 3.0)
    planes = [
        GridSpec(shape=(4, 30), range_m=(*low, *high), anchors=8, order="zy"),
        GridSpec(shape=(30, 4), range_m=(*low, *high), anchors=8, order="xz"),
    ]
    spec = msgspec.structs.replace(TINY, grids=tuple(planes))
    sites = [
        SiteMask(f"site{number}", plan.seen, plan.seen.size, plan.pairs)
        for number, plan in enumerate(visible_sets(spec, CAR42))
    ]
    for order in (sites, sites[::-1]):
        found = judged(spec, order)
        assert found.findings == ()
        assert [(mask.agreement, mask.sites) for mask in found.masks] == [(1.0, 1), (1.0, 1)]
    wrong = msgspec.structs.replace(spec, grids=(planes[0], msgspec.structs.replace(planes[1], anchors=2)))
    assert {finding.code for finding in judged(wrong, sites).findings} == {"mask-differs"}


def test_what_nothing_explains_is_doubtful_if_it_is_little() -> None:
    """A few pairs that no known mistake explains are a warning; many are an error without an explanation."""
    (found,) = judged(grid(range_m=TALL)).findings
    assert (found.code, found.severity) == ("mask-differs", "warning")
    assert "would explain" not in found.message
    random = np.random.default_rng(0).random(PLAN.seen.shape) < 0.5
    (found,) = judged(TINY, [SiteMask("site", PLAN.seen & random, 1, 1)]).findings
    assert found.severity == "error" and "would explain" not in found.message


def test_one_site_per_height_is_compared_as_a_whole() -> None:
    """What no site alone keeps, all sites of a grid together do."""
    half = np.arange(PLAN.seen.shape[1]) % 2 == 0
    found = judged(TINY, [SiteMask("a", PLAN.seen & half, 1, 1), SiteMask("b", PLAN.seen & ~half, 1, 1)])
    assert found.findings == () and found.masks[0].sites == 2


def test_supersets_must_hold_what_the_cameras_see() -> None:
    """In another mode than exact more may be kept, never less."""
    wider = PLAN.seen | (np.random.default_rng(0).random(PLAN.seen.shape) < 0.1)
    assert judged(TINY, [SiteMask("site", wider, 1, 1)], "envelope").findings == ()
    (found,) = judged(TINY, [SiteMask("site", wider & ~PLAN.seen, 1, 1)], "envelope").findings
    assert (found.code, found.severity) == ("mask-differs", "error")


@pytest.mark.parametrize(
    ("points", "kept", "severity"),
    [(1200, 60, "error"), (1200, 200, ""), (1201, 60, ""), (1200, 900, ""), (0, 0, "error")],
)
def test_points_that_all_fall_outside_are_implausible(points: int, kept: int, severity: str) -> None:
    """Of a frustum most points fall into the grid; next to none is an error."""
    spec = msgspec.structs.replace(TINY, grids=())
    site = SiteMask("pool", np.ones((1 if points else 0, 24), np.bool_), points, kept)
    found = judged(spec, [site])
    assert [(one.code, one.severity) for one in found.findings] == (
        [("mask-empty", severity)] if severity else []
    )
    assert "masks: the sidecar declares no grid" in found.not_compared


def test_a_camera_of_which_nothing_is_kept_is_named() -> None:
    """Without a declared grid a site must still keep something of every camera."""
    seen = np.ones((6, 10), np.bool_)
    seen[4] = False
    (found,) = judged(msgspec.structs.replace(TINY, grids=()), [SiteMask("site", seen, 60, 50)]).findings
    assert (found.code, found.severity, found.camera) == ("mask-empty", "error", "CAM_BACK_LEFT")


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((1, 6, 3, 480, 800), ""),
        ((6, 480, 800, 3), ""),
        ((1, 6, 3, 928, 1600), "takes images of 1600 x 928, but the sidecar states 800 x 480"),
        ((1, 6, 3, 800, 480), "width and height are swapped"),
        ((6, 256, 15, 25), ""),
        ((1, 2500, 256), ""),
    ],
)
def test_the_graphs_images_have_the_size_of_the_sidecar(shape: tuple[int, ...], text: str) -> None:
    """An input of three colours has its size in the sidecar; what is no image is left alone."""
    found = list(image_findings(TINY, {"img": shape}))
    assert [one.code for one in found] == (["image-size"] if text else [])
    assert all(text in one.message for one in found)


def test_a_feature_map_as_large_as_the_image_is_a_warning() -> None:
    """A draft that found no image proposes the size of the largest map: the matrices are then of another scale."""
    width, height = TINY.image.size_px
    (found,) = image_findings(TINY, {"feat": (1, 6, 64, height, width)})
    assert (found.code, found.severity) == ("image-size", "warning")
    assert f"{width} x {height}, the size of feat, a feature map of 64 channels" in found.message
    assert not list(image_findings(TINY, {"feat": (1, 6, 64, height // 8, width // 8)}))
    assert not list(image_findings(TINY, {"img": (1, 6, 3, height, width)}))
