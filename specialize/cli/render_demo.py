"""Render the demo as text: its build, and what to try next."""

from __future__ import annotations

from specialize.cli.render_build import build_text
from specialize.explain.demo import Demo
from specialize.text.document import Document
from specialize.text.terminal import command


def demo_text(demo: Demo) -> Document:
    """Return what `specialize demo` shows: the build, and commands that show its limits."""
    build = demo.outcome.build_dir
    lines = (
        f"next: specialize check {command(build, '--calib', demo.other)}",
        f"      specialize inspect {command(build, '--graph')}",
        f"report: {build / 'report.html'}",
    )
    parts = build_text(demo.outcome)
    assert isinstance(parts, tuple)
    return (*parts[:-1], "\n".join(lines))
