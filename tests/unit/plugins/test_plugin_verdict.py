from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.action import verdict

if TYPE_CHECKING:
    from pathlib import Path


def judged(
    monkeypatch: pytest.MonkeyPatch, run: Path, report: tuple[int, str, str], status: int = 0
) -> tuple[dict[str, Any], list[str], list[str]]:
    """The task's result, what was displayed, and the warnings."""
    shown: list[str] = []
    warned: list[str] = []
    answers = {"report": report, "summary": (status, "TABLE", "")}
    monkeypatch.setattr(verdict, "call", lambda command: answers[command[2]])
    monkeypatch.setattr(verdict.display, "display", lambda text, **_: shown.append(text.strip()))
    monkeypatch.setattr(verdict.display, "warning", lambda text, **_: warned.append(text))
    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    plugin = object.__new__(verdict.ActionModule)
    plugin._task = SimpleNamespace(args={"run": str(run), "executable": "loadfleet"}, check_mode=False)
    return plugin.run(), shown, warned


def test_a_run_is_reported_and_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    result, shown, warned = judged(monkeypatch, run, (0, json.dumps({"report": "r.html"}), ""), status=1)
    assert (result["failed"], result["rc"], result["report"]) == (True, 1, "r.html")
    assert result["msg"].endswith("see the table above and r.html")
    assert (shown, warned) == (["TABLE"], [])


def test_a_report_that_cannot_be_made_takes_no_result_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    missing = json.dumps({"error": "charts need altair", "fix": "Run pip."})
    result, shown, (warning,) = judged(monkeypatch, run, (3, missing, ""), status=1)
    assert (result["failed"], result["rc"], "report" in result) == (True, 1, False)
    assert result["msg"].endswith("see the table above")
    assert shown == ["TABLE"]
    assert "charts need altair" in warning
    assert "Run pip." in warning


def test_a_report_that_fails_otherwise_fails_the_task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(AnsibleActionFail, match="no run"):
        judged(monkeypatch, run, (2, json.dumps({"error": "no run"}), ""))
