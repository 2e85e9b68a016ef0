"""Other number formats than float32: what is converted, what must not be, and what the conversion loses.

The conversions are ONNX Runtime's. Ours is the list of nodes that stay in float32, the repair of what the converters
leave behind, and the measurement. Nothing is imported here: a request is checked without a runtime.
"""

from __future__ import annotations


def noise_warning(name: str) -> str:
    """Return what to say of a conversion without frames of a folder."""
    what = "its loss was measured" if name == "fp16" else "its ranges were taken and its loss measured"
    return (
        f"{name}: {what} on seeded noise, which is NOT representative of camera images: "
        "give real frames with --frames-dir before this model drives anything"
    )
