"""Compile a camera-to-BEV model and one vehicle's calibration to a smaller, static, verified model.

    load_profile(path)          read and check a calibration profile
    build(request)              specialize a model for a profile; `request` is a `BuildRequest`
    check(build_dir, calib)     check whether a build fits a calibration
    diff(first, second)         show what moved between two profiles
    zoo.create(name)            create a built-in model as a torch module

Names are resolved when first used: importing the package imports neither numpy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from specialize.version import VERSION as __version__

if TYPE_CHECKING:
    from specialize import zoo
    from specialize.calibration.load import load_profile
    from specialize.compiler.build import build
    from specialize.explain.drift import check, diff
    from specialize.request import BuildRequest

__all__ = ["BuildRequest", "__version__", "build", "check", "diff", "load_profile", "zoo"]

_HOMES = {
    "BuildRequest": "specialize.request",
    "build": "specialize.compiler.build",
    "check": "specialize.explain.drift",
    "diff": "specialize.explain.drift",
    "load_profile": "specialize.calibration.load",
}


def __getattr__(name: str) -> object:
    if name == "zoo":
        return import_module("specialize.zoo")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'specialize' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
