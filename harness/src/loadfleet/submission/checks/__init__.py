"""One class per family of checks; `ALL` is what a submission is held against, in the order of the report."""

from __future__ import annotations

from loadfleet.submission.checks.accuracy import AccuracyFiles, AccuracyLog, AccuracyRun, Hash, Score
from loadfleet.submission.checks.base import Check, Finding, Submission
from loadfleet.submission.checks.compliance import Compliance
from loadfleet.submission.checks.endpoints import EndpointAudits, Endpoints
from loadfleet.submission.checks.full_logs import FullLogs
from loadfleet.submission.checks.layout import ResultFiles, RootLayout, SubmitterFolders
from loadfleet.submission.checks.measurements import Measurements, UserConf
from loadfleet.submission.checks.models import ModelMapping, ModelNames, Scenarios
from loadfleet.submission.checks.names import Names, NamesOfModel
from loadfleet.submission.checks.performance import Latency, LoadGenRun, Metric, NetworkName, Settings
from loadfleet.submission.checks.power import Nameplate, PowerFiles, PowerReadings, PowerSession
from loadfleet.submission.checks.systems import SystemDescription, SystemsWithoutResults

ALL: tuple[type[Check], ...] = (
    RootLayout,
    Names,
    NamesOfModel,
    SubmitterFolders,
    ModelMapping,
    SystemsWithoutResults,
    SystemDescription,
    ModelNames,
    Scenarios,
    Measurements,
    UserConf,
    ResultFiles,
    LoadGenRun,
    Settings,
    Latency,
    Metric,
    NetworkName,
    AccuracyRun,
    AccuracyLog,
    Score,
    Hash,
    FullLogs,
    AccuracyFiles,
    Compliance,
    Endpoints,
    EndpointAudits,
    PowerFiles,
    PowerSession,
    PowerReadings,
    Nameplate,
)

__all__ = ["ALL", "Check", "Finding", "Submission"]
