# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Computes digests and builds wheels on the controller, and sends files only when the host lacks them."""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _environment, _tree, _wheels
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import locked, sha256
from ansible_collections.loadfleet.mlperf.plugins.module_utils._source import project_digest, project_files
from ansible_collections.loadfleet.mlperf.plugins.plugin_utils._explained import explained

MODULE = "loadfleet.mlperf.venv"
BUILD_PATIENCE_S = 600


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False

    @explained
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the host, send what it lacks, ask it to install."""
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = dict(self._task.args)
        layers = [dict(layer) for layer in args.get("layers") or []]
        for layer in layers:
            layer["digest"] = self._digest(layer)
        args["layers"] = layers
        locks = args.get("locks") or []
        if locks:
            args["key"] = hashlib.sha256("".join(self._lock_digest(path) for path in locks).encode()).hexdigest()
        answer = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        missing = set(answer.get("needs") or ())
        if answer.get("failed") or not missing or self._task.check_mode:
            return answer
        bring = boolean(args.get("offline", False)) and not args.get("wheelhouse")
        try:
            folder = self._make_tmp_path()
            for layer in layers:
                if layer["name"] in missing:
                    layer["file"] = self._send(self._file(layer), folder)
                    if bring and layer.get("lock"):
                        layer["wheels"] = self._send(self._wheels(layer, answer["interpreter"]), folder)
            final = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        final["changed"] = True
        if "diff" in final and "diff" in answer:
            final["diff"] = answer["diff"]
        return final

    def _digest(self, layer: dict[str, Any]) -> str:
        if bool(layer.get("lock")) == bool(layer.get("wheel_source")):
            raise AnsibleActionFail("layer %s: give either lock or wheel_source" % layer.get("name"))
        if layer.get("lock"):
            return self._lock_digest(layer["lock"])
        source = os.path.expanduser(layer["wheel_source"])
        if not os.path.isfile(os.path.join(source, "pyproject.toml")):
            raise AnsibleActionFail("layer %s: no Python project at %s" % (layer.get("name"), source))
        return project_digest(source)

    def _lock_digest(self, path: str) -> str:
        try:
            return sha256(os.path.expanduser(path))
        except OSError as error:
            raise AnsibleActionFail("lock file %s: %s" % (path, error.strerror)) from None

    def _file(self, layer: dict[str, Any]) -> str:
        if layer.get("lock"):
            return os.path.expanduser(layer["lock"])
        return wheel(os.path.expanduser(layer["wheel_source"]), layer["digest"])

    def _wheels(self, layer: dict[str, Any], facts: dict[str, Any]) -> str:
        return wheels(layer["lock"], facts, index=layer.get("index") or "")

    def _send(self, local: str, folder: str) -> str:
        remote: str = self._connection._shell.join_path(folder, os.path.basename(local))
        self._transfer_file(local, remote)
        self._fixup_perms2((folder, remote))
        return remote


def wheel(source: str, digest: str, cache: str = "~/.cache/loadfleet/wheels") -> str:
    """The wheel of a project, built at most once per digest of its sources.

    Args:
        source: Folder with pyproject.toml.
        digest: What `project_digest` gives for it.
        cache: Folder for wheels on the controller; private, since what lies there gets installed.

    Raises:
        AnsibleActionFail: pip is missing or cannot build it.
    """
    folder = os.path.join(os.path.expanduser(cache), digest)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with locked(os.path.join(folder, ".lock"), BUILD_PATIENCE_S):
        found = glob.glob(os.path.join(glob.escape(folder), "*.whl"))
        if found:
            return found[0]
        with tempfile.TemporaryDirectory(dir=folder) as building, tempfile.TemporaryDirectory() as exported:
            # Built from a copy of what the digest covers: build tools leave out what a .gitignore above names.
            _tree.keep(source, project_files(source), exported)
            command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", building, exported]
            if importlib.util.find_spec("hatchling"):
                # The build backend is here already: building needs no network.
                command.insert(4, "--no-build-isolation")
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_PATIENCE_S)
            built = glob.glob(os.path.join(glob.escape(building), "*.whl"))
            if done.returncode != 0 or not built:
                raise AnsibleActionFail(
                    "the wheel of %s could not be built: %s" % (source, (done.stderr or done.stdout).strip()[-2000:])
                )
            final = os.path.join(folder, os.path.basename(built[0]))
            os.replace(built[0], final)
        return final


def wheels(lock: str, facts: dict[str, Any], cache: str = "~/.cache/loadfleet/wheelhouse", index: str = "") -> str:
    """An archive of the wheels that a lock file names for a host, resolved at most once per lock file and kind of host.

    Args:
        lock: Lock file.
        facts: What the host's interpreter says of itself, see `_wheels.FACTS`.
        cache: Folder for archives on the controller; private, since what lies there gets installed.
        index: Package index that is asked too when the controller's own sources lack a package.

    Raises:
        AnsibleActionFail: pip on the controller finds no wheel for a package.
    """
    lock = os.path.expanduser(lock)
    try:
        with open(lock, encoding="utf-8") as stream:
            wanted = _wheels.applicable(stream.read(), facts)
        arguments = _wheels.pip_arguments(facts)
    except _wheels.WheelsError as error:
        raise AnsibleActionFail("lock file %s: %s" % (lock, error)) from None
    digest = hashlib.sha256("\n".join([wanted, *arguments]).encode()).hexdigest()
    folder = os.path.join(os.path.expanduser(cache), digest)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with locked(os.path.join(folder, ".lock"), BUILD_PATIENCE_S):
        archive = os.path.join(folder, "wheels.tar")
        if os.path.exists(archive):
            return archive
        with tempfile.TemporaryDirectory(dir=folder) as place:
            requirements, found = os.path.join(place, "requirements.txt"), os.path.join(place, "wheels")
            with open(requirements, "w", encoding="utf-8") as stream:
                stream.write(wanted)
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", *arguments]
            command += ["--dest", found, "--requirement", requirements]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_PATIENCE_S)
            if done.returncode != 0 and index and _environment.is_lacking(done.stdout + done.stderr):
                command += ["--extra-index-url", index]
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_PATIENCE_S)
            if done.returncode != 0:
                raise AnsibleActionFail(
                    "the controller could not get the wheels of %s for a host without a network: %s"
                    % (lock, (done.stderr or done.stdout).strip()[-2000:])
                )
            packed = os.path.join(place, "wheels.tar")
            _wheels.pack(found, packed)
            os.replace(packed, archive)
        return archive
