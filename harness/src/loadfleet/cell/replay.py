"""replay.sh: one cell again by hand, with the same command and environment."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from loadfleet import files, hidden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_KEPT = re.compile(r"^(OMP_|MKL_|OPENBLAS_|KMP_|GOMP_|CUDA_|HIP_|ROCR_|ORT_|LD_|MALLOC_|LOADFLEET_|PATH$|LANG$|LC_)")


def environment(extra: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process that can change its numbers: those of `extra`, and the runtime ones of `base`."""
    return {**{name: value for name, value in sorted(base.items()) if _KEPT.match(name)}, **extra}


def write(folder: Path, command: Sequence[str], kept: Mapping[str, str]) -> None:
    """Write the script beside the cell's cell.json. Values of variables named like secrets are left out."""
    lines = [
        "#!/bin/sh",
        "# Repeats this cell in a new folder beside it; the logs here stay as they are.",
        "set -eu",
        'here=$(cd "$(dirname "$0")" && pwd)',
        'again=$(mktemp -d "$here.replay.XXXXXX")',
        'cp "$here/cell.json" "$again/"',
        'cd "$again"',
    ]
    for name, value in kept.items():
        if hidden.is_secret(name):
            lines.append(f"# {name} was set; its value is not kept: export it yourself")
        else:
            lines.append(f"export {name}={shlex.quote(value)}")
    lines += ['echo "logs: $again"', f"exec {shlex.join(command)} cell.json", ""]
    files.write_text(folder / "replay.sh", "\n".join(lines), mode=0o755)
