# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Applies settings of a platform and puts the earlier ones back. Private to this collection.

The earlier values are on disk before the first of them is changed: whatever happens in between, `restore` finds them.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ansible_collections.loadfleet.mlperf.plugins.module_utils import _settings
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import locked, read_json, sync_folder, write_json
from ansible_collections.loadfleet.mlperf.plugins.module_utils._probe import read

SCHEMA_VERSION = 1
LOCK_PATIENCE_S = 30.0
ABSENT = "(no such file)"


class TuningError(Exception):
    """Nothing was changed, or what was changed has been put back. `rc` is the exit status it stands for."""

    def __init__(self, message: str, rc: int) -> None:
        super().__init__(message)
        self.rc = rc


class Step:
    """One file to write."""

    def __init__(self, name: str, path: str, before: Optional[str], after: Optional[str]) -> None:
        self.name, self.path, self.before, self.after = name, path, before, after


class Tuner:
    """The settings of one host.

    Args:
        root: Folder that stands for /, so that tests have a machine of their own.
        places: Files that may hold the record, the one to write first.
        busy: Run that measures here now, None without one.
    """

    def __init__(self, root: str, places: List[str], busy: Optional[str] = None) -> None:
        self.root = root
        self.places = places
        self.busy = busy
        self.boot_id = read(root, "/proc/sys/kernel/random/boot_id") or ""
        self.notices: List[str] = []

    def apply(self, profile: str, wanted: Dict[str, Any], strict: bool = False, check: bool = False) -> Dict[str, Any]:
        """Have the settings as wanted.

        Raises:
            TuningError: A run measures and would be disturbed, or something cannot be set and `strict` asks for it.
        """
        texts = {name: _settings.rendered(name, value) for name, value in wanted.items()}
        if not check and self._steps(texts, {"settings": []})[0]:
            # Where it may not be made, recording the earlier values will say so.
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(self.places[0]), exist_ok=True)
        with self._alone(check):
            record = self._record(check)
            steps, refused = self._steps(texts, record)
            if strict and refused:
                raise TuningError("nothing was changed: " + "; ".join(map(words, refused)), 3)
            if steps and self.busy:
                raise TuningError(
                    "run %s measures on this host, so nothing was changed; fix: wait for its end, or stop it"
                    % self.busy,
                    3,
                )
            if not check and steps:
                refused += self._change(profile, steps, record, strict)
        stuck = {one["setting"] for one in refused}
        if any(_settings.SETTINGS[step.name].persistent for step in steps if step.name not in stuck):
            self.notices.append(
                "limits hold from the next login on; a connection that is kept open has the earlier ones"
            )
        done = {step.path: step.after for step in steps} if check else {}
        found = {name: dict(_settings.values(self.root, name)) for name in wanted}
        for seen in found.values():
            seen.update({path: done[path] for path in seen if path in done})
        return {
            "changed": any(step.name not in stuck for step in steps),
            "platform": {
                "profile": profile,
                "values": {name: _value(name, wanted[name], texts[name], found[name]) for name in wanted},
                "applied": [name for name in wanted if _holds(found[name], texts[name])],
            },
            "refused": refused,
            "notices": self.notices,
            "diff": _difference(step for step in steps if step.name not in stuck),
        }

    def verify(self, wanted: Dict[str, Any], profile: str) -> Dict[str, Any]:
        """Compare only."""
        texts = {name: _settings.rendered(name, value) for name, value in wanted.items()}
        found = {name: _settings.values(self.root, name) for name in wanted}
        return {
            "changed": False,
            "platform": {
                "profile": profile,
                "values": {name: _value(name, wanted[name], texts[name], found[name]) for name in wanted},
                "applied": [name for name in wanted if _holds(found[name], texts[name])],
            },
            "refused": [
                _refusal(self.root, name, texts[name], "differs")
                for name in wanted
                if not _holds(found[name], texts[name])
            ],
            "notices": self.notices,
            "diff": _difference(()),
        }

    def restore(self, check: bool = False) -> Dict[str, Any]:
        """Put back what is recorded, and remove the record. What cannot be put back stays recorded."""
        refused: List[Dict[str, Any]] = []
        steps: List[Step] = []
        with self._alone(check):
            record = self._record(check)
            if record["settings"] and self.busy:
                self.notices.append("run %s still measures on this host: nothing was put back yet" % self.busy)
            elif record["settings"]:
                steps = list(self._back(record["settings"]))
                left = [] if check else self._undo(record["settings"], refused)
                if not check and left != record["settings"]:
                    self._keep(dict(record, settings=left))
        stuck = {one["setting"] for one in refused}
        return {
            "changed": any(step.name not in stuck for step in steps),
            "platform": {"profile": record["profile"], "values": {}, "applied": []},
            "refused": refused,
            "notices": self.notices,
            "diff": _difference(step for step in steps if step.name not in stuck),
        }

    def _steps(self, texts: Dict[str, str], record: Dict[str, Any]) -> Tuple[List[Step], List[Dict[str, Any]]]:
        steps, refused = [], []
        for name, text in texts.items():
            found = _settings.values(self.root, name)
            if _holds(found, text):
                continue
            reason = _settings.obstacle(self.root, name, found, text)
            if reason:
                refused.append(_refusal(self.root, name, text, reason))
            else:
                steps += [Step(name, path, before, text) for path, before in found.items() if before != text]
        # Another profile set them and this one does not ask for them.
        dropped = [entry for entry in record["settings"] if entry["setting"] not in texts]
        return steps + list(self._back(dropped)), refused

    def _change(self, profile: str, steps: List[Step], record: Dict[str, Any], strict: bool) -> List[Dict[str, Any]]:
        known = {entry["path"] for entry in record["settings"]}
        fresh = [
            {"setting": step.name, "path": step.path, "before": step.before} for step in steps if step.path not in known
        ]
        settings = record["settings"] + fresh
        try:
            self._keep(dict(record, profile=profile, boot_id=self.boot_id, settings=settings))
        except OSError as error:
            reason = "the earlier values cannot be recorded in %s: %s" % (self.places[0], error.strerror)
            refused = [_refusal(self.root, step.name, str(step.after), reason) for step in steps]
            if strict:
                raise TuningError("nothing was changed: %s" % reason, 3) from error
            return list({one["setting"]: one for one in refused}.values())
        failures: Dict[str, Dict[str, Any]] = {}
        for step in steps:
            reason = self._set(step.name, step.path, step.after)
            if reason:
                failures.setdefault(step.name, _refusal(self.root, step.name, str(step.after), reason))
        if strict and failures:
            self._keep(dict(record, profile=profile, boot_id=self.boot_id, settings=self._undo(settings, [])))
            raise TuningError("put back again: " + "; ".join(map(words, failures.values())), 3)
        return list(failures.values())

    def _set(self, name: str, path: str, text: Optional[str]) -> Optional[str]:
        """Write and read back; why it did not work, None when it did."""
        try:
            _settings.write(self.root, path, text, _settings.SETTINGS[name].persistent)
        except OSError as error:
            return error.strerror or str(error)
        seen = _settings.values(self.root, name).get(path)
        return None if seen == text else "reads back as %s" % (seen or ABSENT)

    def _back(self, entries: List[Dict[str, Any]]) -> Iterator[Step]:
        for entry in entries:
            seen = _settings.values(self.root, entry["setting"]).get(entry["path"])
            if seen != entry["before"]:
                yield Step(entry["setting"], entry["path"], seen, entry["before"])

    def _undo(self, entries: List[Dict[str, Any]], refused: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
        """Put back; the entries for which that failed."""
        left = []
        for step in list(self._back(entries)):
            reason = self._set(step.name, step.path, step.after)
            if reason:
                left += [entry for entry in entries if entry["path"] == step.path]
                if step.name not in {one["setting"] for one in refused}:
                    refused.append(_refusal(self.root, step.name, step.after or ABSENT, reason))
        return left

    def _record(self, check: bool) -> Dict[str, Any]:
        """What is recorded of this start of the host, and files that outlive a restart."""
        empty = {"schema_version": SCHEMA_VERSION, "profile": "", "boot_id": self.boot_id, "settings": []}
        for place in self.places:
            record = read_json(place)
            if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
                continue
            # Only what this collection knows and nothing else is written: the record might lie in a folder of a user's.
            record["settings"] = [
                entry for entry in record.get("settings") or []
                if entry["setting"] in _settings.SETTINGS
                and entry["path"] in _settings.values(self.root, entry["setting"])
            ]  # fmt: skip
            if record.get("boot_id") == self.boot_id:
                return record
            self.notices.append(
                "the host was restarted since profile %s was applied: its kernel settings are the default again, and "
                "their record is discarded" % record.get("profile")
            )
            record["settings"] = [one for one in record["settings"] if _settings.SETTINGS[one["setting"]].persistent]
            record["boot_id"] = self.boot_id
            if not check:
                # Of somebody else's, such as root's: it does no harm, it is ignored.
                with contextlib.suppress(OSError):
                    self._keep(record)
            return record
        return empty

    def _keep(self, record: Dict[str, Any]) -> None:
        """Replace the record; without settings remove it. On disk when this returns.

        Raises:
            OSError: It cannot be written.
        """
        for place in [place for place in self.places if os.path.exists(place)] if not record["settings"] else []:
            os.unlink(place)
            sync_folder(os.path.dirname(place))
        if record["settings"]:
            present = [place for place in self.places if os.path.exists(place)]
            place = (present or self.places)[0]
            os.makedirs(os.path.dirname(place), exist_ok=True)
            write_json(place, record)
            sync_folder(os.path.dirname(place))

    @contextlib.contextmanager
    def _alone(self, check: bool) -> Iterator[None]:
        """One tuner at a time; without a folder to lock in there is nothing that could be written either."""
        folder = os.path.dirname(self.places[0])
        if check or not os.path.isdir(folder) or not os.access(folder, os.W_OK):
            yield
            return
        with locked(os.path.join(folder, ".platform_tuning.lock"), LOCK_PATIENCE_S):
            yield


def places(root: str, store: str, privileged: bool) -> List[str]:
    """Where the record may lie: root's below /var/lib, everybody else's in the store."""
    system = os.path.join(root, "var/lib/loadfleet/platform_tuning.json")
    own = os.path.join(store, "platform", "platform_tuning.json")
    # Root never follows a record that somebody else may have written.
    return [system] if privileged else [own, system]


def words(refusal: Dict[str, Any]) -> str:
    """A setting that could not be set, in one line."""
    return "%(setting)s: wanted %(wanted)s, is %(seen)s (%(reason)s)" % refusal


def _refusal(root: str, name: str, wanted: str, reason: str) -> Dict[str, Any]:
    seen = _settings.shown(_settings.values(root, name))
    persistent = _settings.SETTINGS[name].persistent
    return {
        "setting": name,
        "wanted": "as in the platform file" if persistent else wanted,
        "seen": (ABSENT if seen is None else "another file") if persistent else seen or "nothing",
        "reason": reason,
    }


def _holds(found: _settings.Values, text: str) -> bool:
    return bool(found) and all(value == text for value in found.values())


def _value(name: str, wanted: Any, text: str, found: _settings.Values) -> Any:
    if not _settings.SETTINGS[name].persistent:
        return _settings.shown(found)
    return wanted if _holds(found, text) else None


def _difference(steps: Any) -> Dict[str, str]:
    steps = list(steps)
    return {
        "before": "".join("%s: %s\n" % (step.path, _line(step.before)) for step in steps),
        "after": "".join("%s: %s\n" % (step.path, _line(step.after)) for step in steps),
    }


def _line(text: Optional[str]) -> str:
    return ABSENT if text is None else text.strip().replace("\n", " | ")
