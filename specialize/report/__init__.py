"""Reports that people look at: one self-contained HTML file each."""

from specialize.report.build import build_page
from specialize.report.render import render_build
from specialize.report.write import build_report, write_build_report

__all__ = ["build_page", "build_report", "render_build", "write_build_report"]
