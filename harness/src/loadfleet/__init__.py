"""Loadfleet: MLPerf Inference on one machine or a fleet, up to a submission the MLCommons checker accepts."""

__version__ = "0.1.0"
