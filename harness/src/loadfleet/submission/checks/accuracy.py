"""The accuracy run: whole data set, scored, above target, log cut and its hash recorded."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.base import Check, Finding, Result, plain_files, read_text
from loadfleet.submission.checks.performance import one_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadfleet.catalogue.rounds import Round, Target
    from loadfleet.submission.reading.place import Place


_HASH = re.compile(r"^hash=(\w+)\s*$", re.MULTILINE)
_CUT = b"\n\n...\n\n"  # what truncation puts in place of the middle
_SHA256 = re.compile(r"[0-9a-f]{64}")


class AccuracyRun(Check):
    """The log is of an accuracy run over the whole data set, without errors."""

    family: ClassVar[str] = "accuracy"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        path = subject.accuracy_folder / "mlperf_log_detail.txt"
        if not path.is_file():
            return
        log = subject.accuracy
        if log.problem:
            yield self.error(path, "every line is a LoadGen entry", "copy the log unchanged from the run", log.problem)
        for text in log.errors[:5]:
            yield self.error(path, "LoadGen logged no error", "mend the cause and run accuracy again", text)
        # A data set that does not fit into memory at once is loaded in parts, each with marks of its own.
        yield from one_run(self, path, log, several=("power_begin", "power_end"))
        mode = log.text("effective_test_mode")
        if mode not in {"AccuracyOnly", "SubmissionRun"}:
            yield self.error(path, "the log is of an accuracy run", "copy the right log", mode)
        if subject.benchmark is None or subject.scenario is None:
            return
        wanted = subject.benchmark.samples_for(subject.scenario)
        counted = log.integer("effective_accuracy_sample_count")
        total = log.integer("qsl_reported_total_count")
        if (wanted and wanted not in {counted, total}) or (counted is not None and counted < wanted):
            yield self.error(
                path,
                f"accuracy is measured on all {wanted} samples",
                "run accuracy on the whole data set",
                counted or total,
            )


class AccuracyLog(Check):
    """The log of answers is LoadGen's, whole or cut: a list whose first and last entries are answers."""

    family: ClassVar[str] = "accuracy"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        path = subject.accuracy_folder / "mlperf_log_accuracy.json"
        if not path.is_file() or path.stat().st_size > subject.rules.layout.accuracy_log_max_bytes:
            return
        text = read_text(path).strip()
        if not (text.startswith("[") and text.endswith("]")):
            yield self.error(
                path, "the log is a list, whole or cut in the middle", "truncate the log of the run", text[:20]
            )
        elif '"qsl_idx"' not in text:
            yield self.error(path, "the log holds the answers of the accuracy run", "copy the right log", text[:20])


class Score(Check):
    """accuracy.txt holds the metric; it meets the target, which binds in closed and network only."""

    family: ClassVar[str] = "accuracy"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        path = subject.accuracy_folder / "accuracy.txt"
        if not path.is_file() or subject.benchmark is None or subject.scenario is None:
            return
        targets = subject.benchmark.targets_for(subject.scenario)
        values = stated(subject.rules, path, targets)
        finding = self.warning if subject.division == "open" else self.error
        for target in targets:
            if target.metric not in values:
                yield self.error(
                    path, f"accuracy.txt holds {target.metric} as the reference script prints it", "score the run again"
                )
            # of several, MLCommons' checkers show the last and refuse for any
            found = values.get(target.metric, [])
            for value in dict.fromkeys(found):
                if not target.met(value):
                    yield finding(path, f"{target.metric} is {target.words()}", "use a more accurate model", value)
            if len(set(found)) > 1:
                yield self.warning(path, f"{target.metric} stands there once", "remove the others", found[-1])


class Hash(Check):
    """The full accuracy log's SHA-256 stands in accuracy.txt; of a log that was cut only its form can be checked."""

    family: ClassVar[str] = "accuracy"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        path = subject.accuracy_folder / "accuracy.txt"
        if not path.is_file():
            return
        if not recorded_hashes(read_text(path)):
            yield self.error(path, "accuracy.txt ends with hash=<SHA-256>", "run loadfleet submission truncate")
        yield from self.recorded(subject, subject.accuracy_folder)

    def recorded(self, subject: Result, folder: Place) -> Iterator[Finding]:
        """What is wrong with the hashes that a folder's accuracy.txt has (those of compliance tests need none)."""
        path = folder / "accuracy.txt"
        found = recorded_hashes(read_text(path))
        for value in found:
            if not _SHA256.fullmatch(value):
                yield self.error(
                    path, "the hash is 64 lower-case hexadecimal digits", "truncate the full log again", value
                )
        if len(set(found)) > 1:
            yield self.error(path, "there is one hash", "truncate the full log again", f"{len(found)} hashes")
        log, limit = folder / "mlperf_log_accuracy.json", subject.rules.layout.accuracy_log_max_bytes
        data = log.read_bytes(limit + 1)
        if found and data and len(data) <= limit and _CUT not in data:
            real = hashlib.sha256(data).hexdigest()
            if found[-1] != real:
                yield self.error(
                    path,
                    f"the hash is {real}, the SHA-256 of the log, which is whole",
                    "score the log again",
                    found[-1],
                )


class AccuracyFiles(Check):
    """Generated images and videos that the round wants to see are there."""

    family: ClassVar[str] = "accuracy"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        wanted = {} if subject.benchmark is None else subject.benchmark.accuracy_files
        for name, files in wanted.items():
            folder = subject.accuracy_folder / name
            present = {path.name.split(".")[0] for path in plain_files(folder)}
            missing = [file for file in files if file not in present]
            if missing:
                yield self.error(folder, f"{name}/ holds {', '.join(files)}", f"add {', '.join(missing)}")
            if "captions" not in present:
                yield self.warning(folder / "captions.txt", f"captions of {name}/ are given", "add captions.txt")


def recorded_hashes(text: str) -> list[str]:
    """What stands behind `hash=` in accuracy.txt."""
    return _HASH.findall(text)


def scores(rules: Round, path: Place, targets: tuple[Target, ...]) -> dict[str, float]:
    """Metric -> value for the metrics of `targets` found in accuracy.txt; the last line of a metric counts."""
    return {metric: values[-1] for metric, values in stated(rules, path, targets).items()}


def stated(rules: Round, path: Place, targets: tuple[Target, ...]) -> dict[str, list[float]]:
    """Metric -> all values that accuracy.txt gives it."""
    lines = read_text(path).splitlines()
    found: dict[str, list[float]] = {}
    for target in targets:
        pattern = rules.metric_patterns[target.metric]
        for match in filter(None, map(pattern.match, lines)):
            text = next(group for group in match.groups() if group is not None)
            with suppress(ValueError):
                found.setdefault(target.metric, []).append(float(text))
    return found
