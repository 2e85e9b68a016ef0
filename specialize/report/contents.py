"""List the contents of a build for command line and reports: inputs, outputs, and what the passes did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from specialize.artifact.manifest import PassNote, Tensor
from specialize.text.document import Cell, Column, Table, table, words


def tensors_table(groups: Mapping[str, tuple[Tensor, ...]]) -> Table:
    """Return tensors by the way they go."""
    rows = (
        (tensor.name, way, tensor.dtype, " x ".join("?" if size < 0 else str(size) for size in tensor.shape))
        for way, tensors in groups.items()
        for tensor in tensors
    )
    return table(Column("tensor", "code"), "", "type", "shape", rows=rows, look="compact")


def passes_table(notes: Iterable[PassNote]) -> Table:
    """Return what each pass did and where, or why it declined."""
    rows = (
        [
            Cell(text, state="plain" if note.applied else "quiet")
            for text in (note.name, "done" if note.applied else "declined", note.where, note.reason)
        ]
        for note in notes
    )
    return table(*words("pass", ""), Column("where", "code"), *words("what"), rows=rows)
