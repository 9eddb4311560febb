"""Results of MLCommons' endpoints client: accepted with the right numbers, and refused when something is wrong."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from endpoints_builder import RESULTS, ROUND, build, change

from loadfleet.submission.check import Report, check
from loadfleet.submission.reading.endpoints import SCORES, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def tree(accepted_closed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(accepted_closed, tmp_path_factory.mktemp("endpoints") / "tree")


def errors(report: Report) -> list[str]:
    return [finding.line() for finding in report.findings if finding.severity == "error"]


def test_accepted_with_its_numbers(tree: Path) -> None:
    report = check(tree, ROUND, "Example")

    assert errors(report) == []
    rows = {(row.model, row.scenario): (row.value, row.unit) for row in report.rows if row.accepted}
    assert rows == {
        ("gpt-oss-120b", "Offline"): (12500.5, "Tokens/s"),
        ("gpt-oss-120b", "Server"): (12500.5, "Tokens/s"),
        ("qwen3-vl-235b-a22b", "Offline"): (10.0, "Samples/s"),
        ("qwen3-vl-235b-a22b", "Interactive"): (10.0, "Queries/s"),
        ("wan-2.2-t2v-a14b", "Offline"): (10.0, "Samples/s"),
        ("wan-2.2-t2v-a14b", "SingleStream"): (0.25, "Latency (s)"),
    }
    table = list(csv.DictReader(io.StringIO(report.csv())))
    assert {row["Accuracy"] for row in table} == {"exact_match: 83.2", "F1_HIERARCHICAL: 0.791", "vbench_score: 70.6"}
    assert {row["inferred"] for row in table} == {"0"}


def test_other_rounds_know_no_such_results(tree: Path) -> None:
    report = check(tree, "v6.0", "Example")

    assert not report.accepted
    assert any("performance/run_1/ and accuracy/ are required" in line for line in errors(report))


def test_the_rate_follows_from_samples_and_duration(tree: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tree, tmp_path / "tree"))
    folder = root / "closed/Example/results/example-board/qwen3-vl-235b-a22b/Offline"
    change(folder / "performance/result_summary.json", "qps")
    change(folder / "performance/result_summary.json", "n_samples_issued", value=14400)

    rows = {(row.model, row.scenario): row.value for row in check(root, ROUND, "Example").rows}

    assert rows["qwen3-vl-235b-a22b", "Offline"] == pytest.approx(20.0)


class Case(NamedTuple):
    name: str
    result: str
    change: Callable[[Path], object]
    words: str


def config(old: str, new: str) -> Callable[[Path], object]:
    def change_it(folder: Path) -> None:
        text = (folder / "config.yaml").read_text()
        assert old in text
        (folder / "config.yaml").write_text(text.replace(old, new))

    return change_it


def summary(*keys: str, value: object = None) -> Callable[[Path], object]:
    return lambda folder: change(folder / "performance" / "result_summary.json", *keys, value=value)


def scores(*keys: object, value: object = None) -> Callable[[Path], object]:
    return lambda folder: change(folder / "accuracy" / "accuracy_results.json", "accuracy_scores", *keys, value=value)


GPT, QWEN, WAN = "gpt-oss-120b/Server", "qwen3-vl-235b-a22b/Interactive", "wan-2.2-t2v-a14b/Offline"
CASES = [
    Case("no summary", GPT, lambda f: (f / SUMMARY).unlink(), "summary.json of the run"),
    Case("summary broken", GPT, lambda f: (f / SUMMARY).write_text("{"), "of the run"),
    Case("summary a list", GPT, lambda f: (f / SUMMARY).write_text("[]"), "of the run"),
    Case("no configuration", GPT, lambda f: (f / "config.yaml").unlink(), "config.yaml of the run"),
    Case("configuration broken", GPT, lambda f: (f / "config.yaml").write_text("a: ["), "config.yaml of the run"),
    Case(
        "no accuracy",
        GPT,
        lambda f: (f / SCORES).unlink(),
        "results.json of the run",
    ),
    Case("no README", GPT, lambda f: (f / "README.md").unlink(), "README.md is required"),
    Case("wrong index seed", GPT, config("dataloader_random_seed: 2", "dataloader_random_seed: 1"), "sample_index"),
    Case("wrong schedule seed", GPT, config("scheduler_random_seed: 1", "scheduler_random_seed: 2"), "schedule_rng"),
    Case("short", GPT, config("min_duration_ms: 600000", "min_duration_ms: 60000"), "the minimum duration is at least"),
    Case("another scenario", GPT, config("type: online", "type: offline"), "the run is of Server"),
    Case("failures", GPT, summary("n_samples_failed", value=3), "no sample failed"),
    Case("no result", GPT, summary("tps"), "the summary holds the result of Server"),
    Case("first tokens late", GPT, summary("ttft", "early_stopping_percentiles", "99.0", value=3e9), "below 3000 ms"),
    Case("tokens late", GPT, summary("tpot", "early_stopping_percentiles", "99", value=8.1e7), "below 80 ms"),
    Case("tokens not timed", GPT, summary("tpot"), "99th percentile of tpot in Server"),
    Case("late", QWEN, summary("latency", "early_stopping_percentiles", "99.0", value=1.51e9), "is at most 1500 ms"),
    Case("answers short", GPT, summary("output_sequence_lengths", "avg", value=1100.0), "TEST09: the mean output has"),
    Case("half of the data set", GPT, scores(0, "total_samples", value=1), "accuracy is measured on all 4395 samples"),
    Case("no score", QWEN, scores(0, "score"), "accuracy_scores holds a score"),
    Case("below target", QWEN, scores(0, "score", value={"f1": 0.77}), "F1_HIERARCHICAL is >= 0.779922"),
    Case("no audit", WAN, lambda f: shutil.rmtree(f / "audit"), "the audit output_caching_test is required"),
    Case("audit failed", WAN, lambda f: change(next((f / "audit").iterdir()), "passed", value=False), "test passed"),
    Case("another audit", WAN, lambda f: change(next((f / "audit").iterdir()), "test", value="x"), "the audit is"),
    Case("audit broken", WAN, lambda f: next((f / "audit").iterdir()).write_text("no"), "the audit is a JSON object"),
    Case("a video missing", WAN, lambda f: (f / "accuracy/videos/12.mp4").unlink(), "videos/ holds 130, 106"),
    Case("model of LoadGen", GPT, lambda f: f.parent.rename(f.parent.with_name("rgat")), "of the endpoints client are"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_change_is_refused(case: Case, tree: Path, tmp_path: Path) -> None:
    assert case.result.split("/")[0] in RESULTS
    root = Path(shutil.copytree(tree, tmp_path / "tree"))
    case.change(root / "closed" / "Example" / "results" / "example-board" / case.result)

    report = check(root, ROUND, "Example")

    assert not report.accepted
    assert [line for line in errors(report) if case.words in line], errors(report)
