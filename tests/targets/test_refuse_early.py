"""What a toolchain takes in no model is asked only where something is asked of it."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.running import REPOSITORY


def test_nothing_is_loaded_where_nothing_is_asked() -> None:
    """A build that is up to date needs no graph, and so neither the rules of its toolchain nor ONNX."""
    script = (
        "import sys; from specialize.compiler.build import require_taken; require_taken('qnn', '', 'int8')\n"
    )
    script += "sys.exit(' '.join({'onnx', 'onnx_ir'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
