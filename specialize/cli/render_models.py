"""Render the built-in models as a table: figures first, then inputs, outputs and what is removed."""

from __future__ import annotations

from collections.abc import Mapping

from specialize.cli.schemas.models import Models
from specialize.model.parts import ImagePrep
from specialize.model.spec import ModelSpec
from specialize.text.document import Document, Table, table
from specialize.text.units import scaled
from specialize.zoo.about import About

_LABELS = ("in", "out", "removes")


def models_text(found: Models) -> Document:
    """Return what `specialize models` shows."""
    return (
        _figures(found.models, found.about),
        _tensors(found.models, found.about),
        "inputs in brackets are the calibration: a specialization makes them constants",
        "next: specialize build --calib PROFILE --model MODEL",
    )


def _figures(specs: Mapping[str, ModelSpec], about: Mapping[str, About]) -> Table:
    rows = []
    for name, spec in specs.items():
        width, height = spec.image.size_px
        prepared = bool(spec.calibration_inputs) or any(one.name == "img" for one in about[name].inputs)
        grids = ", ".join("x".join(str(n) for n in grid.shape) for grid in spec.grids)
        row = (
            name,
            scaled(about[name].parameters),
            f"{width} x {height}" if prepared else "-",
            _preparation(spec.image) if prepared else "-",
            grids or "-",
            str(len(spec.cameras) or "any"),
        )
        rows.append(row)
    return table("model", "parameters", "image", "from raw pixels", "queries", "cameras", rows=rows)


def _preparation(image: ImagePrep) -> str:
    left, top = image.crop_px
    crop = f", cut {left:g} left {top:g} top" if left or top else ""
    return f"x {image.scale:g}{crop}"


def _tensors(specs: Mapping[str, ModelSpec], about: Mapping[str, About]) -> str:
    """Return names of inputs and outputs, and what falls away, once for all models that differ in nothing of it."""
    models: dict[tuple[str, ...], list[str]] = {}
    for name, each in about.items():
        bound = specs[name].calibration_inputs
        given = ", ".join(f"[{one.name}]" if one.name in bound else one.name for one in each.inputs)
        lines = (given, ", ".join(one.name for one in each.outputs), each.removes)
        models.setdefault(lines, []).append(name)
    paragraphs = (
        [", ".join(names), *(f"  {label:<8} {line}" for label, line in zip(_LABELS, lines, strict=True))]
        for lines, names in models.items()
    )
    return "\n\n".join("\n".join(paragraph) for paragraph in paragraphs)
