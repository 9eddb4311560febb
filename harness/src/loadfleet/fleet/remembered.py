"""What a run was asked for, read from `results/<run id>/run.json`: enough to continue, stop or watch it by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.files import read_json
from loadfleet.fleet.request import RunRequest
from loadfleet.results.find import run_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESUME_PLAYBOOK, STOP_PLAYBOOK, WATCH_PLAYBOOK = "resume.yml", "stop.yml", "watch.yml"
_COLLECTION = "loadfleet.mlperf."
# Hosts were prepared before run.json was written; doing it again would disturb a cell that is being measured.
_SKIPPED = "prepare"


@dataclass(frozen=True)
class Asked:
    """How a run was started.

    Attributes:
        run_id: The run.
        folder: Its folder on the controller.
        hosts: Its hosts.
        workload: What was measured; None in a damaged file.
        playbooks: As they were named, absolute where they are files.
        inventory: Files, folders, or hosts with a comma.
        limit: `--limit`.
        tags: `--tags`.
        skip_tags: `--skip-tags`.
        vars_files: Files given as `-e @FILE`.
        extra_vars: All other variables given, but for secrets.
        secrets: Names of variables whose values were not kept; those inside of objects with dots.
        options: Further options of ansible-playbook.
        ansible_config: The configuration file in use, if any.
    """

    run_id: str
    folder: Path
    hosts: Sequence[str]
    workload: str | None
    playbooks: Sequence[str]
    inventory: Sequence[str]
    limit: str | None
    tags: Sequence[str]
    skip_tags: Sequence[str]
    vars_files: Sequence[str]
    extra_vars: Mapping[str, Any]
    secrets: Sequence[str]
    options: Sequence[str] = field(default=())
    ansible_config: str | None = None

    def request(
        self,
        playbook: str | Path,
        *,
        inventory: str | None = None,
        variables: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> RunRequest:
        """A call with the run's inventory, variables and options.

        Args:
            playbook: What to play.
            inventory: Instead of the one it was started with.
            variables: Further variables.
            **more: Further values of the request.

        Raises:
            InputError: No inventory is known.
        """
        places = [inventory] if inventory else list(self.inventory)
        if not places:
            raise InputError(f"run {self.run_id}: its inventory is not known", fix="Give it with -i.")
        environment = {"ANSIBLE_CONFIG": self.ansible_config} if self.ansible_config else {}
        return RunRequest(
            playbook=playbook,
            inventory=places,
            project_dir=self.project(),
            extra_vars={**self.extra_vars, **(variables or {})},
            run_id=self.run_id,
            results_path=self.folder.parent,
            limit=self.limit,
            vars_files=list(self.vars_files),
            options=list(self.options),
            environment=environment,
            **more,
        )

    def resume(self, *, secrets: Mapping[str, str], inventory: str | None = None, **more: Any) -> RunRequest:
        """The call that continues the run: its own playbook without preparation.

        Raises:
            InputError: A secret is missing; the message names all that are.
        """
        lacking = sorted(set(self.secrets) - set(secrets))
        if lacking:
            options = " ".join(f"--secret {name}={name.rpartition('.')[2].upper()}" for name in lacking)
            raise InputError(
                f"run {self.run_id} was started with {', '.join(lacking)}; values of secrets are not kept",
                fix=f"Give them again, from environment variables: loadfleet resume {self.run_id} {options}",
            )
        known = {"benchmark_workload": self.workload} if self.workload else {}
        return self.request(
            self._playbook(),
            inventory=inventory,
            secrets=secrets,
            variables={name: value for name, value in known.items() if name not in self.extra_vars},
            tags=list(self.tags),
            skip_tags=[*self.skip_tags, _SKIPPED],
            **more,
        )

    def _playbook(self) -> str:
        """The playbook that was played; `resume.yml` for several, or when it is gone."""
        if len(self.playbooks) != 1:
            return RESUME_PLAYBOOK
        name = self.playbooks[0]
        if name.startswith(_COLLECTION):
            return name.removeprefix(_COLLECTION)
        return name if Path(name).is_file() else RESUME_PLAYBOOK

    def project(self) -> Path | None:
        """The folder of the playbooks when the run's playbook is one of them, else None: it is looked for."""
        for name in self.playbooks:
            folder = Path(name).parent.parent
            if Path(name).is_file() and any((folder / known).is_file() for known in ("galaxy.yml", "MANIFEST.json")):
                return folder
        return None


def read(run: str, results_path: Path) -> Asked:
    """What the run was asked for.

    Args:
        run: Folder, run id, the start of one, or `latest`.
        results_path: Where run ids are looked up.

    Raises:
        InputError: There is no such run, or its run.json does not say how it was started.
    """
    folder = run_folder(run, results_path)
    path = folder / "run.json"
    try:
        content = read_json(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", fix="Name a run of this controller.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", fix=f"Play {RESUME_PLAYBOOK} instead.") from error
    asked = content.get("request") if isinstance(content, dict) else None
    if not isinstance(asked, dict):
        raise InputError(
            f"{path} does not say how the run was started",
            fix=f"Play playbooks/{RESUME_PLAYBOOK} with -e benchmark_run_id={folder.name} and the run's settings.",
        )
    files, variables = _variables(asked.get("extra_vars") or [])
    return Asked(
        run_id=str(content.get("run_id") or folder.name),
        folder=folder,
        hosts=[str(host) for host in content.get("hosts") or []],
        workload=content.get("workload"),
        playbooks=asked.get("playbooks") or [],
        inventory=asked.get("inventory") or [],
        limit=asked.get("limit") or None,
        tags=asked.get("tags") or [],
        skip_tags=asked.get("skip_tags") or [],
        vars_files=files,
        extra_vars=variables,
        secrets=asked.get("secrets") or [],
        options=asked.get("options") or [],
        ansible_config=asked.get("ansible_config"),
    )


def _variables(given: Sequence[Mapping[str, Any]]) -> tuple[list[str], dict[str, Any]]:
    """Files of variables, and all other ones. The later one wins, and files are passed on before the others."""
    files: list[str] = []
    values: dict[str, Any] = {}
    for entry in given:
        if "file" not in entry:
            values.update(entry.get("values") or {})
            continue
        path = Path(str(entry["file"]))
        if not path.is_file():
            raise InputError(f"the run was started with -e @{path}, which is gone", fix="Put the file back.")
        files.append(str(path))
        for name in _names(path):
            values.pop(name, None)
    return files, values


def _names(path: Path) -> list[str]:
    """Names of the variables of a file; none of an encrypted one."""
    import yaml  # noqa: PLC0415

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []
    return [str(name) for name in content] if isinstance(content, dict) else []
