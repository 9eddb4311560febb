"""Which variables hold secrets, and how their values are blotted out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadfleet import hidden

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "name",
    [
        "API_TOKEN",
        "HF_TOKEN",
        "ansible_become_password",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASS",
        "MYTOKEN",
        "apikey",
        "auth",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert hidden.is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "KMP_AFFINITY", "ansible_ssh_private_key_file", "SSL_KEY_PATH",
        "PATH", "KEYBOARD", "benchmark_batch_size", "AUTHOR",
    ],
)  # fmt: skip
def test_other_names(name: str) -> None:
    assert not hidden.is_secret(name)


def test_values_are_blotted_out_of_texts_values_and_logs(tmp_path: Path) -> None:
    texts = hidden.texts({"a": "deep-secret", "b": "abc"})
    assert texts == ["deep-secret"], "a text of three letters is no secret that could be told from words"
    value = {"deep-secret": ["x deep-secret y", 1, None, {"k": "deep-secret"}]}
    assert hidden.blot_value(value, texts) == {"deep-secret": ["x ******** y", 1, None, {"k": "********"}]}
    log = tmp_path / "stdout.log"
    log.write_bytes(b"\xff deep-secret\nfine\n")
    log.chmod(0o640)
    assert hidden.blot_file(log, texts) is True
    assert log.read_bytes() == b"\xff ********\nfine\n"
    assert log.stat().st_mode & 0o777 == 0o640
    assert hidden.blot_file(log, texts) is False
    assert hidden.blot_file(tmp_path / "none", texts) is False
