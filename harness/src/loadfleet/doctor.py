"""What this environment and its store lack for a benchmark; nothing is changed, nothing hashed.

The machine itself is looked at by the collection (`playbooks/doctor.yml`), which asks each host's own command for this.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loadfleet import __version__, catalogue, choosing
from loadfleet.errors import InputError, LoadfleetError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OK, WARN, FAIL = "ok", "warn", "fail"
_PREPARE = "run playbooks/prepare.yml"


@dataclass(frozen=True)
class Check:
    """A line of the doctor.

    Attributes:
        check: What was looked at.
        status: `ok`; `warn`, a benchmark runs, or will after the host was prepared; `fail`, mend this first.
        wanted: In words.
        seen: In words.
        fix: What to do; empty when it is ok.
    """

    check: str
    status: str
    wanted: str
    seen: str
    fix: str = ""


@dataclass(frozen=True)
class Asked:
    """What will be measured, by catalogue names, and the store on this host."""

    store: Path
    workload: str
    model: str
    dataset: str
    backend: str
    device: str


def asked(store: Path, workload: str, model: str, dataset: str, backend: str, device: str) -> Asked:
    """Names completed by the workload's defaults.

    Raises:
        InputError: The catalogue has no such workload, model, data set or backend, or it has no such device.
    """
    entry = catalogue.get("workload", workload)
    of = catalogue.model_of(entry, model, backend=backend)
    names = {"model": of.name, "dataset": catalogue.dataset_of(entry, of, dataset).name}
    if backend == choosing.AUTO:
        backend = choosing.stand_in(device)
    devices = catalogue.get("backend", backend).data["devices"]
    if device not in devices:
        raise InputError(f"the backend {backend} has no device {device!r}", fix=f"use one of: {', '.join(devices)}")
    return Asked(store, workload, str(names["model"]), str(names["dataset"]), backend, device)


def examine(wish: Asked) -> list[Check]:
    """Every check, in order."""
    return [_outcome(name, wanted.format(**vars(wish)), look, wish) for name, wanted, look in _CHECKS]


def worst(statuses: Iterable[str]) -> str:
    """One status for all."""
    seen = set(statuses)
    return next((status for status in (FAIL, WARN) if status in seen), OK)


def as_dicts(checks: Iterable[Check]) -> list[dict[str, str]]:
    """As reports hold them."""
    return [asdict(check) for check in checks]


def text(title: str, checks: Iterable[dict[str, Any]]) -> str:
    """Checks for people, one line each."""
    lines = list(checks)
    width = max((len(one["check"]) for one in lines), default=0)
    return "\n".join(
        [
            title,
            *(
                f"  {one['status']:4}  {one['check']:{width}}  {one['seen']}; wanted: {one['wanted']}"
                + (f"; fix: {one['fix']}" if one["fix"] else "")
                for one in lines
            ),
        ]
    )


_Look = Callable[[Asked], tuple[str, str, str]]


def _outcome(name: str, wanted: str, look: _Look, wish: Asked) -> Check:
    try:
        status, seen, fix = look(wish)
    except LoadfleetError as error:
        status, seen, fix = FAIL, error.message, error.fix or _PREPARE
    except ImportError as error:
        status, seen, fix = FAIL, str(error), _PREPARE
    return Check(name, status, wanted, seen, "" if status == OK else fix)


def _environment(_wish: Asked) -> tuple[str, str, str]:
    seen = f"loadfleet {__version__}, Python {platform.python_version()} in {sys.prefix}"
    return (OK if sys.version_info >= (3, 11) else FAIL), seen, _PREPARE


def _loadgen(_wish: Asked) -> tuple[str, str, str]:
    from loadfleet.loadgen import run  # noqa: PLC0415

    run.module()
    return OK, run.version(), ""


def _backend(wish: Asked) -> tuple[str, str, str]:
    from loadfleet import backends  # noqa: PLC0415 - imports the framework

    backend = backends.load(wish.backend)
    backend.check_device(wish.device)
    return OK, ", ".join(f"{name} {version}" for name, version in backend.versions().items()) or wish.backend, ""


def _stored(kind: str) -> _Look:
    def look(wish: Asked) -> tuple[str, str, str]:
        from loadfleet.store import Store  # noqa: PLC0415

        name = getattr(wish, kind)
        entry = Store(wish.store).find(kind, name)
        if entry is not None:
            return OK, f"{entry.size / 1e6:,.1f} MB, untouched, {entry.digest[:19]}", ""
        if any(each.kind == kind and each.name == name for each in Store(wish.store).entries()):
            # Left by another version of the catalogue, or touched since it was verified: prepare makes it anew.
            return WARN, "another version, or changed since it was verified", _PREPARE
        return WARN, f"not in {wish.store}", _PREPARE

    return look


_CHECKS: tuple[tuple[str, str, _Look], ...] = (
    ("environment", "the command loadfleet on Python 3.11 or newer", _environment),
    ("LoadGen", "installed", _loadgen),
    ("backend", "{backend} with the device {device}", _backend),
    ("model", "{model} in the store", _stored("model")),
    ("data set", "{dataset} in the store", _stored("dataset")),
)
