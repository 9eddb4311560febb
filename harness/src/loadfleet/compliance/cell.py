"""A test as a cell: the runs it is compared with lie beside it, and it is asked of LoadGen what they were asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadfleet import files
from loadfleet.catalogue.rounds import Target
from loadfleet.compliance.base import Logs
from loadfleet.compliance.verify import Outcome, verify
from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from loadfleet.workloads.base import Accuracy

AUDIT = "audit.config"


def references(folder: Path, cell: Mapping[str, Any]) -> dict[str, Path]:
    """Mode -> folder of the runs that a test is compared with; empty for a cell that is no test.

    Raises:
        NotReadyError: One is missing, failed, or was made with another model or data set.
    """
    found = {}
    for mode in cell.get("compliance", {}).get("needs", ()):
        found[mode] = folder.parent / mode
        if problem := _problem(found[mode], cell):
            name = f"{cell['workload']}/{cell['scenario']}/{mode}"
            finished = (found[mode] / "result.json").exists()
            raise NotReadyError(
                f"{cell['mode']} is compared with the cell {name}, which {problem}",
                fix="mend the cause and measure both in a new run: a finished cell is not run again"
                if finished
                else f"mend that cell first (error.json and stdout.log in {found[mode]} say what happened) and "
                "continue the run; benchmark_modes must name it",
            )
    return found


def _problem(folder: Path, cell: Mapping[str, Any]) -> str:
    try:
        result = files.read_json(folder / "result.json")
    except FileNotFoundError:
        return "failed" if (folder / "error.json").exists() else "is missing"
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
    if result.get("exit_code") != 0:
        reasons = (result.get("validity") or {}).get("reasons") or ["without a reason"]
        return f"failed: {reasons[0]}"
    for kind in ("model", "dataset"):
        if (result.get(kind) or {}).get("digest") != cell[kind]["digest"]:
            return f"ran another {kind}"
    return ""


def requested(before: Mapping[str, Path]) -> dict[str, float] | None:
    """What user.conf said of the performance run: the test is asked the same. None when there is no such run."""
    if "performance" not in before:
        return None
    values: dict[str, float] = files.read_json(before["performance"] / "result.json")["loadgen"]["requested"]
    return values


def judge(
    folder: Path, cell: Mapping[str, Any], before: Mapping[str, Path], score: Callable[[Path], Accuracy]
) -> Outcome | None:
    """Verify a test's logs, which are in `folder`, and write its verification files there; None for other cells."""
    test = cell.get("compliance")
    if test is None:
        return None
    logs = Logs(
        test=folder,
        scenario=cell["scenario"],
        accuracy=before.get("accuracy"),
        performance=before.get("performance"),
        score=score,
        tolerance=test["tolerance"],
        bounds=bounds(test),
    )
    return verify(test, logs, folder, whole=cell["execution"] == "valid")


def bounds(test: Mapping[str, Any]) -> tuple[Target, ...]:
    """The bounds of a described test."""
    return tuple(
        Target(bound["metric"], bound["minimum"], bound["maximum"], reference=None) for bound in test["bounds"]
    )


def written(test: Mapping[str, Any]) -> list[str]:
    """Names of the files that verification may leave in a cell's folder."""
    return [*(check["file"] for check in test["checks"]), "baseline_accuracy.txt", "compliance_accuracy.txt"]
