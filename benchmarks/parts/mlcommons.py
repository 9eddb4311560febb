"""MLCommons' own reference harness beside ours, from a tree of mlcommons/inference that `--reference` names.

Its `language/bert/run.py --backend onnxruntime` runs as it is, with our model file. Its features come from our prepared
data set through the cache file it reads first, since that spares its tokeniser; packages that it only imports then
(transformers, absl, tokenization of another repository) may be missing, and are stood in for by empty modules.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.bench import ROOT, detail
from benchmarks.errors import UnavailableError
from benchmarks.manners import REFERENCE_SAMPLES, harness, in_turn, reference
from benchmarks.part import Part, Reading, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench, Cell


def readings(bench: Bench, number: int) -> Iterator[Reading]:
    """Samples a second of each."""
    for turn in in_turn(number, _ours, reference, _theirs):
        yield turn(bench)


def _ours(bench: Bench) -> Reading:
    return harness(bench, bench.cell(query_count=bench.samples))


def _theirs(bench: Bench) -> Reading:
    if bench.reference is None:
        raise UnavailableError("no tree of mlcommons/inference was named; fix: --reference PATH")
    home = (bench.reference / "language" / "bert").resolve()
    if not (home / "run.py").is_file():
        raise UnavailableError(f"--reference {bench.reference} has no language/bert/run.py")
    cell = bench.cell(query_count=REFERENCE_SAMPLES)
    work = bench.scratch / "mlcommons"
    work.mkdir(exist_ok=True)
    if not (work / "eval_features.pickle").exists():
        bench.child("benchmarks.parts.mlcommons:features", cell=cell, path=str(work / "eval_features.pickle"))
    conf = {"target_qps": 1, "min_duration": 1, "min_query_count": REFERENCE_SAMPLES}
    (work / "user.conf").write_text(
        "".join(f"bert.Offline.{key} = {value}\n" for key, value in conf.items()), encoding="utf-8"
    )
    logs = work / "logs"
    logs.mkdir(exist_ok=True)
    ended = bench.command(
        [sys.executable, str(ROOT / "benchmarks" / "mlcommons_run.py"), str(home / "run.py"),
         "--backend=onnxruntime", "--scenario=Offline", "--user_conf=user.conf"],
        cwd=work,
        environment={"ML_MODEL_FILE_WITH_PATH": cell["model"]["path"], "LOG_PATH": str(logs), "USE_GPU": "no"},
        python_path=[home],
    )  # fmt: skip
    if ended.status:
        raise UnavailableError(f"MLCommons' run.py: {ended.last_words()}")
    return Reading("MLCommons", float(detail(logs / "mlperf_log_detail.txt")["result_samples_per_second"]))


def features(cell: Cell, path: str) -> None:
    """Write its cache of features: all samples, padded, as lists of Python's integers as its tokeniser makes them."""
    import numpy as np  # noqa: PLC0415  (in the child process only)

    from benchmarks import sut  # noqa: PLC0415

    data = sut.dataset(cell)
    width = int(data.lengths.max())
    found: list[Any] = []
    for index in range(data.count):
        batch = data.batch(np.array([index], np.int64), width)
        found.append(SimpleNamespace(**{name: rows[0].tolist() for name, rows in batch.items()}))
    temporary = Path(f"{path}.{os.getpid()}")
    temporary.write_bytes(pickle.dumps(found))
    temporary.replace(path)


PART = Part(
    name="mlcommons",
    title="MLCommons' own reference harness beside ours (needs --reference)",
    run=readings,
    figures=(
        ratio("Offline: against MLCommons' reference harness", "harness", "MLCommons", at_least=3.0),
        ratio("Offline: our reference-style SUT against MLCommons'", "reference", "MLCommons"),
    ),
    rounds=2,
    seconds=80,
    rank=15,
    default=False,
)
