from __future__ import annotations

import base64
import csv
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from result_builder import RUN_ID, TEST_REASON, result, run_folder

from loadfleet.cli.results import command
from loadfleet.errors import InputError, NotReadyError
from loadfleet.results import RunResults, exporters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "0123456789abcdef0123456789abcdef01234567"


def load(tmp_path: Path, *results: dict[str, Any], telemetry: bool = False) -> RunResults:
    return RunResults.load(run_folder(tmp_path, *results, telemetry=telemetry))


def test_formats_are_found_by_their_files() -> None:
    assert exporters.names() == ["csv", "json", "junit", "markdown", "wandb"]
    assert all(exporters.helps().values())
    listed = CliRunner().invoke(command, ["export", "--list"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == exporters.names()


def test_csv_has_a_line_for_each_cell_and_numbers_as_numbers(tmp_path: Path) -> None:
    text = exporters.export(
        "csv", load(tmp_path, result(), result(mode="accuracy"), result("Server", execution="test"))
    )
    assert text.count("\r\n") == 4
    rows = {row["scenario"] + row["mode"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}
    measured = rows["Offlineperformance"]
    assert (measured["value"], measured["unit"], measured["loadgen"]) == ("1234.5", "Samples/s", "VALID")
    assert (measured["submittable"], measured["latency_p99.9_ms"]) == ("true", "44.0")
    assert rows["Offlineaccuracy"]["accuracy_percent"] == "76.4"
    assert rows["Offlineaccuracy"]["value"] == ""
    assert rows["Serverperformance"]["reasons"] == TEST_REASON


def test_csv_holds_no_formula(tmp_path: Path) -> None:
    text = exporters.export("csv", load(tmp_path, result(system={"name": "=HYPERLINK(1)"})))
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["system"] == "'=HYPERLINK(1)"


def test_a_cell_without_a_result_is_a_line_too(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result())
    (run / "localhost/bert/Offline/performance/result.json").write_text("{")
    (row,) = csv.DictReader(io.StringIO(exporters.export("csv", RunResults.load(run)), newline=""))
    assert (row["state"], row["outcome"], row["value"]) == ("unreadable", "bad", "")
    assert "not JSON" in row["reasons"]


def test_markdown_is_a_table_that_means_what_it_says(tmp_path: Path) -> None:
    hostile = result(host="a|b", execution="test", validity={"reasons": ["<b>x</b> | y\n# z"]})
    text = exporters.export("markdown", load(tmp_path, hostile))
    lines = text.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 3
    assert {line.replace("\\|", "").count("|") for line in table} == {8}
    assert "1,234.5 Samples/s" in text
    assert r"1. \<b\>x\</b\> \| y \# z" in lines


def test_json_holds_summary_and_results(tmp_path: Path) -> None:
    value = json.loads(exporters.export("json", load(tmp_path, result(), result(mode="accuracy"))))
    assert (value["run_id"], value["exit_code"], len(value["results"])) == (RUN_ID, 0, 2)


def test_junit_is_the_file_of_ci(tmp_path: Path) -> None:
    root = ET.fromstring(exporters.export("junit", load(tmp_path, result(), result(mode="accuracy"))))  # noqa: S314
    assert (root.get("tests"), root.get("failures")) == ("2", "0")


def test_the_command_writes_a_file_or_prints(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result())
    target = tmp_path / "table.csv"
    done = CliRunner().invoke(command, ["export", str(run), "--format", "csv", "-o", str(target)])
    assert (done.exit_code, done.output) == (0, "")
    printed = CliRunner().invoke(command, ["export", str(run), "--format", "csv"])
    assert printed.stdout_bytes == target.read_bytes()
    answer = CliRunner().invoke(command, ["export", str(run), "--format", "csv", "--json"])
    assert json.loads(answer.output)["text"].encode() == target.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--format", "pdf"], "there are csv, json, junit"), (["--format", "csv", "-o", "no/such/file"], "no folder")],
)
def test_wrong_input_is_said(tmp_path: Path, arguments: list[str], words: str) -> None:
    run = run_folder(tmp_path, result())
    done = CliRunner().invoke(command, ["export", str(run), *arguments])
    assert isinstance(done.exception, InputError)
    assert words in done.exception.message


class Service:
    """A server that answers as Weights & Biases does, as far as an export goes; `said` is every request."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 200
        self.answers: dict[str, Any] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                service.said.append((self.path, dict(self.headers), body))
                self.send_response(service.status)
                if service.status in {302, 307}:
                    self.send_header("location", f"{service.address}/elsewhere")
                data = json.dumps(service.answer(self.path, body)).encode()
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self.do_POST()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path != "/graphql":
            return {}
        if body["operationName"] in self.answers:
            answer: dict[str, Any] = self.answers[body["operationName"]]
            return answer
        if body["operationName"] == "Viewer":
            return {"data": {"viewer": {"entity": "team"}}}
        given = body["variables"]
        project = {"name": given["project"], "entity": {"name": given["entity"]}}
        return {"data": {"upsertBucket": {"bucket": {"name": given["name"], "project": project}, "inserted": True}}}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    started = Service()
    for name in ("WANDB_ENTITY", "WANDB_PROJECT", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", started.address)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield started
    started.close()


def test_results_are_sent_as_their_client_sends_them(tmp_path: Path, service: Service) -> None:
    run = load(tmp_path, result(), result(mode="accuracy"), telemetry=True)
    text = exporters.export("wandb", run)
    assert [path for path, _, _ in service.said] == [
        "/graphql",
        "/graphql",
        f"/files/team/loadfleet/{RUN_ID}-localhost-Offline-performance/file_stream",
        "/graphql",
        f"/files/team/loadfleet/{RUN_ID}-localhost-Offline-accuracy/file_stream",
    ]
    assert text.splitlines()[0] == f"{service.address}/team/loadfleet/runs/{RUN_ID}-localhost-Offline-performance"
    expected = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()
    assert {headers["Authorization"] for _, headers, _ in service.said} == {expected}
    asked = service.said[1][2]
    assert asked["operationName"] == "UpsertBucket"
    assert asked["variables"]["groupName"] == RUN_ID
    assert "VALID" in asked["variables"]["tags"]
    config = json.loads(asked["variables"]["config"])
    assert config["model"]["value"]["name"] == "minilm-squad"
    stream = service.said[2][2]
    assert stream["complete"] is True
    (summary,) = map(json.loads, stream["files"]["wandb-summary.json"]["content"])
    assert (summary["result"], summary["result_unit"], summary["loadgen"]) == (1234.5, "Samples/s", "VALID")
    assert summary["latency_p99_ms"] == 21.0
    history = [json.loads(line) for line in stream["files"]["wandb-history.jsonl"]["content"]]
    assert [point["_step"] for point in history] == list(range(90))
    assert history[0]["cpu_percent"] == 90


def test_the_key_is_nowhere_but_in_the_header(tmp_path: Path, service: Service) -> None:
    run = run_folder(tmp_path, result(), telemetry=True)
    target = tmp_path / "sent.txt"
    done = CliRunner().invoke(command, ["export", str(run), "--format", "wandb", "-o", str(target)])
    assert done.exit_code == 0
    report = CliRunner().invoke(command, ["report", str(run)])
    encoded = base64.b64encode(f"api:{KEY}".encode()).decode()
    texts = [done.output, report.output, *(path.read_text() for path in tmp_path.rglob("*") if path.is_file())]
    texts += [json.dumps(body) + path for path, _, body in service.said]
    assert len(texts) > 5
    assert not any(KEY in text or encoded in text for text in texts)


@pytest.mark.parametrize("status", [401, 302, 307, 500])
def test_a_refusal_is_said_without_the_key(tmp_path: Path, service: Service, status: int) -> None:
    service.status = status
    with pytest.raises(NotReadyError, match=str(status)) as caught:
        exporters.export("wandb", load(tmp_path, result()))
    assert KEY not in str(caught.value)
    assert [path for path, _, _ in service.said] == ["/graphql"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"errors": [{"message": f"no project for {KEY}"}]}, r"refuses UpsertBucket: no project for \*\*\*"),
        ({"data": {"upsertBucket": None}}, "an answer without the run"),
        ({}, "an answer without the run"),
    ],
)
def test_a_strange_answer_is_said(tmp_path: Path, service: Service, answer: dict[str, Any], words: str) -> None:
    service.answers["UpsertBucket"] = answer
    with pytest.raises(NotReadyError, match=words):
        exporters.export("wandb", load(tmp_path, result()))


@pytest.mark.parametrize(
    ("variables", "error", "words"),
    [
        ({"WANDB_API_KEY": ""}, NotReadyError, "WANDB_API_KEY is not set"),
        ({"WANDB_API_KEY": "a\nb"}, InputError, "no key has"),
        ({"WANDB_BASE_URL": "http://example.org"}, InputError, "unencrypted"),
        ({"WANDB_BASE_URL": "file:///etc"}, InputError, "not an address"),
        ({"WANDB_BASE_URL": "http://127.0.0.1:9"}, NotReadyError, "cannot be used"),
    ],
)
def test_nothing_is_sent_without_what_it_takes(
    tmp_path: Path,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(error, match=words):
        exporters.export("wandb", load(tmp_path, result()))
    assert service.said == []
