"""`run_playbook`: one typed call around ansible-runner, with what a service or CI job needs around it."""

from __future__ import annotations

import json
import math
import shlex
import shutil
import signal
import tempfile
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import hidden
from loadfleet.errors import InputError, NotReadyError
from loadfleet.fleet import environment, project
from loadfleet.fleet.events import Events
from loadfleet.fleet.family import Family
from loadfleet.fleet.request import Failure, Progress, RunRequest, RunResult, Status
from loadfleet.results import RunResults
from loadfleet.results.judge import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

SECRETS = "_LOADFLEET_SECRETS"  # read by the collection's action plugin `request`
STOP_PLAYBOOK = "stop.yml"
STOP_TIMEOUT_S = 600.0  # logs come home, too
_MARK = "LOADFLEET_ATTEMPT"
_POLL_S = 1.0
_TAIL_LINES = 15


def run_playbook(request: RunRequest) -> RunResult:
    """Run a playbook and read its results.

    A timeout and a cancel also stop the agents on the hosts, by the project's `stop.yml`: killing Ansible alone would
    leave them measuring. In the main thread SIGINT and SIGTERM count as a cancel for as long as the playbook runs; a
    second SIGINT also gives up on stopping.

    Returns:
        How it ended. A failed playbook is a result, not an exception.

    Raises:
        InputError: Playbook, inventory or a variable is wrong; nothing was started.
        NotReadyError: ansible-runner or the project is missing.
        Exception: Whatever `on_progress` or `cancel` raised; the run was cancelled and its hosts stopped before.
    """
    begin = time.monotonic()
    _import_runner()
    folder = (request.project_dir or project.find_project()).resolve()
    playbook = project.find_playbook(folder, request.playbook)
    given = [request.inventory] if isinstance(request.inventory, str | Path) else list(request.inventory)
    inventory = [project.find_inventory(folder, place) for place in given]
    run_id = request.run_id or str(request.extra_vars.get("benchmark_run_id") or "") or project.new_run_id(playbook)
    plain, secrets = hidden.merged(request.extra_vars, request.secrets)
    variables = {**plain, "benchmark_run_id": run_id}
    if request.results_path:
        variables["results_path"] = str(request.results_path.resolve())
    double = sorted(set(variables) & set(secrets))
    if double:
        raise InputError(f"given as a variable and as a secret: {', '.join(double)}", fix="Give each of them once.")
    _require_json(variables, "extra_vars")
    _require_json(request.secrets, "secrets")
    with _signals() as signalled:
        watch = _Cancel(request.cancel, signalled)
        attempt = _Attempt(request, folder, playbook, inventory, variables, secrets)
        status, events, tail = attempt.run(watch, request.timeout_s)
        stopped = None
        ended_early = status in {"timeout", "canceled"} and (events.started or attempt.failed_callback)
        if ended_early and request.stop_hosts and not request.check:
            stopped = _stop(attempt, signalled)
    if attempt.failed_callback:
        raise attempt.failed_callback
    path = _results_folder(folder, run_id, variables, events.custom)
    results = _load(path) if request.judge else None
    failures = list(events.failures)
    if status == "failed" and not failures:
        failures = [Failure("", "", hidden.blot(tail, attempt.hidden) or "Ansible ended without a word")]
    return RunResult(
        status=status,
        exit_code=_exit_code(status, events, results),
        run_id=run_id,
        hosts=events.hosts,
        results=results,
        results_path=path if results or not request.judge else None,
        failures=failures if status != "successful" else [],
        duration_s=time.monotonic() - begin,
        stopped=stopped,
        artifacts_path=attempt.kept,
    )


class _Attempt:
    """One run of `ansible-playbook` under ansible-runner."""

    def __init__(
        self,
        request: RunRequest,
        folder: Path,
        playbook: Path,
        inventory: list[str],
        variables: Mapping[str, Any],
        secrets: Mapping[str, Any],
    ) -> None:
        self.request = request
        self.folder = folder
        self.playbook = playbook
        self.inventory = inventory
        self.variables = dict(variables)
        self.secrets = dict(secrets)
        self.hidden = hidden.texts(request.secrets)
        self.failed_callback: BaseException | None = None
        self.kept: Path | None = None

    def run(self, cancel: _Cancel, timeout_s: float | None) -> tuple[Status, Events, str]:
        """Run to the end. Returns status, what the events told, and the end of the output."""
        request = self.request
        events = Events(self.hidden, self._guarded(request.on_progress, cancel))
        own = request.private_data_dir is None
        private = Path(tempfile.mkdtemp(prefix="loadfleet-run-")) if own else Path(str(request.private_data_dir))
        private.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret_folder = Path(tempfile.mkdtemp(prefix="loadfleet-vars-"))
        try:
            config = self._configure(private, secret_folder)
            family = Family(mark := uuid.uuid4().hex)
            config.env[_MARK] = mark
            deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s

            def to_be_ended() -> bool:
                ended = self._is_cancelled(cancel) or time.monotonic() > deadline
                if ended:
                    family.note()
                return ended

            def handle(event: dict[str, Any]) -> bool:
                if event.get("event") == "playbook_on_start":
                    # Ansible has read its variables by now.
                    shutil.rmtree(secret_folder, ignore_errors=True)
                events.handle(event)
                return True

            runner = _import_runner().Runner(config=config, event_handler=handle, cancel_callback=to_be_ended)
            runner.run()
            family.end()
            status: Status = runner.status if runner.status in {"successful", "canceled"} else "failed"
            if status == "canceled" and not self._is_cancelled(cancel):
                status = "timeout"
            tail = _tail(Path(config.artifact_dir) / "stdout") if status == "failed" else ""
        finally:
            shutil.rmtree(secret_folder, ignore_errors=True)
            if own and not request.keep:
                shutil.rmtree(private, ignore_errors=True)
            else:
                self.kept = private
                environment.clean_artifacts(private / "artifacts", self.hidden)
        return status, events, tail

    def _configure(self, private: Path, secret_folder: Path) -> Any:
        """ansible-runner's configuration with our environment instead of a copy of the caller's."""
        from ansible_runner.config.runner import RunnerConfig  # noqa: PLC0415 - optional dependency

        request, hidden_ones = self.request, {}
        options = [*request.options, *(part for path in request.vars_files for part in ("-e", f"@{path}"))]
        if self.secrets:
            path = secret_folder / "secrets.json"
            path.touch(mode=0o600)
            path.write_text(json.dumps(self.secrets), encoding="utf-8")
            options += ["-e", f"@{path}"]
            # The run's record names them, and has what else is in the variables they are in.
            beside = {name: value for name, value in request.extra_vars.items() if name in self.secrets}
            known = {"file": str(path), "names": sorted(request.secrets), "values": beside}
            hidden_ones = {SECRETS: json.dumps(known)}
        if request.check:
            options += ["--check", "--diff"]
        config = RunnerConfig(
            private_data_dir=str(private),
            project_dir=str(self.folder),
            playbook=str(self.playbook),
            inventory=self.inventory,
            extravars=self.variables,
            limit=request.limit,
            tags=",".join(request.tags) or None,
            skip_tags=",".join(request.skip_tags) or None,
            cmdline=shlex.join(options) or None,
            ident=str(self.variables["benchmark_run_id"]),
            quiet=True,
            suppress_env_files=True,
        )
        config.prepare()
        # Results of an installed collection go below the caller's folder, which Ansible only knows as PWD.
        wanted = {**environment.passed_on(), "PWD": str(Path.cwd()), **request.environment, **hidden_ones}
        if "ANSIBLE_CONFIG" not in wanted and (self.folder / "ansible.cfg").is_file():
            wanted["ANSIBLE_CONFIG"] = str(self.folder / "ansible.cfg")
        config.env = environment.minimal(config.env, wanted)
        config.pexpect_timeout = _POLL_S
        return config

    def _guarded(
        self, callback: Callable[[Progress], None] | None, cancel: _Cancel
    ) -> Callable[[Progress], None] | None:
        """A callback that raises must not leave a playbook without a reader: cancel the run first, raise at its end."""
        if callback is None:
            return None

        def guarded(sign: Progress) -> None:
            if self.failed_callback is None:
                try:
                    callback(sign)
                except Exception as error:  # the caller's code; raised again at the end
                    self.failed_callback = error
                    cancel.now()

        return guarded

    def _is_cancelled(self, cancel: _Cancel) -> bool:
        try:
            return cancel()
        except Exception as error:  # the caller's code; raised again at the end
            self.failed_callback = self.failed_callback or error
            return True


class _Cancel:
    """Whether to stop: the caller's wish, a signal, or `now`."""

    def __init__(self, wish: threading.Event | Callable[[], bool] | None, signalled: list[int]) -> None:
        self._wish = wish.is_set if isinstance(wish, threading.Event) else wish
        self._signalled = signalled
        self._now = False

    def now(self) -> None:
        self._now = True

    def __call__(self) -> bool:
        return self._now or bool(self._signalled) or bool(self._wish and self._wish())


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM while the block runs; signals the caller handles itself are left alone."""
    seen: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    if threading.current_thread() is threading.main_thread():
        number: int
        for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            if signal.getsignal(number) == default:
                before[number] = signal.signal(number, note)
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(attempt: _Attempt, signalled: list[int]) -> bool:
    """Tell the agents of the run to stop, on the same hosts. Returns whether that worked."""
    path = attempt.folder / "playbooks" / STOP_PLAYBOOK
    if not path.is_file():
        return False
    already = signalled.count(signal.SIGINT)
    request = replace(
        attempt.request, on_progress=None, tags=(), skip_tags=(), keep=False, private_data_dir=None, check=False
    )
    stopping = _Attempt(request, attempt.folder, path, attempt.inventory, attempt.variables, attempt.secrets)
    give_up = _Cancel(lambda: signalled.count(signal.SIGINT) > max(already, 1), [])
    status, _, _ = stopping.run(give_up, STOP_TIMEOUT_S)
    return status == "successful"


def _results_folder(folder: Path, run_id: str, variables: Mapping[str, Any], custom: Mapping[str, Any]) -> Path | None:
    """Where the run's results are: as the playbook says (`set_stats`), as it was told, else in the usual places."""
    said = [value for value in (custom.get("results_path"), variables.get("results_path")) if isinstance(value, str)]
    places = [*(folder / Path(value).expanduser() for value in said), folder / "results", Path.cwd() / "results"]
    return next((place / run_id for place in places if (place / run_id).is_dir()), None)


def _load(path: Path | None) -> RunResults | None:
    if path is not None:
        with suppress(InputError):
            return RunResults.load(path)
    return None


def _exit_code(status: Status, events: Events, results: RunResults | None) -> int:
    if status in {"timeout", "canceled"}:
        return 4
    judged = verdict(results).exit_code if results else 0
    return judged if status == "successful" else events.exit_code(judged)


def _tail(path: Path) -> str:
    """The last lines of Ansible's output: all there is to tell when no task failed."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join([line for line in lines if line.strip()][-_TAIL_LINES:])


def _require_json(variables: Mapping[str, Any], name: str) -> None:
    for key, value in variables.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{name}: {key} is {value}, not a finite number")
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: {key} cannot be passed to Ansible: {error}") from error


def _import_runner() -> Any:
    try:
        import ansible_runner  # noqa: PLC0415 - optional dependency, 0.3 s
    except ImportError as error:
        raise NotReadyError(
            f"running playbooks from Python needs ansible-runner: {error}", fix="pip install 'loadfleet[fleet]'"
        ) from error
    return ansible_runner
