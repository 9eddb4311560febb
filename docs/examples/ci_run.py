"""A benchmark as a CI job: progress in the log, a JUnit file for the job's page, the exit status for its colour.

python docs/examples/ci_run.py bert.yml inventory [junit.xml]
"""

import os
import sys
from pathlib import Path

from loadfleet.errors import LoadfleetError
from loadfleet.fleet import Progress, RunRequest, run_playbook
from loadfleet.results import junit as junit_file


def say(sign: Progress) -> None:
    """One line of the job's log."""
    share = "" if sign.fraction is None else f"{sign.fraction:4.0%}"
    print(f"{sign.host:16} {sign.cell:32} {share} {sign.text}", flush=True)


def main(playbook: str, inventory: str, junit: str = "") -> int:
    """Run and report; the result is the job's exit status."""
    secrets = {"ansible_become_password": os.environ["BECOME_PASS"]} if "BECOME_PASS" in os.environ else {}
    variables = {"benchmark_execution": os.environ.get("BENCHMARK_EXECUTION", "test")}
    result = run_playbook(
        RunRequest(playbook, inventory, extra_vars=variables, secrets=secrets, timeout_s=4 * 3600, on_progress=say)
    )
    if junit:
        junit_file.write(
            Path(junit), result.results, run_id=result.run_id, seconds=result.duration_s, failures=result.failures
        )
    print(f"{result.status}, exit status {result.exit_code}, results in {result.results_path}")
    return result.exit_code


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except LoadfleetError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
