"""Provide what a build needs on the vehicle: a contract, a guard that rejects the wrong calibration, fast tables.

    contract   what a build expects of a calibration, as `contract.bin`
    today      one vehicle's calibration, as `today.bin`
    twin       the guard in numpy, with the same decisions as the one in C++
    guard      the guard from Python, through the C interface; needs numpy and the standard library only
    golden     two frames and the expected outputs of the engine, as `golden.bin`
    selftesting  runs an engine on them; needs numpy and the standard library only
    policy     what to do about a state, and how many checks in a row it takes
    export     `contract.bin` and its companions, from a build
    include/   the guard itself, C++17 headers without dependencies

The names that Python on the car uses are listed here, and resolved on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specialize.vehicle.golden import parse_golden
    from specialize.vehicle.guard import Guard
    from specialize.vehicle.selftesting import selftest

__all__ = ["Guard", "parse_golden", "selftest"]


def __getattr__(name: str) -> object:
    if name == "Guard":
        from specialize.vehicle.guard import Guard

        return Guard
    if name == "parse_golden":
        from specialize.vehicle.golden import parse_golden

        return parse_golden
    if name == "selftest":
        from specialize.vehicle.selftesting import selftest

        return selftest
    raise AttributeError(f"module 'specialize.vehicle' has no attribute {name!r}")
