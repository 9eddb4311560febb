"""The store of a host: verified models and data sets, found by readable name and digest.

An artefact has several sources for one digest; whichever answers, the sha256 decides. Files come under a temporary
name, are verified while they stream, and appear by one rename: a partial entry is never visible.
"""

from __future__ import annotations

from loadfleet.store.entry import FileRecord, Report, StoreEntry
from loadfleet.store.store import Store

__all__ = ["FileRecord", "Report", "Store", "StoreEntry"]
