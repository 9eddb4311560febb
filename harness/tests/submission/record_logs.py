"""Record data/logs.tar.xz again: `python record_logs.py FOLDER` (twenty minutes, next to no CPU).

A system that only waits answers real LoadGen runs of the bert settings (mlperf.conf of the installed LoadGen):
Offline and SingleStream, performance (600 s each) and accuracy (3072 bytes per answer). One LoadGen run per process.
The archive holds the logs untouched, without the two accuracy logs of 64 MiB each.
"""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np

SAMPLES = 10833
USER_CONF = {"Offline": "bert.Offline.target_qps = 1\n", "SingleStream": "bert.SingleStream.target_latency = 500\n"}
KEPT = ("mlperf_log_detail.txt", "mlperf_log_summary.txt", "user.conf")


def run(scenario: str, mode: str, folder: Path) -> None:
    import mlperf_loadgen as loadgen  # noqa: PLC0415  (the parent process needs none)

    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    Path("user.conf").write_text(USER_CONF[scenario])
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = {"performance": loadgen.TestMode.PerformanceOnly, "accuracy": loadgen.TestMode.AccuracyOnly}[mode]
    assert settings.FromConfig("user.conf", "bert", scenario) == 0
    wait = {("Offline", "performance"): 602.0, ("SingleStream", "performance"): 0.515}.get((scenario, mode), 0.0)

    def issue(samples: list) -> None:
        time.sleep(wait)
        for start in range(0, len(samples), 100):
            part = samples[start : start + 100]
            answers = [np.full((384, 2), sample.index % 384, np.float32) for sample in part]
            loadgen.QuerySamplesComplete(
                [
                    loadgen.QuerySampleResponse(sample.id, answer.ctypes.data, answer.nbytes)
                    for sample, answer in zip(part, answers, strict=True)
                ]
            )

    sut = loadgen.ConstructSUT(issue, lambda: None)
    qsl = loadgen.ConstructQSL(SAMPLES, SAMPLES, lambda _: None, lambda _: None)
    log = loadgen.LogSettings()
    log.enable_trace = False
    log.log_output.outdir = "."
    loadgen.StartTestWithLogSettings(sut, qsl, settings, log, "")


def main(folder: Path) -> None:
    for scenario in USER_CONF:
        for mode in ("accuracy", "performance"):
            target = folder / scenario / mode
            subprocess.run([sys.executable, __file__, str(folder), scenario, mode, str(target)], check=True)
    archive = Path(__file__).parent / "data" / "logs.tar.xz"
    with lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as raw, tarfile.open(fileobj=raw, mode="w") as tar:
        for path in sorted(folder.glob("*/*/*")):
            if path.name in KEPT:
                tar.add(path, arcname=str(path.relative_to(folder)))


if __name__ == "__main__":
    if len(sys.argv) == 5:
        run(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main(Path(sys.argv[1]).resolve())
