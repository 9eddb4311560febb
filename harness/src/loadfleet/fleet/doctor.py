"""The playbook `doctor.yml` as a function: what keeps the hosts of an inventory from measuring."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet.files import read_json
from loadfleet.fleet.request import RunRequest
from loadfleet.fleet.runner import run_playbook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.fleet.request import Failure

THIS_MACHINE = "localhost,"  # an inventory of one host, reached without SSH
_LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@dataclass(frozen=True)
class Diagnosis:
    """What was seen.

    Attributes:
        hosts: Host -> its checks: check, status, wanted, seen, fix.
        controller: The same for the controller.
        failures: What kept Ansible from looking at all.
        exit_code: 0 when nothing fails, 3 when something does; 2 for a wrong inventory, 4 when interrupted.
    """

    hosts: Mapping[str, list[dict[str, Any]]]
    controller: list[dict[str, Any]]
    failures: list[Failure] = field(default_factory=list)
    exit_code: int = 0


def diagnose(
    inventory: str,
    *,
    extra_vars: Mapping[str, Any] | None = None,
    limit: str | None = None,
    project_dir: Path | None = None,
) -> Diagnosis:
    """Look at the hosts of an inventory and at this controller; nothing is changed.

    Raises:
        InputError: The inventory is wrong.
        NotReadyError: ansible-runner or the playbooks are missing.
    """
    with tempfile.TemporaryDirectory(prefix="loadfleet-doctor-") as folder:
        variables = {
            **(_LOCAL if inventory == THIS_MACHINE else {}),
            **(extra_vars or {}),
            "doctor_report_path": folder,
        }
        request = RunRequest(
            "doctor.yml", inventory=inventory, extra_vars=variables, limit=limit, project_dir=project_dir
        )
        result = run_playbook(request)
        reports = [read_json(path) for path in sorted(Path(folder).glob("*.json"))]
    hosts = {report["host"]: report["checks"] for report in reports}
    mine: list[dict[str, Any]] = next((report["controller"] for report in reports if "controller" in report), [])
    failing = any(check["status"] == "fail" for checks in [*hosts.values(), mine] for check in checks)
    # Of hosts that were looked at, the lines above say it all.
    failures = [one for one in result.failures if one.host not in hosts]
    return Diagnosis(hosts, mine, failures, 3 if failing else result.exit_code)
