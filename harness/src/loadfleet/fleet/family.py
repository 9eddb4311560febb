"""The processes of one `ansible-playbook`, which have to end with it when it is killed."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil


class Family:
    """Ansible's workers, and what they run on this machine.

    Each worker leads a session of its own, so that ending Ansible's process group leaves it at its task. Detached
    agents belong to nobody's family: they are stopped by the playbook `stop`.

    Args:
        mark: A text that only this attempt's processes have in their environment.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._members: set[psutil.Process] = set()

    def note(self) -> None:
        """Remember who belongs to it; to be called while Ansible still lives, since its death hides the kinship."""
        relatives = psutil.Process(os.getpid()).children(recursive=True)
        self._members |= {process for process in relatives if self._is_marked(process)}

    def end(self) -> None:
        """Kill those that were noted and still live."""
        for process in self._members:
            with suppress(psutil.Error):  # it has ended meanwhile
                process.kill()

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return self._mark in process.environ().values()
        except psutil.Error:
            return False
