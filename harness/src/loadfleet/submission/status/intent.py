"""What is going to be measured: from a run file, or from the variables of an inventory."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue, choosing, files
from loadfleet.catalogue import rounds
from loadfleet.compliance import tests as compliance
from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadfleet.catalogue.rounds import Round

# key of run.json -> variable of the collection
_RUN = {
    "workload": "benchmark_workload",
    "scenarios": "benchmark_scenarios",
    "modes": "benchmark_modes",
    "execution": "benchmark_execution",
    "model": "benchmark_model",
    "backend": "benchmark_backend",
    "round": "benchmark_round",
    "store_path": "store_path",
}
# variable -> what it is called in `request.Request`
SUBMISSION = {
    "submission_round": "round",
    "submission_division": "division",
    "submission_submitter": "submitter",
    "submission_system_type": "system_type",
    "submission_status": "status",
    "submission_system_name": "system_name",
    "submission_flavours": "flavours",
    "submission_infer": "infer",
    "submission_documents_path": "documents",
}
_DESCRIPTION = ("system_description_overrides", "system_description_network")
_MODES = ("accuracy", "performance")
_LISTS = {"scenarios", "modes", "hosts", *(_RUN[key] for key in ("scenarios", "modes"))}
_OBJECTS = {"system", *_DESCRIPTION}
_INFER = "submission_infer"
_BROUGHT = "benchmark_model_name"  # a model of the user's own, which the catalogue need not know yet
_SEVERAL = "benchmark_models"  # of one run, one after the other
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Intent:
    """A run that is planned.

    Attributes:
        model: Facts of the model: `name`, `reference`, `official_name`, `accuracy` (metric -> value).
        systems: Names of the hosts; empty when the plan names none.
        network: Whether LoadGen will reach the system under test over a network.
        description: What the inventory states about the system.
        request: What it says about the submission: keys of `request.Request`.
        store: Where hosts remember what they managed.
    """

    workload: str
    model: Mapping[str, Any]
    scenarios: tuple[str, ...]
    modes: tuple[str, ...]
    execution: str
    backend: str
    systems: tuple[str, ...]
    network: bool = False
    description: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    store: str | None = None


def read(paths: Iterable[Path], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The content of plans as one object; a folder stands for the YAML files in it, and `variables` win.

    Raises:
        InputError: A file is missing or holds no object, or a variable's name is misspelt.
    """
    found: dict[str, Any] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"--plan {path}: there is no such file", fix="name a run file or a file of variables")
        parts = sorted([*path.glob("*.yml"), *path.glob("*.yaml")]) if path.is_dir() else [path]
        if not parts:
            raise InputError(f"--plan {path}: the folder holds no *.yml", fix="name a folder such as group_vars/sut")
        for part in parts:
            found |= _object(part)
    found |= variables
    _refuse_misspelt(found)
    return found


def _object(path: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415  (JSON is YAML as well)

    try:
        value = files.read_json(path) if path.suffix == ".json" else yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--plan {path}: cannot be read: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"--plan {path}: neither JSON nor YAML: {text}", fix="correct it") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"--plan {path}: holds a {type(value).__name__}, no variables", fix="write NAME: VALUE lines")
    return value


def _refuse_misspelt(found: Mapping[str, Any]) -> None:
    known = [*_RUN.values(), *SUBMISSION, *_DESCRIPTION, _BROUGHT, _SEVERAL]
    for name in found:
        if isinstance(name, str) and name not in known and name.startswith(("benchmark_", "submission_")):
            close = difflib.get_close_matches(name, known, n=2, cutoff=0.9)
            if close:
                raise InputError(f"{name} is no variable", fix=f"did you mean {' or '.join(close)}?")


def _refuse_types(found: Mapping[str, Any]) -> None:
    """Every value that is read is a text, but for lists (or a text with commas), objects and one yes or no."""
    for name in (*_RUN, *_RUN.values(), *SUBMISSION, *_LISTS, *_OBJECTS, "host"):
        value = found.get(name)
        if value is None:
            continue
        if name == _INFER:
            good, what = isinstance(value, bool) or str(value).lower() in _WORDS, "true or false"
        elif name in _OBJECTS:
            good, what = isinstance(value, dict), "an object: {key: value}"
        elif name in _LISTS:
            whole = isinstance(value, list) and all(isinstance(one, str) for one in value)
            good, what = whole or isinstance(value, str), "a list of names"
        else:
            good, what = isinstance(value, str), "a text"
        if not good:
            raise InputError(f"{name} is {value!r}, which is not {what}", fix=f"give {name} as {what}")


def of(found: Mapping[str, Any]) -> Intent:
    """The plan that an object of `read` describes: a run file of a host or of the controller, or variables.

    Raises:
        InputError: A name, scenario, mode or execution that there is not, or a value that is a template.
    """
    # Playbooks give unset variables as empty texts.
    found = {name: value for name, value in found.items() if value not in (None, "")}
    if several := _list(found.get(_SEVERAL) or found.get("models")):
        raise InputError(
            f"{_SEVERAL} is {', '.join(several)}; a plan is looked at for one model at a time",
            fix=f"set benchmark_model: {several[0]} instead, then the next",
        )
    _refuse_types(found)
    run = {key: found[key] for key in _RUN if key in found}
    run |= {key: found[name] for key, name in _RUN.items() if name in found}
    request = {key: found[name] for name, key in SUBMISSION.items() if name in found}
    for name, value in (run | request).items():
        if "{{" in str(value):
            raise InputError(
                f"{_RUN.get(name, name)} is the template {value!r}", fix=f"give its value: -e {_RUN.get(name)}=..."
            )
    workload = catalogue.get("workload", str(run.get("workload") or "bert"))
    request.setdefault("round", run.get("round") or rounds.newest(workload.data))
    rules = rounds.load(str(request["round"]))
    model = _model(found, run, workload)
    wanted = str(run.get("backend") or "onnxruntime")
    # What a trial will choose is one of the candidates: as good as any for what is asked here.
    backend = catalogue.get("backend", choosing.stand_in() if wanted == choosing.AUTO else wanted)
    scenarios = _list(run.get("scenarios")) or list(workload.data["scenarios"][:1])
    description: dict[str, Any] = {}
    for name in _DESCRIPTION:
        description |= found.get(name) or {}
    if _INFER in found and "infer" in request:
        request["infer"] = _WORDS[str(request["infer"]).lower()]
    hosts: list[Any] = _list(found.get("hosts")) or [(found.get("system") or {}).get("name") or found.get("host")]
    return Intent(
        workload=workload.name,
        model=model,
        scenarios=tuple(_known("benchmark_scenarios", scenarios, workload.data["scenarios"])),
        modes=tuple(_modes(_list(run.get("modes")) or list(_MODES), rules, model["official_name"])),
        execution=_known("benchmark_execution", [str(run.get("execution") or "test")], ["test", "valid"])[0],
        backend=wanted,
        systems=tuple(str(host) for host in hosts if host),
        network=bool(backend.data.get("network")),
        description=description,
        request=request,
        store=run.get("store_path"),
    )


def _model(found: Mapping[str, Any], run: Mapping[str, Any], workload: catalogue.Entry) -> dict[str, Any]:
    """Name, `reference`, `official_name` and `accuracy`; a model of the user's own stands for what the default does."""
    overlay = Path(str(run["store_path"])).expanduser() / "catalogue" if run.get("store_path") else None
    if brought := found.get(_BROUGHT):
        default = workload.data.get("default_model")
        official = catalogue.get("model", default).data.get("official_name") if default else None
        return {"name": str(brought), "reference": False, "official_name": official, "accuracy": {}}
    entry = catalogue.model_of(workload, run.get("model"), overlay, run.get("backend"))
    return {
        "name": entry.name,
        **{key: entry.data.get(key) for key in ("reference", "official_name")},
        "accuracy": {k: v for k, v in (entry.data.get("accuracy") or {}).items() if k != "samples"},
    }


def _modes(given: list[str], rules: Round, official_name: str | None) -> list[str]:
    """As a run expands them: `compliance` stands for the tests that the round asks of the model."""
    known = [*_MODES, compliance.ALL, *compliance.names()]
    return compliance.expand(_known("benchmark_modes", given, known), rules, official_name)


def _list(value: object) -> list[str]:
    """`-e benchmark_scenarios=Offline,Server` gives a text."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [str(part) for part in value] if isinstance(value, list | tuple) else []


def _known(variable: str, given: list[str], known: list[str]) -> list[str]:
    for value in given:
        if value not in known:
            raise InputError(f"{variable}: {value!r} is not known", fix=f"use one of: {', '.join(known)}")
    return given
