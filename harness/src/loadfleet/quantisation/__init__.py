"""Quantised models, built on the host from a model of the catalogue; nothing here knows a workload.

`static` measures the range of every quantised tensor on a recorded list of samples; `dynamic` leaves ranges to the run.
Both are build entry points of the store.
"""
