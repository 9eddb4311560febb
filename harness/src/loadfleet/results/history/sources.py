"""Where published results come from: a tree in a folder, an archive, a git repository, a table.

Archives and repositories are unpacked to a temporary folder, and of them only the files that a row is made of.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from loadfleet.errors import InputError, NotReadyError
from loadfleet.git import GitError, Remote, git, is_url, public
from loadfleet.results.history.trees import roots

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["tree", "archive", "repository", "table"]
# What rows are made of, in any round's layout. Anything else of a repository (sources, images) is not fetched.
_PATTERNS = (
    "/**/systems/*.json",
    "/**/model_mapping.json",
    "/**/measurements*.json",
    "/**/measurements/**/*.json",
    "/**/results/**/performance/**",
    "/**/results/**/config.yaml",
    "/**/results/**/accuracy/accuracy.txt",
    "/**/results/**/accuracy/accuracy_results.json",
    "/**/verify_*.txt",
)
_WANTED = re.compile(
    r"/systems/[^/]+\.json$|/model_mapping\.json$|/measurements[^/]*\.json$|/measurements/.*\.json$"
    r"|/results/.*/(performance/.*|config\.yaml|accuracy/accuracy\.txt|accuracy/accuracy_results\.json)$"
    r"|/verify_[^/]*\.txt$"
)
_UNWANTED = re.compile(r"/(mlperf_log_accuracy\.json|mlperf_log_trace\.json)$")
_FILE_LIMIT, _TOTAL_LIMIT = 4 << 30, 64 << 30
_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")


@dataclass(frozen=True)
class Source:
    """An opened source.

    Attributes:
        name: How results name it, without credentials.
        kind: What it is.
        folder: What was opened; paths of results' files are given from here.
        roots: Folders that hold divisions.
        below: Only what lies below this folder was meant; None for everything.
        table: The file, for a table.
    """

    name: str
    kind: Kind
    folder: Path
    roots: tuple[Path, ...] = ()
    below: Path | None = None
    table: Path | None = None


@contextmanager
def opened(what: str, *, branch: str = "") -> Iterator[Source]:
    """Open what a user names; temporary files are gone afterwards.

    Raises:
        InputError: There is no such thing, or it holds no results.
        NotReadyError: git failed, or there is no room to unpack.
    """
    path = Path(what)
    if is_url(what) and not path.exists():
        with _repository(Remote.of(what), branch) as source:
            yield source
        return
    if not path.exists():
        raise InputError(
            f"there is no {public(what)}",
            fix="Name a folder, an archive (.tar.xz), a table (.csv, .json) or a git URL.",
        )
    if branch:
        raise InputError(f"--branch is for git URLs, and {path} is none")
    if path.is_dir():
        if _is_bare(path):
            with _repository(Remote(path.resolve().as_uri()), "") as source:
                yield source
        else:
            yield _tree(path)
    elif path.name.lower().endswith(_ENDINGS):
        with _temporary() as folder:
            _unpack(path, folder)
            yield Source(path.name, "archive", folder, _found(folder, str(path)))
    elif path.suffix.lower() in {".csv", ".json"}:
        yield Source(path.name, "table", path.parent, table=path)
    else:
        raise InputError(
            f"{path} is no archive and no table of results",
            fix=f"Give a folder, a file ending in {', '.join(_ENDINGS)}, .csv or .json, or a git URL.",
        )


def _tree(path: Path) -> Source:
    """A folder above, at or below one that holds divisions; of one below, the tree around it is the source."""
    path = path.resolve()
    found = _found(path, str(path))
    if found[0] in path.parents:
        return Source(str(found[0]), "tree", found[0], found, below=path)
    return Source(str(path), "tree", path, found)


def _found(folder: Path, what: str) -> tuple[Path, ...]:
    found = tuple(roots(folder))
    if not found:
        raise InputError(
            f"{what} holds no results: no closed/, open/ or network/ with <submitter>/results in it",
            fix="Name the folder that holds the divisions.",
        )
    return found


def _is_bare(path: Path) -> bool:
    return (path / "HEAD").is_file() and (path / "objects").is_dir()


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="loadfleet-import-") as folder:
        yield Path(folder).resolve()


def _unpack(path: Path, folder: Path) -> None:
    """Unpack what is wanted as a stream; links, devices and names that leave the folder are left out."""
    total = 0
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                target = _target(member, folder)
                content = archive.extractfile(member) if target else None
                if target is None or content is None:
                    continue
                total += member.size
                if total > _TOTAL_LIMIT or shutil.disk_usage(folder).free < member.size:
                    raise NotReadyError(f"no room to unpack {path} below {folder.parent}", fix="Set TMPDIR.")
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as out:
                    shutil.copyfileobj(content, out, 1 << 20)
    except (tarfile.TarError, EOFError, LZMAError, zlib.error, OSError) as error:
        raise InputError(f"{path} is no archive that can be unpacked: {error}") from error


def _target(member: tarfile.TarInfo, folder: Path) -> Path | None:
    name = PurePosixPath(member.name)
    path = "/" + str(name)
    if not member.isfile() or member.size > _FILE_LIMIT or name.is_absolute() or ".." in name.parts:
        return None
    return folder / name if _WANTED.search(path) and not _UNWANTED.search(path) else None


@contextmanager
def _repository(remote: Remote, branch: str) -> Iterator[Source]:
    """The newest commit, without history, and of it the wanted files only where the server can filter."""
    with _temporary() as folder:
        clone = folder / "clone"
        options = ["--quiet", "--depth=1", "--filter=blob:none", "--no-checkout", "--no-tags"]
        options += [f"--branch={branch}"] if branch else []
        try:
            git("clone", *options, "--", remote.url, str(clone), remote=remote)
        except GitError as error:
            raise type(error)(f"{remote.url}: {error.message}", output=error.output, fix=error.fix) from error
        git("config", "core.symlinks", "false", cwd=clone)
        git("sparse-checkout", "set", "--no-cone", *_PATTERNS, cwd=clone)
        try:
            git("rev-parse", "--verify", "--quiet", "HEAD", cwd=clone)
        except GitError:
            raise InputError(f"{remote.url} is empty: it has no commit") from None
        git("checkout", "--quiet", cwd=clone, remote=remote)
        yield Source(remote.url, "repository", clone, _found(clone, remote.url))
