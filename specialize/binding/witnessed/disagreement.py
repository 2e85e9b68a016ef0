"""What is said where the compiler and the witness disagree."""

from __future__ import annotations

from typing import NoReturn

import yaml

from specialize.errors import VerificationError
from specialize.model.spec import ModelSpec
from specialize.witness.rig import Sidecar, sidecar_of

MADE = "specialize/"
"""What the names of all begin with that compaction made."""

HINT = "two computations of this package disagree, and one of them is wrong: please report it; nothing was written"


GRAPH_HINT = (
    "the grids, the image preparation or the rule of the sidecar are not the model's; if they are, this package is "
    "wrong: please report it; nothing was written"
)


def disagree(where: str, expected: str, found: str, hint: str = HINT) -> NoReturn:
    """Raise the error of a comparison with the witness.

    Args:
        where: What was compared.
        expected: What the witness finds.
        found: What the compiler made.
        hint: What to do; `GRAPH_HINT` where the mask of the model's own graph may be what differs.

    Raises:
        VerificationError: Always.
    """
    raise VerificationError(f"witness: {where}", expected, found, hint)


def sidecar_as_written(spec: ModelSpec, cameras: int) -> Sidecar:
    """Return the model's geometry as the witness reads it in the text of its sidecar."""
    return sidecar_of(yaml.safe_load(spec.to_text()), cameras)
