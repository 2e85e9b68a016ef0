"""Compose static transforms in a tree of frames, as ROS publishes them."""

from __future__ import annotations

import numpy as np

from specialize.calibration.pose import Matrix, inverse, product
from specialize.errors import InputError, closest


class FrameTree:
    """Poses between named frames, composed along the tree.

    Args:
        source: Origin of the transforms, for errors.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._parents: dict[str, tuple[str, Matrix]] = {}
        self._doubts: dict[str, InputError] = {}

    def add(self, parent: str, child: str, parent_from_child: Matrix) -> None:
        """Add one edge; a frame has one parent.

        Raises:
            InputError: The child has a parent already, or would be its own ancestor.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        if child in self._parents:
            first = self._parents[child][0]
            raise InputError(f"{self.source}: {child}", "one parent frame", f"{first!r} and {parent!r}")
        if child in self._ancestors(parent):
            raise InputError(f"{self.source}: {child}", "a tree of frames", f"a cycle through {parent!r}")
        self._parents[child] = (parent, parent_from_child)

    def between(self, target: str, source: str) -> Matrix:
        """Return `target_from_source` (4, 4) in m.

        Raises:
            InputError: A frame is unknown, or no chain of transforms joins the two.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        for name in (target, source):
            if name not in self.names():
                hint = closest(name, self.names())
                raise InputError(self.source, "a frame with a static transform", repr(name), hint)
        for child in self._children_between(target, source):
            if child in self._doubts:
                raise self._doubts[child]
        root_of_source, from_source = self._to_root(source)
        root_of_target, from_target = self._to_root(target)
        if root_of_source != root_of_target:
            found = f"two separate trees, below {root_of_target!r} and below {root_of_source!r}"
            hint = f"add the transform that joins them: parent {root_of_target}, child {root_of_source}"
            raise InputError(self.source, f"a chain from {source!r} to {target!r}", found, hint)
        return product(inverse(from_target), from_source)

    def doubt(self, child: str, error: InputError) -> None:
        """Raise an error as soon as a pose depends on the edge above a child."""
        self._doubts[child.lstrip("/")] = error

    def names(self) -> set[str]:
        """Return all frames."""
        return set(self._parents) | {parent for parent, _ in self._parents.values()}

    def _to_root(self, name: str) -> tuple[str, Matrix]:
        """Return the root above a frame and `root_from_frame`."""
        pose: Matrix = np.eye(4)
        while name in self._parents:
            name, step = self._parents[name]
            pose = product(step, pose)
        return name, pose

    def _children_between(self, one: str, other: str) -> set[str]:
        """Return the frames whose edges the pose between two depends on: those above one of them alone."""
        return self._ancestors(one) ^ self._ancestors(other)

    def _ancestors(self, name: str) -> set[str]:
        """Return a frame and all frames above it."""
        found = {name}
        while name in self._parents:
            name = self._parents[name][0]
            found.add(name)
        return found
