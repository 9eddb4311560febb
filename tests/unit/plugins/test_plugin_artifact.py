"""Files for hosts without a network: the controller has them once, and says why when it has not."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.loadfleet.mlperf.plugins.action.artifact import have
from ansible_collections.loadfleet.mlperf.plugins.modules.artifact import Artifact

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


class Called(SimpleNamespace):
    """Stands in for AnsibleModule; keeps what was run."""

    check_mode = False

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        self.command = command
        return 0, json.dumps({"changed": True, "path": "/srv/x", "lacks": []}), ""


def test_everything_a_user_sets_reaches_the_command(tmp_path: Path) -> None:
    (tmp_path / "loadfleet").write_text("")
    (tmp_path / "loadfleet").chmod(0o755)
    params = {
        "executable": str(tmp_path / "loadfleet"), "store_path": "/srv/store", "kind": "dataset", "name": "imagenet",
        "mirrors": ["/m"], "supplied": {"imagenet": "/data/val.tar"}, "offline": True, "from_controller": False,
        "brought": "", "shared_path": "/net/a:/net/b", "quota": "200GB", "pin": True, "for_model": "lite",
    }  # fmt: skip
    module = Called(params=params)
    assert Artifact(module).ensure()["changed"] is True
    assert " ".join(module.command[1:]) == (
        "cache ensure dataset imagenet --json --store /srv/store --for-model lite --shared-store /net/a "
        "--shared-store /net/b --quota 200GB --pin --mirror /m --supplied imagenet=/data/val.tar --offline"
    )
    bare = {**params, "shared_path": "", "quota": "", "pin": False, "supplied": {}, "mirrors": [], "offline": False}
    bare["for_model"] = ""
    Artifact(other := Called(params=bare)).ensure()
    assert " ".join(other.command[1:]) == "cache ensure dataset imagenet --json --store /srv/store"
