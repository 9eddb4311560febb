#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: cache
short_description: List, verify, remove and pin what a host's store holds
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Looks after the models and data sets in a host's store, by the command C(loadfleet cache) there.
  - Nothing is fetched; that is what M(loadfleet.mlperf.artifact) does.
  - Without a command at O(executable), that of any environment in the store is used.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.group
  - loadfleet.mlperf.store
  - loadfleet.mlperf.store.command
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - V(shown) lists entries, V(verified) hashes their files, V(absent) removes them, V(pinned) keeps them from being
        removed, V(unpinned) lets them be removed again.
    type: str
    choices: [shown, verified, absent, pinned, unpinned]
    default: shown
  words:
    description: Kind, name or tags that entries have to fit, all of them. Empty for every entry.
    type: list
    elements: str
    default: []
  older_than:
    description: With O(state=absent), only what nobody has used for so long, as in V(30d).
    type: str
    default: ""
  even_pinned:
    description: With O(state=absent), whether pinned entries go too.
    type: bool
    default: false
  made:
    description:
      - With O(state=absent), whether compiled models and choices of a backend go too, which runs make again. Without
        O(words) and O(older_than) nothing else goes then.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Remove what nobody has used for a month
  loadfleet.mlperf.cache:
    state: absent
    older_than: 30d

- name: Remove what runs made of models, after another version of a backend has come
  loadfleet.mlperf.cache:
    state: absent
    made: true
"""

RETURN = r"""
store:
  description: Folder of the store.
  returned: always
  type: str
free:
  description: Bytes that the host's disk has free.
  returned: always
  type: int
takes:
  description: Bytes that the entries of the store take.
  returned: always
  type: int
entries:
  description: What was found, with what is to be said of it; with O(made) also what runs had made.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: model
      name: minilm-squad
      digest: "sha256:c80ba8442f8d..."
      size: 90300105
      what: current, pinned
      last_used: "2026-11-22T09:14:35Z"
      runs: 3
damaged:
  description: Kind and name of entries whose files are not what they were when they were made.
  returned: always
  type: list
  elements: str
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loadfleet.mlperf.plugins.module_utils._command import answer, complaint
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand


class Cache:
    """The store of this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.store = expand(module.params["store_path"])
        named = expand(module.params["executable"])
        # Any environment of the store will do: a host may have been prepared for another backend.
        others = sorted(glob.glob(os.path.join(glob.escape(self.store), "venvs", "*", "bin", "loadfleet")))
        self.executable = next((path for path in [named, *others] if os.access(path, os.X_OK)), named)

    def look_after(self) -> dict:
        if not os.access(self.executable, os.X_OK):
            self.module.fail_json(msg="no command at %s; fix: run playbooks/prepare.yml first" % self.executable)
        changed, damaged, said = getattr(self, "_" + self.module.params["state"])()
        after = self._call("show")
        shown = {each["path"]: each for each in after["entries"]}
        entries = []
        for each, what in said:
            known = shown.get(each["path"], each)
            entries.append(
                {
                    "kind": each["kind"],
                    "name": each["name"],
                    "digest": each["digest"],
                    "size": each["size"],
                    "what": what or _state(known),
                    "last_used": known.get("last_used"),
                    "runs": len(known.get("used_by", {}).get("runs", [])),
                }
            )
        sums = {key: after[key] for key in ("store", "free", "takes")}
        return dict(sums, changed=changed, entries=entries, damaged=damaged)

    def _shown(self) -> tuple:
        return False, [], [(each, "") for each in self._call("show", *self.module.params["words"])["entries"]]

    def _verified(self) -> tuple:
        found = self._call("verify", *self.module.params["words"])["entries"]
        said = [(each, "; ".join(each["problems"]) or "good") for each in found]
        return False, ["%(kind)s %(name)s" % each for each in found if each["problems"]], said

    def _absent(self) -> tuple:
        params = self.module.params
        words = list(params["words"])
        if params["older_than"]:
            words += ["--older-than", params["older_than"]]
        if params["even_pinned"]:
            words.append("--even-pinned")
        if params["made"]:
            words.append("--made")
        if self.module.check_mode:
            words.append("--dry-run")
        done = self._call("rm", *words, "--yes")
        verb = "would be removed" if self.module.check_mode else "removed"
        said = [(each, verb) for each in done["removed"]]
        said += [(each, "kept: " + each["reason"]) for each in done["kept"]]
        made = [
            (dict(each, kind=each["what"], name=os.path.basename(each["path"]), digest=""), verb)
            for each in done["dropped"]
        ]
        return bool(done["removed"] or made), [], said + made

    def _pinned(self) -> tuple:
        return self._pin("pin", wanted=True)

    def _unpinned(self) -> tuple:
        return self._pin("unpin", wanted=False)

    def _pin(self, verb: str, wanted: bool) -> tuple:
        found = self._call("show", *self.module.params["words"])["entries"]
        changed = any(each["pinned"] != wanted for each in found)
        if not self.module.params["words"]:
            self.module.fail_json(msg="state is %s; fix: say in words which entries" % self.module.params["state"])
        if not found or (changed and not self.module.check_mode):
            self._call(verb, *self.module.params["words"])
        return changed, [], [(each, "") for each in found]

    def _call(self, *words: str) -> dict:
        status, out, err = self.module.run_command([self.executable, "cache", *words, "--json", "--store", self.store])
        value = answer(out)
        # A damaged entry is an answer.
        if status != 0 and "entries" not in value:
            self.module.fail_json(msg=complaint(status, out, err), rc=status)
        return value


def _state(each: dict) -> str:
    extra = [word for word in ("pinned", "shared") if each.get(word)]
    return ", ".join([each.get("state", "gone"), *extra])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store_path": {"type": "str", "default": "~/.cache/loadfleet"},
            "executable": {"type": "str", "default": "~/.cache/loadfleet/venvs/onnxruntime/bin/loadfleet"},
            "state": {
                "type": "str",
                "choices": ["shown", "verified", "absent", "pinned", "unpinned"],
                "default": "shown",
            },
            "words": {"type": "list", "elements": "str", "default": []},
            "older_than": {"type": "str", "default": ""},
            "even_pinned": {"type": "bool", "default": False},
            "made": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.exit_json(**Cache(module).look_after())


if __name__ == "__main__":
    main()
