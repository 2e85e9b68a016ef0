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

    def __init__(self, path: Path) -> None:
        self.path = path
        self._model: ir.Model | None = None

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
