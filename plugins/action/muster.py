# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Looks at a fleet as a whole before anything is touched, and refuses it with every reason at once."""

from __future__ import annotations

from typing import Any

from ansible import context
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _gate, _muster, _preflight
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, read_json

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Collect reasons: wrong input first, then what the environment lacks."""
        super().run(tmp, task_vars)
        task_vars, args = task_vars or {}, self._task.args
        given = [str(place) for place in context.CLIARGS.get("inventory") or ()]
        groups = {name: list(hosts) for name, hosts in (task_vars.get("groups") or {}).items()}
        wrong = _muster.nobody(given, groups, str(task_vars.get("benchmark_hosts") or ""))
        wrong += _preflight.together({host: list(found) for host, found in (args.get("problems") or {}).items()})
        if not boolean(args.get("one_machine_ok", False)):
            wrong += _muster.doubles(args.get("machines") or {})
        wrong += _gate.unsettled(args.get("own") or {})
        lacking = self._lacking(args)
        if not wrong and not lacking:
            return {"changed": False, "problems": []}
        message = "\n".join([*wrong, *lacking])
        if self._task.check_mode and not wrong:
            display.warning(message)
            return {"changed": False, "problems": lacking}
        return {"changed": False, "failed": True, "rc": 2 if wrong else 3, "msg": message}

    @staticmethod
    def _lacking(args: dict[str, Any]) -> list[str]:
        found: list[str] = []
        if args.get("results_path"):
            found += _muster.results(expand(str(args["results_path"])))
        hosts, reached = list(args.get("hosts") or []), list(args.get("reached") or [])
        if args.get("record") and isinstance(read_json(expand(str(args["record"]))), dict):
            # A run that goes on does so without a host that is away.
            return found
        spares = list(args.get("spares") or [])
        members = [host for host in hosts if host not in spares]
        if hosts:
            found += _muster.lost(members, spares, reached, str(args.get("policy") or "fail"))
        if args.get("forks"):
            found += _muster.forks(len(members), int(args["forks"]))
        return found
