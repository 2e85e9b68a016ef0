"""JSON of the built-in models."""

from __future__ import annotations

from specialize.model.spec import ModelSpec
from specialize.text.record import Record
from specialize.zoo.about import About


class Models(Record, frozen=True, kw_only=True):
    """`specialize models --json`.

    Attributes:
        models: The sidecar of each built-in model, by name.
        about: What goes into each, what comes out, its parameters, and what a specialization removes.
    """

    models: dict[str, ModelSpec]
    about: dict[str, About]
