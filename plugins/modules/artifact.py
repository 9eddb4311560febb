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
  mirrors:
    description: Addresses or folders to try first; they hold files by their digest or name.
    type: list
    elements: str
    default: []
  offline:
    description: Whether to use only what the host has, its mirrors that are folders, and what the harness embeds.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Have the data set
  loadfleet.mlperf.artifact:
    kind: dataset
    name: squad-v1.1-dev-bert384
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
"""

import os

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
            if self.module.check_mode:
                return self._result(True, title, {}, "the harness is not installed yet; %s would be made" % title)
            self.module.fail_json(msg="%s: no command at %s; fix: run the role harness first" % (title, executable))
        store = expand(params["store_path"])
        command = [executable, "cache", "ensure", params["kind"], params["name"], "--json", "--store", store]
        for mirror in params["mirrors"]:
            command += ["--mirror", mirror]
        if params["offline"]:
            command.append("--offline")
        if self.module.check_mode:
            command.append("--dry-run")
        status, out, err = self.module.run_command(command)
        if status != 0:
            self.module.fail_json(msg="%s: %s" % (title, complaint(status, out, err)), rc=status)
        value = answer(out)
        if "changed" not in value:
            self.module.fail_json(msg="%s: %s gave no answer in JSON: %s" % (title, executable, out[:500]))
        return self._result(bool(value["changed"]), title, value, "")

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
    module = AnsibleModule(
        argument_spec={
            "store_path": {"type": "str", "default": "~/.cache/loadfleet"},
            "executable": {"type": "str", "default": "~/.cache/loadfleet/venvs/onnxruntime/bin/loadfleet"},
            "kind": {"type": "str", "required": True, "choices": ["model", "dataset"]},
            "name": {"type": "str", "required": True},
            "mirrors": {"type": "list", "elements": "str", "default": []},
            "offline": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.exit_json(**Artifact(module).ensure())


if __name__ == "__main__":
    main()
