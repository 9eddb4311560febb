"""The option table of a role's README, rendered from its argument_specs.

`make docs` writes the tables; a contract test compares them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- options -->", "<!-- /options -->"


def options(role: Path) -> dict[str, dict[str, Any]]:
    """Options of a role's main entry point."""
    spec: dict[str, Any] = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = spec["argument_specs"]["main"]["options"]
    return found


def table(role: Path) -> str:
    """The table in Markdown; defaults that are computed are shown as such."""
    rows = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for name, option in options(role).items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        text = " ".join(option["description"].split())
        if "choices" in option:
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        rows.append(f"| `{name}` | {kind} | {_default(option['default'])} | {_plain(text)} |")
    return "\n".join(rows) + "\n"


def render(role: Path) -> str:
    """The README with a fresh table between its markers."""
    text = (role / "README.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(role)}{END}{after}"


def _default(value: Any) -> str:
    if value in ("", [], {}) and not isinstance(value, bool):
        return "empty"
    if "{{" in str(value):
        return "see defaults"
    if isinstance(value, list):
        value = ", ".join(str(one) for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _plain(text: str) -> str:
    for mark in ("V(", "C(", "P(", "O("):
        while mark in text:
            head, _, rest = text.partition(mark)
            inner, _, tail = rest.partition(")")
            text = f"{head}`{inner.split('#')[0]}`{tail}"
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for folder in sorted((ROOT / "roles").iterdir()):
        (folder / "README.md").write_text(render(folder), encoding="utf-8")
