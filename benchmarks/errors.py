"""Why something has no figure."""

from __future__ import annotations


class UnavailableError(Exception):
    """Something cannot be measured here; the message says why, for the row."""
