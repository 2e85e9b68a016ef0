"""Reports that people look at: one self-contained HTML file each."""

from specialize.report.build import build_page
from specialize.report.diff import diff_page, diff_report
from specialize.report.render import render
from specialize.report.write import build_report, write_build_report, write_new_report

__all__ = [
    "build_page",
    "build_report",
    "diff_page",
    "diff_report",
    "render",
    "write_build_report",
    "write_new_report",
]
