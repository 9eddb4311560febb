"""`loadfleet results`: read what runs brought home."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadfleet.cli import _runs, echo_json, history, publishing
from loadfleet.cli._options import JSON, RESULTS_PATH
from loadfleet.errors import InputError, NotReadyError

_RUN = click.argument("run", metavar="RUN")


def _formats(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """`export --list`."""
    if not wanted or context.resilient_parsing:
        return
    from loadfleet.results import exporters  # noqa: PLC0415

    helps = exporters.helps()
    width = max(map(len, helps))
    click.echo("\n".join(f"{name.ljust(width)}  {text}" for name, text in helps.items()))
    context.exit()


@click.group()
def command() -> None:
    """Read results: table, report, comparison with each other and with published ones.

    RUN is a folder results/<run id>, a run id, or `latest`.
    """


@command.command()
@_RUN
@RESULTS_PATH
@JSON
@click.option("--color/--no-color", default=None, help="Colours; by default when the output is a terminal.")
def summary(run: str, results_path: Path, as_json: bool, color: bool | None) -> None:
    """Print the final table of RUN.

    Exit status: 0 every cell ran well, 1 a cell is bad or missing, 2 not a run, 4 unfinished cells.
    """
    from loadfleet.results.find import load_run  # noqa: PLC0415
    from loadfleet.results.summary import summarise, write_text  # noqa: PLC0415

    loaded = load_run(run, results_path)
    data = summarise(loaded)
    if as_json:
        echo_json(data)
    else:
        write_text(loaded, color=color)
    sys.exit(data["exit_code"])


@command.command()
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@RESULTS_PATH
@JSON
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page. By default report.html in the folder of the run, of all runs when there are several.",
)
@click.option(
    "--published/--no-published",
    default=None,
    help="Compare with imported results; by default where some were imported. Without RUN: a page of these alone.",
)
@_runs.JUNIT
def report(
    runs: tuple[str, ...],
    results_path: Path,
    as_json: bool,
    output: Path | None,
    published: bool | None,
    junit: Path | None,
) -> None:
    """Write a self-contained HTML report of each RUN, good or bad, and summary.json beside it.

    Several runs make one page, with curves over every setting that differs between them.
    """
    from loadfleet.results import junit as junit_file  # noqa: PLC0415
    from loadfleet.results.find import load_run  # noqa: PLC0415
    from loadfleet.results.report import others, write_report  # noqa: PLC0415

    if junit and len(runs) != 1:
        raise InputError(f"--junit is for one run, {len(runs)} were given")
    if not runs and not published:
        raise InputError("no RUN was given", fix="Name a run, such as `latest`, or --published for imported results.")
    loaded = [load_run(run, results_path) for run in runs]
    rows = []
    if published is not False:
        try:
            rows = others(loaded)
        except NotReadyError as error:
            if published:
                raise
            click.echo(f"no comparison with published results: {error.message}", err=True)
    if published and not rows:
        what = "of the models and scenarios of these runs" if loaded else "at all"
        raise InputError(f"no published results {what} were imported", fix="See `loadfleet results import --help`.")
    page = output or (loaded[0].path if len(loaded) == 1 else results_path) / "report.html"
    page, data = write_report(loaded, page, rows)
    if junit:
        junit_file.write(junit, loaded[0])
    if as_json:
        echo_json({"report": str(page), "summary": str(data), "junit": str(junit) if junit else None})
    else:
        click.echo(page)


@command.command()
@_RUN
@RESULTS_PATH
@JSON
@click.option("--format", "name", required=True, metavar="NAME", help="The format; --list names all.")
@click.option(
    "--list", "listing", is_flag=True, is_eager=True, expose_value=False, callback=_formats, help="List the formats."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file; standard output by default.",
)
def export(run: str, results_path: Path, as_json: bool, name: str, output: Path | None) -> None:
    """Write RUN in the format of another tool: a file, or standard output.

    `wandb` sends it to a service instead and prints where it went.
    """
    from loadfleet.files import write_bytes  # noqa: PLC0415
    from loadfleet.results import exporters  # noqa: PLC0415
    from loadfleet.results.find import load_run  # noqa: PLC0415

    if output and not output.parent.is_dir():
        raise InputError(f"no folder {output.parent} for the export", fix="Create it, or choose another --output.")
    loaded = load_run(run, results_path)
    text = exporters.export(name, loaded)
    if output:
        try:
            write_bytes(output, text.encode())
        except OSError as error:
            raise NotReadyError(f"{output} cannot be written: {error.strerror}") from error
    if as_json:
        echo_json({"run_id": loaded.run_id, "format": name, "output": str(output) if output else None, "text": text})
    elif not output:
        # As bytes: CSV ends its lines in CR LF everywhere.
        click.echo(text.encode(), nl=False)


@command.command("list")
@click.argument("path", type=click.Path(path_type=Path), default=Path("results"))
@JSON
def list_(path: Path, as_json: bool) -> None:
    """List the runs below PATH (default: results), newest first."""
    from loadfleet.results.find import run_folders, run_line  # noqa: PLC0415
    from loadfleet.results.texts import print_rows  # noqa: PLC0415

    lines = [run_line(folder) for folder in run_folders(path)]
    if as_json:
        echo_json({"path": str(path), "runs": lines})
        return
    if not lines:
        click.echo(f"no runs in {path}")
        return
    print_rows(
        ("Run", "Workload", "Execution", "Hosts", "Cells", "Result"),
        [
            (
                line["run_id"],
                line["workload"] or "-",
                line["execution"] or "-",
                str(line["hosts"]),
                str(line["cells"]),
                line["verdict"],
            )
            for line in lines
        ],
    )


@command.command()
@_RUN
@RESULTS_PATH
@JSON
def show(run: str, results_path: Path, as_json: bool) -> None:
    """Show one result: RUN is a result.json, a cell's folder, or a run (all of its cells)."""
    from loadfleet.results.find import load_any  # noqa: PLC0415
    from loadfleet.results.texts import describe  # noqa: PLC0415

    loaded = load_any(run, results_path)
    if as_json:
        echo_json({"results": [dict(result.raw) for result in loaded]})
    else:
        click.echo("\n\n".join(describe(result) for result in loaded))


command.add_command(history.import_)
command.add_command(history.compare)
command.add_command(publishing.publish)
command.add_command(publishing.trace)
