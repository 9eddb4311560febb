"""Files for hosts without a network: the controller has them once, and says why when it has not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.loadfleet.mlperf.plugins.action.artifact import have

if TYPE_CHECKING:
    from pathlib import Path


def command(folder: Path, text: str) -> dict[str, str]:
    path = folder / "loadfleet"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return {"controller_executable": str(path), "controller_store": str(folder / "store")}


def test_mirrors_and_the_store_are_the_controllers(tmp_path: Path) -> None:
    answer = json.dumps({"path": "/srv/squad"})
    args = command(tmp_path, f"echo \"$@\" > {tmp_path}/called; echo '{answer}'")
    assert (
        have("dataset", "squad", {**args, "mirrors": ["/srv/a", "https://b.example.org"], "supplied": {"x": "/y"}})
        == "/srv/squad"
    )
    assert (tmp_path / "called").read_text().strip() == (
        f"cache ensure dataset squad --json --store {tmp_path}/store --mirror /srv/a --mirror https://b.example.org"
        " --supplied x=/y"
    )


def test_a_failure_on_the_controller_says_so(tmp_path: Path) -> None:
    args = command(tmp_path, 'echo "loadfleet: no source has dev.json" >&2; exit 3')
    with pytest.raises(
        AnsibleActionFail, match=r"dataset squad on the controller: no source has dev.json \(not ready\)"
    ):
        have("dataset", "squad", args)
    with pytest.raises(AnsibleActionFail, match="on the controller: No such file"):
        have("dataset", "squad", {"controller_executable": str(tmp_path / "absent")})
