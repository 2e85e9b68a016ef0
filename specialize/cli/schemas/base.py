"""What all JSON outputs have in common: a struct per object, and no key that is not declared."""

from __future__ import annotations

from typing import Any

import msgspec

JsonObject = dict[str, Any]


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An object of an output: a key that is not declared is an error, in tests."""
