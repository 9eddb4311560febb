"""One LoadGen run. One per process: LoadGen's logger and its mlperf.conf are global."""

from __future__ import annotations

import gc
import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from loadfleet.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Callbacks(Protocol):
    """What LoadGen calls: a scheduler, or a benchmark's own."""

    def issue(self, ids: Sequence[int], indices: Sequence[int]) -> None:
        """New samples: their response ids and data set indices."""

    def flush(self) -> None:
        """Everything has been issued."""

    def close(self) -> None:
        """The run is over."""


def module() -> Any:
    """The module mlperf_loadgen.

    Raises:
        NotReadyError: It is not installed in this environment.
    """
    try:
        return importlib.import_module("mlperf_loadgen")
    except ImportError as error:
        raise NotReadyError(
            f"LoadGen is not installed in this environment: {error}",
            fix="run the role loadfleet.mlperf.loadgen, or `pip install loadfleet[loadgen]`",
        ) from error


def version() -> str:
    """Version of the installed LoadGen distribution."""
    return metadata.version("mlcommons-loadgen")


def known_samples(lg: Any, values: dict[str, float], samples: int) -> int:
    """How many samples LoadGen is told of: all, but where it is to judge a part of them and cannot be told so.

    LoadGen before version 6 does not have `accuracy_sample_count_override`: it is taken out of `values`, and no more
    samples than that are known.
    """
    name = "accuracy_sample_count_override"
    if name not in values or hasattr(lg.TestSettings(), name):
        return samples
    return int(values.pop(name))


def run(
    lg: Any,
    settings: Any,
    scheduler: Callbacks,
    samples: int,
    performance_samples: int,
    output: Path,
    on_load: Callable[[Sequence[int]], None] = lambda _: None,
    start: Callable[[], None] = lambda: None,
    audit: Path | None = None,
) -> None:
    """Run LoadGen to its end; its logs are in `output`.

    Args:
        lg: mlperf_loadgen.
        settings: A TestSettings, already filled by `Settings.apply`.
        scheduler: Warmed up.
        samples: Size of the data set.
        performance_samples: Samples that are held in memory at a time.
        output: Existing folder: LoadGen aborts the process where it is missing.
        on_load: Told which samples LoadGen will use next.
        start: Called last, when nothing is left to prepare: it may wait for an agreed instant.
        audit: The audit file of a compliance test.
    """
    logs = lg.LogSettings()
    logs.log_output = lg.LogOutputSettings()
    logs.log_output.outdir = str(output)
    logs.enable_trace = False  # it grows with every sample and costs time inside the run
    sut = lg.ConstructFastSUT(scheduler.issue, scheduler.flush)
    qsl = lg.ConstructQSL(samples, performance_samples, on_load, lambda _: None)
    gc.collect()
    gc.freeze()  # what is there now stays: collections inside the run need not look at it
    try:
        start()
        # An empty name where there is none: a forgotten audit.config in the working folder would change the run.
        lg.StartTestWithLogSettings(sut, qsl, settings, logs, str(audit.resolve()) if audit else "")
    finally:
        gc.unfreeze()
        scheduler.close()
        lg.DestroyFastSUT(sut)
        lg.DestroyQSL(qsl)
