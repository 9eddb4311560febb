"""`auto`: the fastest backend, precision and derived model that keep the accuracy, by a short trial on the host.

`candidates` names what could run, `trial` tries it, `measure` is one attempt in a process of its own, `record`
remembers.
"""

from __future__ import annotations

from loadfleet.choosing.candidates import AUTO, Candidate, candidates, first, open_choice, stand_in, wanted

__all__ = ["AUTO", "Candidate", "candidates", "first", "open_choice", "stand_in", "wanted"]
