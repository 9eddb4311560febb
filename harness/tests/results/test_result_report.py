from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from result_builder import RUN_ID, result, run_folder

from loadfleet.cli.results import command
from loadfleet.results import RunResults, charts
from loadfleet.results.report import render, write_report

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '<script>alert("x")</script>&\'"'


def page_of(run: Path) -> str:
    return render(RunResults.load(run), run / "report.html")


class Tags(HTMLParser):
    """Collects tags, attributes that load something, and checks that every tag is closed."""

    VOID = frozenset({"meta", "br", "link", "img"})

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
    tags.feed(page_of(run))
    assert tags.open == []
    assert not {"script", "img", "link", "iframe"} & set(tags.names)
    assert all(value is not None and value.startswith("#") for _, value in tags.loading)


def test_the_page_shows_what_it_promises(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result(mode="accuracy"), telemetry=True)
    page = page_of(run)
    for text in (
        RUN_ID,
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
    ):
        assert text in page
    assert page.count("<svg") == 2 + 2 * 2


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
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_drawings_are_well_formed(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(), result(mode="accuracy"), telemetry=True)
    drawings = re.findall(r"<svg.*?</svg>", page_of(run), re.DOTALL)
    for drawing in drawings:
        root = ET.fromstring(drawing)  # noqa: S314 - our own text
        width = float(root.attrib["viewBox"].split()[2])
        for bar in root.iter("rect"):
            assert 0 <= float(bar.attrib["width"]) <= width


def test_report_and_summary_are_written_beside_each_other(tmp_path: Path) -> None:
    run = run_folder(tmp_path, result(exit_code=1))
    outcome = CliRunner().invoke(command, ["report", str(run)])
    assert outcome.exit_code == 0
    assert json.loads((run / "summary.json").read_text())["exit_code"] == 1
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    other = tmp_path / "elsewhere"
    other.mkdir()
    write_report(RunResults.load(run), other / "page.html")
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


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 80.25), (0, 7e9), (0.001, 0.002), (5, 5), (0, 0)])
def test_ticks_enclose_the_values(low: float, high: float) -> None:
    ticks = charts.nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 7


def test_a_long_line_keeps_its_peak() -> None:
    samples = [(float(second), 1000.0 if second == 7777 else 1.0) for second in range(10_000)]
    line = charts.time_line(samples, "t", str)
    assert line is not None
    assert len(line.points.split()) <= 240
    assert "highest 1000.0" in line.extremes
    assert min(float(point.split(",")[1]) for point in line.points.split()) == 8.0
