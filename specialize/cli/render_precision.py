"""What a conversion to another number format left and loses, for people."""

from __future__ import annotations

from rich.console import RenderableType

from specialize.artifact.precision import Precision
from specialize.cli.tables import table
from specialize.text.units import size


def precision_lines(precision: Precision | None) -> list[RenderableType]:
    """Return the loss of every output, and what stays in float32; nothing for a float32 build."""
    if precision is None:
        return []
    losses = table("loss of output", "max abs", "max rel", "cosine")
    for name, loss in precision.outputs.items():
        losses.add_row(name, f"{loss.max_abs:.2e}", f"{float(loss.max_rel):.2e}", f"{loss.cosine:.6f}")
    return [f"{_summary(precision)}", losses, *_on_target(precision)]


def _on_target(precision: Precision) -> list[RenderableType]:
    """Return the loss on the target's own runtime, where that ran."""
    if precision.on_target is None:
        return []
    losses = ", ".join(f"{name} {loss.max_abs:.2e}" for name, loss in precision.on_target.outputs.items())
    return [f"on {precision.on_target.measured_on.text}: {losses}"]


def _summary(precision: Precision) -> str:
    wide = f", and {precision.wide:,} tensors beyond 16 bits" if precision.wide else ""
    kept = f"{precision.kept:,} of {precision.nodes:,} nodes stay in float32 (places and geometry{wide})"
    scheme = (
        f", {precision.activations} activations, weights of {precision.weight_bits} bits {precision.weights}"
        if precision.activations
        else ""
    )
    sizes = f"constants {size(precision.constant_bytes)} instead of {size(precision.constant_bytes_float32)}"
    measured = f"measured against the float32 build on {precision.frames_text}"
    machine = f"with {precision.measured_on.text}"
    return f"{precision.name}{scheme}: {sizes}; {kept}\nits loss, {measured}, {machine}:"
