"""`loadfleet submission`: from results to what MLCommons gets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON, RESULTS_PATH
from loadfleet.cli._submission_status import status
from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadfleet.submission.check import Report
    from loadfleet.submission.tree.generate import Generated, Request

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


def _round(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    from loadfleet.catalogue.rounds import newest  # noqa: PLC0415

    return value or newest()


_ROUND = click.option("--round", "round_name", callback=_round, show_default="the newest", help="MLPerf round.")
_SUBMITTER = click.option("--submitter", required=True, help="Organisation; the name of its folder.")
_OUTPUT = click.option("-o", "--output", type=_FOLDER, required=True, help="Gets tree/ and the archives.")
_OFFICIAL = click.option(
    "--official",
    type=_FOLDER,
    envvar="LOADFLEET_MLCOMMONS_INFERENCE",
    help="A checkout of mlcommons/inference: run its checkers too (interpreter: LOADFLEET_MLCOMMONS_PYTHON).",
)


def _request(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say what to submit as."""
    for option in (
        click.option("--only-submittable", is_flag=True, help="Leave out what cannot be submitted."),
        click.option(
            "--documents", type=_FOLDER, help="Files for documentation/: calibration.md, bandwidth.md, a diagram."
        ),
        click.option("--infer", is_flag=True, help="Edge: infer scenarios that were not measured, where rules allow."),
        click.option(
            "--flavours",
            default="stated",
            show_default=True,
            help="Of 99 and 99.9: the one stated for the model, the best reached, or all reached.",
        ),
        click.option("--system-name", help="Name of the system's folder; by default the measured one."),
        click.option("--status", default="available", show_default=True, help="available, preview or rdi."),
        click.option("--system-type", default="edge", show_default=True, help="edge, datacenter or datacenter,edge."),
        click.option("--division", default="open", show_default=True, help="open, closed or network."),
        _SUBMITTER,
        _ROUND,
    ):
        function = option(function)
    return function


def _make_request(options: dict[str, Any], *, truncate: bool = True) -> Request:
    from loadfleet.submission.tree.generate import Request  # noqa: PLC0415

    return Request(round=options.pop("round_name"), truncate=truncate, **options)


def _runs(function: Callable[..., None]) -> Callable[..., None]:
    """The argument RESULTS: runs, looked up as `loadfleet results` does."""
    return click.argument("results", nargs=-1, required=True)(RESULTS_PATH(function))


def _folders(results: tuple[str, ...], results_path: Path) -> list[Path]:
    from loadfleet.results.find import run_folder  # noqa: PLC0415

    return [run_folder(run, results_path) for run in results]


@click.group()
def command() -> None:
    """Generate, truncate, check, pack and report a submission.

    RESULTS are runs (results/<run id>, a run id or `latest`), any number of them: of one system, model, scenario and
    mode the newest submittable result counts; where compliance tests are asked for, the run with the most of them. DIR
    is a folder that holds open/, closed/ or network/.
    """


@command.command()
@_runs
@_OUTPUT
@_request
@_OFFICIAL
@JSON
def create(
    results: tuple[str, ...],
    results_path: Path,
    output: Path,
    official: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Generate, truncate, check and pack in one go.

    Exit status: 0 accepted, 1 refused (the tree and the archive are there), 2 wrong input.
    """
    from loadfleet.submission.create import create as run  # noqa: PLC0415

    created = run(_folders(results, results_path), output, _make_request(options), official)
    if as_json:
        echo_json(created.as_json())
    else:
        _echo_generated(created.generated)
        _echo_report(created.report)
        for verdict in created.official:
            click.echo(f"MLCommons' {verdict.checker} checker: {verdict.summary} ({verdict.results} results)")
        again = " (the same as before)" if created.packed.reused else ""
        click.echo(f"archive: {created.packed.archive}{again}")
    sys.exit(0 if created.accepted else 1)


@command.command()
@_runs
@_OUTPUT
@_request
@click.option("--truncate/--full", default=True, show_default=True, help="Write accuracy logs cut, or in full.")
@JSON
def generate(
    results: tuple[str, ...], results_path: Path, output: Path, truncate: bool, as_json: bool, **options: Any
) -> None:
    """Write OUTPUT/tree from results; raw logs are copied byte for byte."""
    from loadfleet.submission.tree.generate import generate as run  # noqa: PLC0415

    generated = run(_folders(results, results_path), output, _make_request(options, truncate=truncate))
    if as_json:
        echo_json({"tree": str(generated.tree), **generated.record()})
    else:
        _echo_generated(generated)


@command.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@_ROUND
@_SUBMITTER
@click.option("--keep", type=_FOLDER, help="Where the full logs go; by default DIR-full-logs.")
@click.option("--no-keep", is_flag=True, help="Keep no full logs: they are elsewhere.")
@JSON
def truncate(folder: Path, round_name: str, submitter: str, keep: Path | None, no_keep: bool, as_json: bool) -> None:
    """Cut the accuracy logs of a tree and record the hash of each; again changes nothing."""
    from dataclasses import asdict  # noqa: PLC0415

    from loadfleet.catalogue.rounds import load  # noqa: PLC0415
    from loadfleet.errors import InputError  # noqa: PLC0415
    from loadfleet.submission.packing.truncate import truncate as run  # noqa: PLC0415

    if keep is not None and no_keep:
        raise InputError("--keep and --no-keep contradict each other", fix="give one of them")
    kept = None if no_keep else keep or folder.resolve().with_name(f"{folder.resolve().name}-full-logs")
    logs = run(folder, load(round_name), submitter, keep=kept)
    if as_json:
        echo_json({"logs": [asdict(log) for log in logs], "kept": str(kept) if kept else None})
        return
    for log in logs:
        what = f"{log.before:,} -> {log.after:,} bytes, hash={log.sha256}" if log.changed else "already done"
        click.echo(f"{log.path}: {what}")
    if kept is not None and any(log.after < log.before for log in logs):
        click.echo(f"full logs: {kept}")


@command.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@_ROUND
@_SUBMITTER
@click.option("--csv", "csv_file", type=_FILE, help="Write the accepted results in MLCommons' columns.")
@click.option("--junit", "junit_file", type=_FILE, help="Write the verdict as a JUnit file.")
@click.option(
    "--full-logs", type=_FOLDER, help="Results, or what truncate kept: compare recorded hashes with real ones."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes; by default one for each core.")
@_OFFICIAL
@JSON
def check(
    folder: Path,
    round_name: str,
    submitter: str,
    csv_file: Path | None,
    junit_file: Path | None,
    full_logs: Path | None,
    jobs: int | None,
    official: Path | None,
    as_json: bool,
) -> None:
    """Hold DIR against the rules of a round.

    Exit status: 0 accepted, 1 refused, 2 wrong input.
    """
    from loadfleet.submission import junit as junit_of  # noqa: PLC0415
    from loadfleet.submission import official as mlcommons  # noqa: PLC0415
    from loadfleet.submission.check import check as run  # noqa: PLC0415

    report = run(folder, round_name, submitter, jobs=jobs, full_logs=full_logs)
    verdicts = [] if official is None else mlcommons.run(official, folder, round_name, submitter)
    if csv_file is not None:
        _write(csv_file, report.csv())
    if junit_file is not None:
        junit_of.write(junit_file, report)
    accepted = report.accepted and all(v.accepted and v.results == len(report.rows) for v in verdicts)
    if as_json:
        echo_json({**report.as_json(), "accepted": accepted, "official": [verdict.as_json() for verdict in verdicts]})
    else:
        for verdict in verdicts:
            click.echo(f"MLCommons' {verdict.checker} checker: {verdict.summary} ({verdict.results} results)")
        _echo_report(report)
    sys.exit(0 if accepted else 1)


@command.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@_OUTPUT
@_ROUND
@_SUBMITTER
@JSON
def pack(folder: Path, output: Path, round_name: str, submitter: str, as_json: bool) -> None:
    """Check DIR and pack it as the next mlperf_submission_N.tar.gz; the same content keeps its number.

    Exit status: 0 packed and accepted, 1 packed and refused by the check, 2 wrong input.
    """
    from loadfleet.submission.check import check as run  # noqa: PLC0415
    from loadfleet.submission.packing.pack import pack as write  # noqa: PLC0415

    report = run(folder, round_name, submitter)
    packed = write(folder, output, report)
    if as_json:
        summary = {"attempt": packed.attempt, "archive": str(packed.archive), "sha256": packed.sha256}
        echo_json({**summary, "reused": packed.reused, "accepted": report.accepted})
    else:
        click.echo(f"{packed.archive}\n{report.summary}")
    sys.exit(0 if report.accepted else 1)


@command.command()
@click.argument("archive", metavar="mlperf_submission_N.tar.gz", type=click.Path(path_type=Path))
@JSON
def verify(archive: Path, as_json: bool) -> None:
    """Unpack a pack elsewhere and check it, with the four files beside it.

    Exit status: 0 complete and accepted, 1 not, 2 wrong input.
    """
    from loadfleet.submission.packing.verify import verify as run  # noqa: PLC0415

    done = run(archive)
    if as_json:
        content = None if done.report is None else done.report.as_json()
        echo_json({"good": done.good, "problems": done.problems, "check": content})
    else:
        for problem in done.problems:
            click.echo(f"ERROR {problem}")
        if done.report is not None:
            _echo_report(done.report)
        click.echo(f"{archive.name}: {'complete and accepted' if done.good else 'not to be sent like this'}")
    sys.exit(0 if done.good else 1)


@command.command()
@click.argument("source", metavar="SUMMARY.csv|DIR", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=_FOLDER, help="Folder of the report; by default that of SUMMARY.csv, or `report`.")
@_ROUND
@click.option("--submitter", default="", help="For DIR: whose submission.")
@click.option("--repository", default="", help="Where the submission is published, for links: https://host/owner/name.")
@click.option("--branch", default="main", show_default=True, help="Branch of that repository.")
@JSON
def report(
    source: Path, output: Path | None, round_name: str, submitter: str, repository: str, branch: str, as_json: bool
) -> None:
    """Write the final report: the accepted results as XLSX, JSON, HTML and CSV.

    Exit status: 0 written, 1 written and something of DIR is refused, 2 wrong input or no result.
    """
    from loadfleet.errors import InputError  # noqa: PLC0415
    from loadfleet.submission.check import check as run  # noqa: PLC0415
    from loadfleet.submission.final.source import parse, read  # noqa: PLC0415
    from loadfleet.submission.final.table import Links  # noqa: PLC0415
    from loadfleet.submission.final.write import write  # noqa: PLC0415

    accepted, stem = True, "summary"
    if source.is_dir():
        if not submitter:
            raise InputError(f"whose submission in {source} is meant?", fix="add --submitter NAME")
        checked = run(source, round_name, submitter)
        rows, accepted = parse(checked.csv(), str(source)), checked.accepted
    else:
        rows, stem = read(source), source.stem
    if repository and not repository.startswith("https://"):
        raise InputError(f"--repository {repository} is no https:// address", fix="name it as a browser does")
    folder = output or (Path("report") if source.is_dir() else source.parent)
    written = write(rows, folder, stem, Links(repository, branch), with_csv=folder / f"{stem}.csv" != source)
    if as_json:
        files = [str(path) for path in written.files]
        echo_json({"files": files, "results": written.results, "sheets": written.sheets, "accepted": accepted})
    else:
        results, tables = _count(written.results, "result"), _count(len(written.sheets), "table")
        click.echo(f"{results}, {tables}: {', '.join(written.sheets)}")
        for path in written.files:
            click.echo(str(path))
        if not accepted:
            click.echo("something is refused and left out; see loadfleet submission check")
    sys.exit(0 if accepted else 1)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _write(path: Path, text: str) -> None:
    from loadfleet import files  # noqa: PLC0415

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(path, text)
    except OSError as error:
        raise NotReadyError(f"{path} cannot be written: {error.strerror}") from error


def _echo_generated(generated: Generated) -> None:
    click.echo(f"tree: {generated.tree} ({len(generated.cells)} cells)")
    for system in generated.systems:
        if len(system["equal_hosts"]) > 1:
            click.echo(f"system {system['name']}: {', '.join(system['equal_hosts'])} are equal")
        for title, names in (("not measured", system["unmeasured"]), ("needed but empty", system["empty"])):
            if names:
                click.echo(f"system {system['name']}: {title}: {', '.join(names)}")
    for entry in generated.lacking:
        click.echo(f"documentation/ lacks {entry['files']}: {entry['title']} (--documents)")
    for title, entries in (("not submittable", generated.not_submittable), ("left out", generated.left_out)):
        for entry in entries:
            click.echo(f"{title}: {entry['cell']}: {'; '.join(entry['reasons'])}")


def _echo_report(report: Report) -> None:
    from loadfleet.submission.checks.base import printable  # noqa: PLC0415

    for finding in report.findings:
        click.echo(finding.line())
    for row in report.rows:
        value = "no result" if row.value is None else f"{row.value:.6g} {row.unit}"
        if row.power is not None:
            value += f", {row.power:.6g} {row.power_unit}"
        click.echo(printable(f"{'accepted' if row.accepted else 'refused'} {row.path}: {value}"))
    click.echo(f"{sum(row.accepted for row in report.rows)} of {len(report.rows)} results accepted")
    click.echo(report.summary)


command.add_command(status)
