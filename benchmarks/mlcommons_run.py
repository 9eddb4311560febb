"""`python mlcommons_run.py RUN.PY ...`: runs a script of MLCommons' tree, modules that it only imports stood in for.

Says on standard error which ones are: they are not part of what is measured.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
import types
from typing import Any

# Imported at the top of its files, and not called when features come from the cache and LoadGen is local.
_ONLY_IMPORTED = ("absl", "transformers", "tokenization", "six")


class _Anything(types.ModuleType):
    """A module in which every name can be imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


def main() -> None:
    """Stand in for what is missing, then run the script as if it had been called."""
    for name in _ONLY_IMPORTED:
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = _Anything(name)
            print(f"{name} is missing and stood in for: it is only imported", file=sys.stderr)
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
