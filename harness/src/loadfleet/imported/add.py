"""Importing: the file into the store, verified; beside it catalogue entries of the store's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loadfleet import catalogue, files
from loadfleet.catalogue.validation import validate
from loadfleet.errors import InputError, LoadfleetError, NotReadyError
from loadfleet.imported import fit, huggingface, shapes, signature
from loadfleet.imported.request import Imported
from loadfleet.store.guards import exclusive
from loadfleet.store.recipe import WantedFile, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadfleet.imported.request import Request
    from loadfleet.imported.signature import Signature
    from loadfleet.store import Report, Store

FORMAT = "onnx"
SAMPLES = 64
_SEED = 20_261_122
# All samples of all inputs together; large samples are fewer when nobody says how many.
_ROOM_BYTES = 256 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_NOT_STATED = "not stated"


@dataclass(frozen=True)
class _Found:
    """A model on this host: the file to read, and what the store shall hold."""

    file: Path
    wanted: tuple[WantedFile, ...]


class _LackingError(Exception):
    """Files that are not on this host; somebody else may have them."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.names = names


def add(store: Store, request: Request, *, dry_run: bool = False, ask: bool = False, report: Report) -> Imported:
    """Import a model: once; again it changes nothing unless the file or the request differ.

    Args:
        store: Where to.
        request: What.
        dry_run: Only say whether something would change.
        ask: Answer with the names of files that are not on this host, where the digest is given, instead of failing.
        report: Told what is going on, one line at a time.

    Raises:
        InputError: The name is taken, the file is no ONNX model, or it does not fit the workload.
        NotReadyError: The file is not there, is another one, or cannot be fetched; nothing is left of what was begun.
    """
    workload = catalogue.get("workload", request.workload)
    _check_name(request.name)
    lock = store.path / "locks" / f"import-{request.name}.lock"
    with exclusive(lock, lambda: report(f"waiting for another import of {request.name}")):
        if request.path is not None:
            try:
                found = _local(store, request, request.path)
                return _keep(store, request, workload, found, dry_run=dry_run, report=report)
            except _LackingError as lacking:
                if ask:
                    return Imported(None, changed=True, lacks=lacking.names)
                names = ", ".join(str(request.path.parent / name) for name in lacking.names)
                raise NotReadyError(f"{names}: no such file", fix="correct benchmark_model_path") from None
        file = _remote(store, request)
        recipe = plain("model", request.name, (file,))
        entry = store.obtain(recipe, dry_run=dry_run, report=report)
        if not entry.files:
            return Imported(None, changed=True)
        try:
            found = _Found(entry.path / file.name, (file,))
            done = _keep(store, request, workload, found, dry_run=dry_run, report=report)
            return replace(done, changed=done.changed or entry.changed)
        except LoadfleetError:
            if entry.changed and not dry_run:
                store.remove(entry)
            raise


def _keep(
    store: Store, request: Request, workload: catalogue.Entry, found: _Found, *, dry_run: bool, report: Report
) -> Imported:
    """Check a model that is on this host, have it in the store, and write its entries."""
    seen = signature.read(found.file)
    found = _with_external(request, found, seen)
    entries = {"model": _model(request, workload.data, seen, found)}
    if suffix := workload.data.get("dataset_suffix"):
        entries["dataset"] = _dataset(request, workload.data, seen, request.name + suffix)
    for kind, data in entries.items():
        validate(kind, data, _place(store, kind, data["name"]))
    outdated = {kind: data for kind, data in entries.items() if _read(store, kind, data["name"]) != _text(data)}
    entry = store.obtain(plain("model", request.name, found.wanted), dry_run=dry_run, report=report)
    if not dry_run:
        for kind in reversed(outdated):  # the model last: whoever finds it finds its data set
            place = _place(store, kind, outdated[kind]["name"])
            place.parent.mkdir(parents=True, exist_ok=True)
            files.write_text(place, _text(outdated[kind]))
    name = entries["dataset"]["name"] if "dataset" in entries else ""
    return Imported(entry if entry.files else None, name, bool(outdated) or entry.changed)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a model",
            fix="set benchmark_model_name to letters, digits, dots, hyphens and underscores",
        )
    try:
        shipped = catalogue.get("model", name)
    except InputError:
        return
    raise InputError(
        f"{name!r} is the name of a model of the catalogue ({shipped.title})",
        fix="set benchmark_model_name to another one, or run that one with benchmark_model",
    )


def _local(store: Store, request: Request, path: Path) -> _Found:
    """A file on this host, or what the store has of it.

    Raises:
        _LackingError: Neither is there.
        NotReadyError: It cannot be read, or has another digest.
    """
    name = path.name if _FILE.fullmatch(path.name) else "model.onnx"
    try:
        size, digest = path.stat().st_size, "" if path.is_dir() else files.sha256(path)
    except FileNotFoundError:
        try:
            known = catalogue.get("model", request.name, store.catalogue).data["artifact"]["files"]
            entry = store.find("model", request.name)
        except InputError:
            known, entry = [], None
        if entry is None or not request.sha256 or known[0].get("sha256") != request.sha256:
            raise _LackingError(path.name) from None
        wanted = tuple(
            WantedFile(each["name"], each["sha256"], None, each.get("size"), tuple(each["sources"])) for each in known
        )
        return _Found(entry.path / wanted[0].name, wanted)
    except OSError as error:
        raise NotReadyError(f"{path} cannot be read: {error.strerror}", fix="correct benchmark_model_path") from error
    if not digest:
        raise InputError(f"{path} is a folder", fix="name the model's file in benchmark_model_path")
    if request.sha256 not in {"", digest}:
        raise NotReadyError(
            f"{path} has sha256 {digest}, not {request.sha256}",
            fix="correct benchmark_model_sha256, or get the file again",
        )
    return _Found(path, (WantedFile(name, digest, None, size, _sources(path)),))


def _remote(store: Store, request: Request) -> WantedFile:
    url = huggingface.address(request.huggingface) if request.huggingface else request.url
    digest, size = request.sha256, None
    if not digest and request.huggingface:
        digest = _pinned(store, request.name, url) or huggingface.digest(url)
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise InputError(
            f"benchmark_model_sha256 is {digest!r}, and {url} alone does not say which file is meant",
            fix="set benchmark_model_sha256 to the 64 hexadecimal digits that sha256sum prints for the file",
        )
    name = url.partition("?")[0].rpartition("/")[2]
    return WantedFile(
        name if _FILE.fullmatch(name) else "model.onnx", digest, None, size, ({"type": "url", "url": url},)
    )


def _pinned(store: Store, name: str, url: str) -> str:
    """The digest that an earlier import from the same URL noted; a moving revision is asked for once."""
    try:
        known = catalogue.get("model", name, store.catalogue).data["artifact"]["files"][0]
    except InputError:
        return ""
    return str(known["sha256"]) if {"type": "url", "url": url} in known["sources"] else ""


def _with_external(request: Request, found: _Found, seen: Signature) -> _Found:
    """The files beside a model that hold its weights.

    Raises:
        _LackingError: Some are not there.
        InputError: They have names that the store cannot keep, or the model comes from a URL.
    """
    if len(found.wanted) > 1 or not seen.external:
        return found
    if request.path is None:
        raise InputError(
            f"{found.file.name} keeps its weights in other files ({', '.join(seen.external)})",
            fix="download all of them into one folder and set benchmark_model_path",
        )
    if odd := [name for name in seen.external if not _FILE.fullmatch(name)]:
        raise InputError(
            f"{found.file} keeps its weights in {', '.join(odd)}, which the store has no names for",
            fix="export the model with plain file names, beside it",
        )
    paths = {name: found.file.parent / name for name in seen.external}
    if missing := [name for name, path in paths.items() if not path.is_file()]:
        raise _LackingError(*missing)
    more = (
        WantedFile(name, files.sha256(path), None, path.stat().st_size, _sources(path)) for name, path in paths.items()
    )
    return _Found(found.file, (*found.wanted, *more))


def _sources(path: Path) -> tuple[Mapping[str, Any], ...]:
    return ({"type": "url", "url": path.absolute().as_uri()},)


def _model(request: Request, workload: Mapping[str, Any], seen: Signature, found: _Found) -> dict[str, Any]:
    """The model's catalogue entry."""
    if "dataset_suffix" in workload:
        made = shapes.settle(seen, request.shapes)
        names = {port.name: port.name for port in seen.inputs}
        fits = fit.Fit(names, {port.name: port.name for port in seen.outputs}, made.batch == 0, made.batch or None)
    else:
        fits = fit.check(str(request.path or request.url or request.huggingface), seen, workload)
    entry: dict[str, Any] = {
        "name": request.name,
        "title": f"{found.wanted[0].name}, imported",
        "tags": [FORMAT, "imported"],
        "licence": _NOT_STATED,
        "workload": workload["name"],
        "format": FORMAT,
        "precision": seen.precision,
        "inputs": dict(fits.inputs),
        "outputs": dict(fits.outputs),
        "dynamic_shape": fits.dynamic_shape,
        "reference": False,
    }
    if fits.max_batch is not None:
        entry["max_batch"] = fits.max_batch
    if "dataset_suffix" not in workload:
        entry |= _preparation(request, workload)
        taken = {port.name: list(port.shape) for port in seen.inputs if port.shape is not None}
        entry["shapes"] = {name: taken[own] for name, own in fits.inputs.items() if own in taken}
    if default := workload.get("default_model"):
        known = catalogue.get("model", default).data
        entry["compared_with"] = default
        entry |= {key: known[key] for key in ("official_name",) if key in known}
    return entry | {
        "weight_data_types": seen.precision,
        "input_data_types": ", ".join(dict.fromkeys(port.type for port in seen.inputs)),
        "weight_transformations": _NOT_STATED,
        "retraining": _NOT_STATED,
        "starting_weights_filename": found.wanted[0].name,
        "artifact": {
            "files": [
                {
                    "name": file.name,
                    "sha256": file.sha256,
                    **({} if file.size is None else {"size": file.size}),
                    "sources": [] if request.temporary else [dict(source) for source in file.sources],
                }
                for file in found.wanted
            ]
        },
    }


def _preparation(request: Request, workload: Mapping[str, Any]) -> dict[str, str]:
    """How data sets must be prepared, where models of the workload differ in that."""
    entries = (each.data for each in catalogue.entries("dataset") if each.data.get("workload") == workload["name"])
    known = sorted({data["prepared"]["preprocessing"] for data in entries if "prepared" in data})
    if request.preprocessing in known:
        return {"preprocessing": request.preprocessing}
    if not known and not request.preprocessing:
        return {}
    if request.preprocessing:
        what = f"is {request.preprocessing}, which no data set of {workload['name']} is prepared by"
    else:
        what = f"is not set, and data sets of {workload['name']} are prepared in several ways"
    raise InputError(
        f"benchmark_model_preprocessing {what}",
        fix=f"set it to one of: {', '.join(known)}" if known else "leave it out",
    )


def _dataset(request: Request, workload: Mapping[str, Any], seen: Signature, name: str) -> dict[str, Any]:
    """The catalogue entry of inputs that are made for a model."""
    made = shapes.settle(seen, request.shapes)
    largest = sum(each.bytes for each in made.made)
    count = request.samples or max(min(SAMPLES, _ROOM_BYTES // max(1, largest)), 2)
    outputs = ["inputs.json", *(f"input-{number}.npy" for number in range(len(made.made)))]
    return {
        "name": name,
        "title": f"{count} made inputs for {request.name}"[:200],
        "tags": [FORMAT, "imported", "made"],
        "licence": "CC0-1.0",
        "workload": workload["name"],
        "samples": count,
        "performance_samples": count,
        "artifact": {
            "build": {
                "entry_point": workload["dataset_builder"],
                "version": 1,
                "parameters": {
                    "samples": count,
                    "seed": _SEED,
                    "batch": made.batch,
                    "joined": made.joined,
                    "inputs": [each.as_data() for each in made.made],
                },
            },
            "files": [{"name": each} for each in outputs],
        },
    }


def _place(store: Store, kind: str, name: str) -> Path:
    return store.catalogue / catalogue.folder_of(kind) / f"{name}.yml"


def _read(store: Store, kind: str, name: str) -> str:
    try:
        return _place(store, kind, name).read_text(encoding="utf-8")
    except OSError:
        return ""


def _text(data: Mapping[str, Any]) -> str:
    import yaml  # noqa: PLC0415

    text: str = yaml.safe_dump(dict(data), sort_keys=False, width=120, allow_unicode=True)
    return text
