"""Cells: one LoadGen run each. Planned from a run file, run in a process of its own, watched by a detached agent."""
