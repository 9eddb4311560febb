"""From results to a packed, checked submission in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.catalogue.rounds import load
from loadfleet.submission import official
from loadfleet.submission.check import Report, check
from loadfleet.submission.packing import truncate
from loadfleet.submission.packing.pack import Packed, pack
from loadfleet.submission.tree.generate import Generated, Request, generate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Created:
    """A submission: tree, verdicts, archive."""

    generated: Generated
    report: Report
    official: tuple[official.Verdict, ...]
    packed: Packed

    @property
    def accepted(self) -> bool:
        """Our check accepts, and so does every official checker that was run, with the same number of results."""
        return self.report.accepted and all(
            verdict.accepted and verdict.results == len(self.report.rows) for verdict in self.official
        )

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {
            **self.report.as_json(),
            "tree": str(self.generated.tree),
            "archive": str(self.packed.archive),
            "attempt": self.packed.attempt,
            "sha256": self.packed.sha256,
            "reused": self.packed.reused,
            "accepted": self.accepted,
            "official": [verdict.as_json() for verdict in self.official],
            "systems": self.generated.systems,
            "not_submittable": self.generated.not_submittable,
            "left_out": self.generated.left_out,
            "lacking": self.generated.lacking,
        }


def create(results: Sequence[Path], output: Path, request: Request, inference: Path | None = None) -> Created:
    """Generate, truncate, check, pack.

    Args:
        results: Run folders.
        output: Gets `tree/`, `generated.json` and `mlperf_submission_N*`.
        request: What to submit as.
        inference: A checkout of mlcommons/inference whose own checkers are run as well.

    Raises:
        InputError: As `generate`.
        NotReadyError: As `official.run`.
    """
    generated = generate(results, output, request)
    truncate.truncate(generated.tree, load(request.round), request.submitter, skip_unscored=True)
    report = check(generated.tree, request.round, request.submitter)
    verdicts = (
        () if inference is None else tuple(official.run(inference, generated.tree, request.round, request.submitter))
    )
    return Created(generated, report, verdicts, pack(generated.tree, output, report, verdicts))
