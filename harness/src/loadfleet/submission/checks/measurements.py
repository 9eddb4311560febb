"""How a result was set up: measurements file, user.conf, README."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadfleet.submission.checks.base import Check, Finding, Result, is_text_file, json_problem, json_repeated

if TYPE_CHECKING:
    from collections.abc import Iterator


class Measurements(Check):
    """Every scenario says what was measured and how to repeat it."""

    family: ClassVar[str] = "measurements"
    over: ClassVar[type] = Result

    def findings(self, subject: Result) -> Iterator[Finding]:
        layout = subject.rules.layout
        folder = subject.beside(layout.measurements)
        for name in layout.measurements_files:
            if subject.endpoints and name.endswith(".conf"):
                continue  # of LoadGen
            path = folder / name
            if not path.is_file():
                yield self.error(path, f"{name} is required", f"add {name}")
            elif not is_text_file(path):
                yield self.error(path, f"{name} must not be empty", f"fill {name}")
        path = subject.measurements_file or folder / layout.measurements_name.format(
            system=subject.model.system.name, implementation="implementation", scenario=subject.folder.name
        )
        problem = json_problem(path)
        if problem is not None:
            yield self.error(path, "the measurements file is a JSON object", "write it", problem)
            return
        yield from json_repeated(self, path)
        for name in subject.rules.measurement_fields:
            if name not in subject.measurements:
                yield self.error(path, f"field {name} is missing", f"add {name}")
            elif not subject.measurements[name]:
                yield self.error(path, f"field {name} needs a value", f"describe {name}", subject.measurements[name])
