"""The version of this package; part of every build key, because the compiler can change a byte."""

from __future__ import annotations

VERSION = "0.1.0"
