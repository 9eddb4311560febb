#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact
short_description: Verified model or data set in a host's store
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Sees to it that an entry of the catalogue is in the store, verified, prepared and complete.
  - Calls C(loadfleet cache ensure) on the host. A second call finds the entry and changes nothing.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
  - loadfleet.mlperf.attributes.group
  - loadfleet.mlperf.store
  - loadfleet.mlperf.store.command
attributes:
  check_mode:
    support: full
    details:
      - On a host without the harness the entry is reported as missing, since nothing can be asked there.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  kind:
    description: Kind of entry.
    type: str
    required: true
    choices: [model, dataset]
  name:
    description: Name in the catalogue; C(loadfleet catalogue list) shows them.
    type: str
    required: true
  for_model:
    description:
      - Model that a data set is wanted for. Of a raw data set the form that is prepared for the model is had.
      - Empty for the very entry that O(name) says.
    type: str
    default: ""
  mirrors:
    description: Addresses or folders to try first; they hold files by their digest or name.
    type: list
    elements: str
    default: []
  supplied:
    description:
      - Files or folders that the operator supplies, by the name of their entry, or by C(NAME/FILE) for one of several
        files. For what may not be downloaded freely.
      - Paths are the host's; with O(from_controller) they are the controller's.
    type: dict
    default: {}
  shared_path:
    description:
      - Folder on the host of a store that is only read, such as one on a file system that all hosts mount. Its entries
        are used in place. Several are separated by V(:). Empty for none.
    type: str
    default: ""
  quota:
    description: Most that models, data sets and downloads may take on the host, as in V(200GB). Empty for no limit.
    type: str
    default: ""
  pin:
    description: Whether to pin the entry, so that C(loadfleet cache rm) keeps it.
    type: bool
    default: false
  imported:
    description:
      - A model of the user's own, which gets the name. Its file is read, checked and kept in the store, and described
        in the store's own part of the catalogue. Empty for an entry of the catalogue.
    type: dict
    default: {}
    suboptions:
      path:
        description: File on the controller; on the host, when the controller has none.
        type: str
        default: ""
      url:
        description: Where to fetch it.
        type: str
        default: ""
      hf:
        description: File of a Hugging Face repository, as C(owner/repository/path@revision).
        type: str
        default: ""
      sha256:
        description: What the file must hash to. Set by the action plugin for a file on the controller.
        type: str
        default: ""
      workload:
        description: What it shall be run for.
        type: str
        default: onnx
      preprocessing:
        description: How data sets are prepared for it, where models of the workload differ in that.
        type: str
        default: ""
      shapes:
        description: Whole shapes of inputs by their names, where inputs are made.
        type: dict
        default: {}
      samples:
        description: How many inputs are made. 0 for the default.
        type: int
        default: 0
  offline:
    description: Whether to use only what the host has, its mirrors that are folders, and what the harness embeds.
    type: bool
    default: false
  from_controller:
    description:
      - Whether the controller supplies the files, for a host without a network. It has them in a store of its own,
        fetched once for all hosts (O(mirrors) are asked there), and sends a host those that it lacks.
      - The host verifies what was sent as it would a download, and makes the entry itself.
    type: bool
    default: false
  controller_executable:
    description: The command C(loadfleet) on the controller.
    type: str
    default: loadfleet
  controller_store:
    description: Folder of the store on the controller.
    type: str
    default: ~/.cache/loadfleet
  brought:
    description: Folder on the host with the files that were sent. Set by the action plugin.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Have the data set
  loadfleet.mlperf.artifact:
    kind: dataset
    name: squad-v1.1-dev-bert384

- name: Have a model of my own
  loadfleet.mlperf.artifact:
    kind: model
    name: my-model
    imported:
      path: /data/my-model.onnx

- name: Have it on hosts without a network
  loadfleet.mlperf.artifact:
    kind: dataset
    name: squad-v1.1-dev-bert384
    from_controller: true
"""

RETURN = r"""
folder:
  description: Folder of the entry on the host.
  returned: when the entry is there
  type: str
digest:
  description: Digest of the entry.
  returned: when the entry is there
  type: str
source:
  description: Where it came from.
  returned: when the entry was made
  type: str
sent:
  description: Files that the controller sent.
  returned: when it sent any
  type: list
  elements: str
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loadfleet.mlperf.plugins.module_utils._command import answer, complaint
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand


class Artifact:
    """One entry of the store."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module

    def ensure(self) -> dict:
        params = self.module.params
        executable, title = expand(params["executable"]), "%s %s" % (params["kind"], params["name"])
        if not os.access(executable, os.X_OK):
            return self._without(executable, title)
        store = expand(params["store_path"])
        command = [executable, "cache", "ensure", params["kind"], params["name"], "--json", "--store", store]
        if params["for_model"]:
            command += ["--for-model", params["for_model"]]
        for path in filter(None, params["shared_path"].split(os.pathsep)):
            command += ["--shared-store", expand(path)]
        if params["quota"]:
            command += ["--quota", params["quota"]]
        if params["pin"]:
            command.append("--pin")
        if not params["from_controller"]:
            for mirror in params["mirrors"]:
                command += ["--mirror", mirror]
            for key, path in sorted(params["supplied"].items()):
                command += ["--supplied", "%s=%s" % (key, path)]
            if params["offline"]:
                command.append("--offline")
            return self._call(command + (["--dry-run"] if self.module.check_mode else []), title)
        command.append("--offline")
        if params["brought"]:
            result = self._call([*command, "--mirror", params["brought"]], title)
            shutil.rmtree(params["brought"], ignore_errors=True)
            return result
        result = self._call([*command, "--dry-run"], title)
        if result["changed"] and not self.module.check_mode:
            if not result["lacks"]:
                return self._call(command, title)
            # In the store: where a disk with room was chosen.
            result["incoming"] = os.path.join(store, "downloads", "mirror-%s-%s" % (params["kind"], params["name"]))
            os.makedirs(result["incoming"], exist_ok=True)
        return result

    def bring(self) -> dict:
        """Have a model of the user's own."""
        params, wish = self.module.params, self.module.params["imported"]
        executable, title, store = (
            expand(params["executable"]),
            "model %s" % params["name"],
            expand(params["store_path"]),
        )
        if not os.access(executable, os.X_OK):
            return self._without(executable, title)
        command = [executable, "cache", "import", params["name"], "--json", "--ask", "--store", store]
        command += ["--offline"] if params["offline"] else []
        pairs = [
            ("workload", wish["workload"]),
            ("sha256", wish["sha256"]),
            ("preprocessing", wish["preprocessing"]),
            ("quota", params["quota"]),
        ]
        pairs += [("samples", str(wish["samples"] or "")), *(("mirror", mirror) for mirror in params["mirrors"])]
        for name, sizes in sorted(wish["shapes"].items()):
            pairs.append(("shape", "%s=%s" % (name, ",".join(str(size) for size in sizes))))
        if wish["path"]:
            folder = params["brought"] or os.path.dirname(expand(wish["path"]))
            pairs.append(("path", os.path.join(folder, os.path.basename(wish["path"]))))
            command += ["--temporary"] if params["brought"] else []
        else:
            pairs += [("url", wish["url"]), ("hf", wish["hf"])]
        for name, value in pairs:
            command += ["--" + name, value] if value else []
        result = self._call(command + (["--dry-run"] if self.module.check_mode else []), title)
        if result["lacks"] and not self.module.check_mode:
            result["incoming"] = os.path.join(store, "downloads", "mirror-%s-%s" % (params["kind"], params["name"]))
            os.makedirs(result["incoming"], exist_ok=True)
        elif params["brought"]:
            shutil.rmtree(params["brought"], ignore_errors=True)
        return result

    def _without(self, executable: str, title: str) -> dict:
        """What there is to say before the harness is installed."""
        if not self.module.check_mode:
            self.module.fail_json(msg="%s: no command at %s; fix: run the role harness first" % (title, executable))
        return self._result(True, title, {}, "the harness is not installed yet; %s would be made" % title)

    def _call(self, command: list, title: str) -> dict:
        status, out, err = self.module.run_command(command)
        if status != 0:
            self.module.fail_json(msg="%s: %s" % (title, complaint(status, out, err)), rc=status)
        value = answer(out)
        if "changed" not in value:
            self.module.fail_json(msg="%s: %s gave no answer in JSON: %s" % (title, command[0], out[:500]))
        return dict(self._result(bool(value["changed"]), title, value, ""), lacks=value.get("lacks") or [])

    def _result(self, changed: bool, title: str, value: dict, message: str) -> dict:
        # Not "path": AnsibleModule would add owner and mode to it.
        names = {"folder": "path", "digest": "digest", "source": "source"}
        result = {name: value[key] for name, key in names.items() if value.get(key)}
        result["changed"] = changed
        result["diff"] = {"before": "" if changed else title + "\n", "after": title + "\n"}
        if message:
            result["msg"] = message
        return result


def main() -> None:
    brought = {
        **{name: {"type": "str", "default": ""} for name in ("path", "url", "hf", "sha256", "preprocessing")},
        "workload": {"type": "str", "default": "onnx"},
        "shapes": {"type": "dict", "default": {}},
        "samples": {"type": "int", "default": 0},
    }
    module = AnsibleModule(
        argument_spec={
            "store_path": {"type": "str", "default": "~/.cache/loadfleet"},
            "executable": {"type": "str", "default": "~/.cache/loadfleet/venvs/onnxruntime/bin/loadfleet"},
            "kind": {"type": "str", "required": True, "choices": ["model", "dataset"]},
            "name": {"type": "str", "required": True},
            "for_model": {"type": "str", "default": ""},
            "mirrors": {"type": "list", "elements": "str", "default": []},
            "supplied": {"type": "dict", "default": {}},
            "shared_path": {"type": "str", "default": ""},
            "quota": {"type": "str", "default": ""},
            "pin": {"type": "bool", "default": False},
            "imported": {"type": "dict", "default": {}, "options": brought},
            "offline": {"type": "bool", "default": False},
            "from_controller": {"type": "bool", "default": False},
            "controller_executable": {"type": "str", "default": "loadfleet"},
            "controller_store": {"type": "str", "default": "~/.cache/loadfleet"},
            "brought": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    artifact, wish = Artifact(module), module.params["imported"]
    own = any(wish.get(origin) for origin in ("path", "url", "hf"))
    module.exit_json(**(artifact.bring() if own else artifact.ensure()))


if __name__ == "__main__":
    main()
