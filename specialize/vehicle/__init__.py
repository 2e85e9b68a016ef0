"""What a build needs on the vehicle: a contract, a guard that refuses the wrong calibration, tables in milliseconds.

    contract   what a build expects of a calibration, as `contract.bin`
    today      one vehicle's calibration, as `today.bin`
    twin       the guard in numpy, which decides as the one in C++ does
    guard      the guard from Python, through the C interface; numpy and the standard library alone
    golden     two frames and what the engine must give for them, as `golden.bin`
    selftesting  whether an engine does so; numpy and the standard library alone
    policy     what to do about a state, and how many checks in a row it takes
    export     `contract.bin` and what goes with it, from a build
    include/   the guard itself, C++17 headers without dependencies

What Python on the car uses is named here, and resolved when first named.
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
