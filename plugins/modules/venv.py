#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: venv
short_description: Python environment in layers, each kept by the digest of its lock file or sources
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Makes an environment and installs layers into it, each from a lock file or from sources on the controller.
  - A layer that is complete leaves a stamp with its digest, so that looking again costs a few calls of C(stat).
    An interrupted installation leaves no stamp and is done again.
  - With O(locks) the environment's folder is named after their digest and O(path) is a link to it. New lock files
    make a new folder and leave the old one to whatever still runs from it.
  - Wheels of O(layers[].wheel_source) are built on the controller, once per digest of the sources.
  - Works in two calls. The first asks what is missing; only when something is are files sent and a second made.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  path:
    description:
      - Stable name of the environment on the host.
      - Environments are not movable; the real folder stands beside it when O(locks) is given.
    type: path
    required: true
  locks:
    description: Lock files on the controller whose digest keys the environment's folder.
    type: list
    elements: str
    default: []
  layers:
    description: What to install, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the layer.
        type: str
        required: true
      lock:
        description: Lock file on the controller, with a hash for every package.
        type: str
      wheel_source:
        description: Folder of a Python project on the controller; it is installed without its dependencies.
        type: str
      imports:
        description: Python modules that must be importable when the layer is installed.
        type: list
        elements: str
        default: []
      index:
        description:
          - Package index that is asked too when the host's own sources lack a package of O(layers[].lock), for packages
            that are published elsewhere only. Hashes of the lock file hold for it as well.
        type: str
        default: ""
      digest:
        description: Digest of the layer. Set by the action plugin.
        type: str
      file:
        description: Lock file or wheel on the host. Set by the action plugin.
        type: str
      wheels:
        description: Archive of the wheels of O(layers[].lock) on the host. Set by the action plugin.
        type: str
  python:
    description: Interpreter on the host to make the environment with. Empty for a search.
    type: str
    default: ""
  python_minimum:
    description: Oldest version of Python to accept.
    type: str
    default: "3.11"
  wheelhouse:
    description: Folder on the host, or address, with wheels of all packages. When set, nothing else is asked.
    type: str
    default: ""
  offline:
    description:
      - Whether the host shall ask no package source. The controller then resolves the wheels of every missing layer for
        the host's Python and platform, once per lock file, and sends them in one archive.
      - Nothing is sent to a host that has the layer. With O(wheelhouse) the wheels are taken from there instead.
    type: bool
    default: false
  key:
    description: Digest that keys the folder. Set by the action plugin from O(locks).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Keep an environment
  loadfleet.mlperf.venv:
    path: ~/.cache/loadfleet/venvs/onnxruntime
    locks:
      - files/requirements.lock

- name: Install the backend on a host without a network
  loadfleet.mlperf.venv:
    path: ~/.cache/loadfleet/venvs/onnxruntime
    offline: true
    layers:
      - name: onnxruntime
        lock: files/onnxruntime.lock

- name: Install the backend into it
  loadfleet.mlperf.venv:
    path: ~/.cache/loadfleet/venvs/onnxruntime
    layers:
      - name: onnxruntime
        lock: files/onnxruntime.lock
        imports: [onnxruntime]
"""

RETURN = r"""
folder:
  description: Real folder of the environment.
  returned: always
  type: str
bin:
  description: Folder of its commands, by the stable name.
  returned: always
  type: str
layers:
  description: Digest of every layer asked for.
  returned: always
  type: dict
needs:
  description: Layers that were not up to date before.
  returned: always
  type: list
  elements: str
interpreter:
  description: What the environment's Python says of itself and its platform.
  returned: when a layer is missing and O(offline)
  type: dict
"""

import contextlib
import json
import os
import shutil
import tempfile
import time
from typing import Iterator, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _environment, _python, _wheels
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, locked, write_json

PATIENCE_S = 900
# The account's own packages and habits must not decide what an environment holds.
CLEAN = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0", "PYTHONNOUSERSITE": "1", "LC_ALL": "C"}


class Environment:
    """One environment on the host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.path = module.params["path"]
        self.folder = _environment.target(self.path, module.params["key"])
        self.layers = module.params["layers"]

    def ensure(self) -> dict:
        before = self._state()
        result = {
            "folder": self.folder,
            "bin": os.path.join(self.path, "bin"),
            "layers": {layer["name"]: layer["digest"] for layer in self.layers},
            "needs": _environment.outdated(self.folder, self.layers),
        }
        wanted = dict(before, environment="present", link=self._link(), **result["layers"])
        result["changed"] = before != wanted
        result["diff"] = {"before": _lines(before), "after": _lines(wanted)}
        if not result["changed"] or self.module.check_mode:
            return result
        try:
            self._change()
        except TimeoutError as error:
            self.module.fail_json(msg="%s: %s" % (self.path, error))
        except OSError as error:
            self._fail("could not be made", str(error))
        if result["needs"] and self.module.params["offline"]:
            result["interpreter"] = self._interpreter()
        return result

    def _link(self) -> str:
        return os.path.basename(self.folder) if self.module.params["key"] else ""

    def _state(self) -> dict:
        state = {layer["name"]: _environment.stamp(self.folder, layer["name"]) for layer in self.layers}
        state["environment"] = "present" if _environment.is_whole(self.folder) else "absent"
        state["link"] = os.readlink(self.path) if os.path.islink(self.path) and self.module.params["key"] else ""
        return state

    def _change(self) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with locked(os.path.join(os.path.dirname(self.path), "." + os.path.basename(self.path) + ".lock"), PATIENCE_S):
            if not _environment.is_whole(self.folder):
                self._make()
            for layer in self.layers:
                # Without a file this is the first of two calls: it asks only.
                if layer["file"] and _environment.stamp(self.folder, layer["name"]) != layer["digest"]:
                    self._install(layer)
            self._point()

    def _make(self) -> None:
        params = self.module.params
        minimum = tuple(int(part) for part in params["python_minimum"].split("."))
        interpreter = _python.find(params["python"], minimum, self._ask)
        if interpreter is None:
            tried = " (tried %r)" % params["python"] if params["python"] else ""
            self.module.fail_json(
                msg="no Python %s or newer on this host%s; fix: install one (role system_packages does), or name it "
                "in python_venv_python" % (params["python_minimum"], tried)
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self._run([interpreter, "-m", "venv", self.folder], "could not be made", interpreter)
        os.makedirs(os.path.join(self.folder, _environment.STAMPS), exist_ok=True)
        self._stamp("environment", ".".join(str(part) for part in _python.version(interpreter, self._ask) or ()))

    def _install(self, layer: dict) -> None:
        marker = _environment.stamp_path(self.folder, layer["name"])
        unfinished = marker + ".unfinished"
        command = [os.path.join(self.folder, "bin", "python"), "-m", "pip", "install", "--no-input", "--quiet"]
        if os.path.exists(unfinished):
            # Packages may be half unpacked: pip would believe that they are there.
            command.append("--force-reinstall")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(marker)
        with open(unfinished, "w", encoding="utf-8"):
            pass
        what = "layer %s could not be installed" % layer["name"]
        if layer["wheel_source"]:
            self._run([*command, "--no-deps", "--no-index", "--force-reinstall", layer["file"]], what)
        else:
            command += ["--require-hashes", "--requirement", layer["file"]]
            with self._wheelhouse(layer) as place:
                if place:
                    self._run([*command, "--no-index", "--find-links", place], what)
                else:
                    more = [*command, "--extra-index-url", layer["index"]] if layer["index"] else None
                    self._run(command, what, otherwise=more)
        if layer["imports"]:
            code = "import " + ", ".join(layer["imports"])
            what = "layer %s is installed and does not work" % layer["name"]
            self._run([os.path.join(self.folder, "bin", "python"), "-c", code], what)
        self._stamp(layer["name"], layer["digest"])
        os.unlink(unfinished)

    @contextlib.contextmanager
    def _wheelhouse(self, layer: dict) -> Iterator[str]:
        """Where wheels are taken from; empty for wherever this host's pip looks."""
        wheelhouse = self.module.params["wheelhouse"]
        if layer["wheels"]:
            # Beside the environment: where a disk with room was chosen.
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".wheels-") as place:
                try:
                    _wheels.unpack(layer["wheels"], place)
                except _wheels.WheelsError as error:
                    self._fail("layer %s could not be installed" % layer["name"], str(error))
                yield place
        else:
            yield wheelhouse if not wheelhouse or "://" in wheelhouse else expand(wheelhouse)

    def _stamp(self, layer: str, digest: str) -> None:
        content = {"schema_version": 1, "digest": digest, "installed": int(time.time())}
        write_json(_environment.stamp_path(self.folder, layer), content)

    def _point(self) -> None:
        link = self._link()
        if not link or (os.path.islink(self.path) and os.readlink(self.path) == link):
            return
        if os.path.isdir(self.path) and not os.path.islink(self.path):
            self._fail("could not be made", "%s is a folder where a link belongs; fix: move it away" % self.path)
        temporary = "%s.%d.tmp" % (self.path, os.getpid())
        os.symlink(link, temporary)
        os.replace(temporary, self.path)

    def _interpreter(self) -> dict:
        status, out, err = self.module.run_command([os.path.join(self.folder, "bin", "python"), "-c", _wheels.FACTS])
        if status != 0:
            self._fail("its Python does not work", out + err)
        return json.loads(out)

    def _ask(self, command: list) -> tuple:
        status, out, _err = self.module.run_command(command)
        return status, out

    def _run(self, command: list, what: str, interpreter: str = "", otherwise: Optional[list] = None) -> None:
        status, out, err = self.module.run_command(command, environ_update=CLEAN)
        if status != 0 and otherwise and _environment.is_lacking(out + err):
            status, out, err = self.module.run_command(otherwise, environ_update=CLEAN)
        if status != 0:
            self._fail(what, out + err, interpreter)

    def _fail(self, what: str, text: str, interpreter: str = "") -> None:
        name = os.path.basename(interpreter) if interpreter.startswith("/usr/bin/") else "python3"
        package = "%s-venv (Debian, Ubuntu) or python3.11 (RHEL and its kin)" % name
        reason = _environment.explain(text, self.folder, package)
        self.module.fail_json(msg="environment %s: %s: %s" % (self.path, what, reason), output=text[-4000:])


def _lines(state: dict) -> str:
    shown = {name: (value or "absent")[:32] for name, value in state.items() if value != ""}
    return "".join("%s: %s\n" % pair for pair in sorted(shown.items()))


def main() -> None:
    layer = {
        "name": {"type": "str", "required": True},
        "lock": {"type": "str"},
        "wheel_source": {"type": "str"},
        "imports": {"type": "list", "elements": "str", "default": []},
        "index": {"type": "str", "default": ""},
        "digest": {"type": "str"},
        "file": {"type": "str"},
        "wheels": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "locks": {"type": "list", "elements": "str", "default": []},
            "layers": {"type": "list", "elements": "dict", "default": [], "options": layer},
            "python": {"type": "str", "default": ""},
            "python_minimum": {"type": "str", "default": "3.11"},
            "wheelhouse": {"type": "str", "default": ""},
            "offline": {"type": "bool", "default": False},
            "key": {"type": "str", "default": "", "no_log": False},
        },
        supports_check_mode=True,
    )
    module.exit_json(**Environment(module).ensure())


if __name__ == "__main__":
    main()
