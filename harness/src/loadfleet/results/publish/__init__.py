"""A results repository: runs published as commits, each result traceable to its raw logs by digest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError
from loadfleet.results.publish import content, stores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadfleet.results.model import RunResults
    from loadfleet.results.publish.pushes import Published

__all__ = ["Publication", "publish"]


@dataclass(frozen=True)
class Publication:
    """Runs and what publishing them did."""

    runs: tuple[str, ...]
    published: Published

    def as_dict(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {"runs": list(self.runs), **asdict(self.published)}


def publish(runs: Sequence[RunResults], to: str, *, branch: str = "", push: bool = False) -> Publication:
    """Publish runs in one commit; publishing again what is there already makes none.

    Args:
        runs: Runs that came home.
        to: Git URL or folder; see `stores.publish`.
        branch: Branch; empty for the repository's own.
        push: Push a folder's commit to its remote.

    Raises:
        InputError: Nothing to publish, or nowhere to publish it to.
        BadResultError: A raw log is missing or has changed, or a file holds credentials.
        NotReadyError: git failed or the remote refuses.
    """
    if not to.strip():
        raise InputError("no results repository was named", fix="Give --to a folder or a git URL.")
    contents = list({run.run_id: content.of_run(run) for run in runs}.values())
    files: dict[str, bytes | Path] = {
        f"{one.folder}/{name}": data for one in contents for name, data in one.files.items()
    }
    subject = f"Publish {contents[0].run_id}" if len(contents) == 1 else f"Publish {len(contents)} runs"
    message = "\n".join([subject, "", *(one.line for one in contents)]) + "\n"
    done = stores.publish(to, branch, files, [one.folder for one in contents], message, push=push)
    return Publication(tuple(one.run_id for one in contents), done)
