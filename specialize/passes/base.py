"""What every pass gives back: what it did, or why it declined; and how passes run one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import onnx_ir as ir

Verdict = Literal["applied", "declined"]


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a pass did or declined to do.

    Attributes:
        pass_name: The pass.
        verdict: Whether it was applied or declined.
        where: Node or value that it is about.
        reason: What was done, or what stood in the way, for people.
    """

    pass_name: str
    verdict: Verdict
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class PassReport:
    """What a pass did to a graph."""

    name: str
    nodes_before: int
    nodes_after: int
    notes: tuple[Note, ...] = field(default=())


def node_name(node: ir.Node) -> str:
    """Return what a node is called in notes: its name, or that of its first output."""
    return node.name or str(node.outputs[0].name)
