"""Importing: once, verified, with catalogue entries in the store; refused models leave nothing."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import imported_models as models
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from loadfleet import catalogue, workloads
from loadfleet.cell import plan
from loadfleet.cli import cli
from loadfleet.errors import InputError, LoadfleetError, NotReadyError
from loadfleet.imported import Request
from loadfleet.imported.add import add
from loadfleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadfleet.imported import Imported


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def bring(store: Store, path: Path, name: str = "mine", **settings: Any) -> Imported:
    return add(store, Request(name, settings.pop("workload", "onnx"), path, **settings), report=lambda _: None)


def everything(store: Store) -> list[str]:
    return sorted(
        str(path.relative_to(store.path)) for path in store.path.rglob("*") if path.is_file() and path.suffix != ".lock"
    )


def test_an_import_is_a_store_entry_with_a_catalogue_entry_beside_it(store: Store, tmp_path: Path) -> None:
    path = models.encoder(tmp_path / "my encoder.onnx")
    done = bring(store, path)
    assert done.changed
    assert done.model is not None
    assert done.model.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert done.model.file().name == "model.onnx", "names with blanks are not kept"
    entry = catalogue.get("model", "mine", store.catalogue)
    assert entry.data["inputs"] == {name: name for name in ("input_ids", "attention_mask", "token_type_ids")}
    assert entry.data["precision"] == "fp32"
    assert "accuracy" not in entry.data
    with pytest.raises(InputError, match="no model named 'mine'"):
        catalogue.get("model", "mine")
    before = everything(store)
    assert not bring(store, path).changed
    assert everything(store) == before


def test_what_changes_is_imported_again(store: Store, tmp_path: Path) -> None:
    path = models.classifier(tmp_path / "m.onnx", ["N", 3, "h", "w"])
    bring(store, path)
    assert bring(store, path, shapes={"pixels": [1, 3, 32, 32]}).changed
    assert bring(store, path, shapes={"pixels": [1, 3, 32, 32]}, samples=5).changed
    assert not bring(store, path, shapes={"pixels": [1, 3, 32, 32]}, samples=5).changed
    models.classifier(path, [4, 3, 16, 16], 4)
    assert bring(store, path).changed
    assert catalogue.get("model", "mine", store.catalogue).data["max_batch"] == 4


def test_a_dry_run_says_so_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    path = models.encoder(tmp_path / "m.onnx")
    request = Request("mine", "onnx", path)
    assert add(store, request, dry_run=True, report=lambda _: None).changed
    assert everything(store) == []
    bring(store, path)
    assert not add(store, request, dry_run=True, report=lambda _: None).changed


@pytest.mark.parametrize(
    ("name", "words"),
    [("minilm-squad", "is the name of a model of the catalogue"), ("a/b", "cannot be the name of a model")],
)
def test_names_that_are_taken_or_none_are_refused(store: Store, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        bring(store, models.encoder(tmp_path / "m.onnx"), name)


def test_a_refused_model_leaves_nothing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_text("words")
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "is not an ONNX model"),
        ({"sha256": "0" * 64}, f"has sha256 {hashlib.sha256(b'words').hexdigest()}, not 0000"),
    ]
    for settings, words in cases:
        with pytest.raises(LoadfleetError, match=words):
            bring(store, path, **settings)
    with pytest.raises(InputError, match="is a folder"):
        bring(store, tmp_path)
    with pytest.raises(NotReadyError, match=r"none\.onnx: no such file"):
        bring(store, tmp_path / "none.onnx")
    with pytest.raises(InputError, match="does not fit the workload bert"):
        bring(store, models.encoder(tmp_path / "e.onnx"), workload="bert")
    assert everything(store) == []


def test_weights_beside_the_model_come_along(store: Store, tmp_path: Path) -> None:
    whole = onnx.load(str(models.classifier(tmp_path / "whole.onnx", ["N", 3, 32, 32])))
    path = tmp_path / "model.onnx"
    onnx.save(whole, str(path), save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    done = bring(store, path)
    assert done.model is not None
    assert [each.name for each in done.model.files] == ["model.onnx", "model.onnx.data"]
    (tmp_path / "model.onnx.data").unlink()
    (tmp_path / "other").mkdir()
    with pytest.raises(NotReadyError, match=r"model\.onnx\.data: no such file"):
        bring(Store(tmp_path / "other"), path)


def test_a_host_says_what_it_lacks_and_takes_what_is_sent(store: Store, tmp_path: Path) -> None:
    path, sent = tmp_path / "controller/m.onnx", tmp_path / "sent/m.onnx"
    for each in (path, sent):
        each.parent.mkdir()
    digest = hashlib.sha256(models.encoder(path).read_bytes()).hexdigest()
    path.rename(sent)
    asked = Request("mine", "onnx", path, sha256=digest)
    lacking = add(store, asked, ask=True, report=lambda _: None)
    assert (lacking.lacks, lacking.changed, everything(store)) == (("m.onnx",), True, [])
    bring(store, sent, sha256=digest, temporary=True)
    sent.unlink()
    again = add(store, asked, ask=True, report=lambda _: None)
    assert (again.lacks, again.changed) == ((), False), "the store has it: nothing is sent twice"
    data = catalogue.get("model", "mine", store.catalogue).data
    assert data["artifact"]["files"][0]["sources"] == [], "a temporary file is no source"


def test_the_made_inputs_are_the_same_on_every_machine_and_batch(store: Store, tmp_path: Path) -> None:
    done = bring(store, models.encoder(tmp_path / "m.onnx"), samples=6)
    assert done.dataset == "mine-inputs"
    entry = store.ensure("dataset", done.dataset)
    data = workloads.load("onnx").open(entry.path)
    batch = data.batch(np.array([0, 5, 2]))
    assert {name: (array.shape, array.dtype) for name, array in batch.items()} == dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids"), ((3, 128), np.int64)
    )
    assert batch["input_ids"].max() < 100
    assert batch["input_ids"][0, :6].tolist() == [21, 0, 46, 61, 82, 98]
    assert batch["attention_mask"].all()
    with pytest.raises(InputError, match=r"sample indices must lie in 0\.\.5"):
        data.batch(np.array([6]))


def test_fixed_batches_are_filled_and_calls_without_a_batch_are_one_sample(store: Store, tmp_path: Path) -> None:
    bring(store, models.classifier(tmp_path / "m.onnx", [4, 3, 16, 16], 4))
    data = workloads.load("onnx").open(store.ensure("dataset", "mine-inputs").path)
    pixels = data.batch(np.array([7, 3]))["pixels"]
    assert pixels.shape == (4, 3, 16, 16)
    assert (pixels[1] == pixels[3]).all()
    assert len(data.respond(np.array([7, 3]), {"numbers": np.zeros((4, 10))})) == 2
    bring(store, models.unusual(tmp_path / "u.onnx"), "unusual")
    data = workloads.load("onnx").open(store.ensure("dataset", "unusual-inputs").path)
    assert {name: array.shape for name, array in data.batch(np.array([1])).items()} == {
        "frame": (1, 16), "state": (2, 1, 16), "rate": (),
    }  # fmt: skip


def test_runs_of_an_import_are_planned_and_claim_no_accuracy(store: Store, tmp_path: Path) -> None:
    bring(store, models.encoder(tmp_path / "m.onnx"))
    store.ensure("dataset", "mine-inputs")
    run = {"run_id": "20261122T003500Z-onnx-3f9a", "store_path": str(store.path), "workload": "onnx", "model": "mine"}
    (cell,) = plan.make(run)
    assert (cell["cell"], cell["judged"]) == ("onnx/Offline/performance", False)
    assert cell["unofficial"] == "the workload onnx is none of MLPerf's benchmarks and claims no accuracy"
    (server,) = plan.make({**run, "scenarios": ["Server"]})
    assert server["loadgen"]["target_latency_ms"] == 100
    for modes in (["accuracy"], ["performance", "TEST01"]):
        with pytest.raises(InputError, match="the workload onnx claims no accuracy"):
            plan.make({**run, "modes": modes})
    with pytest.raises(InputError, match="the workload onnx has no model of its own"):
        plan.make({**run, "model": None})
    model = store.find("model", "mine")
    assert model is not None
    store.remove(model)
    with pytest.raises(NotReadyError, match="the model mine is not in the store"):
        plan.make(run)


def test_a_model_for_a_workload_stands_for_what_the_default_does(store: Store, tmp_path: Path) -> None:
    names = ["input_ids", "attention_mask", "token_type_ids", "start_logits", "end_logits"]
    done = bring(store, models.reader(tmp_path / "m.onnx", names), workload="bert")
    assert done.dataset == ""
    data = catalogue.get("model", "mine", store.catalogue).data
    assert (data["official_name"], data["reference"], data["compared_with"]) == ("bert-99", False, "minilm-squad")
    assert data["inputs"]["input_mask"] == "attention_mask"


def test_a_model_says_how_its_pictures_are_prepared(store: Store, tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Identity", ["x"], ["scores"])]
    path = models.save(
        tmp_path / "m.onnx", nodes, [models.port("x", ["n", 3, 224, 224])], [models.port("scores", ["n", 1000])]
    )
    words = "benchmark_model_preprocessing is not set, and data sets of resnet50 are prepared in several ways"
    with pytest.raises(InputError, match=words) as refused:
        bring(store, path, workload="resnet50")
    assert "resnet50-nhwc" in refused.value.fix
    with pytest.raises(InputError, match="benchmark_model_preprocessing is odd, which no data set of resnet50"):
        bring(store, path, workload="resnet50", preprocessing="odd")
    bring(store, path, workload="resnet50", preprocessing="resnet50")
    data = catalogue.get("model", "mine", store.catalogue).data
    assert data["preprocessing"] == "resnet50"
    assert data["shapes"] == {"image": ["n", 3, 224, 224]}


def test_sizes_are_compared_with_the_data_before_a_run(store: Store, tmp_path: Path) -> None:
    """Of a workload whose sizes are those of its data; what is prepared stands for a prepared set."""
    bring(store, models.classifier(tmp_path / "m.onnx", ["N", 3, 32, 32]))
    store.ensure("dataset", "mine-inputs")
    path = store.catalogue / "models/mine.yml"
    run = {"run_id": "20261122T003500Z-onnx-3f9a", "store_path": str(store.path), "workload": "onnx", "model": "mine"}
    text = path.read_text()
    path.write_text(f"{text}shapes: {{pixels: [N, 3, 32, 32]}}\n")
    assert plan.make(run)
    path.write_text(f"{text}shapes: {{pixels: [N, 3, 48, 48]}}\n")
    words = r"the model mine takes pixels \['N', 3, 48, 48\]; the data set mine-inputs gives \[1, 3, 32, 32\]"
    with pytest.raises(InputError, match=words):
        plan.make(run)


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers as Hugging Face does: a redirect with the digest, then the file."""

    content = b""
    states = True

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.seen.append((self.command, self.path))  # type: ignore[attr-defined]
        if self.path.startswith("/o/r/resolve/v1/onnx/"):
            self.send_response(302)
            self.send_header("Location", "/blob")
            if self.states:
                self.send_header("X-Linked-Etag", f'"{hashlib.sha256(self.content).hexdigest()}"')
        else:
            self.send_response(200 if self.path == "/blob" else 404)
        self.send_header("Content-Length", str(len(self.content) if self.path == "/blob" else 0))
        self.end_headers()
        if body and self.path == "/blob":
            self.wfile.write(self.content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by its base class
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    monkeypatch.setattr(Hub, "content", models.encoder(tmp_path / "hub.onnx").read_bytes())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server.seen  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_a_file_of_the_hub_is_pinned_by_its_digest(
    store: Store, hub: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(reference: str, **settings: Any) -> Imported:
        return add(store, Request("mine", "onnx", huggingface=reference, **settings), report=lambda _: None)

    assert fetch("o/r/onnx/model.onnx@v1").changed
    hub.clear()
    assert not fetch("o/r/onnx/model.onnx@v1").changed
    assert hub == [], "what is here is not asked for again, though a revision may move"
    with pytest.raises(InputError, match="benchmark_model_hf is 'model"):
        fetch("model.onnx")
    with pytest.raises(NotReadyError, match="the hub answers 404 for"):
        fetch("o/r/onnx/model.onnx@v2")
    monkeypatch.setattr(Hub, "states", False)
    with pytest.raises(NotReadyError, match="the hub states no SHA-256"):
        fetch("o/r/onnx/other.onnx@v1")


def test_a_url_needs_a_digest_and_a_wrong_one_leaves_nothing(store: Store, hub: list[tuple[str, str]]) -> None:
    url = f"{os.environ['HF_ENDPOINT']}/blob"
    with pytest.raises(InputError, match="set benchmark_model_sha256"):
        add(store, Request("mine", "onnx", url=url), report=lambda _: None)
    with pytest.raises(NotReadyError, match="another file: sha256"):
        add(store, Request("mine", "onnx", url=url, sha256="0" * 64), report=lambda _: None)
    assert everything(store) == []
    digest = hashlib.sha256(Hub.content).hexdigest()
    with pytest.raises(InputError, match="does not fit the workload bert"):
        add(store, Request("mine", "bert", url=url, sha256=digest), report=lambda _: None)
    assert everything(store) == [], "fetched, looked at and refused: nothing stays"
    assert add(store, Request("mine", "onnx", url=url, sha256=digest), report=lambda _: None).changed


def test_the_command_line(store: Store, tmp_path: Path) -> None:
    path = models.classifier(tmp_path / "m.onnx", ["N", 3, "h", "w"])

    def call(*words: str) -> Result:
        return CliRunner().invoke(cli, ["cache", "import", "mine", "--store", str(store.path), *words])

    done = call("--path", str(path), "--shape", "pixels=1,3,32,32", "--samples", "4", "--json")
    answer = json.loads(done.stdout)
    wanted = {"name": "mine", "dataset": "mine-inputs", "changed": True, "file": "m.onnx", "lacks": []}
    assert {key: answer[key] for key in wanted} == wanted
    assert "give one of --path, --url and --hf" in str(call().exception)
    assert "write INPUT=1,3,224,224" in str(call("--path", str(path), "--shape", "pixels").exception)
    shown = CliRunner().invoke(cli, ["cache", "show", "mine", "--store", str(store.path)])
    assert "current" in shown.stdout
