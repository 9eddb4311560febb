"""`make docs`: rebuild what is generated in the documentation.

Option tables of the roles come from their argument_specs, docs/bad-input.md from running bad input.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "contract"))

from option_table import render  # noqa: E402


def main() -> None:
    """Write every role's README anew."""
    for role in sorted((ROOT / "roles").iterdir()):
        readme = role / "README.md"
        text = render(role)
        if text != readme.read_text(encoding="utf-8"):
            readme.write_text(text, encoding="utf-8")
            print(f"wrote {readme.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
