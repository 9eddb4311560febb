"""Carrying everything a site without a network needs, in one archive: wheels, models, data sets, project and harness.

`create` makes the archive where there is a network, `apply` verifies and unpacks it where there is none.
"""

from __future__ import annotations

from loadfleet.airgap.apply import Applied, apply
from loadfleet.airgap.manifest import Manifest

__all__ = ["Applied", "Manifest", "apply"]
