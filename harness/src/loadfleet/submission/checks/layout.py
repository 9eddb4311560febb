"""Files and folders: what may lie where, and what may not lie anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.base import (
    Check,
    Finding,
    Result,
    Submission,
    Submitter,
    is_text_file,
    plain_files,
    read_text,
    subfolders,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.submission.reading.place import Place

_IGNORED_ROOT = {".git", ".github", "assets"}


class RootLayout(Check):
    """The root holds divisions and documents, a division holds submitters, and ours is among them."""

    family: ClassVar[str] = "layout"
    over: ClassVar[type] = Submission

    def findings(self, subject: Submission) -> Iterator[Finding]:
        rules = subject.rules
        for path in plain_files(subject.root):
            if path.suffix not in rules.layout.root_suffixes:
                yield self.error(path, "only *.md and *.pdf files may lie at the root", "move or remove it")
        for folder in subfolders(subject.root):
            if folder.name in rules.divisions:
                for path in plain_files(folder):
                    yield self.error(path, "a division holds folders of submitters only", "move or remove it")
            elif folder.name not in _IGNORED_ROOT:
                yield self.warning(
                    folder, f"the root holds the divisions {', '.join(rules.divisions)}", "remove the folder"
                )
        if not subject.submitters:
            yield self.error(
                subject.root,
                f"no division holds a submitter {subject.submitter!r}",
                "name the folder that holds open/, closed/ or network/, and the submitter as its folder is spelled",
            )
        for submitter in subject.submitters:
            if not subfolders(submitter.folder / "results"):
                yield self.error(submitter.folder / "results", "a submission holds at least one result", "add results")


class SubmitterFolders(Check):
    """Sources and calibration documents."""

    family: ClassVar[str] = "layout"
    over: ClassVar[type] = Submitter

    def findings(self, subject: Submitter) -> Iterator[Finding]:
        layout, folder = subject.rules.layout, subject.folder
        source = folder / layout.source
        if not source.is_dir():
            yield self.error(source, f"{layout.source}/ holds the code of every model", "add it")
        else:
            yield from self._sources(subject, source)
        documents = (folder / "documentation" / "calibration.md", folder / "calibration.md")
        if not any(is_text_file(path) for path in documents):
            needed = subject.division in layout.calibration_divisions
            finding = self.error if needed else self.warning
            yield finding(
                documents[0], "calibration and quantization are described", "write documentation/calibration.md"
            )
        for path in plain_files(folder / "results"):
            yield self.warning(path, "results/ holds folders of systems", "remove it")

    def _sources(self, subject: Submitter, source: Place) -> Iterator[Finding]:
        report = self.error if subject.rules.layout.source_of_models else self.warning
        for name in sorted({model.folder.name for system in subject.systems for model in system.models}):
            path = source / name
            if path.is_file():  # holds the name of the folder that is meant
                path = source / (read_text(path).strip() or name)
            if not path.is_dir():
                yield report(source / name, "every model has its code", "add it, or a README that says where")


class ResultFiles(Check):
    """performance/run_1 and accuracy hold LoadGen's logs and nothing else; none is missing or empty."""

    family: ClassVar[str] = "files"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        layout, power = subject.rules.layout, subject.rules.power
        if subject.endpoints:
            return
        needed = power.run_files if subject.has_power else layout.performance_files
        yield from self._exactly(subject.performance_folder, needed, layout.performance_optional)
        folders = layout.accuracy_folders
        yield from self._exactly(subject.accuracy_folder, layout.accuracy_files, layout.accuracy_optional + folders)
        for folder in subfolders(subject.folder / "performance"):
            if folder.name not in {"run_1", "power", "ranging"}:
                yield self.error(folder, "a scenario has one performance run, run_1", "keep one run")
        limit = layout.accuracy_log_max_bytes
        log = subject.accuracy_folder / "mlperf_log_accuracy.json"
        if log.is_file() and log.stat().st_size > limit:
            yield self.error(
                log, f"accuracy logs are cut to {limit} bytes", "run loadfleet submission truncate", log.stat().st_size
            )

    def _exactly(self, folder: Place, needed: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[Finding]:
        if not folder.is_dir():
            yield self.error(folder, "performance/run_1/ and accuracy/ are required", "add the run's logs")
            return
        for name in needed:
            path = folder / name
            if not path.is_file():
                yield self.error(path, f"{name} is required", "copy it from the run's results")
            elif path.stat().st_size == 0:
                yield self.error(path, f"{name} must not be empty", "copy it from the run's results")
        for path in [*plain_files(folder), *subfolders(folder)]:
            if path.name not in needed and path.name not in optional:
                yield self.error(path, "only LoadGen's logs may lie here", "remove it", path.name)
