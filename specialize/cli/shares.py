"""Parse shares on the command line, such as 5% or 0.05."""

from __future__ import annotations

import math
from typing import Any

import click


class Share(click.ParamType[float]):
    """Share of a whole. A number without a percent sign must be below 1, so that `5` does not mean 500 %."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share as a number."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"expected a share such as 5% or 0.05, got {text!r}", param, ctx)
        if not (math.isfinite(share) and share >= 0) or (share >= 1 and not text.endswith("%")):
            self.fail(f"expected a share such as 5% or 0.05, got {text!r}", param, ctx)
        return share


SHARE = Share()
