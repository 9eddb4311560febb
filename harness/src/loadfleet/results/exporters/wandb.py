"""Weights & Biases: a run there for each result here, updated when it is sent again.

Spoken over the two requests their client makes (a GraphQL mutation `upsertBucket`, then `file_stream`), with nothing
but the standard library: their package would send program and installed packages along, and leave files behind. What
goes out is the configuration of the result, its numbers and its thinned telemetry.

Settings are the variables of their client: WANDB_API_KEY (needed), WANDB_PROJECT (loadfleet), WANDB_ENTITY (the key's
own), WANDB_BASE_URL (https://api.wandb.ai).
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadfleet.results.model import Result, RunResults

HELP = "sends every result to Weights & Biases; needs the variable WANDB_API_KEY"
_HOSTED = "https://api.wandb.ai"
_TIMEOUT_S = 30.0
_POINTS = 500
_VIEWER = "query Viewer { viewer { entity } }"
_UPSERT = """mutation UpsertBucket($name: String!, $project: String!, $entity: String!, $groupName: String,
 $displayName: String, $jobType: String, $tags: [String!], $config: JSONString) {
 upsertBucket(input: {name: $name, modelName: $project, entityName: $entity, groupName: $groupName,
 displayName: $displayName, jobType: $jobType, tags: $tags, config: $config}) {
 bucket { name project { name entity { name } } } inserted } }"""


def export(run: RunResults) -> str:
    """Send every result of the run; returns their addresses, one a line.

    Raises:
        InputError: The key would travel unencrypted, or a variable makes no sense.
        NotReadyError: There is no key, or the server cannot be reached, refuses or answers nonsense.
    """
    server = _Server(os.environ)
    if not run.results:
        return f"nothing to send: no result in {run.path}\n"
    entity = os.environ.get("WANDB_ENTITY") or server.entity()
    project = os.environ.get("WANDB_PROJECT") or "loadfleet"
    return "".join(f"{_send(server, entity, project, run, result)}\n" for result in run.results)


def _send(server: _Server, entity: str, project: str, run: RunResults, result: Result) -> str:
    name = _name(result)
    answer = server.query(
        "UpsertBucket",
        _UPSERT,
        {
            "name": name,
            "project": project,
            "entity": entity,
            "groupName": run.run_id,
            "displayName": f"{result.cell} on {result.host}",
            "jobType": result.mode,
            "tags": _tags(result),
            "config": json.dumps({key: {"value": value} for key, value in _config(run, result).items()}),
        },
    )
    try:
        bucket = answer["upsertBucket"]["bucket"]
        place = (bucket["project"]["entity"]["name"], bucket["project"]["name"], bucket["name"])
    except (KeyError, TypeError) as error:
        raise NotReadyError(f"{server.base}: an answer without the run that was made") from error
    history = [json.dumps({"_step": step, **point}) for step, point in enumerate(_history(run, result))]
    files: dict[str, Any] = {"wandb-summary.json": {"offset": 0, "content": [json.dumps(_summary(result))]}}
    if history:
        files["wandb-history.jsonl"] = {"offset": 0, "content": history}
    path = "/".join(urllib.parse.quote(part, safe="") for part in place)
    server.post(f"/files/{path}/file_stream", {"files": files, "complete": True, "exitcode": result.exit_code})
    entity, project, name = (urllib.parse.quote(part, safe="") for part in place)
    return f"{server.pages}/{entity}/{project}/runs/{name}"


def _name(result: Result) -> str:
    """The same name for the same result: sent again, it replaces itself."""
    label = result.cell.partition("/")[0]
    model = "" if label == result.workload else f"-{label}"
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{result.run_id}-{result.host}-{result.cell.partition('/')[2]}{model}")


def _tags(result: Result) -> list[str]:
    verdict = result.validity.loadgen or ("met" if result.accuracy and result.accuracy.met else "")
    return [tag for tag in (result.workload, result.scenario, result.execution, verdict) if tag]


def _config(run: RunResults, result: Result) -> dict[str, Any]:
    host = next((host for host in run.hosts if host.name == result.host), None)
    return {
        "run_id": result.run_id,
        "host": result.host,
        "workload": result.workload,
        "scenario": result.scenario,
        "mode": result.mode,
        "execution": result.execution,
        "round": result.round,
        "model": dict(result.raw["model"]),
        "dataset": dict(result.raw["dataset"]),
        "backend": dict(result.raw["backend"]),
        "loadgen": {"version": result.loadgen.version, **result.loadgen.requested},
        "system": dict(host.system.get("description") or {}) if host else {},
    }


def _summary(result: Result) -> dict[str, Any]:
    """Numbers with the unit in their name."""
    numbers: dict[str, Any] = {
        "loadgen": result.validity.loadgen,
        "submittable": result.validity.submittable,
        "reasons": list(result.validity.reasons),
        **{f"latency_{name}_ms": value for name, value in (result.latency or {}).items()},
        **{name: value for name, value in result.telemetry.items() if isinstance(value, int | float)},
        "loadgen_s": result.time.loadgen_s,
    }
    if result.metric:
        numbers |= {"result": result.metric.value, "result_unit": result.metric.unit}
    if result.accuracy:
        numbers |= {f"accuracy_{name}_percent": value for name, value in result.accuracy.values.items()}
        numbers["accuracy_met"] = result.accuracy.met
    return {name: value for name, value in numbers.items() if value is not None}


def _history(run: RunResults, result: Result) -> list[dict[str, float]]:
    """Telemetry over time, a point for each of at most 500 instants."""
    from loadfleet.results.report import telemetry  # noqa: PLC0415 - only when something is sent

    found = telemetry.read(run.path / result.host / result.cell / "telemetry.jsonl")
    points: dict[float, dict[str, float]] = {}
    for quantity in telemetry.QUANTITIES:
        for at, value in telemetry.thin(found.series.get(quantity.key, []), _POINTS):
            points.setdefault(at, {"_runtime": at})[quantity.key] = value * quantity.divisor
    return [points[at] for at in sorted(points)]


class _Server:
    """Where results go. The key is in one header of each request and nowhere else: no message, no file."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.base = (environment.get("WANDB_BASE_URL") or _HOSTED).rstrip("/")
        self._key = environment.get("WANDB_API_KEY") or ""
        parts = urllib.parse.urlsplit(self.base)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise InputError("WANDB_BASE_URL is not an address", fix=f"Leave it out, or set it like {_HOSTED}.")
        if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise InputError(f"WANDB_BASE_URL is {self.base}: the key would travel unencrypted", fix="Use https.")
        if not self._key:
            raise NotReadyError(
                "WANDB_API_KEY is not set: nothing was sent", fix="Set it to a key of your Weights & Biases account."
            )
        if not self._key.isascii() or not self._key.isprintable():
            raise InputError("WANDB_API_KEY has characters that no key has", fix="Set it to the key alone.")
        self.pages = "https://wandb.ai" if self.base == _HOSTED else self.base
        self._opener = urllib.request.build_opener(_NoRedirect)

    def entity(self) -> str:
        """Whose key it is."""
        viewer = self.query("Viewer", _VIEWER, {}).get("viewer") or {}
        if not viewer.get("entity"):
            raise NotReadyError(f"{self.base} does not know whose key this is", fix="Set WANDB_ENTITY.")
        return str(viewer["entity"])

    def query(self, operation: str, text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Data of a GraphQL answer."""
        answer = self.post("/graphql", {"query": text, "variables": variables, "operationName": operation})
        if errors := answer.get("errors"):
            first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}
            raise NotReadyError(f"{self.base} refuses {operation}: {self._clean(str(first.get('message') or errors))}")
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    def post(self, path: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """POST JSON, get JSON."""
        request = urllib.request.Request(  # noqa: S310 - https, or http to this machine: checked above
            self.base + path,
            data=json.dumps(value).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(f"api:{self._key}".encode()).decode(),
                "Content-Type": "application/json",
                "User-Agent": "loadfleet",
            },
            method="POST",
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as response:
                answer = json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as error:
            fix = "Check WANDB_API_KEY, WANDB_ENTITY and WANDB_PROJECT." if error.code in {401, 403, 404} else ""
            raise NotReadyError(f"{self.base} answers {error.code} {self._clean(str(error.reason))}", fix=fix) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise NotReadyError(f"{self.base} cannot be used: {self._clean(str(reason))}") from None
        return answer if isinstance(answer, dict) else {}

    def _clean(self, text: str) -> str:
        """What a server says, on one short line, without the key should it be quoted."""
        return " ".join(text.replace(self._key, "***").split())[:200]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection would carry the key to another address."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None
