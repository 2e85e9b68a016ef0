"""JSON of commands about toolchains."""

from __future__ import annotations

from typing import Literal

from specialize.cli.schemas.base import Output
from specialize.explain.doctor import Extra, Package, StorePlace

Verdict = Literal["allowed", "cpu", "refused", "unknown"]


class KnownFrom(Output, frozen=True, kw_only=True):
    """How something is known about a toolchain.

    Attributes:
        kind: Whether it ran here or is written somewhere.
        text: What.
    """

    kind: Literal["ran here", "from documents"]
    text: str


class OperatorRule(Output, frozen=True, kw_only=True):
    """What a toolchain does with an operator.

    Attributes:
        verdict: If all limits are kept.
        text: Why; empty for an operator that is simply taken.
        limits: What a node must keep.
        otherwise: Verdict for a node that does not.
        source: Where it is written, or what ran.
    """

    verdict: Verdict
    text: str
    limits: tuple[str, ...]
    otherwise: Verdict
    source: str


class Toolchain(Output, frozen=True, kw_only=True):
    """A toolchain in a list.

    Attributes:
        name: As in `--target`.
        title: Vendor, product and version.
        opsets: Oldest and newest version of the standard operators that it reads.
        opset: Version that is written for it, at most.
        highest_rank: Of any tensor; null if no limit is known.
        forms: How deformable attention is written for it, the usual form first.
        files: Names of the files that are written beside the model.
        static: Whether every shape must be a number.
        evidence: How all this is known.
        notes: What a user should know.
    """

    name: str
    title: str
    opsets: tuple[int, int]
    opset: int
    highest_rank: int | None
    forms: tuple[str, ...]
    files: tuple[str, ...]
    static: bool
    evidence: tuple[KnownFrom, ...]
    notes: tuple[str, ...]


class Targets(Output, frozen=True, kw_only=True):
    """`specialize targets --json`.

    Attributes:
        targets: Every toolchain.
    """

    schema: Literal["specialize/targets@1"]
    targets: tuple[Toolchain, ...]


class Target(Toolchain, frozen=True, kw_only=True):
    """`specialize targets NAME --json`.

    Attributes:
        name: As in `--target`.
        title: Vendor, product and version.
        opsets: Oldest and newest version of the standard operators that it reads.
        opset: Version that is written for it, at most.
        highest_rank: Of any tensor; null if no limit is known.
        forms: How deformable attention is written for it, the usual form first.
        files: Names of the files that are written beside the model.
        static: Whether every shape must be a number.
        evidence: How all this is known.
        notes: What a user should know.
        operators: Rules by operator, custom ones as `domain::name`.
        unlisted: Rule for every other operator.
    """

    schema: Literal["specialize/target@1"]
    operators: dict[str, OperatorRule]
    unlisted: OperatorRule


class NodeFinding(Output, frozen=True, kw_only=True):
    """What a toolchain does with one node.

    Attributes:
        node: Its name, or `graph` for what holds of the whole.
        operator: Its operator, custom ones as `domain::name`.
        verdict: Allowed, falls to the CPU, refused, or unknown.
        rule: Why; empty for a node that is simply taken.
        source: Where that is written, or what ran.
        help: What would help; empty if nothing is known.
    """

    node: str
    operator: str
    verdict: Verdict
    rule: str
    source: str
    help: str


class Conformance(Output, frozen=True, kw_only=True):
    """`specialize inspect MODEL.onnx --target NAME --json`.

    Attributes:
        target: Name of the toolchain.
        counts: Verdict -> number of nodes.
        nodes: Each node with its verdict, and why.
    """

    schema: Literal["specialize/conformance@1"]
    target: str
    counts: dict[str, int]
    nodes: tuple[NodeFinding, ...]


class Doctor(Output, frozen=True, kw_only=True):
    """`specialize doctor --json`.

    Attributes:
        ok: Whether everything is there without which nothing works.
        version: Of this package.
        python: Of the interpreter.
        machine: Processor and system.
        needed: Packages without which nothing works.
        extras: Optional parts.
        store: Where models and weights are kept.
        compiler: The C++ compiler that `vehicle tool` takes; empty without.
    """

    schema: Literal["specialize/doctor@1"]
    ok: bool
    version: str
    python: str
    machine: str
    needed: tuple[Package, ...]
    extras: tuple[Extra, ...]
    store: StorePlace
    compiler: str
