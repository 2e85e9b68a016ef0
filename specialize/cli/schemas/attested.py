"""JSON of commands about statements and signatures."""

from __future__ import annotations

from typing import Literal

from specialize.cli.schemas.base import Output


class Attest(Output, frozen=True, kw_only=True):
    """`specialize attest --json`.

    Attributes:
        build_dir: Folder of the build.
        output: Folder of the files.
        files: Names of the files that were written.
        subjects: Number of files of the build that they name.
        result: Verdict of the test result.
        signed: Whether a key signed.
    """

    schema: Literal["specialize/attest@1"]
    build_dir: str
    output: str
    files: tuple[str, ...]
    subjects: int
    result: Literal["PASSED", "WARNED", "FAILED"]
    signed: bool


class Attested(Output, frozen=True, kw_only=True):
    """`specialize verify --signature --json`.

    Attributes:
        build_dir: Folder of the build.
        subjects: Number of its files.
        signature: The signature that was checked; null without one.
        public_key: The key that it is by; null without a signature.
        statements: Statement that was checked -> its type.
    """

    schema: Literal["specialize/attested@1"]
    build_dir: str
    subjects: int
    signature: str | None
    public_key: str | None
    statements: dict[str, str]
