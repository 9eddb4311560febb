# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Fetches what the controller lacks of a run, and puts it in place whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _tree
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, sync_folder
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._explained import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = "loadfleet.mlperf.bundle"
# What brings home what is not home yet.
COLLECT = "ansible-playbook playbooks/collect.yml"


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    @explained
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare, fetch, verify, rename."""
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        for name in ("run_dir", "dest"):
            if not args.get(name):
                raise AnsibleActionFail("missing required argument: %s" % name)
        dest = expand(args["dest"])
        host = os.path.basename(dest)
        if host.startswith("."):
            raise AnsibleActionFail("dest %s: a host's folder does not begin with a dot" % dest)
        landing = Landing(dest)
        try:
            if self._connection.transport == "local" and not self._play_context.become:
                result = self._copy(expand(args["run_dir"]), landing)
            else:
                result = self._fetch(args, landing, task_vars or {})
        except (_tree.TreeError, OSError) as error:
            words = "logs of %s: %s; what was there before is untouched; fix: %s%s -e benchmark_run_id=%s"
            run = os.path.basename(os.path.dirname(dest))
            raise AnsibleActionFail(words % (host, error, _advice(error, dest), COLLECT, run)) from None
        return dict(result, dest=dest)

    def _copy(self, source: str, landing: Landing) -> dict[str, Any]:
        if not os.path.isdir(source):
            return _answer(False, {}, [], True)
        manifest = _tree.manifest(source)
        wanted = _tree.differing(landing.present, manifest)
        changed = bool(wanted) or landing.has_more_than(manifest)
        if changed and not self._task.check_mode:
            landing.land(manifest, wanted, lambda folder: _tree.copy(source, wanted, folder))
        return _answer(changed, manifest, wanted, False)

    def _fetch(self, args: dict[str, Any], landing: Landing, task_vars: dict[str, Any]) -> dict[str, Any]:
        try:
            args["archive"] = remote = self._place_for_archive()
            args["present"] = {name: entry["sha256"] for name, entry in landing.present.items()}
            answer = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
            if answer.get("failed"):
                return answer
            manifest, packed, wanted = answer["manifest"], answer["packed"], answer["wanted"]
            if answer["changed"] and not self._task.check_mode:
                singly = {name: manifest[name] for name in wanted if name not in packed}

                def fill(folder: str) -> None:
                    self._take(remote, packed, folder)
                    self._take_singly(answer["run_dir"], singly, folder)

                landing.land(manifest, wanted, fill)
            return _answer(answer["changed"], manifest, wanted, answer["missing"])
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _place_for_archive(self) -> str:
        """Where the host may write the archive; empty when its disk has not even room for a folder."""
        try:
            path: str = self._connection._shell.join_path(self._make_tmp_path(), "logs.tar.gz")
        except AnsibleConnectionFailure as error:
            # Ansible's word for a failed mkdir, too.
            if "No space left on device" not in str(error):
                raise
            return ""
        return path

    def _take_singly(self, run_dir: str, files: _tree.Manifest, folder: str) -> None:
        """Fetch files one by one, each verified."""
        for name, expected in files.items():
            with tempfile.TemporaryDirectory(dir=os.path.dirname(folder), prefix=".archive-") as place:
                local = os.path.join(place, "log")
                self._connection.fetch_file(self._connection._shell.join_path(run_dir, name), local)
                with open(local, "rb") as stream:
                    _tree.write(stream, os.path.join(folder, name), expected, os.path.getmtime(local))

    def _take(self, remote: str, packed: _tree.Manifest, folder: str) -> None:
        if not packed:
            return
        with tempfile.TemporaryDirectory(dir=os.path.dirname(folder), prefix=".archive-") as place:
            local = os.path.join(place, "logs.tar.gz")
            self._connection.fetch_file(remote, local)
            _tree.unpack(local, packed, folder)


def _advice(error: Exception, dest: str) -> str:
    """What to do first when the controller's own disk is the reason."""
    if not isinstance(error, OSError):
        return ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space below %s on the controller, or set results_path to a larger disk; then " % dest
    if error.errno in (errno.EROFS, errno.EACCES):
        return "let your account write below %s on the controller; then " % dest
    return ""


class Landing:
    """A host's folder on the controller, replaced by rename."""

    def __init__(self, dest: str) -> None:
        self.dest = dest
        self.parent, self.host = os.path.split(dest)
        self._aside = os.path.join(self.parent, ".%s.old" % self.host)
        if not os.path.exists(dest) and os.path.isdir(self._aside):
            # Killed between the two renames of an earlier call.
            os.rename(self._aside, dest)
        self.present = _tree.manifest(dest)

    def has_more_than(self, manifest: _tree.Manifest) -> bool:
        """Whether files lie here that the host no longer has."""
        return bool(set(self.present) - set(manifest))

    def land(self, manifest: _tree.Manifest, wanted: list[str], fill: Any) -> None:
        """Make the folder hold exactly the manifest's files.

        Args:
            manifest: All files of the host.
            wanted: Those that are new; `fill` puts them into the folder it is given.
            fill: Called once with the temporary folder.
        """
        os.makedirs(self.parent, exist_ok=True)
        fresh = tempfile.mkdtemp(dir=self.parent, prefix=".%s." % self.host, suffix=".tmp")
        try:
            fill(fresh)
            with self._alone():
                _tree.keep(self.dest, set(manifest) - set(wanted), fresh)
                _tree.sync(fresh)
                # Temporary folders are private; results are for everybody who may see the folder above.
                shutil.copymode(self.parent, fresh)
                if os.path.isdir(self.dest):
                    self._set_aside(_tree.superseded(self.dest, fresh))
                    shutil.rmtree(self._aside, ignore_errors=True)
                    os.rename(self.dest, self._aside)
                os.rename(fresh, self.dest)
                sync_folder(self.parent)
                shutil.rmtree(self._aside, ignore_errors=True)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else put logs in place: who stopped a run and who watched it bring the same ones home."""
        descriptor = os.open(self.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _set_aside(self, lost: list[str]) -> None:
        if not lost:
            return
        number = 1
        while os.path.exists(place := os.path.join(self.parent, ".superseded", self.host, str(number))):
            number += 1
        _tree.keep(self.dest, lost, place)


def _answer(changed: bool, manifest: _tree.Manifest, brought: list[str], missing: bool) -> dict[str, Any]:
    return {
        "changed": changed,
        "missing": missing,
        "brought": brought,
        "bytes": sum(entry["bytes"] for entry in manifest.values()),
    }
