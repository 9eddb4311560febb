"""Models that a user brings: their signature read, checked and written down as entries of a store's catalogue."""

from __future__ import annotations

from loadfleet.imported.request import Imported, Request

__all__ = ["Imported", "Request"]
