"""Changes to published results, each of which must be refused.

`official` is what the checker of the round itself said of the change: `refused`, `accepted`, or `traceback`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from submission_builder import changed

if TYPE_CHECKING:
    from pathlib import Path

DETAIL = "mlperf_log_detail.txt"


class Result:
    """One result of a published tree, whose files may be hard links: each change makes a new file."""

    def __init__(self, root: Path, submitter: str, system: str, model: str, scenario: str) -> None:
        self.submitter = root / "closed" / submitter
        below = f"{system}/{model}/{scenario}"
        self.description = self.submitter / "systems" / f"{system}.json"
        self.folder = self.submitter / "results" / below
        self.measurements = self.submitter / "measurements" / below
        self.compliance = self.submitter / "compliance" / below
        self.run = self.folder / "performance" / "run_1"
        self.power = self.folder / "performance" / "power"
        self.ranging = self.folder / "performance" / "ranging"

    def write(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        path.write_text(text)

    def text(self, path: Path, old: str, new: str, count: int = -1) -> None:
        content = path.read_text()
        assert old in content, f"{old} is not in {path}"
        self.write(path, content.replace(old, new, count))

    def log(self, path: Path, key: str, value: object) -> None:
        """Change the value of a key in a detail log."""
        pattern = rf'("key": "{re.escape(key)}", "value": )(?:"[^"]*"|[^,]*)'
        text, count = re.subn(pattern, rf"\g<1>{json.dumps(value)}", (path / DETAIL).read_text())
        assert count, f"{key} is not in {path}"
        self.write(path / DETAIL, text)

    def json(self, path: Path, *keys: Any, value: Any = None, also: tuple[Path, ...] = ()) -> None:
        """Set what lies below `keys`; None removes it. The same in the files `also`."""
        for file in (path, *also):
            self.write(file, json.dumps(changed(file, keys, value)))

    @property
    def client(self) -> Path:
        return self.power / "client.json"

    @property
    def server(self) -> Path:
        return self.power / "server.json"


class Change(Protocol):
    def __call__(self, result: Result) -> object: ...


class Mutation(NamedTuple):
    name: str
    change: Change
    words: str
    official: str = "refused"


def _watts(result: Result, factor: float) -> None:
    path = result.run / "spl.txt"
    text = re.sub(r"Watts,([\d.]+)", lambda found: f"Watts,{float(found[1]) * factor:.6f}", path.read_text())
    result.write(path, text)


def _message(result: Result, command: str, reply: str) -> None:
    messages = json.loads(result.server.read_text())["ptd_messages"]
    for message in messages:
        if message["cmd"].startswith(command):
            message["reply"] = reply
    result.json(result.server, "ptd_messages", value=messages)


def _command(result: Result, number: int, old: str, new: str) -> None:
    """The `number`th command `old`, counted from 1, becomes another."""
    messages = json.loads(result.server.read_text())["ptd_messages"]
    [message for message in messages if message["cmd"].startswith(old)][number - 1]["cmd"] = new
    result.json(result.server, "ptd_messages", value=messages)


_TTFT = "result_first_token_99.00_percentile_latency_ns"
_TPOT = "result_time_per_output_token_99.00_percentile_ns"
_PSC = "effective_performance_sample_count"

RESNET: list[Mutation] = [
    # the round's own files and tests
    Mutation("no mlperf.conf", lambda r: (r.measurements / "mlperf.conf").unlink(), "mlperf.conf is required"),
    Mutation(
        "no measurements",
        lambda r: next(r.measurements.glob("*.json")).unlink(),
        "the measurements file is a JSON object",
        "traceback",
    ),
    Mutation(
        "no TEST05", lambda r: (r.compliance / "TEST05").rename(r.compliance / "TEST09"), "TEST05 (other random seeds)"
    ),
    Mutation(
        "TEST05 with the seeds of the round",
        lambda r: r.log(r.compliance / "TEST05/performance/run_1", "effective_qsl_rng_seed", 3066443479025735752),
        "qsl_rng_seed of v4.1's TEST05 is 16799458546791641818",
    ),
    Mutation(
        "TEST01 without the audit file",
        lambda r: r.log(r.compliance / "TEST01/performance/run_1", "effective_accuracy_log_rng_seed", 0),
        "TEST01 sets effective_accuracy_log_rng_seed",
        "accepted",
    ),
    Mutation(
        "TEST04 of different samples",
        lambda r: r.log(r.compliance / "TEST04/performance/run_1", "effective_performance_issue_same", False),
        "TEST04 sets effective_performance_issue_same",
        "accepted",
    ),
    Mutation(
        "TEST04 failed",
        lambda r: r.text(r.compliance / "TEST04/verify_performance.txt", "TEST PASS", "TEST FAIL"),
        "TEST04 passed",
    ),
    Mutation("seed", lambda r: r.log(r.run, "effective_schedule_rng_seed", 1), "schedule_rng_seed of v4.1"),
    Mutation(
        "accuracy",
        lambda r: r.text(r.folder / "accuracy/accuracy.txt", "accuracy=75.9", "accuracy=75.5"),
        "acc is >= 75.6954",
    ),
    Mutation("result invalid", lambda r: r.log(r.run, "result_validity", "INVALID"), "result_validity is VALID"),
    # files of a power result
    Mutation("no power log", lambda r: (r.power / "client.log").unlink(), "client.log is required of a power result"),
    Mutation("more in power", lambda r: r.write(r.power / "x.txt", "x"), "only the logs of the session"),
    Mutation("no ranging log", lambda r: (r.ranging / DETAIL).unlink(), f"{DETAIL} is required of a power result"),
    Mutation("no readings of ranging", lambda r: (r.ranging / "spl.txt").unlink(), "spl.txt is required"),
    Mutation("no readings", lambda r: (r.run / "spl.txt").unlink(), "spl.txt is required"),
    Mutation(
        "no analyzer table",
        lambda r: (r.measurements.parent.parent / "analyzer_table.md").unlink(),
        "power settings are described in analyzer_table",
    ),
    Mutation(
        "empty settings",
        lambda r: r.write(r.measurements.parent.parent / "power_settings.md", ""),
        "power_settings.md must not be empty",
    ),
    # the record of the session
    Mutation("record is no JSON", lambda r: r.write(r.client, "no"), "the session's record is a JSON object"),
    Mutation("record without a field", lambda r: r.json(r.client, "phases"), "the record of the session holds phases"),
    Mutation(
        "sources unknown",
        lambda r: r.json(r.server, "sources", value={"server.py": "edited"}),
        "sources are names and SHA-1",
    ),
    Mutation(
        "another client",
        lambda r: r.json(r.server, "uuid", "client", value="a915bb05-ab3a-4d19-a9e9-000000000000"),
        "the same client uuid",
    ),
    Mutation("another session", lambda r: r.json(r.client, "session_name", value="x"), "both records are of session x"),
    Mutation("a message less", lambda r: r.json(r.server, "messages", 4), "both records hold the same"),
    Mutation("another reply", lambda r: r.json(r.server, "messages", 4, "reply", value="NO"), "the reply to message 5"),
    Mutation(
        "versions differ",
        lambda r: r.json(r.client, "messages", 0, "reply", value="mlcommons/power server v2", also=(r.server,)),
        "one version of client and server",
    ),
    Mutation("debug", lambda r: r.json(r.server, "debug", value=True), "the server did not run in debug mode"),
    Mutation(
        "PTDaemon of another round",
        lambda r: r.text(r.server, "version=1.10.0", "version=1.9.2"),
        "PTDaemon is of version 1.10.0",
    ),
    Mutation("another meter", lambda r: r.text(r.server, "YokogawaWT210,", "Multimeter,"), "the meter is one of"),
    Mutation("range refused", lambda r: _message(r, "SR,A", "Error"), "PTDaemon answers SR,A"),
    Mutation("measurement not started", lambda r: _message(r, "Go,1000,", "Error"), "PTDaemon answers Go,1000"),
    Mutation("range left", lambda r: _command(r, 3, "SR,V", "SR,V,77"), "the range is put back: SR,V"),
    Mutation(
        "type of meter", lambda r: r.json(r.server, "ptd_config", "device_type", value=9), "the type of the meter"
    ),
    Mutation(
        "clocks apart",
        lambda r: r.json(r.client, "phases", "testing", 1, value=[1.0, 1.0]),
        "clocks differ by 800 ms at most in testing",
    ),
    Mutation(
        "load of another day",
        lambda r: r.log(r.run, "power_begin", "07-22-2024 13:43:39.000"),
        "the load begins while testing was measured",
    ),
    Mutation("edited log", lambda r: r.log(r.run, "sut_name", "Other"), "the file is as it was measured"),
    Mutation("edited readings", lambda r: _watts(r, 0.99), "the file is as it was measured"),
    Mutation("far less power than in ranging", lambda r: _watts(r, 0.9), "5% less than the ranging run at most"),
    Mutation("no power at all", lambda r: _watts(r, 0), "positive readings between power_begin and power_end"),
    Mutation(
        "checksum missing",
        lambda r: r.json(r.client, "results", "run_1/mlperf_log_detail.txt"),
        "the records hold the SHA-1 of run_1/mlperf_log_detail.txt",
    ),
    Mutation(
        "uncertainty not checked",
        lambda r: r.text(r.power / "ptd_logs.txt", "Uncertainty checking for", "Nothing checks"),
        "uncertainty is checked before the ranging run begins",
    ),
    Mutation(
        "readings failed",
        lambda r: r.text(r.power / "ptd_logs.txt", ": Completed test", ": ERROR: Bad watts reading\n: Completed test"),
        "the log shows when the ranging run began and ended",
    ),
    Mutation(
        "error after ranging",
        lambda r: r.write(
            r.power / "ptd_logs.txt",
            (r.power / "ptd_logs.txt").read_text() + "07-23-2024 13:58:58.080: ERROR: Bad watts reading nan from x\n",
        ),
        "PTDaemon reports no error outside of the ranging run",
    ),
]

LLAMA: list[Mutation] = [
    Mutation(
        "no TEST06", lambda r: (r.compliance / "TEST06").rename(r.compliance / "TEST01"), "TEST06 (token consistency)"
    ),
    Mutation(
        "first tokens differ",
        lambda r: r.text(
            r.compliance / "TEST06/verify_accuracy.txt", "First token check pass: True", "First token check pass: False"
        ),
        "TEST06 passed: First token check pass",
    ),
    Mutation(
        "ends differ",
        lambda r: r.text(r.compliance / "TEST06/verify_accuracy.txt", "EOS check pass: True", "EOS check pass: False"),
        "TEST06 passed: EOS check pass",
    ),
    Mutation("first tokens late", lambda r: r.log(r.run, _TTFT, 2000000000), "ttft in Server is below 2000 ms"),
    Mutation("tokens late", lambda r: r.log(r.run, _TPOT, 100000001), "tpot in Server is below 100 ms"),
    Mutation(
        "Server shown as Interactive",
        lambda r: [
            folder.rename(folder.with_name("Interactive")) for folder in (r.folder, r.measurements, r.compliance)
        ],
        "tpot in Interactive is below 30 ms",
    ),
    Mutation(
        "tokens not timed", lambda r: r.log(r.run, "requested_use_token_latencies", False), "measures token latencies"
    ),
    Mutation(
        "samples unequal",
        lambda r: r.log(r.run, "effective_sample_concatenate_permutation", False),
        "issues every sample equally often",
    ),
    Mutation(
        "answers short",
        lambda r: r.text(r.folder / "accuracy/accuracy.txt", "'gen_len': 81", "'gen_len': 71"),
        "GEN_LEN is >= 7350879.6 and <= 8984408.4",
    ),
    Mutation(
        "answers long",
        lambda r: r.text(r.folder / "accuracy/accuracy.txt", "'gen_len': 81", "'gen_len': 91"),
        "GEN_LEN is >= 7350879.6 and <= 8984408.4",
    ),
    Mutation(
        "one metric missing",
        lambda r: r.text(r.folder / "accuracy/accuracy.txt", "'rougeLsum'", "'other'"),
        "accuracy.txt holds ROUGELSUM",
    ),
    Mutation(
        "one metric below",
        lambda r: r.text(r.folder / "accuracy/accuracy.txt", "'rouge2': '15.7", "'rouge2': '15.6"),
        "ROUGE2 is >= 15.7484",
    ),
    Mutation(
        "half of the data set",
        lambda r: (
            r.log(r.folder / "accuracy", "qsl_reported_total_count", 6684),
            r.log(r.folder / "accuracy", "effective_performance_sample_count", 6684),
        ),
        "accuracy is measured on all 13368 samples",
        "accepted",
    ),
    Mutation("few samples loaded", lambda r: r.log(r.run, _PSC, 13367), "effective_performance_sample_count"),
    Mutation(
        "calibration not described",
        lambda r: (r.submitter / "documentation" / "calibration.md").unlink(),
        "calibration and quantization are described",
    ),
    Mutation(
        "system is an edge system",
        lambda r: r.json(r.description, "system_type", value="edge"),
        "llama3.1-8b is not part of the edge suite of v5.1",
    ),
]
