"""Detail logs that are missing, cut or not LoadGen's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from loadfleet.errors import BadResultError
from loadfleet.loadgen.logs import DetailLog

if TYPE_CHECKING:
    from pathlib import Path


def line(key: str, value: object, **metadata: bool) -> str:
    return ":::MLLOG " + json.dumps({"key": key, "value": value, "metadata": metadata})


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_first_of_repeated_keys_counts_and_errors_are_gathered(tmp_path: Path) -> None:
    log = DetailLog.read(
        write(
            tmp_path / "log",
            line("result_validity", "INVALID"),
            line("result_validity", "VALID"),
            line("error_runtime", "ran out", is_error=True),
            line("warning", "hm", is_warning=True),
            line("power_end", "x"),
        )
    )
    assert (log.validity, log.errors, log.warnings) == ("INVALID", ["ran out"], ["hm"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "ends early"),
        ("hello\n", "is not a LoadGen line"),
        (":::MLLOG {\n", "cannot be read"),
        (line("result_validity", "VALID") + "\n", "ends early"),
        (":::MLLOG {}\n", "cannot be read"),
        (":::MLLOG 7\n", "cannot be read"),
        (':::MLLOG {"key": [], "value": 1}\n', "cannot be read"),
        (':::MLLOG {"key": "x", "value": 1, "metadata": null}\n', "cannot be read"),
    ],
)
def test_damage_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(BadResultError, match=words):
        DetailLog.read(path)


def test_binary_rubbish_and_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(BadResultError, match=r"cannot be read|not a LoadGen line"):
        DetailLog.read(path)
    with pytest.raises(BadResultError, match="cannot be read"):
        DetailLog.read(tmp_path / "none")


def test_a_run_without_its_number(tmp_path: Path) -> None:
    log = DetailLog.read(write(tmp_path / "log", line("power_end", "x")))
    with pytest.raises(BadResultError, match="measured nothing"):
        log.metric("Offline")
