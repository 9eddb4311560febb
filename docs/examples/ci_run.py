"""A benchmark as a CI job: progress in the log, a JUnit file for the job's page, the exit status for its colour.

python docs/examples/ci_run.py bert.yml inventory [junit.xml]
"""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from loadfleet.errors import LoadfleetError
from loadfleet.fleet import Progress, RunRequest, RunResult, run_playbook
from loadfleet.results.judge import judge


def say(sign: Progress) -> None:
    """One line of the job's log."""
    share = "" if sign.fraction is None else f"{sign.fraction:4.0%}"
    print(f"{sign.host:16} {sign.cell:32} {share} {sign.text}", flush=True)


def write_junit(result: RunResult, path: Path) -> None:
    """A test case for each cell and each failed task."""
    suite = ET.Element("testsuite", name=result.run_id, time=f"{result.duration_s:.3f}")
    for cell in result.results.cells if result.results else ():
        case = ET.SubElement(suite, "testcase", classname=cell.host, name=cell.cell)
        judged = judge(cell)
        if judged.outcome != "good":
            ET.SubElement(case, "failure", message=judged.short).text = "\n".join(judged.reasons)
    for failure in result.failures:
        case = ET.SubElement(suite, "testcase", classname=failure.host or "ansible", name=failure.task or "start")
        ET.SubElement(case, "error", message=failure.message.partition("\n")[0]).text = failure.message
    ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main(playbook: str, inventory: str, junit: str = "") -> int:
    """Run and report; the result is the job's exit status."""
    secrets = {"ansible_become_password": os.environ["BECOME_PASS"]} if "BECOME_PASS" in os.environ else {}
    variables = {"benchmark_execution": os.environ.get("BENCHMARK_EXECUTION", "test")}
    result = run_playbook(
        RunRequest(playbook, inventory, extra_vars=variables, secrets=secrets, timeout_s=4 * 3600, on_progress=say)
    )
    if junit:
        write_junit(result, Path(junit))
    print(f"{result.status}, exit status {result.exit_code}, results in {result.results_path}")
    return result.exit_code


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except LoadfleetError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
