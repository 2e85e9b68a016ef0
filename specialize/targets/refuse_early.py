"""Refuse early: options that a toolchain rejects for every model, checked before one is exported."""

from __future__ import annotations

from specialize.targets import target


def require_taken(name: str, attention: str, precision: str) -> None:
    """Refuse what a toolchain takes in no model.

    Raises:
        UsageError: It does not take deformable attention in that form.
        DeclinedError: It takes no model in that precision.
    """
    if not attention and precision != "fp16":
        return  # every toolchain takes that: its rules need a graph's library, and an up-to-date build does not
    toolchain = target(name).TOOLCHAIN
    if attention:
        toolchain.require_form(attention)
    if precision == "fp16":
        from specialize.targets.conformance import require_half  # needs a graph

        require_half(toolchain)
