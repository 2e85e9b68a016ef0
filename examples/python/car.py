"""The guard and the golden frame in Python on the car: numpy and the standard library, no runtime of the compiler.

    python car.py contract.bin today.bin [golden.bin model.onnx]

Exit codes are those of the program `guard`: 0 fresh or inside, 2 other tables, 3 stale, 4 unusable; 5 the wrong engine.
With a model, ONNX Runtime is imported to run it: any other engine is a function from names to arrays as well.
"""

from __future__ import annotations

import sys
from pathlib import Path

from specialize.vehicle import Guard

EXIT_CODES = {"FRESH": 0, "INSIDE": 0, "RELINK": 2, "STALE": 3, "UNUSABLE": 4}


def check(contract: str, today: str) -> int:
    """Print what to do about the build; return the exit code."""
    answer = Guard(contract).check_file(today)
    where = (
        f" {answer.camera}: {answer.rotation_mrad:.2f} mrad, {answer.pairs} pairs" if answer.camera else ""
    )
    print(f"{answer.state.name}{where}")
    return EXIT_CODES[answer.state.name]


def passes(golden: str, model: str) -> bool:
    """Print whether the engine gives what the build was proven to give."""
    import onnxruntime

    from specialize.vehicle import parse_golden, selftest

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    frames = parse_golden(Path(golden).read_bytes())
    result = selftest(frames, lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True)))
    print(f"golden frame: {result.reason.name} {result.output}")
    return result.reason.name == "OK"


def main(words: list[str]) -> int:
    """Check the calibration, then the engine if there is one."""
    code = check(*words[:2])
    return 5 if len(words) > 2 and not passes(*words[2:]) else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
