"""What goes into a playbook run and what comes out of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from loadfleet.results import RunResults

Status = Literal["successful", "failed", "timeout", "canceled"]


@dataclass(frozen=True)
class Progress:
    """One sign of life.

    Attributes:
        host: Inventory name; empty for the start of a task, which concerns all hosts.
        cell: `<workload>/<Scenario>/<mode>`; empty for the start of a task.
        fraction: Done share of the cell, 0 to 1; None for the start of a task.
        text: The cell's numbers in words, or the task's name.
    """

    host: str
    cell: str
    fraction: float | None
    text: str


@dataclass(frozen=True)
class RunRequest:
    """A playbook run.

    Attributes:
        playbook: `bert.yml`, `playbooks/bert.yml` or an absolute path.
        inventory: File, folder, or a host list with a comma (`localhost,`), or several; relative to the caller's
            folder, else to the project's.
        project_dir: Folder of the playbooks (a clone or an installed collection); found when None.
        extra_vars: Variables as `-e` gives them; they are visible in the process list and in kept artifacts.
        secrets: Variables that must not be visible: they reach Ansible through a file of mode 0600 that is removed as
            soon as it was read, and their values are blotted out of failures and kept artifacts. A name may have
            dots: `benchmark_environment.API_TOKEN`.
        run_id: Id of the run, passed as `benchmark_run_id`; made when None. Repeating one continues that run.
        results_path: Folder of the runs, passed as `results_path`; the playbook's own when None.
        limit: Hosts, as `--limit`.
        tags: Tags, as `--tags`.
        skip_tags: Tags, as `--skip-tags`.
        vars_files: Files of variables, as `-e @FILE`; `extra_vars` win over them.
        options: Further options of ansible-playbook, such as `("--user", "bench")`.
        check: `--check --diff`: nothing is changed, nothing is run.
        timeout_s: Seconds until the run is ended, on the hosts too; no limit when None.
        environment: Variables added to the few that are passed on from the caller's environment.
        private_data_dir: Folder for ansible-runner's artifacts; a fresh one of mode 0700 when None.
        keep: Keep the fresh artifacts folder, cleaned of the environment and of secrets.
        on_progress: Called from the calling thread for each sign of life.
        cancel: An event, or a function that says whether to stop. Polled about once a second.
        stop_hosts: Whether a timeout or a cancel also stops the agents on the hosts; False for looking on only.
        judge: Whether the results that lie on the controller decide about the exit status; False when the playbook
            brings none home.
    """

    playbook: str | Path
    inventory: str | Path | Sequence[str | Path]
    project_dir: Path | None = None
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict, repr=False)
    run_id: str | None = None
    results_path: Path | None = None
    limit: str | None = None
    tags: Sequence[str] = ()
    skip_tags: Sequence[str] = ()
    vars_files: Sequence[str | Path] = ()
    options: Sequence[str] = ()
    check: bool = False
    timeout_s: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    private_data_dir: Path | None = None
    keep: bool = False
    on_progress: Callable[[Progress], None] | None = field(default=None, repr=False)
    cancel: threading.Event | Callable[[], bool] | None = field(default=None, repr=False)
    stop_hosts: bool = True
    judge: bool = True


@dataclass(frozen=True)
class Failure:
    """A task that failed. `host` and `task` are empty when Ansible itself gave up, for example on a syntax error.

    `code` is the exit status it stands for, None when it names none.
    """

    host: str
    task: str
    message: str
    code: int | None = None


@dataclass(frozen=True)
class HostStats:
    """Numbers of tasks of one host, as in Ansible's recap."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0
    ignored: int = 0


@dataclass(frozen=True)
class RunResult:
    """The end of a playbook run.

    Attributes:
        status: Ansible's end; a benchmark whose result is bad is `failed`.
        exit_code: 0 good, 1 a result is bad, 2 wrong input, 3 not ready, 4 interrupted and resumable.
        run_id: To find, repeat, continue or stop the run.
        hosts: Recap by host.
        results: What came home, None when nothing did.
        results_path: The run's folder, None when nothing came home.
        failures: Failed tasks in order; empty when the run was successful.
        duration_s: Seconds from call to return.
        stopped: After a timeout or cancel: whether the hosts' agents were told to stop; None when there was no need.
        artifacts_path: Kept artifacts.
    """

    status: Status
    exit_code: int
    run_id: str
    hosts: Mapping[str, HostStats]
    results: RunResults | None
    results_path: Path | None
    failures: Sequence[Failure]
    duration_s: float
    stopped: bool | None = None
    artifacts_path: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON; `results` is the object of `loadfleet results summary --json`."""
        from loadfleet.results.summary import summarise  # noqa: PLC0415 - only for those who print it

        return {
            "status": self.status,
            "exit_code": self.exit_code,
            "run_id": self.run_id,
            "hosts": {name: asdict(stats) for name, stats in self.hosts.items()},
            "results": summarise(self.results) if self.results else None,
            "results_path": str(self.results_path) if self.results_path else None,
            "failures": [asdict(failure) for failure in self.failures],
            "duration_s": round(self.duration_s, 3),
            "stopped": self.stopped,
            "artifacts_path": str(self.artifacts_path) if self.artifacts_path else None,
        }
