# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Names the environment of a backend, with a name of its own for other versions than the locked ones."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = r"""
name: environment
short_description: Name of the environment of a backend in given versions
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Gives the backend's name when no versions are asked, so that a run without them is never touched by one with them.
options:
  _input:
    description: Name of the backend.
    type: str
    required: true
  version:
    description: What was asked of the backend; empty for its lock's version.
    type: raw
    default: ""
  loadgen_version:
    description: What was asked of LoadGen; empty for its lock's version.
    type: raw
    default: ""
"""

EXAMPLES = r"""
path: "{{ store_path }}/venvs/{{ 'onnxruntime' | loadfleet.mlperf.environment('1.20.1') }}"
"""

RETURN = r"""
_value:
  description: Name of a folder.
  type: str
"""


def environment(backend: str, version: Any = "", loadgen_version: Any = "") -> str:
    """`onnxruntime`, `onnxruntime-1.20.1`, `onnxruntime-1.20.1-loadgen5.1.2`."""
    name = backend
    for title, asked in (("", version), ("loadgen", loadgen_version)):
        if asked not in (None, ""):
            name += "-%s%s" % (title, _word(str(asked)))
    return name


def _word(asked: str) -> str:
    """A version as it is; constraints as readable as file names go, and unique."""
    text = asked.strip()
    if re.fullmatch(r"\d[\w.]*", text):
        return text
    kept = re.sub(r"[^\w.]+", "_", text).strip("_")
    return "%s_%s" % (kept, hashlib.sha256(text.encode()).hexdigest()[:6])


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"environment": environment}
