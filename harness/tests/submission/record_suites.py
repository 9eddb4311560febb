"""Record data/suites.tar.xz again: `python record_suites.py FOLDER` (twelve minutes, next to no CPU).

What record_logs.py does for bert, for models that other suites and divisions need. A system that only waits answers
real LoadGen runs with the settings of the installed LoadGen's mlperf.conf: 600 s and more each, all at the same time.
The archive holds `<recording>/<Scenario>/<mode>/` with the untouched logs, without the accuracy logs.
"""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

KEPT = ("mlperf_log_detail.txt", "mlperf_log_summary.txt", "user.conf")
MODES = ("accuracy", "performance")


@dataclass(frozen=True)
class Recording:
    """One model on one kind of system under test.

    Attributes:
        model: Its name in mlperf.conf.
        samples: Size of the data set.
        performance_samples: Samples held in memory.
        scenarios: Scenario folder -> (user.conf key and value, seconds an answer takes in performance mode).
        tokens: Answers are tokens: a first one, then the rest.
        network: LoadGen talks to a QDL that is named as one.
    """

    model: str
    samples: int
    performance_samples: int
    scenarios: dict[str, tuple[str, float]] = field(default_factory=dict)
    tokens: bool = False
    network: bool = False


OFFLINE, STREAM = ("target_qps = 1", 602.0), ("target_latency = 500", 0.515)
RECORDINGS = {
    "3d-unet": Recording("3d-unet", 43, 43, {"Offline": OFFLINE, "SingleStream": STREAM}),
    "3d-unet-network": Recording("3d-unet", 43, 43, {"Offline": OFFLINE}, network=True),
    "resnet50": Recording(
        "resnet50",
        50000,
        1024,
        {
            "Offline": OFFLINE,
            "SingleStream": STREAM,
            "MultiStream": ("target_latency = 800", 0.83),
            "Server": ("target_qps = 8", 0.0),
        },
    ),
    "llama3.1-8b": Recording(
        "llama3_1-8b",
        13368,
        13368,
        {"Offline": OFFLINE, "Server": ("target_qps = 40", 0.0), "Interactive": ("target_qps = 40", 0.0)},
        tokens=True,
    ),
}


def run(name: str, folder_name: str, mode: str, folder: Path) -> None:
    import mlperf_loadgen as loadgen  # noqa: PLC0415  (the parent process needs none)

    recording = RECORDINGS[name]
    setting, wait = recording.scenarios[folder_name]
    # Interactive is LoadGen's Server with limits of its own, by another name in mlperf.conf.
    scenario = "Server" if folder_name == "Interactive" else folder_name
    model = f"{recording.model}-interactive" if folder_name == "Interactive" else recording.model
    wait = wait if mode == "performance" else 0.0
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    rate = "target_qps = 2000" if mode == "accuracy" and scenario == "Server" else setting
    Path("user.conf").write_text(f"{model}.{scenario}.{rate}\n")
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = {"performance": loadgen.TestMode.PerformanceOnly, "accuracy": loadgen.TestMode.AccuracyOnly}[mode]
    assert settings.FromConfig("user.conf", model, scenario) == 0
    answer = np.zeros(4, np.int32)

    def issue(samples: list) -> None:
        time.sleep(wait)
        for start in range(0, len(samples), 1000):
            part = samples[start : start + 1000]
            responses = [
                loadgen.QuerySampleResponse(sample.id, answer.ctypes.data, answer.nbytes, 4)
                if recording.tokens
                else loadgen.QuerySampleResponse(sample.id, answer.ctypes.data, answer.nbytes)
                for sample in part
            ]
            if recording.tokens and scenario != "Offline":
                loadgen.FirstTokenComplete(responses)
            loadgen.QuerySamplesComplete(responses)

    def flush() -> None: ...

    if recording.network:
        system = loadgen.ConstructQDL(issue, flush, lambda: "Example Network SUT, one node")
    else:
        system = loadgen.ConstructSUT(issue, flush)
    library = loadgen.ConstructQSL(recording.samples, recording.performance_samples, lambda _: None, lambda _: None)
    log = loadgen.LogSettings()
    log.enable_trace = False
    log.log_output.outdir = "."
    loadgen.StartTestWithLogSettings(system, library, settings, log, "")


def main(folder: Path) -> None:
    jobs = [
        (name, scenario, mode)
        for name, recording in RECORDINGS.items()
        for scenario in recording.scenarios
        for mode in MODES
    ]
    running = [
        subprocess.Popen([sys.executable, __file__, str(folder), *job, str(folder.joinpath(*job))]) for job in jobs
    ]
    codes = [process.wait() for process in running]
    if any(codes):
        sys.exit("a recording failed")
    archive = Path(__file__).parent / "data" / "suites.tar.xz"
    with lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as raw, tarfile.open(fileobj=raw, mode="w") as tar:
        for path in sorted(folder.glob("*/*/*/*")):
            if path.name in KEPT:
                tar.add(path, arcname=str(path.relative_to(folder)))


if __name__ == "__main__":
    if len(sys.argv) == 6:
        run(sys.argv[2], sys.argv[3], sys.argv[4], Path(sys.argv[5]))
    else:
        main(Path(sys.argv[1]).resolve())
