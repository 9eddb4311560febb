from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from result_builder import RUN_ID, result, run_folder

from loadfleet.cli.results import command
from loadfleet.errors import NotReadyError
from loadfleet.results import RunResults, latency
from loadfleet.results.report import charts, render, telemetry, throughput, validity, write_report
from loadfleet.results.words import latency as in_words

HOSTILE = '<script>alert("x")</script>&\'"'
RUNTIME = 1_000_000  # bytes of the Vega runtime and the page's own script and style


def page_of(*runs: Path) -> str:
    return render([RunResults.load(run) for run in runs], Path("report.html"))


def specs(page: str) -> list[dict[str, Any]]:
    """The drawings of a page."""
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)]


def titles(page: str) -> list[str]:
    return re.findall(r"<figcaption><h\d>(.*?)</h\d></figcaption>", page)


class Tags(HTMLParser):
    """Collects tags, attributes that load something, and checks that every tag is closed."""

    VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.loading: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.loading += [pair for pair in attrs if pair[0] in {"src", "href", "srcset", "data", "action"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result(mode="accuracy"), telemetry=True)
    tags = Tags()
    page = page_of(run)
    tags.feed(page)
    assert tags.open == []
    assert not {"img", "link", "iframe"} & set(tags.names)
    assert all(value is not None and value.startswith("#") for _, value in tags.loading)
    assert "default-src 'none'" in page
    assert "unsafe-eval" not in page
    assert page.count("window.vegaEmbed=") == 1


def test_the_page_shows_what_it_promises(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result(mode="accuracy"), telemetry=True)
    page = page_of(run)
    for text in (
        RUN_ID,
        "BERT question answering",
        "2 cells ran well, 2 submittable",
        "1,234.5 Samples/s",
        "Example CPU",
        "target 75.636 %",
        "44.00 ms",
        "Resident memory",
        "1.23.2",
        "cd" * 32,
        "loadfleet cell run cell.json",
        "ansible-playbook playbooks/bert.yml",
        "benchmark_model",
        "It follows the rules of round v6.1 and may be submitted.",
    ):
        assert text in page
    assert titles(page) == [
        "Latency percentiles",
        "Processor use, 100 % is all cores",
        "Resident memory of the cell",
        "Accuracy against its target",
        "Processor use, 100 % is all cores",
        "Resident memory of the cell",
    ]
    assert len(specs(page)) == 6


def test_every_drawing_has_words_and_a_table(tmp_path: Path) -> None:
    page = page_of(run_folder(tmp_path, result(), result(mode="accuracy"), telemetry=True))
    described = re.findall(r'class="drawing" role="img" aria-label="([^"]+)"', page)
    assert len(described) == len(specs(page)) == page.count('<details class="numbers">')
    assert any("p99 21.00 ms" in text for text in described)
    body = page[: page.index("</main>")]
    assert all(table.count("<caption>") == 1 for table in re.findall(r"<table.*?</table>", body, re.DOTALL))


@pytest.mark.parametrize(
    ("requested", "effective", "differs"),
    [
        ({"min_duration": 600000}, {"effective_min_duration_ms": 600000}, False),
        ({"min_duration": 600000}, {"effective_min_duration_ms": 20000}, True),
        ({"target_latency": 12.5}, {"effective_target_latency_ns": 12500000}, False),
        ({"accuracy_sample_count_override": 1000}, {"effective_accuracy_sample_count": 10833}, True),
    ],
)
def test_settings_loadgen_did_not_take_stand_out(
    tmp_path: Path, requested: dict[str, float], effective: dict[str, float], differs: bool
) -> None:
    value = result()
    value["loadgen"].update(requested=requested, effective=effective)
    assert ("(differs)" in page_of(run_folder(tmp_path, value))) is differs


def test_everything_is_escaped(tmp_path: Path) -> None:
    hostile = {
        "system": {"name": HOSTILE},
        "backend": {"versions": {HOSTILE: HOSTILE}, "options": {HOSTILE: HOSTILE}},
        "loadgen": {"requested": {HOSTILE: HOSTILE}},
        "validity": {"submittable": False, "reasons": [HOSTILE]},
        "command": {"argv": [HOSTILE]},
    }
    run = run_folder(tmp_path, result(**hostile))
    (run / "localhost/system.json").write_text(json.dumps({"name": HOSTILE, "description": {HOSTILE: HOSTILE}}))
    page = page_of(run)
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    # Four drawings, the runtime and the page's own.
    assert page.count("<script") == len(specs(page)) + 2


def test_no_drawing_ends_its_own_script(tmp_path: Path) -> None:
    hostile = {"model": {"name": HOSTILE}, "host": "sut"}
    runs = [
        run_folder(
            tmp_path,
            result("Server", **hostile, loadgen={"requested": {"target_qps": qps}}),
            run_id=f"2026112{number}T003500Z-bert-3f9a",
        )
        for number, qps in enumerate((100, 200))
    ]
    page = page_of(*runs)
    assert any("target QPS" in text for text in titles(page))
    assert HOSTILE not in page
    assert all(spec["layer"] for spec in specs(page))


def test_report_and_summary_are_written_beside_each_other(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(exit_code=1))
    outcome = CliRunner().invoke(command, ["report", str(run)])
    assert outcome.exit_code == 0
    assert json.loads((run / "summary.json").read_text())["exit_code"] == 1
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    other = tmp_path / "elsewhere"
    other.mkdir()
    write_report([RunResults.load(run)], other / "page.html")
    assert {path.name for path in other.iterdir()} == {"page.html", "summary.json"}


def test_a_run_without_results_and_a_cut_telemetry_still_make_a_page(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), telemetry=True)
    cell = run / "localhost/bert/Offline/performance"
    (cell / "telemetry.jsonl").write_text('{"t": 1, "cpu_percent": 5}\n[]\n{"t": "x", "cpu_percent": 1}\n{"t": 2, "cpu')
    assert "Processor, 100 %" not in page_of(run)
    (cell / "result.json").write_text("")
    page = page_of(run)
    assert "1 of 1 cell bad" in page
    assert "not JSON" in page


def test_long_telemetry_keeps_its_peak_and_its_ends() -> None:
    samples = [(float(second), 1000.0 if second == 7777 else 1.0) for second in range(10_000)]
    kept = telemetry.thin(samples)
    assert len(kept) <= 242
    assert max(kept, key=lambda sample: sample[1]) == (7777.0, 1000.0)
    assert (kept[0][0], kept[-1][0]) == (0.0, 9999.0)
    assert [at for at, _ in kept] == sorted({at for at, _ in kept})


def test_a_long_run_makes_no_long_page(tmp_path: Path) -> None:
    value = result("Server")
    run = run_folder(tmp_path, value, telemetry=True)
    cell = run / "localhost/bert/Server/performance"
    samples = ({"t": second, "cpu_percent": second % 100, "rss_bytes": second} for second in range(40_000))
    (cell / "telemetry.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    with (cell / "mlperf_log_trace.json").open("w") as trace:
        trace.write('{"traceEvents":[\n')
        for sample in range(100_000):
            trace.write(
                f'{{"name":"Sample","ph":"e","args":{{"sample_seq":{sample},"complete_ns":{10**6 + sample}}}}},\n'
            )
    page = page_of(run)
    assert "Latency distribution" in titles(page)
    assert "Histogram of 100,000 latencies" in page
    assert len(page) < RUNTIME + 100_000


def test_a_fleet_makes_a_page_that_is_small_enough_to_send(tmp_path: Path) -> None:
    values = [
        result(scenario, mode, host=f"sut{number}")
        for number in range(8)
        for scenario in ("Offline", "Server")
        for mode in ("performance", "accuracy")
    ]
    run = run_folder(tmp_path, *values, telemetry=True)
    samples = "".join(
        json.dumps({"t": at, "cpu_percent": at % 100, "rss_bytes": at * 7_654_321}) + "\n" for at in range(3000)
    )
    for path in run.rglob("telemetry.jsonl"):
        path.write_text(samples)
    page = page_of(run)
    assert page.count('class="fold"') == len(values)
    assert len(page) < RUNTIME + 22_000 * len(values)


@pytest.mark.parametrize(
    ("values", "logarithmic"), [([5.0], False), ([5.0] * 100, False), ([1.0, 1000.0], True), ([0.0, 3.0], False)]
)
def test_a_distribution_counts_every_latency(values: list[float], logarithmic: bool) -> None:
    found = latency.distribution(np.array(values))
    assert found is not None
    assert found.count == len(values)
    assert found.logarithmic is logarithmic
    assert len(found.edges) == len(found.counts) + 1
    assert list(found.edges) == sorted(set(found.edges))


def test_no_latency_has_no_distribution() -> None:
    assert latency.distribution(np.array([])) is None


@pytest.mark.parametrize("text", ["", "[]", '{"edges": [1], "counts": [1], "logarithmic": false}', '{"edges": [2, 1]}'])
def test_a_broken_histogram_is_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / latency.HISTOGRAM).write_text(text)
    assert latency.read(tmp_path) is None
    good = latency.Distribution([1.0, 2.0, 3.0], [4, 5], logarithmic=False)
    (tmp_path / latency.HISTOGRAM).write_text(json.dumps(good.as_dict()))
    assert latency.read(tmp_path) == good


def test_throughput_of_a_latency_is_derived_from_its_mean(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result("SingleStream"), result("MultiStream"))
    found = {one.scenario: throughput.throughput(one) for one in RunResults.load(run).results}
    assert found == {
        "Offline": 1234.5,
        "SingleStream": pytest.approx(1000 / 9.5),
        "MultiStream": pytest.approx(8 * 1000 / 9.5),
    }
    page = page_of(run)
    assert "Throughput by scenario" in titles(page)
    assert "derived: samples of a query (1 or 8) / mean latency" in page


def test_one_number_needs_no_chart_of_throughput(tmp_path: Path) -> None:
    assert "Throughput by scenario" not in page_of(run_folder(tmp_path, result()))


def test_several_runs_show_what_a_setting_does(tmp_path: Path) -> None:
    runs = [
        run_folder(
            tmp_path,
            result(
                "Server",
                loadgen={"requested": {"target_qps": qps}},
                validity={"loadgen": verdict, "submittable": False, "reasons": ["x"]},
            ),
            result(backend={"options": {"batch_samples": qps}}),
            run_id=f"2026112{number}T003500Z-bert-3f9a",
        )
        for number, (qps, verdict) in enumerate([(100, "VALID"), (200, "VALID"), (400, "INVALID")])
    ]
    page = page_of(*runs)
    assert "3 runs" in page
    shown = titles(page)
    assert "Server: latency over target QPS" in shown  # of the builder's Server, whose metric is a latency
    assert "Offline: throughput over batch size" in shown
    assert "Hollow points are not valid." in page
    points = next(
        spec["data"]["values"] for spec in specs(page) if "values" in spec.get("data", {}) and "400" in str(spec)
    )
    assert [point["x"] for point in points] == [100, 200, 400]
    assert [point["bad"] for point in points] == [False, False, True]


def test_runs_that_do_not_differ_make_no_curve(tmp_path: Path) -> None:
    runs = [run_folder(tmp_path, result(), run_id=f"2026112{number}T003500Z-bert-3f9a") for number in range(2)]
    assert "Sweeps" not in page_of(*runs)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "LoadGen accepts this measurement. It follows the rules"),
        ({"execution": "test"}, "never to be submitted"),
        (
            {"validity": {"loadgen": "INVALID", "submittable": False, "reasons": ["x"]}},
            "LoadGen rejects this measurement",
        ),
    ],
)
def test_validity_in_plain_words(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    (only,) = RunResults.load(run_folder(tmp_path, result(**changes))).results
    assert words in " ".join(validity.sentences(only))


def test_conditions_come_with_their_numbers(tmp_path: Path) -> None:
    value = result(
        "Server",
        validity={"checks": {"result_min_duration_met": True, "result_perf_constraints_met": False}},
        loadgen={
            "effective": {
                "effective_min_duration_ms": 600000,
                "effective_target_latency_ns": 130000000,
                "effective_target_latency_percentile": 0.99,
            }
        },
    )
    (only,) = RunResults.load(run_folder(tmp_path, value)).results
    assert validity.symbols(validity.checks(only)) == [
        ("good", "met", "Duration: 601.2 s, 600 s needed"),
        ("bad", "not met", "Latency bound: 130 ms for 99 % of the queries"),
    ]
    assert validity.bound_ms(only) == 130


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(None, "-"), (341.5, "341.5 ms"), (9999.0, "9,999 ms"), (12500.0, "12.50 s"), (1379949.0, "23.00 min")],
)
def test_latencies_have_the_unit_people_use(milliseconds: float | None, words: str) -> None:
    assert in_words(milliseconds) == words


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = run_folder(tmp_path, result())
    charts.altair.cache_clear()
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(NotReadyError, match="altair") as caught:
        page_of(run)
    assert "loadfleet[report]" in caught.value.fix
    assert not (run / "report.html").exists()
    charts.altair.cache_clear()


def test_nothing_to_report_on_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADFLEET_RESULTS_INDEX", str(tmp_path / "none.duckdb"))
    for arguments, words in (([], "no RUN was given"), (["--published"], "no published results at all")):
        outcome = CliRunner().invoke(command, ["report", *arguments])
        assert outcome.exit_code != 0
        assert words in str(outcome.exception)
