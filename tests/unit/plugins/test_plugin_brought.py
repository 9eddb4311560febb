"""Models of a user's own, as variables say them: names, contradictions, and how a host gets the file."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.loadfleet.mlperf.plugins.action.artifact import ActionModule, fetched
from ansible_collections.loadfleet.mlperf.plugins.filter.imported import imported
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _brought

if TYPE_CHECKING:
    from pathlib import Path

SHA256 = "ab" * 32


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ({}, ""),
        ({"name": "mine"}, ""),
        ({"path": "/data/yolo v8.onnx"}, "yolo-v8"),
        ({"path": "~/m.opt.onnx"}, "m.opt"),
        ({"path": "/data/---.onnx"}, "model"),
        ({"url": "https://example.org/a/net.onnx?download=1"}, "net"),
        ({"hf": "owner/repo/onnx/model.onnx@main"}, "repo"),
        ({"hf": "model.onnx"}, "model.onnx"),
        ({"name": "mine", "path": "/data/x.onnx"}, "mine"),
    ],
)
def test_the_name_of_a_brought_model(wish: dict[str, str], name: str) -> None:
    assert imported(wish.pop("name", ""), **wish) == name


def wish(**said: Any) -> dict[str, Any]:
    return {"workload": "onnx", "metric": "none", "modes": ["performance"], "known": [], **said}


def test_what_is_well_said_has_no_problems() -> None:
    assert _brought.problems(wish(path="/m.onnx", name="m", shapes={"x": [1, 3]}, samples="5")) == []
    assert _brought.problems(wish(url="https://x/m.onnx", sha256=SHA256, name="m")) == []
    assert _brought.problems(wish(workload="bert", metric="f1", default_model="minilm", modes=["accuracy"])) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "the workload onnx has no model of its own; fix: set benchmark_model_path"),
        ({"path": "/m", "hf": "a/b/c", "name": "m"}, "benchmark_model_path and benchmark_model_hf are both set"),
        ({"path": "/m", "name": "m", "model": "x"}, "benchmark_model is x and benchmark_model_path is /m; fix: keep"),
        ({"path": "/m", "name": "m", "models": ["a", "b"]}, "benchmark_models and benchmark_model_path are both set"),
        ({"path": "/m", "name": "a b"}, "benchmark_model_name is 'a b'; fix: use letters"),
        (
            {"path": "/m", "name": "minilm", "known": ["/c/minilm.yml"]},
            "minilm is the name of a model of the catalogue",
        ),
        (
            {"url": "https://x/m", "name": "m"},
            "benchmark_model_url without benchmark_model_sha256 could bring any file",
        ),
        (
            {"path": "/m", "name": "m", "sha256": "12"},
            "benchmark_model_sha256 is 12; fix: use the 64 hexadecimal digits",
        ),
        (
            {"path": "/m", "name": "m", "shapes": {"x": "1,3"}},
            "benchmark_input_shapes gives 1,3 for x; fix: write a list",
        ),
        ({"path": "/m", "name": "m", "shapes": {"x": [0]}}, "benchmark_input_shapes gives [0] for x"),
        ({"path": "/m", "name": "m", "shapes": [1]}, "benchmark_input_shapes is [1]; fix: write {input: "),
        ({"path": "/m", "name": "m", "samples": "few"}, "benchmark_input_samples is few; fix: use a whole number"),
        (
            {"path": "/m", "name": "m", "modes": ["accuracy"]},
            "benchmark_modes is accuracy, and the workload onnx claims no",
        ),
    ],
)
def test_what_is_wrong_is_told_with_the_fix(said: dict[str, Any], words: str) -> None:
    (problem,) = _brought.problems(wish(**said))
    assert words in problem
    assert "; fix: " in problem


class Host(ActionModule):
    """An action whose host answers from a list, and that notes what it is sent."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.answers, self.asked, self.files = answers, [], []  # type: ignore[var-annotated]
        self._task = type("Task", (), {"check_mode": False})()
        shell = type("Shell", (), {"join_path": lambda _, *parts: "/".join(parts)})()
        self._connection = type("Connection", (), {"_shell": shell})()

    def _execute_module(self, **settings: Any) -> dict[str, Any]:
        self.asked.append(json.loads(json.dumps(settings["module_args"])))
        return self.answers.pop(0)

    def _transfer_file(self, local: str, remote: str) -> str:
        self.files.append((local, remote))
        return remote


def test_a_host_is_sent_what_it_lacks_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"model")
    (tmp_path / "m.data").write_bytes(b"weights")
    host = Host(
        [
            {"changed": True, "lacks": ["m.onnx"], "incoming": "/in"},
            {"changed": True, "lacks": ["m.data"], "incoming": "/in"},
            {"changed": True, "lacks": []},
        ]
    )
    result = host._import({"imported": {"path": str(path), "url": ""}}, {"inventory_hostname": "sut1"})
    assert result == {"changed": True, "sent": ["m.onnx", "m.data"]}
    assert host.files == [(str(path), "/in/m.onnx"), (str(tmp_path / "m.data"), "/in/m.data")]
    assert [each["imported"]["sha256"] for each in host.asked] == [hashlib.sha256(b"model").hexdigest()] * 3
    assert [each.get("brought") for each in host.asked] == [None, "/in", "/in"]


def test_a_file_that_nobody_has_is_named_with_the_host(tmp_path: Path) -> None:
    host = Host([{"changed": True, "lacks": ["m.onnx"], "incoming": "/in"}])
    words = r"m\.onnx: no such file, on the controller or on sut1; fix: correct benchmark_model_path"
    with pytest.raises(AnsibleActionFail, match=words):
        host._import({"imported": {"path": str(tmp_path / "m.onnx")}}, {"inventory_hostname": "sut1"})


def test_the_controller_fetches_for_hosts_without_a_network(tmp_path: Path) -> None:
    command = tmp_path / "loadfleet"
    answer = json.dumps({"path": "/store/model/m-1", "file": "m.onnx"})
    command.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/called; echo '{answer}'\n")
    command.chmod(0o755)
    args = {
        "name": "m", "controller_executable": str(command), "controller_store": "/store", "mirrors": ["/srv/a"],
        "imported": {"url": "https://x/m.onnx", "sha256": SHA256, "workload": "onnx", "shapes": {"x": [1, 2]}},
    }  # fmt: skip
    assert fetched(args) == "/store/model/m-1/m.onnx"
    assert (tmp_path / "called").read_text().strip() == (
        f"cache import m --json --store /store --url https://x/m.onnx --sha256 {SHA256} --workload onnx --shape x=1,2"
        " --mirror /srv/a"
    )
