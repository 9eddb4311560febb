#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: cell
short_description: Start, adopt, watch or stop the cells of a run on a host
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Writes the run's description into the run directory on the host and starts an agent there, which runs the cells one
    after the other, detached from Ansible. Nothing of Ansible runs inside the timed window.
  - Then watches, prints a line per host as the cells advance, and ends when the agent has ended.
  - The same run id again adopts what runs, keeps what is finished and runs what is missing. Neither an interrupted
    playbook nor a lost connection ends the cells on the host.
  - Never reports a change, since measuring does not change how a host is configured.
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
      - Nothing is measured in check mode.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Finished cells are never run again under the same run id.
options:
  run_id:
    description: Name of the run, such as V(20261122T003500Z-bert-3f9a).
    type: str
    required: true
  settings:
    description: What to run, the keys of C(run.json) without those that this module fills in.
    type: dict
    default: {}
  system:
    description: Content of C(system.json), as RV(loadfleet.mlperf.probe#module:system) gives it.
    type: dict
    default: {}
  secrets:
    description:
      - Environment variables of the harness that no file may hold. The agent gets them on its standard input.
      - Variables of C(environment) in O(settings) whose names look like secrets are added to them.
    type: dict
    default: {}
  folder:
    description: The run's folder on the controller, where the failure of a whole host is written down. Empty for none.
    type: str
    default: ""
  host:
    description: Name of the host in results.
    type: str
    default: ""
  state:
    description:
      - V(finished) starts or adopts the run and waits for its end, V(started) does not wait.
      - V(stopped) ends the cell that runs now; the run can be continued.
      - V(watched) looks on at a run that somebody else started, until its end, and leaves it alone.
    type: str
    choices: [finished, started, stopped, watched]
    default: finished
  judge:
    description:
      - Whether a bad result fails the task.
      - V(false) lets the logs be brought home first; RV(rc) then tells. A run that could not be started fails always.
    type: bool
    default: true
  poll_interval:
    description: Seconds between two looks at first; the pause grows with the length of the run, up to 30 seconds.
    type: float
    default: 5
  timeout:
    description: Seconds after which the run is stopped on the host and the task fails.
    type: int
    default: 86400
  reconnect_timeout:
    description: Seconds that a host may be out of reach while its cells go on.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Run BERT offline
  loadfleet.mlperf.cell:
    run_id: 20261122T003500Z-bert-3f9a
    settings:
      workload: bert
      scenarios: [Offline]
      modes: [accuracy, performance]
      execution: test
    system: "{{ host.system }}"
    judge: false
  register: run

- name: Stop it
  loadfleet.mlperf.cell:
    run_id: 20261122T003500Z-bert-3f9a
    state: stopped
"""

RETURN = r"""
run_dir:
  description: The run's directory on the host.
  returned: success
  type: str
stopped:
  description: Whether there was something to stop.
  returned: when stopped
  type: bool
adopted:
  description: Whether the run had been started before.
  returned: when started
  type: bool
phase:
  description: V(starting), V(running), V(finished), V(stopped) or V(interrupted).
  returned: when started
  type: str
rc:
  description: 0 good, 1 a result is bad, 4 interrupted.
  returned: when finished
  type: int
cells:
  description: State, verdict and reasons of each cell.
  returned: when finished
  type: list
  elements: dict
status:
  description: Last content of C(status.json).
  returned: when finished
  type: dict
"""

import json
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loadfleet.mlperf.plugins.module_utils._command import answer, complaint
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, read_json, write_json

RUN_ID = r"\d{8}T\d{6}Z-[a-z0-9_.-]+-[0-9a-f]{4}"

# May differ when a run is adopted: clocks and free space of the host are part of its description, what the gate finds
# and the start that hosts agree on are of the moment.
NOT_COMPARED = frozenset(("system", "gate", "start_at"))


class Run:
    """One run on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.run_id = module.params["run_id"]
        if not re.match(RUN_ID + r"\Z", self.run_id):
            module.fail_json(msg="run_id %r is no run id; they look like 20261122T003500Z-bert-3f9a" % self.run_id)
        self.store = expand(module.params["store_path"])
        self.folder = os.path.join(self.store, "runs", self.run_id)
        # The real folder: a later prepare may point the stable name at another environment while this run goes on.
        self.executable = self._real(expand(module.params["executable"]))

    @staticmethod
    def _real(executable: str) -> str:
        return os.path.join(os.path.realpath(os.path.dirname(executable)), os.path.basename(executable))

    def start(self) -> dict:
        if self.module.check_mode:
            return {"changed": False, "run_dir": self.folder, "msg": "would run %s" % ", ".join(self._cells())}
        if not os.access(self.executable, os.X_OK):
            self.module.fail_json(msg="no command at %s; fix: run playbooks/prepare.yml first" % self.executable, rc=3)
        self._describe()
        value = self._agent("start", self.module.params["secrets"])
        return {
            "changed": False,
            "run_dir": self.folder,
            "adopted": bool(value.get("adopted")),
            "phase": value.get("phase", "starting"),
            "pid": value.get("pid"),
        }

    def watch(self) -> dict:
        if not os.path.isdir(self.folder):
            words = "run %s is not on this host (no %s); fix: loadfleet resume %s" % (
                self.run_id,
                self.folder,
                self.run_id,
            )
            self.module.fail_json(msg=words, rc=2)
        return {"changed": False, "run_dir": self.folder}

    def stop(self) -> dict:
        if self.module.check_mode or not os.path.isdir(self.folder):
            return {"changed": False, "run_dir": self.folder, "stopped": False}
        if not os.access(self.executable, os.X_OK):
            self.module.fail_json(msg="no command at %s; fix: set benchmark_executable" % self.executable, rc=3)
        value = self._agent("stop")
        return {
            "changed": False,
            "run_dir": self.folder,
            "phase": value.get("phase", "stopped"),
            "stopped": bool(value.get("stopped")),
        }

    def _cells(self) -> list:
        settings = self.module.params["settings"]
        return [
            "%s/%s/%s" % (settings.get("workload"), scenario, mode)
            for scenario in settings.get("scenarios") or []
            for mode in settings.get("modes") or []
        ]

    def _describe(self) -> None:
        params = self.module.params
        wanted = dict(
            params["settings"],
            schema_version=1,
            run_id=self.run_id,
            host=params["host"],
            store_path=self.store,
            system=params["system"],
        )
        path = os.path.join(self.folder, "run.json")
        present = read_json(path)
        # Without a plan it was refused before: nothing has been run by it.
        if present is None or not os.path.exists(os.path.join(self.folder, "plan.json")):
            try:
                os.makedirs(self.folder, exist_ok=True)
                write_json(path, wanted)
                write_json(os.path.join(self.folder, "system.json"), params["system"])
            except OSError as error:
                self.module.fail_json(msg="%s: %s" % (self.folder, error.strerror), rc=3)
            return
        keys = (set(present) | set(wanted)) - NOT_COMPARED
        differing = sorted(key for key in keys if present.get(key) != wanted.get(key))
        if differing:
            words = ", ".join("%s was %r, now %r" % (key, present.get(key), wanted.get(key)) for key in differing)
            self.module.fail_json(
                msg="run %s was started with other settings: %s; fix: repeat it with those, or leave benchmark_run_id "
                "out for a new run" % (self.run_id, words),
                rc=2,
            )

    def _agent(self, verb: str, secrets: dict | None = None) -> dict:
        secrets = secrets or {}
        command = [self.executable, "agent", verb, self.folder] + (["--secrets-stdin"] if secrets else [])
        texts = {name: str(value) for name, value in secrets.items()}
        status, out, err = self.module.run_command(command, data=json.dumps(texts) if secrets else None)
        if status != 0:
            self.module.fail_json(msg="run %s: %s" % (self.run_id, complaint(status, out, err)), rc=status)
        return answer(out)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "store_path": {"type": "str", "default": "~/.cache/loadfleet"},
            "executable": {"type": "str", "default": "~/.cache/loadfleet/venvs/onnxruntime/bin/loadfleet"},
            "run_id": {"type": "str", "required": True},
            "settings": {"type": "dict", "default": {}},
            "system": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "folder": {"type": "str", "default": ""},
            "host": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["finished", "started", "stopped", "watched"], "default": "finished"},
            "judge": {"type": "bool", "default": True},
            "poll_interval": {"type": "float", "default": 5},
            "timeout": {"type": "int", "default": 86400},
            "reconnect_timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    run = Run(module)
    verb = {"stopped": run.stop, "watched": run.watch}.get(module.params["state"], run.start)
    module.exit_json(**verb())


if __name__ == "__main__":
    main()
