from __future__ import annotations

import json

import pytest

from benchmarks import report
from benchmarks.part import Figure, Part, Reading, Record, difference, ratio, rows, value

_KEYS = {"part", "name", "ratio", "target", "better", "unit", "median", "spread", "ok", "reason", "values"}


def _part(*figures: Figure) -> Part:
    return Part("some", "Some part", lambda bench, number: iter(()), figures)


def _record(*rounds: dict[str, float], **problems: str) -> Record:
    return Record([{name: Reading(name, one) for name, one in each.items()} for each in rounds], dict(problems))


def test_a_ratio_is_taken_round_by_round() -> None:
    (row,) = rows(
        _part(ratio("x", "a", "b", at_least=2.0)), _record({"a": 4, "b": 2}, {"a": 9, "b": 3}, {"a": 10, "b": 4})
    )

    assert row.median == 2.5
    assert (row.low, row.high) == (2.0, 3.0)
    assert row.ok is True


def test_a_row_has_the_keys_that_readers_know() -> None:
    (row,) = rows(_part(ratio("x", "a", "b", at_least=2.0)), _record({"a": 1, "b": 3}))

    assert set(row.as_json()) == _KEYS
    assert row.as_json()["median"] == 0.33333
    assert row.as_json()["spread"] == [0.33333, 0.33333]
    assert row.ok is False
    json.dumps(row.as_json())


def test_less_is_better_where_the_target_is_a_most() -> None:
    met, missed = rows(
        _part(value("x", "a", "s", at_most=2.0), difference("y", "a", "b", "s", at_most=0.5)), _record({"a": 2, "b": 1})
    )

    assert (met.ok, met.better) == (True, "less")
    assert (missed.ok, missed.median) == (False, 1)


def test_without_a_target_nothing_is_met_or_missed() -> None:
    (row,) = rows(_part(value("x", "a", "s")), _record({"a": 2}))

    assert (row.ok, row.target, row.better, row.median) == (None, None, "", 2)


def test_what_could_not_be_read_says_why() -> None:
    part = _part(ratio("x", "a", "b", at_least=1.0), ratio("y", "c", "b", at_least=1.0))
    first, second = rows(part, _record({"b": 2, "c": 2}, a="the backend is not installed"))

    assert (first.ok, first.median, first.as_json()["spread"]) == (None, None, None)
    assert first.reason == "the backend is not installed"
    assert second.ok is True


def test_rounds_before_a_failure_count() -> None:
    record = _record({"a": 4, "b": 2}, {"a": 5})
    record.problems[""] = "it fell over"

    (row,) = rows(_part(ratio("x", "a", "b", at_least=1.0)), record)

    assert row.values == [2.0]
    assert row.ok is True


def test_a_speed_below_its_accuracy_is_no_win() -> None:
    figure = ratio("x", "a", "b", at_least=1.0, unless=lambda read: "wrong answers" if read["f1"][0] < 0.99 else "")

    (bad,) = rows(_part(figure), _record({"a": 4, "b": 2, "f1": 0.98}))
    (good,) = rows(_part(figure), _record({"a": 4, "b": 2, "f1": 0.995}))

    assert (bad.ok, bad.reason) == (False, "wrong answers")
    assert (good.ok, good.reason) == (True, "")


def test_what_a_single_reading_leaves_open_is_in_the_spread() -> None:
    record = Record([{"a": Reading("a", 60, low=54, high=66), "b": Reading("b", 20, low=16, high=24)}])

    (row,) = rows(_part(ratio("x", "a", "b")), record)

    assert row.median == 3
    assert (row.low, row.high) == (2.5, 3.75)


def _found() -> dict[str, object]:
    part = _part(ratio("fast | enough", "a", "b", at_least=2.0), value("size", "c", "MB", at_most=3.0))
    record = _record({"a": 4000, "b": 1000}, c="no scale")
    return {
        "schema_version": 1,
        "machine": {"cpu": "Some CPU", "features": ["avx2"], "cores": 2, "memory_gib": 8.0, "system": "Linux",
                    "python": "3.11", "versions": {"numpy": "2"}},
        "measured": "2026-01-01T00:00:00Z", "took_s": 90.0, "load_before": 0.1, "samples": 800, "interrupted": False,
        "rows": [row.as_json() for row in rows(part, record)],
        "parts": [{"name": "some", "title": "Some part", "rounds": 1, "problems": record.problems,
                   "readings": {"a": {"unit": "samples/s", "values": [4000.0]}}}],
    }  # fmt: skip


def test_the_table_says_what_is_met_and_what_was_not_measured() -> None:
    text = report.table(_found())

    assert "Some CPU (avx2), 2 cores" in text
    assert "| fast / enough | 4.000 | 4.000 to 4.000 | >= 2 | yes |" in text
    assert "| size | - | - | <= 3 MB | not measured: no scale |" in text
    assert "a 4,000 samples/s" in text


def test_the_figures_of_a_page_are_renewed_and_nothing_else(tmp_path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")

    report.renew(_found(), page)

    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert "(performance.svg)" in text
    assert "<svg" in (tmp_path / "performance.svg").read_text(encoding="utf-8")


def test_a_page_without_marks_is_refused(tmp_path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("no marks", encoding="utf-8")

    with pytest.raises(report.InputError, match="lacks the marks"):
        report.renew(_found(), page)

    assert page.read_text(encoding="utf-8") == "no marks"


def test_results_are_written_and_read_again(tmp_path) -> None:
    report.write(_found(), tmp_path / "new")

    assert json.loads((tmp_path / "new" / "latest.json").read_text(encoding="utf-8"))["rows"][0]["ok"] is True
    assert "fast / enough" in (tmp_path / "new" / "latest.md").read_text(encoding="utf-8")
    assert "Some part" not in (tmp_path / "new" / "latest.svg").read_text(encoding="utf-8")
