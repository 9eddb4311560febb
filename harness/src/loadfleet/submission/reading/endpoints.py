"""Results of MLCommons' endpoints client: its configuration, its performance summary and its accuracy results.

They stand where LoadGen's logs do otherwise: `config.yaml`, `performance/result_summary.json` and
`accuracy/accuracy_results.json` of a scenario's folder. Facts: MLCommons' submission structure and checker. Times are
in nanoseconds unless a name says otherwise. Nothing here raises for bad content: what is missing or wrong is None.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.submission.reading.place import Place

CONFIGURATIONS = ("config.yaml", "config.yml")
SUMMARY = "performance/result_summary.json"
SCORES = "accuracy/accuracy_results.json"
_BYTES = 64 << 20


@dataclass(frozen=True)
class EndpointsRun:
    """What the three files of a scenario's folder say.

    Attributes:
        problems: File -> why it is not what it should be, in words.
    """

    configuration: Mapping[str, Any]
    summary: Mapping[str, Any]
    accuracy: Mapping[str, Any]
    problems: Mapping[str, str]

    @property
    def kind(self) -> str:
        """What the client calls the scenario: `offline`, `online` and the like, in lower case."""
        return str(self.summary.get("effective_scenario") or self.configuration.get("type") or "").lower()

    @property
    def min_duration_ms(self) -> float | None:
        return self._setting("min_duration_ms")

    @property
    def seeds(self) -> dict[str, Any]:
        """LoadGen's names of the seeds that the client has -> their values."""
        runtime = _below(self.configuration, "settings", "runtime")
        names = {"sample_index_rng_seed": "dataloader_random_seed", "schedule_rng_seed": "scheduler_random_seed"}
        return {name: runtime.get(key) for name, key in names.items()}

    @property
    def failed(self) -> float | None:
        """Samples that got no answer."""
        return number(self.summary.get("n_samples_failed"))

    @property
    def samples_per_second(self) -> float | None:
        stated = number(self.summary.get("qps"))
        if stated is not None:
            return stated
        issued, duration = (number(self.summary.get(key)) for key in ("n_samples_issued", "duration_ns"))
        return issued / (duration / 1e9) if issued and duration else None

    @property
    def tokens_per_second(self) -> float | None:
        return number(self.summary.get("tps"))

    @property
    def mean_output_tokens(self) -> float | None:
        return number(_below(self.summary, "output_sequence_lengths").get("avg"))

    def mean(self, what: str) -> float | None:
        """Mean of `latency`, `ttft` or `tpot`."""
        return number(_below(self.summary, what).get("avg"))

    def percentile(self, what: str, percent: float) -> float | None:
        """Early stopping's estimate of a percentile of `latency`, `ttft` or `tpot`."""
        for name, value in _below(self.summary, what, "early_stopping_percentiles").items():
            try:
                same = math.isclose(float(name), percent)
            except ValueError:
                continue
            if same:
                return number(value)
        return None

    @property
    def scores(self) -> list[Any]:
        """Scores of the accuracy run, as they stand there; several when the data set has parts."""
        return [item["score"] for item in self._accuracy_parts() if item.get("score") is not None]

    @property
    def accuracy_samples(self) -> int | None:
        """Samples that were scored, all parts together; None when nothing says so."""
        counts = []
        for item in self._accuracy_parts():
            if item.get("dataset_type") not in (None, "accuracy"):
                continue
            stated = item.get("total_samples")
            if stated is None:
                stated = _below(item, "response_counts").get("issued")
            counted = number(stated)
            if counted is not None:
                counts.append(int(counted))
        return sum(counts) if counts else None

    def score(self, names: tuple[str, ...]) -> float | None:
        """The first score as a number: itself, or of an object what one of `names` names."""
        if not self.scores:
            return None
        first = self.scores[0]
        if not isinstance(first, dict):
            return number(first, text=True)
        return next((found for name in names if (found := number(first.get(name), text=True)) is not None), None)

    def _setting(self, name: str) -> float | None:
        return number(_below(self.configuration, "settings", "runtime").get(name))

    def _accuracy_parts(self) -> list[Mapping[str, Any]]:
        parts = self.accuracy.get("accuracy_scores")
        return [item for item in parts if isinstance(item, dict)] if isinstance(parts, list) else []


def present(folder: Place) -> bool:
    """Whether any of the three files is in a scenario's folder."""
    return any((folder / name).is_file() for name in (*CONFIGURATIONS, SUMMARY, SCORES))


def read(folder: Place) -> EndpointsRun:
    """The three files of a scenario's folder."""
    problems: dict[str, str] = {}
    name = next((name for name in CONFIGURATIONS if (folder / name).is_file()), CONFIGURATIONS[0])
    configuration = _yaml(folder / name, name, problems)
    summary, accuracy = (_json(folder, path, problems) for path in (SUMMARY, SCORES))
    return EndpointsRun(configuration, summary, accuracy, problems)


def _json(folder: Place, name: str, problems: dict[str, str]) -> Mapping[str, Any]:
    data = (folder / name).read_bytes(_BYTES)
    if data is None:
        problems[name] = "missing"
        return {}
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        problems[name] = f"not JSON: {error}"
        return {}
    return _object(value, name, problems)


def _yaml(path: Place, name: str, problems: dict[str, str]) -> Mapping[str, Any]:
    import yaml  # noqa: PLC0415 - slow to import, and few results need it

    data = path.read_bytes(1 << 20)
    if data is None:
        problems[name] = "missing"
        return {}
    try:
        value = yaml.safe_load(data.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        problems[name] = f"not YAML: {str(error).splitlines()[0]}"
        return {}
    return _object(value, name, problems)


def _object(value: Any, name: str, problems: dict[str, str]) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    problems[name] = "not an object"
    return {}


def _below(value: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    found: Any = value
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def number(value: Any, *, text: bool = False) -> float | None:
    """A finite number, with `text` also one in words; None for something else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str) if text else (int, float)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
