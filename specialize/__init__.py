"""Turn a camera-to-BEV model and one vehicle's calibration into a smaller, static, proven model.

    load_profile(path)       read and check a calibration profile
    build(request)           specialize a model for a profile; see `BuildRequest`
    check(build_dir, calib)  is the build still the right one for this calibration?
    diff(a, b)               what moved between two profiles
    zoo.create(name)         a built-in model as a torch module

Names are resolved on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from specialize.version import VERSION as __version__

if TYPE_CHECKING:
    from specialize.calibration.load import load_profile

_HOMES = {"load_profile": "specialize.calibration.load"}

__all__ = ["__version__", "load_profile"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'specialize' has no attribute {name!r}")
