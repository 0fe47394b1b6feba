"""Reports of a profile: a tree and tables on the terminal, plain data, CSV, Markdown and HTML."""

from __future__ import annotations

from calprof.report.export import save, to_csv, to_dict, to_json, to_markdown
from calprof.report.html import report_html
from calprof.report.numbers import (
    format_bytes,
    format_count,
    format_duration,
    format_exact,
    format_factor,
    format_rate,
    format_share,
)
from calprof.report.tables import op_table, uncounted_table
from calprof.report.text import print_report, report, report_text
from calprof.report.tree import render

__all__ = [
    "format_bytes", "format_count", "format_duration", "format_exact", "format_factor", "format_rate",
    "format_share", "op_table", "print_report", "render", "report", "report_html", "report_text", "save",
    "to_csv", "to_dict", "to_json", "to_markdown", "uncounted_table",
]  # fmt: skip
