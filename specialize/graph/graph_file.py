"""A file of a graph that is read once, however many passes start from it."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from specialize.graph.io import read_graph


class GraphFile:
    """A graph in a file, read when it is first needed.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, model: ir.Model | None = None) -> None:
        self.path = path
        self._model = model

    def look(self) -> ir.Model:
        """Return the graph to those who change nothing in it; all get the same one.

        Raises:
            InputError: The file is no model, or contradicts itself.
        """
        if self._model is None:
            self._model = read_graph(self.path)
        return self._model

    def copy(self) -> ir.Model:
        """Return a graph of one's own; the contents of its constants are shared, and never changed.

        Raises:
            InputError: As `look`.
        """
        return self.look().clone()


def in_folder(model: ir.Model, folder: Path) -> ir.Model:
    """Return a copy of a graph that reads its weights from files of the same names in another folder."""
    made = model.clone()
    for value in made.graph.initializers.values():
        tensor = value.const_value
        if isinstance(tensor, ir.ExternalTensor):
            value.const_value = ir.ExternalTensor(
                tensor.location, tensor.offset, tensor.length, tensor.dtype, shape=tensor.shape,
                name=str(tensor.name), base_dir=folder,
            )  # fmt: skip
    return made
