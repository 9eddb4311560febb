"""`loadfleet results publish|trace`: a results repository, and the way back from it to raw logs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loadfleet.cli import echo_json
from loadfleet.cli._options import JSON, RESULTS_PATH
from loadfleet.cli.history import INDEX
from loadfleet.errors import InputError


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--to",
    required=True,
    metavar="PATH_OR_URL",
    envvar="LOADFLEET_RESULTS_STORE",
    show_envvar=True,
    help="A git URL, a folder with a repository, a folder that becomes one (missing or empty), or a plain folder. "
    "- reads it from standard input.",
)
@click.option("--branch", default="", metavar="B", help="Branch; by default the repository's own.")
@click.option("--push", is_flag=True, help="Push a folder's commit to its remote. A URL is always pushed to.")
@RESULTS_PATH
@JSON
def publish(runs: tuple[str, ...], to: str, branch: str, push: bool, results_path: Path, as_json: bool) -> None:
    """Publish RUNs in a results repository: submission trees, tables, results, and digests of all raw logs.

    One commit for all RUNs, and none when all is there already. Nothing is ever force-pushed: when somebody else
    published meanwhile, the commit is made again on top of theirs. Credentials of a URL are written nowhere; a
    credential helper of git or an ssh key is better still.

    Exit status: 0 published or nothing new, 1 a raw log is missing or has changed, 2 wrong input, 3 git or the remote
    refuses.
    """
    from loadfleet.results.find import load_run  # noqa: PLC0415
    from loadfleet.results.publish import publish as publish_runs  # noqa: PLC0415

    if to == "-":
        to = sys.stdin.readline().strip()
    done = publish_runs([load_run(run, results_path) for run in runs], to, branch=branch, push=push)
    if as_json:
        echo_json(done.as_dict())
        return
    published = done.published
    where = f"{published.to}{f' ({published.branch})' if published.branch else ''}"
    what = ", ".join(done.runs)
    if published.commit:
        click.echo(
            f"published {what} to {where}: commit {published.commit[:12]}, {published.files:,} files"
            f"{', pushed' if published.pushed else ', not pushed'}"
        )
        if published.attempts > 1:
            click.echo(f"  pushed at attempt {published.attempts}: others published meanwhile, theirs is kept")
    elif published.files:
        click.echo(f"published {what} to {where}: {published.files:,} files; {published.note}")
    else:
        pushed = ", pushed" if published.pushed else ""
        click.echo(f"{what} in {where}: {published.note}{pushed}")


@click.command()
@click.argument("what", metavar="DIGEST|RESULT")
@click.option(
    "--store",
    "stores",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Folder of a results repository in which digests of published files are looked up.",
)
@RESULTS_PATH
@INDEX
@JSON
def trace(what: str, stores: tuple[Path, ...], results_path: Path, index: Path | None, as_json: bool) -> None:
    """Find the raw logs behind a published result and verify them.

    DIGEST is the SHA-256 (eight digits or more) of a raw log, of a published file or of an imported result. RESULT is a
    result.json, a scenario's folder or a file of a tree, or runs/<run id> of a results repository.

    Exit status: 0 every log is there and is the same, 1 one is missing or has changed, 2 nothing knows it.
    """
    from loadfleet.results.history.index import default_path  # noqa: PLC0415
    from loadfleet.results.publish.trace import trace as trace_logs  # noqa: PLC0415
    from loadfleet.results.texts import print_rows  # noqa: PLC0415

    if not what.strip():
        raise InputError("an empty digest was given")
    found = trace_logs(what, results_path, stores, index or default_path())
    if as_json:
        echo_json({"logs": [log.as_dict() for log in found]})
    else:
        rows = [(log.state, log.sha256[:12], log.log, log.path or "not on this machine") for log in found]
        print_rows(("State", "SHA-256", "Log", "Where"), rows)
    sys.exit(0 if all(log.state == "verified" for log in found) else 1)
