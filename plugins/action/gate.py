# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0
"""Decides before a run which hosts may take part, and says so."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _gate
from ansible_collections.loadfleet.mlperf.plugins.module_utils._connection import inline
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand, read_json

POLICIES = ("fail", "drop", "replace")

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare, decide, print."""
        super().run(tmp, task_vars)
        args = self._task.args
        policy = args.get("policy", "fail")
        if policy not in POLICIES:
            raise AnsibleActionFail("policy is %s; fix: use one of %s" % (policy, ", ".join(POLICIES)))
        facts, clocks = dict(args.get("facts") or {}), dict(args.get("clocks") or {})
        record = read_json(expand(args["record"])) if args.get("record") else None
        if isinstance(record, dict):
            decision = _gate.again(record, list(args.get("hosts") or []), facts)
        else:
            decision = self._decide(args, policy, facts, clocks)
        seen, problems = decision.pop("seen"), decision.pop("problems")
        self._print(decision, seen, clocks)
        decision.update(policy=policy, clocks={host: _clock(clocks[host]) for host in clocks})
        result = {"changed": False, "decision": decision}
        if problems:
            message = "the fleet may not run:\n  %s" % "\n  ".join(problems)
            if policy == "fail" and decision["dropped"] and decision["hosts"]:
                message += "\nfix: as said, or run without such hosts by fleet_gate_policy=drop"
            if self._task.check_mode:
                display.warning(message)
            else:
                result.update(failed=True, rc=3, msg=message)
        return result

    @staticmethod
    def _decide(args: dict[str, Any], policy: str, facts: dict[str, Any], clocks: dict[str, Any]) -> dict[str, Any]:
        spares = list(args.get("spares") or [])
        return _gate.decide(
            members=[host for host in args.get("hosts") or [] if host not in spares],
            spares=spares,
            fleet=facts,
            clocks=clocks,
            limits={
                "disk_mib": float(args.get("disk_mib", 1024)),
                "memory_mib": float(args.get("memory_mib", 1024)),
                "clock_ms": float(args.get("clock_limit_ms", 400)),
            },
            policy=policy,
            identical=boolean(args.get("identical", False)),
            forks=int(args.get("forks", 1)),
            own={host: _limits(settings) for host, settings in (args.get("own") or {}).items()},
            lost={host: _without(host, str(said)) for host, said in (args.get("lost") or {}).items()},
        )

    @staticmethod
    def _print(decision: dict[str, Any], seen: list[dict[str, Any]], clocks: dict[str, Any]) -> None:
        if seen:
            display.display("\n%s\n" % "\n".join("  " + line for line in _gate.table(seen)))
            display.warning("hosts differ in %s, see the table above" % ", ".join(one["field"] for one in seen[:5]))
        known = [clock for clock in clocks.values() if clock.get("offset_ms") is not None]
        if len(known) > 1:
            display.display(
                "clocks   within %s of the controller's, known to %s"
                % tuple(_gate.duration(max(abs(one[key]) for one in known)) for key in ("offset_ms", "uncertainty_ms"))
            )
        by = {one["host"]: one["by"] for one in decision["replaced"]}
        for one in decision["dropped"]:
            place = "%s takes its place" % by[one["host"]] if one["host"] in by else "unfit"
            display.display("%-12s %s: %s" % (one["host"], place, " ".join(one["reasons"])))


def _clock(clock: dict[str, Any]) -> dict[str, Any]:
    return {key: clock.get(key) for key in ("offset_ms", "uncertainty_ms")}


def _limits(settings: dict[str, Any]) -> dict[str, Any]:
    numbers = {key: float(settings[key]) for key in ("disk_mib", "memory_mib", "clock_ms") if key in settings}
    return {**settings, **numbers}


def _without(host: str, said: str) -> str:
    """A message about a host, to be put behind its name."""
    return inline(said[len(host) + 1 :] if said.startswith(host + " ") else said)
