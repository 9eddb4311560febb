"""Their model and precision: our workload, and the official model of the catalogue where it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadfleet import catalogue
from loadfleet.catalogue import rounds
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.catalogue import Entry
    from loadfleet.translate.request import Part

# where neither a round nor a workload says it, the scenarios that most of them have
_USUAL = ["Offline", "Server", "SingleStream", "MultiStream"]


class Wanted:
    """What a command says about the model."""

    def __init__(self, table: Mapping[str, dict[str, Any]]) -> None:
        self._table = table
        self._entry: dict[str, Any] = {}
        self._named = ""
        self._model = ""
        self._precision = "fp32"
        self._part: Part | None = None

    @property
    def workload(self) -> str:
        return str(self._entry.get("workload", ""))

    def choose(self, name: str, part: Part) -> bool:
        """Take a model of theirs; False when we do not know it."""
        if name.lower() not in self._table:
            return False
        self._entry = self._table[name.lower()]
        self._named = name.lower()
        self._part = part
        part.status = "set"
        return True

    def precision(self, value: str, part: Part, variables: dict[str, Any]) -> None:
        """Take a precision: that of a model of the catalogue, or one that the backend computes an fp32 model in."""
        if self._official(value) is not None or value == "fp32":
            self._precision = value
            part.status, part.ours = "set", f"benchmark_model in {value}"
            return
        backend = str(variables.get("benchmark_backend", "onnxruntime"))
        computes = [entry.name for entry in catalogue.entries("backend") if value in entry.data["precisions"]]
        if backend in computes:
            variables["benchmark_precision"] = value
            part.status, part.ours = "set", f"benchmark_precision: {value}"
            return
        part.status = "not_yet"
        other = f"; benchmark_backend {' or '.join(computes)} computes in it" if computes else ""
        part.why = f"neither a model of the catalogue nor {backend} has {value}{other}"

    def all_scenarios(self, variables: Mapping[str, Any]) -> tuple[list[str], str]:
        """The scenarios of the model, and how we know: from the round and the system type, else from the workload."""
        name = str(variables.get("submission_round", rounds.newest()))
        system_type = str(variables.get("submission_system_type", "edge"))
        try:
            model = rounds.load(name).model(self._entry.get("official", self._named))
        except InputError:
            model = None
        known = model.scenarios.get("combined" if "," in system_type else system_type) if model else None
        if known:
            return list(known.known), f"those of {self._named} in {name}, {system_type}"
        for entry in catalogue.entries("workload"):
            if entry.name == self.workload:
                return list(entry.data["scenarios"]), f"all that {self.workload} has"
        return list(_USUAL), f"{name} does not say which {self._named or 'the model'} has in {system_type}"

    def aside(self, why: str) -> None:
        """Any model will do, and the one that was named is no choice of ours."""
        if self._part is not None:
            self._part.status, self._part.why = "not_needed", why

    def settle(self, variables: dict[str, Any], missing: list[str]) -> str:
        """Put workload and model into the variables, or say that they are missing; the name of the playbook."""
        if self._part is None:
            missing.append("no model that we know is named")
            return "site.yml"
        known = {entry.name for entry in catalogue.entries("workload")}
        playbook = str(self._entry.get("playbook", f"{self.workload}.yml"))
        self._part.ours = f"playbooks/{playbook}"
        if self.workload not in known:
            missing.append(
                f"the workload {self.workload} is not there yet (`loadfleet catalogue list workload` shows which are); "
                "the command is what it will be"
            )
        elif not self._entry.get("family"):
            self._official_into(self._part, variables)
        variables.update(self._entry.get("set", {}))
        return playbook

    def _official_into(self, part: Part, variables: dict[str, Any]) -> None:
        if "benchmark_model_path" in variables:
            part.why = part.why or "with the model of your own"
            return
        found = self._official(self._precision)
        if found is None:
            part.why = part.why or "the workload's default model: the official one is not in the catalogue"
            return
        variables["benchmark_model"] = found.name
        part.ours += f", benchmark_model: {found.name}"
        part.why = part.why or "the official model; without benchmark_model the workload's default runs"

    def _official(self, precision: str) -> Entry | None:
        if not self._entry:
            return None
        official = self._entry.get("official", self._named)
        candidates = [
            entry
            for entry in catalogue.entries("model")
            if entry.data.get("workload") == self.workload
            and entry.data.get("reference")
            and entry.data.get("precision") == precision
        ]
        exact = [entry for entry in candidates if entry.data.get("official_name") == official]
        return next(iter(exact or candidates), None)
