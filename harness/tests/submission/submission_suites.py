"""Results of other benchmarks than bert (data/suites.tar.xz), and every kind of submission that is made of them.

Of `COMBINATIONS` docs/submission.md shows the verdicts: our check accepts each (test_submission_divisions.py), and each
was put through MLCommons' checkers by hand.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from submission_builder import BERT, DESCRIPTION, MINILM, RUN, Results, edit_json

from loadfleet.submission.request import Request

if TYPE_CHECKING:
    from pathlib import Path

DETAIL = "mlperf_log_detail.txt"
BASIC = ("accuracy", "performance")
NETWORK = {
    "network_type": "Ethernet",
    "network_media": "fibre",
    "network_rate": "100 Gbit/s",
    "nic_loadgen": "Example NIC",
    "number_nic_loadgen": "1",
    "net_software_stack_loadgen": "Linux 6.1, gRPC 1.66",
    "network_protocol": "TCP",
    "number_connections": "4",
    "nic_sut": "Example NIC",
    "number_nic_sut": "1",
    "net_software_stack_sut": "Linux 6.1, gRPC 1.66",
    "network_topology": "one switch",
}
# test -> (files it writes, text of each, key and value that its audit file sets in the detail log)
TESTS: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "TEST01": (
        ("verify_accuracy.txt", "verify_performance.txt"),
        "TEST PASS\n",
        "effective_accuracy_log_rng_seed",
        "720381539243781796",
    ),
    "TEST04": (("verify_performance.txt",), "TEST PASS\n", "effective_performance_issue_same", "true"),
    "TEST06": (
        ("verify_accuracy.txt",),
        "First token check pass: True\nEOS check pass: True\nSample length check pass: True\n",
        "",
        "",
    ),
}


@dataclass(frozen=True)
class Benchmark:
    """What a recording is of.

    Attributes:
        workload: Name of the folder of results.
        recording: Folder of the archive; empty for bert's own archive.
        model: Facts of the model.
        samples: Size of the data set.
        values: Metrics of the accuracy run; the first is the metric.
        line: What the reference accuracy script prints.
        tests: Compliance tests of the closed division.
        unit: Of its Offline number.
    """

    workload: str
    recording: str
    model: dict[str, Any]
    samples: int
    values: dict[str, float]
    line: str
    tests: tuple[str, ...] = ("TEST01",)


def official(name: str, folder: str) -> dict[str, Any]:
    return {**BERT, "name": name, "official_name": folder}


def squad(f1: float) -> dict[str, Any]:
    return {"values": {"f1": f1, "exact_match": f1 - 10}, "line": json.dumps({"exact_match": f1 - 10, "f1": f1})}


KITS = "Accuracy: mean = 0.86150, kidney = 0.9346, tumor = 0.7877"
ROUGE = {"rouge1": 38.6, "rouge2": 15.8, "rougeL": 24.4, "rougeLsum": 35.6, "gen_len": 8167644}
BENCHMARKS = {
    "minilm": Benchmark("bert", "", MINILM, 10833, **squad(76.5)),
    "bert": Benchmark("bert", "", BERT, 10833, **squad(90.5)),
    "bert-fp32": Benchmark("bert", "", {**BERT, "name": "bert-large-fp32"}, 10833, **squad(90.85)),
    "own-bert": Benchmark("bert", "", {**MINILM, "name": "my-bert"}, 10833, **squad(91.2)),
    "resnet50": Benchmark(
        "resnet50",
        "resnet50",
        official("resnet50-v1.5", "resnet"),
        50000,
        {"acc": 76.4},
        "accuracy=76.400%, good=38200, total=50000",
        ("TEST01", "TEST04"),
    ),
    "3d-unet": Benchmark("3d-unet", "3d-unet", official("3d-unet-fp32", "3d-unet-99"), 43, {"DICE": 0.8615}, KITS),
    "3d-unet-network": Benchmark(
        "3d-unet", "3d-unet-network", official("3d-unet-fp32", "3d-unet-99"), 43, {"DICE": 0.8615}, KITS
    ),
    "llama3.1-8b": Benchmark(
        "llama", "llama3.1-8b", official("llama3.1-8b", "llama3.1-8b"), 13368, ROUGE, str(ROUGE), ("TEST06",)
    ),
}


class Suite(Results):
    """Builds results of one benchmark as `Results` does for bert."""

    def __init__(self, root: Path, logs: Path, suites: Path, name: str) -> None:
        self.benchmark = BENCHMARKS[name]
        super().__init__(root, suites / self.benchmark.recording if self.benchmark.recording else logs)

    def cell(self, run: Path, host: str, scenario: str, mode: str, **options: Any) -> Path:
        benchmark = self.benchmark
        folder = super().cell(run, host, scenario, mode, **{"model": benchmark.model, **options})
        target = run / host / benchmark.workload / scenario / mode
        if target != folder:
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)
        if mode in TESTS:
            names, text, key, value = TESTS[mode]
            for name in names:
                (target / name).write_text(text)
            detail = (target / DETAIL).read_text().splitlines(keepends=True)
            lines = [
                line.replace('"value": 0', f'"value": {value}').replace('"value": false', f'"value": {value}')
                if key and f'"key": "{key}"' in line
                else line
                for line in detail
            ]
            (target / DETAIL).write_text("".join(lines))
        result = json.loads((target / "result.json").read_text())
        if mode == "accuracy":
            metric, value = next(iter(benchmark.values.items()))
            result["accuracy"] |= {
                "metric": metric,
                "value": value,
                "values": benchmark.values,
                "samples": benchmark.samples,
                "total": benchmark.samples,
                "line": benchmark.line,
            }
        if mode != "performance" and (target / "accuracy.txt").exists():
            (target / "accuracy.txt").write_text(benchmark.line + "\n")
        files = {
            path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
            for path in sorted(target.iterdir())
            if path.name != "result.json"
        }
        edit_json(
            target / "result.json",
            **result
            | {"workload": benchmark.workload, "cell": f"{benchmark.workload}/{scenario}/{mode}", "files": files},
        )
        return target


@dataclass(frozen=True)
class Combination:
    """A kind of submission: results of a benchmark, what they are submitted as, how many results come of it."""

    name: str
    benchmark: str
    scenarios: tuple[str, ...]
    results: int
    request: dict[str, Any] = field(default_factory=dict)
    documents: tuple[str, ...] = ()
    description: dict[str, str] = field(default_factory=dict)

    def make(self, folder: Path, logs: Path, suites: Path) -> tuple[Path, Request]:
        """Results below `folder`, and the request for them."""
        strict = self.request.get("division", "open") != "open"
        suite = Suite(folder / "results", logs, suites, self.benchmark)
        modes = BASIC + (suite.benchmark.tests if strict else ())
        run = suite.run(RUN, scenarios=self.scenarios, modes=modes)
        if self.description:
            edit_json(run / "localhost/system.json", description={**DESCRIPTION, **self.description})
        documents = folder / "documents" if self.documents else None
        for name in self.documents:
            (folder / "documents").mkdir(exist_ok=True)
            (folder / "documents" / name).write_text("One switch, 100 Gbit/s, PCIe 4.0 x16.\n")
        return run, Request(submitter="Example", documents=documents, **self.request)


STREAM, THREE = ("SingleStream", "Offline"), ("SingleStream", "MultiStream", "Offline")
BANDWIDTH, DIAGRAM = "bandwidth.md", "system_diagram.md"


def closed(kind: str = "edge", **more: Any) -> dict[str, Any]:
    return {"division": "closed", "system_type": kind, **more}


def opened(kind: str = "edge", **more: Any) -> dict[str, Any]:
    return {"division": "open", "system_type": kind, **more}


COMBINATIONS = [
    Combination("open edge, own model", "minilm", STREAM, 2, opened()),
    Combination("open edge, one scenario, preview", "minilm", ("Offline",), 1, opened(status="preview")),
    Combination("open edge, own model, 99 and 99.9", "own-bert", STREAM, 4, opened(flavours="reached")),
    Combination("open edge, official model, best flavour", "bert-fp32", STREAM, 2, opened(flavours="best")),
    Combination("open edge, Offline inferred", "minilm", ("SingleStream",), 2, opened(infer=True)),
    Combination("open edge, resnet50, both inferred", "resnet50", ("SingleStream",), 3, opened(infer=True)),
    Combination("open datacenter, 3d-unet", "3d-unet", ("Offline",), 1, opened("datacenter")),
    Combination("open datacenter, llama, Server only", "llama3.1-8b", ("Server",), 1, opened("datacenter")),
    Combination("open datacenter,edge, resnet50", "resnet50", (*THREE, "Server"), 4, opened("datacenter,edge")),
    Combination("closed edge, 99", "bert", STREAM, 2, closed()),
    Combination("closed edge, rdi", "bert", STREAM, 2, closed(status="rdi")),
    Combination("closed edge, 99 and 99.9", "bert-fp32", STREAM, 4, closed(flavours="reached")),
    Combination("closed edge, 99.9 only", "bert-fp32", STREAM, 2, closed(flavours="best")),
    Combination("closed edge, Offline inferred", "bert", ("SingleStream",), 2, closed(infer=True)),
    Combination("closed edge, resnet50", "resnet50", THREE, 3, closed()),
    Combination(
        "closed edge, resnet50, Offline inferred from MultiStream",
        "resnet50",
        ("SingleStream", "MultiStream"),
        3,
        closed(infer=True),
    ),
    Combination("closed edge, resnet50, both inferred", "resnet50", ("SingleStream",), 3, closed(infer=True)),
    Combination("closed edge, 3d-unet, 99 and 99.9", "3d-unet", STREAM, 4, closed(flavours="reached")),
    Combination(
        "closed datacenter, 3d-unet", "3d-unet", ("Offline",), 1, closed("datacenter"), (BANDWIDTH,)
    ),
    Combination(
        "closed datacenter, 3d-unet, 99 and 99.9",
        "3d-unet",
        ("Offline",),
        2,
        closed("datacenter", flavours="reached"),
        (BANDWIDTH,),
    ),
    Combination(
        "closed datacenter, llama, Server", "llama3.1-8b", ("Offline", "Server"), 2, closed("datacenter"), (BANDWIDTH,)
    ),
    Combination(
        "closed datacenter, llama, Interactive",
        "llama3.1-8b",
        ("Offline", "Interactive"),
        2,
        closed("datacenter"),
        (BANDWIDTH,),
    ),
    Combination(
        "closed datacenter, llama, both",
        "llama3.1-8b",
        ("Offline", "Server", "Interactive"),
        3,
        closed("datacenter"),
        (BANDWIDTH, "calibration.md"),
    ),
    Combination(
        "closed datacenter,edge, resnet50",
        "resnet50",
        (*THREE, "Server"),
        4,
        closed("datacenter,edge"),
        (BANDWIDTH,),
    ),
    Combination(
        "closed edge,datacenter, 3d-unet, 99 and 99.9",
        "3d-unet",
        STREAM,
        4,
        closed("edge,datacenter", flavours="reached"),
        (BANDWIDTH,),
    ),
    Combination(
        "closed datacenter,edge, 3d-unet, Offline inferred",
        "3d-unet",
        ("SingleStream",),
        2,
        closed("datacenter,edge", infer=True),
        (BANDWIDTH,),
    ),
    Combination(
        "network datacenter, 3d-unet",
        "3d-unet-network",
        ("Offline",),
        1,
        {"division": "network", "system_type": "datacenter"},
        (BANDWIDTH, DIAGRAM),
        NETWORK,
    ),
    Combination(
        "network datacenter, 3d-unet, 99 and 99.9",
        "3d-unet-network",
        ("Offline",),
        2,
        {"division": "network", "system_type": "datacenter", "flavours": "reached"},
        (BANDWIDTH, DIAGRAM),
        NETWORK,
    ),
]  # fmt: skip
