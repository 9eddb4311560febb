"""The Vega runtime that reports carry is the one of the locked vl-convert."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).parents[3] / "tools" / "vega_runtime.py"


def test_the_runtime_is_made_of_the_locked_package() -> None:
    spec = importlib.util.spec_from_file_location("vega_runtime", TOOL)
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.TARGET.read_text(encoding="utf-8") == tool.runtime(), f"run python {TOOL}"
