"""Interpret names of inputs, by the words that published models use for their calibration."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Interpretation of a name.

    Attributes:
        kinds: Kinds that it may stand for, most likely first; empty if the input is not calibration.
        reason: Why it is not calibration.
    """

    kinds: tuple[str, ...]
    reason: str = ""


_FRAMES = (
    ("camera_?0|cam_?0|camera_?1st|first(_?cam(era)?)?|ref_?cam(era)?", "first"),
    ("camera|cam|sensor|sensors|cams|cam_?x", "cam"),
    ("lidar|lidars|velo", "lidar"),
    ("ego|vehicle|body", "ego"),
    ("raw(_?(image|img|imgs|images|pixel|pix))?", "raw"),
    ("network|net", "network"),
    ("image|img|imgs|images|pixel|pix", "img"),
)
_MOTION = Suggestion((), "the vehicle's motion changes with every frame and is not calibration")
_TIME = Suggestion((), "it relates frames of time, which is not calibration")
_WORLD = Suggestion(
    (),
    "the vehicle's pose in the world changes with every frame; if motion between the exposures is not compensated, "
    "`identity` for all of them is equivalent",
)
_NO_CHANGE = Suggestion(("identity",))
_PREPARED = Suggestion(("image_aug", "raw2network"))
_UNPREPARED = Suggestion(("inverse_image_aug", "network2raw"))
_RAW_LENS, _INVERSE_RAW_LENS = Suggestion(("intrinsic",)), Suggestion(("inverse_intrinsic",))
_LENS = Suggestion(("intrinsic", "network_intrinsic"))
_INVERSE_LENS = Suggestion(("inverse_network_intrinsic", "inverse_intrinsic"))
_LENS_MATRIX = Suggestion(("lens_matrix", "network_lens_matrix"))
_TO_CAMERA = Suggestion(("ego2cam", "lidar2cam", "cam2ego", "cam2lidar"))
_FROM_CAMERA = Suggestion(("cam2ego", "cam2lidar", "ego2cam", "lidar2cam"))

_NOT_CALIBRATION: tuple[tuple[str, Suggestion], ...] = (
    (r"^ego_?(pose|motion)", _MOTION),
    (r"^egos?_?(2|to)_?globals?", _WORLD),
    (r"(^|_)(prev|adj|sweep|history|temporal)|global|key_?ego", _TIME),
)
_WORDS: tuple[tuple[str, Suggestion], ...] = (
    (r"^(lidar|lid|bev|points?|pts)_?(aug|da)|^bda|aug_?3d|^identity", _NO_CHANGE),
    (r"inv\w*_?(post_?rot|ida|(img|image)_?(aug|rot))|(post_?rots?|ida|aug)\w*_inv", _UNPREPARED),
    (r"post_?(rot|tran)|^(img|image)_?(aug|rot|tran)|(^|_)ida(_|$)", _PREPARED),
    (r"(^|_)inv\w*_(k|intrin\w*|cam_?2_?im\w*)$|^(i|k|intrin\w*)_inv\w*$", _INVERSE_LENS),
    (r"(^|_)lens_?mat", _LENS_MATRIX),
    (r"intrin|^k(s|_mats?)?$|^cam_?mats?$", _LENS),
    (r"^(e|extrin\w*)_inv\w*$", _FROM_CAMERA),
    (r"extrin|^e$", _TO_CAMERA),
    (r"^rot(s|ations?)?$|^trans(lations?)?$|^sensor_?pose|^cam(era)?_?poses?$", _FROM_CAMERA),
    (r"proj", Suggestion(("lidar2img", "ego2img"))),
)


def suggestion(name: str) -> Suggestion | None:
    """Return the interpretation of an input's name, or None if it has none."""
    plain = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().split("/")[-1]
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    none = next((said for pattern, said in _NOT_CALIBRATION if re.search(pattern, plain)), None)
    return (
        none or _framed(plain) or next((said for pattern, said in _WORDS if re.search(pattern, plain)), None)
    )


def _framed(plain: str) -> Suggestion | None:
    """Interpret `A2B`, `A_to_B`, `B_from_A` and `B_T_A`."""
    for first, source in _FRAMES:
        for second, target in _FRAMES:
            if source == target:
                continue
            onward = re.search(rf"(^|_)({first})s?_?(2|to)_?({second})", plain)
            back = re.search(rf"(^|_)({second})s?(_?from_?|_t_)({first})", plain)
            if onward or back:
                inverse = bool(re.search(r"(^|_)inv", plain) or re.search(r"inv(erse)?$", plain))
                return _between(*((target, source) if inverse else (source, target)))
    return None


def _between(source: str, target: str) -> Suggestion:
    """Return the kinds from one frame to another."""
    if "network" in (source, target) and "raw" not in (source, target):
        source, target = (each.replace("network", "img") for each in (source, target))
    if {source, target} == {"cam", "img"}:
        return _LENS if source == "cam" else _INVERSE_LENS
    if {source, target} == {"cam", "raw"}:
        return _RAW_LENS if source == "cam" else _INVERSE_RAW_LENS
    if {source, target} <= {"raw", "network", "img"}:
        return _PREPARED if source == "raw" else _UNPREPARED
    return Suggestion((f"{source}2{target}",))
