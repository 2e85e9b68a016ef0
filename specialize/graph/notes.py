"""What every pass gives back: notes of what it did, and of what it declined with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from specialize.graph.declined import Declined

Verdict = Literal["applied", "declined"]


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a pass did or declined to do.

    Attributes:
        pass_name: The pass.
        verdict: Whether it was applied or declined.
        where: Node or value that it is about.
        reason: What was done, or what stood in the way, for people.
        codes: Codes of the reasons for declining, the nearest first; empty if it was applied.
    """

    pass_name: str
    verdict: Verdict
    where: str
    reason: str
    codes: tuple[str, ...] = ()


def declined(pass_name: str, where: ir.Node | str, why: Declined) -> Note:
    """Return the note of what a pass did not do at a node, or at a place that has a name."""
    place = where if isinstance(where, str) else node_name(where)
    return Note(pass_name, "declined", place, why.text, why.codes)


def node_name(node: ir.Node) -> str:
    """Return what a node is called in notes: its name, or that of its first output."""
    return node.name or str(node.outputs[0].name)
