"""What matters of ansible-runner's events: signs of life, failed tasks, the recap, the status to leave with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadfleet.fleet.progress import parse
from loadfleet.fleet.request import Failure, HostStats, Progress
from loadfleet.hidden import blot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_OUR_MODULES = "loadfleet.mlperf."
# What refuses wrong input before anything is done; roles judge outcomes with `fail`, never with `assert`.
_CHECKS_INPUT = ("validate_argument_spec", "assert")
_CHECKING = "Validating arguments against arg spec"  # Ansible's own task before each role
_RECAP = {
    "ok": "ok",
    "changed": "changed",
    "failures": "failed",
    "dark": "unreachable",
    "skipped": "skipped",
    "rescued": "rescued",
    "ignored": "ignored",
}


@dataclass
class Events:
    """Collects while a playbook runs.

    Attributes:
        hidden: Texts never shown.
        on_progress: Told every sign of life.
        failures: Failed tasks in order.
        hosts: The recap; empty until the end.
        started: Whether a play began: before that nothing was done on any host.
        custom: Data of `set_stats`, which names where results went.
    """

    hidden: Sequence[str] = ()
    on_progress: Callable[[Progress], None] | None = None
    failures: list[Failure] = field(default_factory=list)
    hosts: dict[str, HostStats] = field(default_factory=dict)
    started: bool = False
    custom: dict[str, Any] = field(default_factory=dict)

    def handle(self, event: Mapping[str, Any]) -> None:
        """Take one event of ansible-runner."""
        kind, data = event.get("event"), event.get("event_data") or {}
        if kind == "verbose":
            self._tell(*parse(str(event.get("stdout") or "")))
        elif kind == "playbook_on_play_start":
            self.started = True
        elif kind == "playbook_on_task_start":
            name = str(data.get("name") or data.get("task") or "")
            if _CHECKING not in name:
                self._tell(Progress("", "", None, name))
        elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
            self._failed(data, unreachable=kind == "runner_on_unreachable")
        elif kind == "playbook_on_stats":
            self._recap(data)

    def exit_code(self, judged: int) -> int:
        """Exit status of a failed run.

        Args:
            judged: Exit status of the results that came home, 0 when there are none.

        Returns:
            What the first failure names, for it caused the others; else `judged`; else 2 when no play had begun, 3.
        """
        named = self.failures[0].code if self.failures else None
        return named or judged or (3 if self.started else 2)

    def _tell(self, *signs: Progress) -> None:
        if self.on_progress:
            for sign in signs:
                self.on_progress(sign)

    def _failed(self, data: Mapping[str, Any], *, unreachable: bool) -> None:
        answer = data.get("res")
        answer = answer if isinstance(answer, dict) else {}
        message = blot(_message(answer), self.hidden)
        if unreachable:
            message = f"unreachable: {message}"
        code = 3 if unreachable else _exit_code(data, answer)
        self.failures.append(Failure(str(data.get("host") or ""), str(data.get("task") or ""), message, code))

    def _recap(self, data: Mapping[str, Any]) -> None:
        names = {str(host) for key in [*_RECAP, "processed"] for host in data.get(key) or {}}
        self.hosts = {
            name: HostStats(**{ours: int((data.get(theirs) or {}).get(name, 0)) for theirs, ours in _RECAP.items()})
            for name in sorted(names)
        }
        custom = data.get("artifact_data")
        self.custom = custom if isinstance(custom, dict) else {}


def _exit_code(data: Mapping[str, Any], answer: Mapping[str, Any]) -> int | None:
    """The exit status a task's failure names: our modules answer with one (`rc`), a refused value is wrong input."""
    action = str(data.get("resolved_action") or data.get("task_action") or "")
    code = answer.get("rc")
    if action.startswith(_OUR_MODULES) and isinstance(code, int) and 1 <= code <= 4:
        return code
    return 2 if action.removeprefix("ansible.builtin.") in _CHECKS_INPUT else None


def _message(answer: Mapping[str, Any]) -> str:
    """What a failed task says: its items' messages, else its own, else the end of what it printed."""
    items = [item for item in answer.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    if items:
        return "; ".join(_message(item) for item in items)
    parts = [str(answer["msg"]).strip()] if answer.get("msg") else []
    if not parts or answer.get("rc"):
        printed = str(answer.get("stderr") or answer.get("stdout") or answer.get("module_stderr") or "").strip()
        parts += printed.splitlines()[-5:]
    return "\n".join(parts) or str(answer.get("censored") or "failed without a message")
