"""The report: one HTML page that needs nothing else, and `summary.json` beside it.

Words and numbers are made here and in the modules beside; `templates/` arranges them, `assets/` holds the style, the
script of the page and the Vega runtime (see `tools/vega_runtime.py`), which are put into the page once.
"""

from loadfleet.results.report.page import render, write_report
from loadfleet.results.report.published import others

__all__ = ["others", "render", "write_report"]
