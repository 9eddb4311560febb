"""Changes to an accepted submission of two results: most must be refused, some must not.

`change` gets the tree; `words` stand in a finding: an error, or with `accepted` a warning, or nothing for no finding at
all. What MLCommons' checkers say of each change is recorded in data/official_verdicts.yml (record_verdicts.py); where
both accept and ours refuses, or the other way round, `why` says why. docs/checker.md is made of this.
"""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, NamedTuple, Protocol

from submission_builder import edit_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

DETAIL, SUMMARY = "mlperf_log_detail.txt", "mlperf_log_summary.txt"


class Tree:
    """Short names for the places of a tree."""

    def __init__(self, root: Path, division: str) -> None:
        self.root = root
        self.division = root / division
        self.submitter = self.division / "Example"
        self.description = self.submitter / "systems" / "example-board.json"
        self.system = self.submitter / "results" / "example-board"
        (self.model,) = [path for path in self.system.iterdir() if path.is_dir()]
        self.offline = self.model / "Offline"
        self.stream = self.model / "SingleStream"

    def log(self, scenario: str = "Offline", mode: str = "performance/run_1") -> Path:
        return self.model / scenario / mode / DETAIL

    def set(self, key: str, value: object, path: Path | None = None) -> None:
        """Change the value of a key in a detail log."""
        path = path or self.log()
        text, count = re.subn(
            rf'("key": "{re.escape(key)}", "value": )(?:"[^"]*"|[^,]*)', rf"\g<1>{json.dumps(value)}", path.read_text()
        )
        assert count, f"{key} is not in {path}"
        path.write_text(text)

    def append(self, path: Path, message: str, *, error: bool) -> None:
        entry = {
            "key": "error_runtime",
            "value": message,
            "time_ms": 1.0,
            "namespace": "mlperf::logging",
            "event_type": "POINT_IN_TIME",
            "metadata": {"is_error": error, "is_warning": False, "file": "x.cc", "line_no": 1, "pid": 1, "tid": 1},
        }
        with path.open("a") as stream:
            stream.write(f":::MLLOG {json.dumps(entry)}\n")

    def empty(self, path: Path) -> None:
        path.write_bytes(b"")

    def text(self, path: Path, old: str, new: str) -> None:
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new))


class Change(Protocol):
    def __call__(self, tree: Tree) -> object: ...


class Mutation(NamedTuple):
    name: str
    divisions: tuple[str, ...]
    change: Change
    words: str
    why: str = ""
    accepted: bool = False


BOTH, OPEN, CLOSED = ("open", "closed"), ("open",), ("closed",)


def _huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate((50 << 20) + 1)


def _binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def _whole(tree: Tree) -> None:
    """A short accuracy log that was never cut, beside the hash of the log that was."""
    path = tree.offline / "accuracy" / "mlperf_log_accuracy.json"
    path.write_text('[\n{ "seq_id" : 0, "qsl_idx" : 0, "data" : "0000C841" }\n]\n')


ROWS: list[Mutation] = [
    # performance log
    Mutation("result invalid", BOTH, lambda t: t.set("result_validity", "INVALID"), "result_validity is VALID"),
    Mutation(
        "summary invalid",
        BOTH,
        lambda t: t.text(t.log().with_name(SUMMARY), "Result is : VALID", "Result is : INVALID"),
        "Result is : VALID",
        why="The summary is LoadGen's own verdict, and the file that people read.",
    ),
    Mutation(
        "error line",
        BOTH,
        lambda t: t.append(t.log(), "boom", error=True),
        "LoadGen logged no error",
        why="Whatever LoadGen calls an error may have changed the number.",
    ),
    Mutation(
        "error line in accuracy",
        BOTH,
        lambda t: t.append(t.log(mode="accuracy"), "boom", error=True),
        "LoadGen logged no error",
    ),
    Mutation("short run", BOTH, lambda t: t.set("effective_min_duration_ms", 60000), "effective_min_duration_ms"),
    Mutation("wrong qsl seed", BOTH, lambda t: t.set("effective_qsl_rng_seed", 1), "qsl_rng_seed of v6.1"),
    Mutation(
        "wrong index seed", BOTH, lambda t: t.set("effective_sample_index_rng_seed", 1), "sample_index_rng_seed of v6.1"
    ),
    Mutation(
        "wrong schedule seed", BOTH, lambda t: t.set("effective_schedule_rng_seed", 1), "schedule_rng_seed of v6.1"
    ),
    Mutation(
        "few samples loaded",
        BOTH,
        lambda t: t.set("effective_performance_sample_count", 10832),
        "effective_performance_sample_count",
    ),
    Mutation(
        "few Offline samples",
        BOTH,
        lambda t: t.set("effective_samples_per_query", 10832),
        "effective_samples_per_query",
    ),
    Mutation(
        "early stopping not met",
        BOTH,
        lambda t: t.set("early_stopping_met", False, t.log("SingleStream")),
        "early stopping is satisfied",
    ),
    Mutation(
        "accuracy log as performance log",
        BOTH,
        lambda t: shutil.copy(t.log(mode="accuracy"), t.log()),
        "the log is of a performance run",
    ),
    Mutation(
        "SingleStream folder holds Offline log",
        BOTH,
        lambda t: shutil.copy(t.log("Offline"), t.log("SingleStream")),
        "the log is of SingleStream",
    ),
    Mutation(
        "no result",
        BOTH,
        lambda t: t.text(t.log(), '"result_samples_per_second"', '"other"'),
        "the log holds the result",
    ),
    Mutation(
        "log cut", BOTH, lambda t: t.log().write_bytes(t.log().read_bytes()[:30000]), "every line is a LoadGen entry"
    ),
    Mutation("log binary", BOTH, lambda t: _binary(t.log()), "every line is a LoadGen entry"),
    Mutation("log empty", BOTH, lambda t: t.empty(t.log()), "must not be empty"),
    # accuracy
    Mutation(
        "long accuracy log",
        BOTH,
        lambda t: (t.offline / "accuracy" / "mlperf_log_accuracy.json").write_text("x" * 10241),
        "accuracy logs are cut to 10240 bytes",
    ),
    Mutation(
        "accuracy log without its end",
        BOTH,
        lambda t: (t.offline / "accuracy" / "mlperf_log_accuracy.json").write_text('[\n{ "seq_id" : 0, "qsl_idx" : 0'),
        "the log is a list",
        why="What is left is no log of answers.",
    ),
    Mutation(
        "accuracy log without answers",
        BOTH,
        lambda t: (t.offline / "accuracy" / "mlperf_log_accuracy.json").write_text("[\n]\n"),
        "holds the answers",
        why="The accuracy would be of no answers that anybody can look at.",
    ),
    Mutation(
        "no hash",
        BOTH,
        lambda t: (t.offline / "accuracy" / "accuracy.txt").write_text('{"exact_match": 80.0, "f1": 90.5}\n'),
        "accuracy.txt ends with hash",
        why="Without it nobody can tell which log the accuracy is of; the official truncation writes it, in open too.",
    ),
    Mutation(
        "hash of no SHA-256",
        BOTH,
        lambda t: t.text(t.offline / "accuracy" / "accuracy.txt", "hash=", "hash=x"),
        "64 lower-case hexadecimal digits",
        why="A hash that is none proves nothing.",
    ),
    Mutation(
        "hash of a whole log that is another's",
        BOTH,
        _whole,
        "the SHA-256 of the log, which is whole",
        why="The log is there in full, and it is not the one that the accuracy is of.",
    ),
    Mutation(
        "accuracy below target",
        CLOSED,
        lambda t: t.text(t.offline / "accuracy" / "accuracy.txt", '"f1": 90.5', '"f1": 89.96'),
        "F1 is >= 89.96526",
    ),
    Mutation(
        "no metric",
        BOTH,
        lambda t: t.text(t.offline / "accuracy" / "accuracy.txt", '"f1"', '"f2"'),
        "accuracy.txt holds F1",
    ),
    Mutation(
        "subset of the data",
        BOTH,
        lambda t: [t.set(key, 10832, t.log(mode="accuracy")) for key in _COUNTS],
        "accuracy is measured on all 10833 samples",
    ),
    Mutation(
        "performance log as accuracy log",
        BOTH,
        lambda t: shutil.copy(t.log(), t.log(mode="accuracy")),
        "the log is of an accuracy run",
        why="The accuracy would be of no run at all.",
    ),
    Mutation("accuracy log binary", BOTH, lambda t: _binary(t.log(mode="accuracy")), "every line is a LoadGen entry"),
    # files
    *(
        Mutation(
            f"{folder}/{name} missing",
            BOTH,
            lambda t, f=folder, n=name: (t.offline / f / n).unlink(),
            f"{name} is required",
        )
        for folder in ("performance/run_1", "accuracy")
        for name in (DETAIL, SUMMARY)
    ),
    Mutation(
        "accuracy.txt missing",
        BOTH,
        lambda t: (t.offline / "accuracy" / "accuracy.txt").unlink(),
        "accuracy.txt is required",
    ),
    Mutation(
        "accuracy json missing",
        BOTH,
        lambda t: (t.offline / "accuracy" / "mlperf_log_accuracy.json").unlink(),
        "mlperf_log_accuracy.json is required",
    ),
    Mutation("no performance run", BOTH, lambda t: shutil.rmtree(t.offline / "performance"), "are required"),
    Mutation("no accuracy run", BOTH, lambda t: shutil.rmtree(t.offline / "accuracy"), "are required"),
    Mutation(
        "second run",
        BOTH,
        lambda t: shutil.copytree(t.offline / "performance/run_1", t.offline / "performance/run_2"),
        "one performance run",
        why="One run counts; which one must not be left to the reader.",
    ),
    *(
        Mutation(
            f"extra file in {folder}",
            BOTH,
            lambda t, f=folder: (t.offline / f / "notes.txt").write_text("x"),
            "only LoadGen's logs may lie here",
        )
        for folder in ("performance/run_1", "accuracy")
    ),
    *(
        Mutation(f"{name} missing", BOTH, lambda t, n=name: (t.offline / n).unlink(), f"{name} is required")
        for name in ("user.conf", "README.md")
    ),
    *(
        Mutation(f"{name} empty", BOTH, lambda t, n=name: t.empty(t.offline / n), f"{name} must not be empty")
        for name in ("user.conf", "README.md")
    ),
    Mutation(
        "measurements missing",
        BOTH,
        lambda t: (t.offline / "measurements.json").unlink(),
        "the measurements file is a JSON object",
    ),
    Mutation(
        "measurements broken",
        BOTH,
        lambda t: (t.offline / "measurements.json").write_text("{"),
        "the measurements file is a JSON object",
    ),
    Mutation(
        "measurements field missing",
        BOTH,
        lambda t: edit_json(t.offline / "measurements.json", retraining=None),
        "field retraining is missing",
    ),
    Mutation(
        "measurements field empty",
        BOTH,
        lambda t: edit_json(t.offline / "measurements.json", retraining=""),
        "field retraining needs a value",
    ),
    Mutation("src missing", BOTH, lambda t: shutil.rmtree(t.submitter / "src"), "src/ holds the code"),
    Mutation(
        "calibration missing",
        CLOSED,
        lambda t: shutil.rmtree(t.submitter / "documentation"),
        "calibration and quantization",
    ),
    # names and sizes
    Mutation(
        "empty folder", BOTH, lambda t: (t.submitter / "documentation" / "more").mkdir(), "no folder may be empty"
    ),
    Mutation("hidden file", BOTH, lambda t: (t.offline / ".hidden").write_text("x"), "no name may begin with a dot"),
    Mutation(
        "blank in a name", BOTH, lambda t: (t.submitter / "src" / "a b").write_text("x"), "no name may hold a blank"
    ),
    Mutation(
        "byte code",
        BOTH,
        lambda t: write_json(t.submitter / "src" / "__pycache__" / "x.pyc", {}),
        "byte code is not part of a submission",
    ),
    Mutation("huge file", BOTH, lambda t: _huge(t.submitter / "src" / "huge.bin"), "no file may exceed 50 MiB"),
    Mutation(
        "dangling link", BOTH, lambda t: (t.submitter / "src" / "link").symlink_to("nowhere"), "no link may dangle"
    ),
    Mutation(
        "link to a file of the submission",
        BOTH,
        lambda t: (t.submitter / "src" / "link").symlink_to("../systems/example-board.json"),
        "no link may lie in a submission",
    ),
    # systems
    Mutation("description missing", BOTH, lambda t: t.description.unlink(), "every system has a description"),
    Mutation("description broken", BOTH, lambda t: t.description.write_text("{,}"), "every system has a description"),
    Mutation("description binary", BOTH, lambda t: _binary(t.description), "every system has a description"),
    Mutation("description a list", BOTH, lambda t: t.description.write_text("[]"), "every system has a description"),
    Mutation("field missing", BOTH, lambda t: edit_json(t.description, sw_notes=None), "field sw_notes is missing"),
    Mutation("field empty", BOTH, lambda t: edit_json(t.description, cooling=""), "field cooling needs a value"),
    Mutation("status bogus", BOTH, lambda t: edit_json(t.description, status="soon"), "status is one of"),
    Mutation(
        "system type bogus", BOTH, lambda t: edit_json(t.description, system_type="cloud"), "system_type is one of"
    ),
    Mutation(
        "system type a list", BOTH, lambda t: edit_json(t.description, system_type=["edge"]), "system_type is one of"
    ),
    Mutation(
        "other submitter", BOTH, lambda t: edit_json(t.description, submitter="Other"), "submitter must be Example"
    ),
    Mutation("other division", BOTH, lambda t: edit_json(t.description, division="network"), "division must be"),
    Mutation("division capitalised", CLOSED, lambda t: edit_json(t.description, division="Closed"), "division must be"),
    Mutation(
        "datacenter with an edge model",
        BOTH,
        lambda t: edit_json(t.description, system_type="datacenter"),
        "is not part of the datacenter suite",
    ),
    Mutation(
        "network mode", BOTH, lambda t: edit_json(t.description, is_network="True"), "field network_type is missing"
    ),
    Mutation(
        "network mode boolean", BOTH, lambda t: edit_json(t.description, is_network=True), "is_network is the text"
    ),
    Mutation(
        "network mode denied without saying more",
        BOTH,
        lambda t: edit_json(t.description, is_network="False"),
        "field network_type is missing",
    ),
    Mutation(
        "accelerators not a number",
        BOTH,
        lambda t: edit_json(t.description, accelerators_per_node="N/A"),
        "accelerators_per_node must be a whole number",
    ),
    Mutation(
        "accelerators zero as a number",
        BOTH,
        lambda t: edit_json(t.description, accelerators_per_node=0),
        "accelerators_per_node needs a value",
    ),
    Mutation("framework not text", BOTH, lambda t: edit_json(t.description, framework=3), "framework must be text"),
    Mutation(
        "description without results",
        BOTH,
        lambda t: shutil.copy(t.description, t.description.with_name("other.json")),
        "there are no results of system other",
    ),
    # models and scenarios
    Mutation("scenario missing", CLOSED, lambda t: shutil.rmtree(t.stream), "closed edge needs SingleStream, Offline"),
    Mutation(
        "scenario of another model",
        CLOSED,
        lambda t: shutil.copytree(t.stream, t.model / "MultiStream"),
        "MultiStream is not a scenario of this model",
    ),
    Mutation("scenario unknown", BOTH, lambda t: t.offline.rename(t.model / "Batch"), "scenarios are"),
    Mutation(
        "scenario in lower case",
        BOTH,
        lambda t: t.offline.rename(t.model / "offline"),
        "the scenario is spelled Offline",
        why="The official table then says that the result is inferred.",
    ),
    Mutation("model unknown", BOTH, lambda t: t.model.rename(t.system / "bart"), "v6.1 has no such model"),
    Mutation(
        "model mapping missing",
        OPEN,
        lambda t: (t.submitter / "model_mapping.json").unlink(),
        "v6.1 has no such model",
    ),
    Mutation(
        "model mapping broken",
        OPEN,
        lambda t: (t.submitter / "model_mapping.json").write_text("no"),
        "model_mapping.json is a JSON object",
    ),
    Mutation(
        "model mapped to nothing",
        OPEN,
        lambda t: write_json(t.submitter / "model_mapping.json", {"minilm-squad": "bert-100"}),
        "v6.1 has no model bert-100",
    ),
    Mutation(
        "guessed model name",
        CLOSED,
        lambda t: t.model.rename(t.system / "mobilenet-v3-large"),
        "v6.1 has no such model",
    ),
    Mutation(
        "stray folder in the system",
        BOTH,
        lambda t: write_json(t.system / "x" / "y.json", {}),
        "v6.1 has no such model",
    ),
    # root
    Mutation("stray file at the root", BOTH, lambda t: (t.root / "x.txt").write_text("x"), "may lie at the root"),
    Mutation(
        "stray file in a division",
        BOTH,
        lambda t: (t.division / "x.txt").write_text("x"),
        "a division holds folders of submitters only",
    ),
    Mutation("no results", BOTH, lambda t: shutil.rmtree(t.submitter / "results"), "at least one result"),
    # compliance
    Mutation(
        "TEST01 missing", CLOSED, lambda t: shutil.rmtree(t.offline / "TEST01"), "TEST01 (accuracy in performance"
    ),
    *(
        Mutation(
            f"FAIL in {name}",
            CLOSED,
            lambda t, n=name: (t.offline / "TEST01" / n).write_text("TEST FAIL\n"),
            "TEST01 passed: TEST PASS",
        )
        for name in ("verify_accuracy.txt", "verify_performance.txt")
    ),
    Mutation(
        "TEST01 log invalid",
        CLOSED,
        lambda t: t.set("result_validity", "INVALID", t.log(mode="TEST01/performance/run_1")),
        "result_validity is VALID",
    ),
    Mutation(
        "TEST01 with another seed",
        CLOSED,
        lambda t: t.set("effective_qsl_rng_seed", 1, t.log(mode="TEST01/performance/run_1")),
        "qsl_rng_seed of v6.1",
    ),
]

_COUNTS = ("effective_accuracy_sample_count", "qsl_reported_total_count")
