"""Convert to other number formats than float32: what is converted, what must not be, and how large the loss is.

The conversions are ONNX Runtime's. This package adds the list of nodes that stay in float32, the repair of what the
converters leave behind, and the measurement. Nothing is imported here, so that a request is checked without a runtime.
"""

from __future__ import annotations


def noise_warning(name: str) -> str:
    """Return the warning about a conversion without frames of a folder."""
    what = "its loss was measured" if name == "fp16" else "its ranges were taken and its loss measured"
    return (
        f"{name}: {what} on seeded noise, which is NOT representative of camera images: give real frames with "
        "--frames-dir before using this model on a vehicle"
    )
