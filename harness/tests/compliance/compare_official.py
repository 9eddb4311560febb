"""Both on the same logs: `python compare_official.py INFERENCE`, a checkout of mlcommons/inference, prints a table.

Each case is a set of logs, most of them with one thing wrong or just inside or outside a limit. MLCommons' script and
our check say whether they pass; a case where ours passes and theirs does not ends the program with status 1. PYTHON in
the environment is the interpreter for their scripts (numpy).
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from test_compliance_performance import KEYS, LINES, detail, summary

from loadfleet.catalogue import rounds
from loadfleet.compliance import tests, verify
from loadfleet.compliance.base import Logs
from loadfleet.compliance.cell import bounds
from loadfleet.loadgen.logs import ACCURACY, DETAIL, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RULES = rounds.load("v6.1")
PYTHON = os.environ.get("PYTHON", sys.executable)
Entries = list[dict[str, Any]]
RANDOM = random.Random(7)  # noqa: S311  logs, no secrets


@dataclass(frozen=True)
class Case:
    """`write` leaves the logs in the folders `test`, `accuracy` and `performance` below the one it is given."""

    name: str
    write: Callable[[Path], None]
    model: str
    scenario: str = "Offline"
    element: str | None = None
    printed: str = ""


def listed(entries: Entries) -> str:
    """As LoadGen writes them."""
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n"


def logs(test: Entries | bytes, before: Entries | bytes = b"[\n]\n") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name, content in (("test", test), ("accuracy", before)):
            path = folder / name / ACCURACY
            path.parent.mkdir(parents=True)
            path.write_bytes(content if isinstance(content, bytes) else listed(content).encode())

    return write


def change(entries: Entries, **changes: Any) -> Entries:
    """The first entry changed; None removes a key."""
    first = {key: value for key, value in (entries[0] | changes).items() if value is not None}
    return [first, *entries[1:]]


def flip(data: str, position: int) -> str:
    content = bytearray.fromhex(data)
    content[position] ^= 0x55
    return content.hex().upper()


def test01_accuracy() -> Iterator[Case]:
    before: Entries = [{"seq_id": i, "qsl_idx": i, "data": RANDOM.randbytes(48).hex().upper()} for i in range(60)]
    known, unknown = before[5:35], [{"seq_id": 0, "qsl_idx": 90 + i, "data": before[i]["data"]} for i in range(5)]
    test = [*known, *unknown]
    data = known[0]["data"]
    raw, whole = listed(test).encode(), listed(before).encode()
    for element in ("byte", "int32", "int64", "float32"):
        for name, changed in (
            ("as they are", test),
            ("first byte differs", change(test, data=flip(data, 0))),
            ("third byte differs", change(test, data=flip(data, 2))),
            ("sixth byte differs", change(test, data=flip(data, 5))),
            ("last byte differs", change(test, data=flip(data, -1))),
            ("an answer of 7 bytes", change(test, data=data[:14])),
        ):
            yield Case(f"{name} ({element})", logs(changed, before), "bert-99", element=element)
    twice = unknown[0] | {"data": flip(unknown[0]["data"], 0)}
    again = known[0] | {"data": flip(data, 0)}
    for name, test_log, accuracy_log in (
        ("every answer differs", [entry | {"data": flip(entry["data"], 0)} for entry in test], before),
        ("no common sample", unknown, before),
        ("unknown sample twice, alike", [unknown[0], unknown[0]], before),
        ("unknown sample twice, differing", [unknown[0], twice], before),
        ("sample again, alike", [*test, known[0]], before),
        ("sample again, differing", [*test, again], before),
        ("sample twice in the accuracy log, the second differs", test, [*before, again]),
        ("sample twice in the accuracy log, the first differs", test, [again, *before]),
        ("empty answer", change(test, data=""), before),
        ("empty answer in both", change(known, data=""), change(known, data="")),
        ("lower-case digits", change(test, data=data.lower()), before),
        ("odd number of digits", change(test, data=data[:-1]), before),
        ("no digits", change(test, data="zz"), before),
        ("no sample", change(test, qsl_idx=None), before),
        ("no data", change(test, data=None), before),
        ("nothing logged", [], before),
        ("nothing to compare with", test, []),
        ("0 bytes", b"", before),
        ("accuracy log of 0 bytes", test, b""),
        ("cut", raw[:-90], before),
        ("accuracy log cut", test, whole[:-90]),
        ("bracket missing", raw[:-3], before),
        ("accuracy log as a submission holds it", test, whole[:900] + b"\n\n...\n\n" + whole[-900:]),
        ("text after the list", raw + b"x", before),
        ("binary", bytes(range(256)) * 20, before),
        ("one line", json.dumps(test).encode(), before),
        ("indented", json.dumps(test, indent=4).encode(), before),
        ("comma missing", raw.replace(b"},", b"}", 1), before),
        ("comma twice", raw.replace(b"},", b"},,", 1), before),
    ):
        yield Case(name, logs(test_log, accuracy_log), "bert-99")
    nan, zero = (change(known, data=struct.pack("<f", value).hex()) for value in (float("nan"), 0.0))
    yield Case("NaN in both (float32)", logs(nan, nan), "bert-99", element="float32")
    negative = change(known, data=struct.pack("<f", -0.0).hex())
    yield Case("0.0 and -0.0 (float32)", logs(negative, zero), "bert-99", element="float32")


def runs(
    writer: Callable[..., Path], scenario: str, before: Any, after: Any, *, first: Any = None, second: Any = None
) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        writer(folder / "performance/run_1", **({"scenario": scenario, "value": before} | (first or {})))
        writer(folder / "test", **({"scenario": scenario, "value": after} | (second or {})))

    return write


RATIOS = (0.5, 0.79, 0.8, 0.81, 0.89, 0.9, 0.91, 1.0, 1.09, 1.1, 1.11, 1.19, 1.2, 1.21, 3.0)


def test01_performance() -> Iterator[Case]:
    target = "effective_target_latency_ns"
    for scenario in KEYS:
        short = (150_000, 200_000, 200_001, 1_600_000, 1_600_001, 5_000_000)
        for before in short if scenario in ("SingleStream", "MultiStream") else (1000.0,):
            for ratio in RATIOS:
                value = round(before * ratio, 6)
                yield Case(
                    f"{scenario}: {before:g} x {ratio}", runs(detail, scenario, before, value), "bert-99", scenario
                )
        other = "Offline" if scenario != "Offline" else "Server"
        for name, first, second in (
            ("test INVALID", {}, {"validity": "INVALID"}),
            ("performance run INVALID", {"validity": "INVALID"}, {}),
            ("no verdict", {}, {"validity": None}),
            ("error in the test", {}, {"errors": 1}),
            ("error in the performance run", {"errors": 1}, {}),
            ("another scenario", {}, {"scenario": other}),
            ("no result", {}, {"value": None}),
            ("no result in both", {"value": None}, {"value": None}),
            ("result 0", {}, {"value": 0}),
            ("result 0 in both", {"value": 0}, {"value": 0}),
            ("result is a word", {}, {"value": "fast"}),
            ("same target", {target: 5}, {target: 5}),
            ("another target", {target: 5}, {target: 6}),
        ):
            write = runs(detail, scenario, 1e6, 1e6, first=first, second=second)
            yield Case(f"{scenario}: {name}", write, "bert-99", scenario)


def test04() -> Iterator[Case]:
    for scenario in LINES:
        for before in (4_000_000, 150_000, 4_000, 400) if scenario in ("SingleStream", "MultiStream") else (1000,):
            for ratio in (*RATIOS, 0.82, 0.83, 0.84, 0.92):
                value = round(before * ratio, 6)
                yield Case(
                    f"{scenario}: {before} x {ratio}", runs(summary, scenario, before, value), "resnet", scenario
                )
        other = "Offline" if scenario != "Offline" else "Server"
        for name, first, second in (
            ("test INVALID", {}, {"validity": "INVALID"}),
            ("performance run INVALID", {"validity": "INVALID"}, {}),
            ("another scenario", {}, {"scenario": other}),
            ("result is a word", {}, {"value": "fast"}),
        ):
            write = runs(summary, scenario, 1000, 1000, first=first, second=second)
            yield Case(f"{scenario}: {name}", write, "resnet", scenario)
        for name, value in (("the test's", None), ("no", "")):

            def empty(folder: Path, scenario: str = scenario, value: str | None = value) -> None:
                runs(summary, scenario, 1000, 1000)(folder)
                (folder / "test" / SUMMARY).write_text("")
                if value is not None:
                    (folder / "performance/run_1" / SUMMARY).write_text("")

            yield Case(f"{scenario}: {name} summary", empty, "resnet", scenario)

        def cut(folder: Path, scenario: str = scenario) -> None:
            runs(summary, scenario, 1000, 1000)(folder)
            path = folder / "test" / SUMMARY
            path.write_text("".join(line for line in path.read_text().splitlines(True) if LINES[scenario] not in line))

        yield Case(f"{scenario}: result missing in the test", cut, "resnet", scenario)


def ints(*tokens: int) -> str:
    return struct.pack(f"<{len(tokens)}i", *tokens).hex().upper()


def floats(*values: float) -> str:
    return struct.pack(f"<{len(values)}f", *values).hex().upper()


def answer(*tokens: int, **changes: Any) -> dict[str, Any]:
    entry = {"qsl_idx": 1, "data": ints(*tokens), "token_data": ints(*tokens[:1]), "token_count": len(tokens)} | changes
    return {key: value for key, value in entry.items() if value is not None}


def test06() -> Iterator[Case]:
    others = [answer(*RANDOM.sample(range(3, 30_000), 40)) for _ in range(20)]
    odd: dict[str, Entries | bytes] = {
        name: [entry, *others]
        for name, entry in (
            ("consistent", answer(5, 6, 7)),
            ("ends once", answer(5, 6, 2)),
            ("ends twice", answer(5, 6, 2, 2)),
            ("ends three times", answer(5, 6, 2, 2, 2)),
            ("ends within", answer(5, 2, 2, 6)),
            ("one end only", answer(2)),
            ("two ends only", answer(2, 2)),
            ("three ends only", answer(2, 2, 2)),
            ("one token", answer(5)),
            ("no token", answer()),
            ("one more counted", answer(5, 6, token_count=3)),
            ("one less counted", answer(5, 6, token_count=1)),
            ("no count", answer(5, 6, token_count=None)),
            ("count in words", answer(5, 6, token_count="two")),
            ("count as text", answer(5, 6, token_count="2")),
            ("another first token", answer(5, 6, token_data=ints(6))),
            ("two first tokens", answer(5, 6, token_data=ints(5, 6))),
            ("two first tokens, the second differs", answer(5, 6, token_data=ints(5, 7))),
            ("first token empty", answer(5, 6, token_data="")),
            ("no first token", answer(5, 6, token_data=None)),
            ("three bytes", answer(5, 6, data="000000")),
            ("no digits", answer(5, 6, data="zz")),
            ("no data", answer(5, 6, data=None)),
        )
    }
    odd |= {"no answer": [], "0 bytes": b"", "cut": listed(others).encode()[:-50]}
    for scenario in ("Offline", "Server", "Interactive"):
        for name, content in odd.items():
            yield Case(f"{scenario}: {name}", logs(content), "llama2-70b-99.9", scenario)


def test07() -> Iterator[Case]:
    for text in ("60.698", "60.6979", "60.69", "61", "83.1", "0", "60.698000001", "60.", ".5", "1e2", "-61", "nan"):
        printed = f"x\n{{'exact_match': {text}, 'tokens_per_sample': 3}}\n"
        yield Case(f"exact_match {text}", logs([]), "gpt-oss-120b", printed=printed)
    for name, printed in (
        ("two scores, the first passes", "{'exact_match': 70.0}\n{'exact_match': 50.0}\n"),
        ("two scores, the second passes", "{'exact_match': 50.0}\n{'exact_match': 70.0}\n"),
        ("no score", "nothing\n"),
        ("nothing printed", "\n"),
        ("as JSON", '{"exact_match": 70.0}\n'),
        ("says TEST PASS, below", "TEST PASS\n{'exact_match': 50.0}\n"),
        ("says TEST PASS, no score", "TEST PASS\n"),
    ):
        yield Case(name, logs([]), "gpt-oss-120b", printed=printed)


Query = tuple[float, float, list[float], list[float], list[float]]


def before8(query: Query, **changes: list[float]) -> dict[str, Any]:
    step, number, predictions, labels, weights = query
    labels, weights = changes.get("labels", labels), changes.get("weights", weights)
    predictions = changes.get("predictions", predictions)
    return {"qsl_idx": int(number), "data": floats(step, number, *predictions, *labels, *weights, len(predictions))}


def after8(query: Query, predictions: list[float]) -> dict[str, Any]:
    return {"qsl_idx": int(query[1]), "data": floats(query[0], query[1], *predictions)}


def test08() -> Iterator[Case]:
    queries: list[Query] = []
    for number in range(40):
        count = RANDOM.randint(2, 40)
        predictions = [RANDOM.uniform(0.02, 0.98) for _ in range(count)]
        labels = [float(RANDOM.random() < 0.3) for _ in range(count)]
        queries.append((number // 10, number, predictions, labels, [RANDOM.choice((1.0, 0.5)) for _ in range(count)]))
    before, some = [before8(query) for query in queries], queries[:20]
    test = [after8(query, query[2]) for query in some]
    yield Case("as they are", logs(test, before), "dlrm-v3")
    for factor in (1.00001, 1.0001, 1.0005, 1.001, 1.002, 1.005, 1.01, 1.05):
        scaled = [after8(query, [min(0.999, value * factor) for value in query[2]]) for query in some]
        yield Case(f"predictions x {factor}", logs(scaled, before), "dlrm-v3")
        yield Case(f"one query x {factor}", logs([*scaled[:1], *test[1:]], before), "dlrm-v3")
    half = before8(queries[0], predictions=[0.5] * len(queries[0][2]))
    foreign = {"qsl_idx": 99, "data": floats(9, 99, 0.5, 0.5)}
    first = queries[0]
    for name, test_log, accuracy_log in (
        ("unknown query", [*test, foreign], before),
        ("no common query", [foreign], before),
        ("query twice", [*test, test[0]], before),
        ("query twice in the accuracy log, the second differs", test, [*before, half]),
        ("query twice in the accuracy log, the first differs", test, [half, *before]),
        ("no weight", test, [before8(query, weights=[0.0] * len(query[2])) for query in queries]),
        ("labels all 0", test, [before8(query, labels=[0.0] * len(query[2])) for query in queries]),
        ("labels all 1", test, [before8(query, labels=[1.0] * len(query[2])) for query in queries]),
        ("a prediction short", [after8(first, first[2][:-1]), *test[1:]], before),
        ("one prediction for all", [after8(first, [0.3]), *test[1:]], before),
        ("no prediction", [after8(first, []), *test[1:]], before),
        ("NaN", [after8(first, [float("nan")] * len(first[2])), *test[1:]], before),
        ("wrong count", test, change(before, data=before[0]["data"][:-8] + floats(3.0))),
        ("nothing logged", [], before),
        ("cut", listed(test).encode()[:-40], before),
    ):
        yield Case(name, logs(test_log, accuracy_log), "dlrm-v3")


def test09() -> Iterator[Case]:
    for model, low, high in (("gpt-oss-120b", 1150.38, 1406.02), ("e2e-rag-qna", 246.43, 301.19)):

        def of(mean: float) -> Entries:
            more = round((mean - int(mean)) * 100)
            return [{"qsl_idx": i, "data": "AB000000" * (int(mean) + (i < more))} for i in range(100)]

        for mean in (low - 1, low - 0.01, low, low + 0.01, high - 0.01, high, high + 0.01, high + 1, 1, 5000):
            yield Case(f"{model}: mean {mean:.2f}", logs(of(mean)), model)
        good = of((low + high) // 2)
        for name, content in (
            ("JSON lines", "\n".join(json.dumps(entry) for entry in good).encode()),
            ("objects one after the other", " ".join(json.dumps(entry) for entry in good).encode()),
            ("no data", [{"qsl_idx": 1}, *good]),
            ("no digits", [{"qsl_idx": 1, "data": "zz"}, *good]),
            ("half a token", [{"qsl_idx": 1, "data": "AB000000AB00"}, *good]),
            ("no answer", []),
            ("0 bytes", b""),
            ("cut", json.dumps(good).encode()[:-30]),
        ):
            yield Case(f"{model}: {name}", logs(content), model)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Script:
    """How MLCommons' script of a part of a test is called, and how its verdict is read."""

    test: str
    about: str
    cases: Callable[[], Iterator[Case]]
    command: Callable[[Path, Path, Case], list[str | Path]]
    verdict: Callable[[Path, str], bool]


def _says_pass(_: Path, printed: str) -> bool:
    return "TEST PASS" in [line.strip() for line in printed.splitlines()]


def _tokens(folder: Path, _: str) -> bool:
    path = folder / "off/TEST06/verify_accuracy.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return {"EOS check pass: True", "Sample length check pass: True"} < set(lines) and lines[0].endswith(
        ("True", "Skipped")
    )


def _file(name: str, words: str) -> Callable[[Path, str], bool]:
    def read(folder: Path, _: str) -> bool:
        path = folder / "off" / name
        return path.is_file() and words in path.read_text()

    return read


def _both(script: str, name: str) -> Callable[[Path, Path, Case], list[str | Path]]:
    return lambda official, folder, _: [
        official / script, "-r", folder / "performance/run_1" / name, "-t", folder / "test" / name,
    ]  # fmt: skip


SCRIPTS = (
    Script(
        "TEST01", "accuracy", test01_accuracy,
        lambda official, folder, case: [
            official / "TEST01/verify_accuracy.py", "--dtype", case.element or "byte",
            "-r", folder / "accuracy" / ACCURACY, "-t", folder / "test" / ACCURACY,
        ],
        _says_pass,
    ),
    Script("TEST01", "performance", test01_performance, _both("TEST01/verify_performance.py", DETAIL), _says_pass),
    Script("TEST04", "performance", test04, _both("TEST04/verify_performance.py", SUMMARY), _says_pass),
    Script(
        "TEST06", "tokens", test06,
        lambda official, folder, case: [
            official / "TEST06/run_verification.py", "-c", folder / "test", "-o", folder / "off", "-s", case.scenario,
        ],
        _tokens,
    ),
    Script(
        "TEST07", "accuracy", test07,
        lambda official, folder, _: [
            official / "TEST07/run_verification.py", "-c", folder / "test", "-o", folder / "off",
            "--audit-config", official / "TEST07/gpt-oss-120b/audit.config", "--accuracy-script", "cat printed.txt",
        ],
        _file("TEST07/verify_accuracy.txt", "Accuracy check pass: True"),
    ),
    Script(
        "TEST08", "accuracy", test08,
        lambda official, folder, _: [
            official / "TEST08/run_verification.py",
            "-r", folder / "accuracy" / ACCURACY, "-t", folder / "test" / ACCURACY,
        ],
        _says_pass,
    ),
    Script(
        "TEST09", "output length", test09,
        lambda official, folder, case: [
            official / "TEST09/run_verification.py", "-c", folder / "test", "-o", folder / "off",
            "--audit-config", official / "TEST09" / case.model / "audit.config",
        ],
        _file("TEST09/verify_output_len.txt", "TEST PASS"),
    ),
)  # fmt: skip


def theirs(official: Path, script: Script, case: Case, folder: Path) -> bool:
    (folder / "printed.txt").write_text(case.printed)
    command = [PYTHON, *map(str, script.command(official, folder, case))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return script.verdict(folder, done.stdout)


def ours(script: Script, case: Case, folder: Path) -> tuple[bool | None, str]:
    described = tests.describe(script.test, RULES, case.model, case.scenario)
    checks = [check for check in described["checks"] if check["about"] == script.about]
    if case.element:
        checks = [check | {"parameters": {"element": case.element}} for check in checks]
    seen = Logs(
        folder / "test",
        case.scenario,
        accuracy=folder / "accuracy",
        performance=folder / "performance/run_1",
        scored=case.printed or None,
        bounds=bounds(described),
    )
    outcome = verify.verify(described | {"checks": checks}, seen, folder)
    return outcome.passed, outcome.checks[0].words


def main(inference: Path) -> int:
    """Print a row for each script, then every case where the verdicts differ."""
    differing = []
    print("| test | cases | the script passes / fails | same verdict | ours stricter | ours laxer |")
    print("| --- | --- | --- | --- | --- | --- |")
    for script in SCRIPTS:
        counts = {(their, own): 0 for their in (True, False) for own in (True, False)}
        for case in script.cases():
            with tempfile.TemporaryDirectory() as scratch:
                case.write(Path(scratch))
                own, words = ours(script, case, Path(scratch))
                their = theirs(inference / "compliance", script, case, Path(scratch))
            counts[their, bool(own)] += 1
            if their is not own:
                kind = "stricter" if their else "laxer"
                differing.append(f"{kind}: {script.test}, {script.about}: {case.name}: {words}")
        passes = counts[True, True] + counts[True, False]
        fails = counts[False, False] + counts[False, True]
        same = counts[True, True] + counts[False, False]
        numbers = (passes + fails, f"{passes} / {fails}", same, counts[True, False], counts[False, True])
        print(f"| {script.test}, {script.about} |", " | ".join(map(str, numbers)), "|", flush=True)
    print("", *differing, sep="\n")
    return 1 if any(line.startswith("laxer") for line in differing) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
