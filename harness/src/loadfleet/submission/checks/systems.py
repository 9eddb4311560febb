"""systems/<system>.json: the description of what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from loadfleet.submission.checks.base import (
    Check,
    Finding,
    Submitter,
    System,
    json_problem,
    json_repeated,
    plain_files,
    subfolders,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NETWORK = "is_network"


class SystemDescription(Check):
    """All fields of the round, with values where the round needs one, and in agreement with the folders."""

    family: ClassVar[str] = "system description"
    over: ClassVar[type] = System

    def findings(self, subject: System) -> Iterator[Finding]:
        path = subject.description_file
        problem = json_problem(path)
        if problem is not None:
            yield self.error(path, "every system has a description in JSON", "write it", problem)
            return
        yield from json_repeated(self, path)
        description, fields = subject.description, subject.rules.system_fields
        network = description.get(_NETWORK)
        wanted = fields.everything + (fields.network if network else ())
        for name in wanted:
            if name not in description:
                yield self.error(path, f"field {name} is missing", f"add {name}, an empty string if nothing is known")
            elif name in fields.non_empty + fields.network and not description[name]:
                yield self.error(path, f"field {name} needs a value", f"describe {name}", description[name])
        for name in fields.integer:
            value = description.get(name)
            if value and not _is_count(value):
                yield self.error(path, f"field {name} must be a whole number", 'write a number, "0" for none', value)
        for name in fields.text:
            if name in description and not isinstance(description[name], str):
                yield self.error(path, f"field {name} must be text", "quote it", description[name])
        yield from self._agreement(subject, description)
        yield from self._network(subject, network)
        for name in sorted(set(description) - set(fields.everything) - set(fields.network) - set(fields.optional)):
            yield self.warning(path, f"field {name} is unknown", "remove it", description[name])

    def _agreement(self, subject: System, description: Mapping[str, Any]) -> Iterator[Finding]:
        path, rules, submitter = subject.description_file, subject.rules, subject.submitter
        for name, known, lower in (("status", rules.statuses, True), ("system_type", rules.system_types, False)):
            value = description.get(name)
            if value and (value.lower() if lower and isinstance(value, str) else value) not in known:
                yield self.error(path, f"{name} is one of: {'; '.join(known)}", "correct it", value)
        stated = description.get("submitter")
        if stated and (not isinstance(stated, str) or stated.lower() != submitter.folder.name.lower()):
            yield self.error(path, f"submitter must be {submitter.folder.name}, as the folder", "correct it", stated)
        division = description.get("division")
        if division and division != submitter.division:
            yield self.error(path, f"division must be {submitter.division}, as the folder", "correct it", division)

    def _network(self, subject: System, value: Any) -> Iterator[Finding]:
        path, division = subject.description_file, subject.submitter.division
        if value is not None and not (isinstance(value, str) and value.lower() in {"true", "false"}):
            yield self.error(path, 'is_network is the text "True" or "False"', "quote it", value)
            return
        # the open division may measure over a network too; NetworkName looks at its logs
        if division != "open" and subject.is_network != (division == "network"):
            words = "is_network is True in the network division and not in closed"
            yield self.error(path, words, "correct it or move the system", value)


class SystemsWithoutResults(Check):
    """Every description belongs to results, and so does every folder of measurements where these lie apart."""

    family: ClassVar[str] = "system description"
    over: ClassVar[type] = Submitter

    def findings(self, subject: Submitter) -> Iterator[Finding]:
        layout, names = subject.rules.layout, {system.name for system in subject.systems}
        report = self.error if layout.unused_files == "error" else self.warning
        for path in plain_files(subject.folder / "systems"):
            if path.suffix == ".json" and path.stem not in names:
                yield report(path, f"there are no results of system {path.stem}", "remove it or add the results")
        for top in sorted({layout.measurements.split("/")[0], layout.compliance.split("/")[0]} - {"results"}):
            for path in subfolders(subject.folder / top):
                if path.name not in names:
                    yield report(path, f"there are no results of system {path.name}", "remove it or add the results")


def _is_count(value: Any) -> bool:
    try:
        return int(str(value)) >= 0
    except ValueError:
        return False
