# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks what a user says of a model of their own. Private to this collection."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List

ORIGINS = ("path", "url", "hf")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def problems(wish: Dict[str, Any]) -> List[str]:
    """What is wrong, each with the value seen and the fix.

    Args:
        wish: `path`, `url`, `hf`, `sha256`, `shapes` and `samples` of the options benchmark_model_... and
            benchmark_input_..., `name` as it comes out of them, `model` of benchmark_model, `known` (files of the
            catalogue's models), and of the workload `workload`, `default_model`, `metric` and the asked `modes`.
    """
    given = [origin for origin in ORIGINS if wish.get(origin)]
    found = []
    if len(given) > 1:
        both = " and ".join("benchmark_model_%s" % origin for origin in given)
        found.append("%s are both set; fix: keep the one that names the model" % both)
    if given and wish.get("model"):
        words = "benchmark_model is %s and benchmark_model_%s is %s; fix: keep one of them"
        found.append(words % (wish["model"], given[0], wish[given[0]]))
    if given and wish.get("models"):
        words = "benchmark_models and benchmark_model_%s are both set; fix: keep one of them"
        found.append(words % given[0])
    if not given and not wish.get("model") and not wish.get("models") and not wish.get("default_model"):
        fix = "set benchmark_model_path, benchmark_model_url or benchmark_model_hf"
        found.append("the workload %s has no model of its own; fix: %s" % (wish["workload"], fix))
    if given:
        found += _name(str(wish.get("name") or ""), wish.get("known") or [])
        found += _digest(str(wish.get("sha256") or ""), given)
    found += _inputs(wish.get("shapes") or {}, wish.get("samples") or 0)
    if wish.get("metric") == "none":
        found += [
            "benchmark_modes is %s, and the workload %s claims no accuracy, for its inputs are made and no answer is "
            "right or wrong; fix: use performance" % (mode, wish["workload"])
            for mode in wish.get("modes") or []
            if mode != "performance"
        ]
    return found


def _name(name: str, known: List[str]) -> List[str]:
    if not _NAME.match(name):
        words = "benchmark_model_name is %r; fix: use letters, digits, dots, hyphens and underscores"
        return [words % name]
    if name in [os.path.splitext(os.path.basename(path))[0] for path in known]:
        words = "%s is the name of a model of the catalogue; fix: set benchmark_model_name to another one"
        return [words % name]
    return []


def _digest(sha256: str, given: List[str]) -> List[str]:
    if sha256 and not _SHA256.match(sha256):
        return ["benchmark_model_sha256 is %s; fix: use the 64 hexadecimal digits that sha256sum prints" % sha256]
    if not sha256 and given[0] == "url":
        fix = "set it to what sha256sum prints"
        return ["benchmark_model_url without benchmark_model_sha256 could bring any file; fix: %s" % fix]
    return []


def _inputs(shapes: Any, samples: Any) -> List[str]:
    found = []
    if not isinstance(shapes, dict):
        return ["benchmark_input_shapes is %s; fix: write {input: [1, 3, 224, 224]}" % shapes]
    for name, sizes in sorted(shapes.items()):
        whole = isinstance(sizes, list) and all(isinstance(size, int) and size > 0 for size in sizes)
        if not whole:
            words = (
                "benchmark_input_shapes gives %s for %s; fix: write a list of whole numbers, such as [1, 3, 224, 224]"
            )
            found.append(words % (sizes, name))
    if not str(samples).isdigit():
        found.append("benchmark_input_samples is %s; fix: use a whole number, 0 for the default" % samples)
    return found
