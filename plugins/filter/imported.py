# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Names a model that a user brings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = r"""
name: imported
short_description: Name of a model that a user brings
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Gives the name that the user chose, else that of the file, of the last part of the URL, or of the repository.
  - Gives an empty text when no model is brought.
options:
  _input:
    description: Name that the user chose; empty for one that is made.
    type: str
    required: true
  path:
    description: The model's file.
    type: str
    default: ""
  url:
    description: Where it is fetched.
    type: str
    default: ""
  hf:
    description: C(owner/repository/path@revision) at Hugging Face.
    type: str
    default: ""
"""

EXAMPLES = r"""
name: "{{ '' | loadfleet.mlperf.imported('/data/yolo-n.onnx') }}"
"""

RETURN = r"""
_value:
  description: A name for catalogue and store.
  type: str
"""


def imported(name: str, path: str = "", url: str = "", hf: str = "") -> str:
    """The name of a brought model; empty when none is brought."""
    if not (path or url or hf):
        return ""
    if name:
        return name
    if hf and not (path or url):
        parts = hf.split("/")
        return parts[1] if len(parts) > 1 else parts[0]
    last = (path or url.partition("?")[0]).rstrip("/").rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", re.sub(r"\.onnx$", "", last)).strip("-._")
    return stem or "model"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """By name."""
        return {"imported": imported}
