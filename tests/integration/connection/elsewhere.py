"""A connection that is not local to Ansible, for tests: commands run on this machine, files are transferred.

While the file that LOADFLEET_TEST_CUT names exists, the host cannot be reached; a file with the host's name at its end
cuts off that host alone. LOADFLEET_TEST_CLOCKS is an object of hosts and the seconds by which their `date` is wrong.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: elsewhere
short_description: a remote host that is this machine
description: [For tests.]
author: Loadfleet contributors
options:
  pipelining:
    description: As in the connection plugin local.
    default: false
    type: boolean
    ini: [{section: connection, key: pipelining}]
    vars: [{name: ansible_pipelining}]
  become_success_timeout:
    description: As in the connection plugin local.
    type: int
    default: 10
  become_strip_preamble:
    description: As in the connection plugin local.
    type: bool
    default: true
"""


class Connection(Local):
    """See the documentation of this file."""

    transport = "elsewhere"
    _new_stdin_required = False

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        self._refuse_when_cut()
        code, out, err = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        shift = json.loads(os.environ.get("LOADFLEET_TEST_CLOCKS", "{}")).get(self._play_context.remote_addr)
        if shift and "date +%s.%N" in cmd:
            out = b"%.9f\n" % (float(out) + shift)
        return code, out, err

    def put_file(self, in_path: str, out_path: str) -> Any:
        self._refuse_when_cut()
        return super().put_file(in_path, out_path)

    def fetch_file(self, in_path: str, out_path: str) -> Any:
        self._refuse_when_cut()
        return super().fetch_file(in_path, out_path)

    def _refuse_when_cut(self) -> None:
        cut = os.environ.get("LOADFLEET_TEST_CUT", "/nonexistent")
        if Path(cut).exists() or Path(f"{cut}-{self._play_context.remote_addr}").exists():
            raise AnsibleConnectionFailure("the cable is cut")
