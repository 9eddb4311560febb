"""What a submission is meant as, and which meanings there are not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadfleet.catalogue.rounds import newest
from loadfleet.errors import InputError
from loadfleet.submission import divisions
from loadfleet.submission.tree import documents

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.catalogue.rounds import Round

FLAVOURS = ("stated", "best", "reached")


@dataclass(frozen=True)
class Request:
    """What to submit as.

    Args:
        round: `v6.1` and the like; the newest by default.
        division: `open`, `closed` or `network`.
        submitter: The organisation's name; a folder of that name holds everything.
        system_type: `edge`, `datacenter` or both with a comma.
        status: `available`, `preview` or `rdi`.
        system_name: Name of the system's folder and file; the measured name by default.
        truncate: Write accuracy logs in their short form at once, instead of a full copy to be truncated later.
        only_submittable: Leave out what cannot be submitted instead of showing what the check says about it.
        flavours: Of a benchmark with several accuracy targets (99 and 99.9): the one the catalogue states for the
            model, the `best` that its accuracy reached, or all that it `reached`.
        infer: Give edge systems the scenarios that they lack from those they have, where the rules allow.
        documents: A folder whose files go to documentation/; they win over generated ones.
    """

    round: str = field(default_factory=newest)
    division: str = "open"
    submitter: str = "Loadfleet"
    system_type: str = "edge"
    status: str = "available"
    system_name: str | None = None
    truncate: bool = True
    only_submittable: bool = False
    flavours: str = "stated"
    infer: bool = False
    documents: Path | None = None

    @property
    def kind(self) -> str:
        """`datacenter`, `edge` or `combined`."""
        return divisions.kind(self.system_type)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "documents": self.documents and str(self.documents)
        }


def refuse(rules: Round, request: Request) -> None:
    """Refuse words that the round does not have, and combinations that no result could satisfy.

    Raises:
        InputError: With the variable to change.
    """
    for what, value, known in (
        ("division", request.division, rules.divisions),
        ("status", request.status, rules.statuses),
        ("system type", request.system_type, rules.system_types),
        ("flavours", request.flavours, FLAVOURS),
    ):
        if value not in known:
            variable = f"submission_{what.replace(' ', '_')}"
            raise InputError(
                f"{what} {value!r} is unknown in {rules.title}", fix=f"{variable}: use one of {', '.join(known)}"
            )
    if not request.submitter or documents.slug(request.submitter) != request.submitter:
        raise InputError(
            f"submitter {request.submitter!r} cannot be a folder name",
            fix=f"submission_submitter: use letters, digits, dots and dashes, "
            f"for example {documents.slug(request.submitter)!r}",
        )
    policy = divisions.load()
    if request.division == "network" and request.kind not in policy.network.system_types:
        raise InputError(
            f"the network division has the {' and '.join(policy.network.system_types)} suite only, "
            f"and the system type is {request.system_type!r}",
            fix=f"set submission_system_type: {policy.network.system_types[0]}, or submission_division: closed",
        )
    if request.infer and request.kind not in policy.inferred.system_types:
        raise InputError(
            f"only edge systems may infer scenarios, and the system type is {request.system_type!r}",
            fix="set submission_infer: false and measure the scenario",
        )
    if request.documents is not None:
        _refuse_documents(request.documents)


def _refuse_documents(folder: Path) -> None:
    if not folder.is_dir():
        raise InputError(
            f"submission_documents_path: there is no folder {folder}", fix="create it or leave the variable empty"
        )
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_file() or documents.slug(path.name) != path.name or not path.stat().st_size:
            raise InputError(
                f"submission_documents_path: {path} cannot be a document",
                fix="keep files only, not empty, with letters, digits, dots and dashes in their names",
            )
