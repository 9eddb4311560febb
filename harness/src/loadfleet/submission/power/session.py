"""client.json, server.json and ptd_logs.txt: the record of a measuring session, and what may be wrong with it.

Rules: MLCommons' power checker, but for the list of known client and server sources, which is its own.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.submission.power.analyzer import between, instant, lines
from loadfleet.submission.reading.place import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadfleet.catalogue.rounds import PowerRules
    from loadfleet.submission.reading.mllog import DetailLog
    from loadfleet.submission.reading.place import Place

REQUIRED = ("version", "timezone", "modules", "sources", "messages", "uuid", "session_name", "results", "phases")
CLOCK_TOLERANCE_S = 0.8
SLACK_S = 3600.0  # of daylight saving time between the clocks of LoadGen and of the session
WATTS_TOLERANCE = 0.05  # by which the testing run may draw less than the ranging run
_MEASURE_AGAIN = "measure performance and power again"
_UNCHANGED = "copy the files of the session unchanged"

_REPLIES = {
    "SR,A": "Range A changed",
    "SR,V": "Range V changed",
    "Go,1000,": "Starting untimed measurement, maximum 500000 samples at 1000ms with 0 rampup samples",
    "Stop": "Stopping untimed measurement",
}
_THIRD_STOP = "Error: no measurement to stop"
_PTD_VERSION = re.compile(r"version=(.+?)-")
_VERSION = re.compile(r"mlcommons/power (?:client|server) v(\d+)")
_SHA1 = re.compile(r"[0-9a-f]{40}")

_STAMP = re.compile(rb"(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d\.\d{3})(.*)")
_ACTIVATED = re.compile(rb"Uncertainty checking for Yokogawa\S+ is activated")
_UNCERTAIN = re.compile(rb"Uncertainty \d+\.\d+%, which is above 1\.00% limit")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file of the session; `grave` refuses the result."""

    file: str
    rule: str
    fix: str
    value: Any = ""
    grave: bool = True


@dataclass(frozen=True)
class Session:
    """What is left of a measuring session.

    Attributes:
        folder: `performance/`, which holds `power/`, `ranging/` and `run_1/`.
        client: The object of client.json; `server`: of server.json.
        ranging: Detail log of the ranging run; `testing`: of run_1.
    """

    folder: Place
    client: Mapping[str, Any]
    server: Mapping[str, Any]
    ranging: DetailLog
    testing: DetailLog

    def load(self, mode: str) -> tuple[float, float] | None:
        """Begin and end of the load of `ranging` or `run_1` in epoch seconds; None when the log does not say."""
        log = self.ranging if mode == "ranging" else self.testing
        begin, end = instant(log.text("power_begin")), instant(log.text("power_end"))
        return (begin, end) if begin is not None and end is not None and begin < end else None

    def problems(self, rules: PowerRules) -> Iterator[Problem]:
        """What is wrong, file by file. Never raises for bad content."""
        missing = [
            Problem(f"power/{name}.json", f"the record of the session holds {key}", _UNCHANGED)
            for name, record in (("client", self.client), ("server", self.server))
            for key in REQUIRED
            if key not in record
        ]
        if missing:
            yield from missing
            return
        yield from _sources(self)
        yield from _same_session(self)
        yield from _messages(_rows(self.client["messages"]), _rows(self.server["messages"]))
        yield from _daemon(_rows(self.server.get("ptd_messages")), rules)
        yield from _analyzers(self.server.get("ptd_config"), rules)
        if self.server.get("debug") not in (None, False):
            yield Problem("power/server.json", "the server did not run in debug mode", _MEASURE_AGAIN, True)
        yield from _phases(self)
        yield from _levels(self)
        yield from _checksums(self, rules)
        yield from _daemon_log(self)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _sources(session: Session) -> Iterator[Problem]:
    for name, record in (("client", session.client), ("server", session.server)):
        found = record["sources"]
        sound = isinstance(found, dict) and found and all(_SHA1.fullmatch(str(digest)) for digest in found.values())
        if not sound:
            yield Problem(
                f"power/{name}.json", "sources are names and SHA-1 of the program that ran", _UNCHANGED, found
            )


def _same_session(session: Session) -> Iterator[Problem]:
    for side in ("client", "server"):
        stated = [_uuid(record["uuid"], side) for record in (session.client, session.server)]
        if stated[0] is None or stated[0] != stated[1]:
            yield Problem("power/server.json", f"both records hold the same {side} uuid", _UNCHANGED)
    if session.client["session_name"] != session.server["session_name"]:
        rule = f"both records are of session {session.client['session_name']}"
        yield Problem("power/server.json", rule, _UNCHANGED, session.server["session_name"])


def _uuid(value: Any, side: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(value[side]))
    except (ValueError, KeyError, TypeError):
        return None


def _messages(client: Sequence[Mapping[str, Any]], server: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    file = "power/server.json"
    if len(client) != len(server) or not client:
        yield Problem(file, f"both records hold the same {len(client)} messages", _UNCHANGED, len(server))
        return
    for number, (sent, received) in enumerate(zip(client, server, strict=True), start=1):
        if sent.get("cmd") != received.get("cmd"):
            yield Problem(file, f"message {number} is {sent.get('cmd')!r}, as sent", _UNCHANGED, received.get("cmd"))
        elif sent.get("cmd") != "time" and sent.get("reply") != received.get("reply"):
            rule = f"the reply to message {number} is {sent.get('reply')!r}, as received"
            yield Problem(file, rule, _UNCHANGED, received.get("reply"))
    versions = [_VERSION.fullmatch(str(server[0].get(key))) for key in ("cmd", "reply")]
    if versions[0] is None or versions[1] is None or versions[0][1] != versions[1][1]:
        rule = "the first message agrees on one version of client and server"
        yield Problem(file, rule, "use one release on both sides", f"{server[0].get('cmd')}, {server[0].get('reply')}")


def _daemon(messages: Sequence[Mapping[str, Any]], rules: PowerRules) -> Iterator[Problem]:
    """PTDaemon is of the round, the meter is supported, ranges were set and put back."""
    file = "power/server.json"
    commands = [(str(message.get("cmd")), str(message.get("reply"))) for message in messages]
    identity = next((reply for command, reply in commands if command == "Identify"), "")
    version = _PTD_VERSION.search(identity)
    if version is None or version[1] not in rules.ptd_versions:
        rule = f"PTDaemon is of version {' or '.join(rules.ptd_versions)}"
        yield Problem(file, rule, "measure with that version", version[1] if version else identity)
    meter = identity.split(",")[0]
    if meter not in rules.analyzers:
        yield Problem(file, f"the meter is one of {', '.join(rules.analyzers)}", "measure with one of them", meter)
    for beginning, wanted in _REPLIES.items():
        replies = [(command, reply) for command, reply in commands if command.startswith(beginning)]
        if not replies:
            yield Problem(file, f"PTDaemon was told {beginning}", _MEASURE_AGAIN)
        stops = 0
        for command, reply in replies:
            expected = _THIRD_STOP if command == "Stop" and stops >= 2 else wanted
            stops += command == "Stop"
            if reply != expected:
                yield Problem(file, f"PTDaemon answers {command} with {expected!r}", _MEASURE_AGAIN, reply)
    yield from _ranges(commands)


def _ranges(commands: Sequence[tuple[str, str]]) -> Iterator[Problem]:
    initial = next((reply.split(",") for command, reply in commands if command == "RR"), [])
    # amperes come back with the third or the fourth command, volts with the third
    for letter, position, numbers in (("A", 1, (3, 4)), ("V", 3, (3,))):
        wanted = f"SR,{letter},{_initial(initial, position)}"
        told = [command for command, _ in commands if command.startswith(f"SR,{letter}")]
        if not any(len(told) >= number and told[number - 1] == wanted for number in numbers):
            rule = f"at the end the range is put back: {wanted}"
            yield Problem("power/server.json", rule, _MEASURE_AGAIN, told[-1] if told else "")


def _initial(reply: Sequence[str], position: int) -> str:
    """The range that was set before the session, from the reply to RR: `Ranges,<auto>,<A>,<auto>,<V>`."""
    try:
        return reply[position + 1] if reply[position] == "0" and float(reply[position + 1]) > 0 else "Auto"
    except (IndexError, ValueError):
        return "Auto"


def _analyzers(config: Any, rules: PowerRules) -> Iterator[Problem]:
    file, known = "power/server.json", set(rules.analyzers.values())
    # a list in newer clients, an object before
    for analyzer in _rows(config if isinstance(config, list) else [config]) or [{}]:
        number = analyzer.get("device_type")
        if not isinstance(number, int) or number not in known:
            rule = f"the type of the meter is one of {', '.join(map(str, sorted(known)))}"
            yield Problem(file, rule, "measure with one of them", number)
        elif number in rules.two_channel_types and not _two_channels(analyzer):
            yield Problem(
                file, f"meters of type {number} measure two channels", _MEASURE_AGAIN, analyzer.get("channel")
            )


def _two_channels(analyzer: Mapping[str, Any]) -> bool:
    command, channel = analyzer.get("command"), analyzer.get("channel")
    told = command[command.index("-c") + 1] if isinstance(command, list) and "-c" in command[:-1] else ""
    return len(str(told).split(",")) == 2 and isinstance(channel, list) and len(channel) == 2


def _phases(session: Session) -> Iterator[Problem]:
    """Clocks of both sides agree, and the loads lie in the second phase of their mode."""
    file = "power/client.json"
    for mode, folder in (("ranging", "ranging"), ("testing", "run_1")):
        client, server = (_starts(record["phases"], mode) for record in (session.client, session.server))
        if len(client) != len(server) or len(client) < 3:
            yield Problem(file, f"both records hold the same phases of {mode}", _UNCHANGED, len(server))
            continue
        apart = max(abs(mine - theirs) for mine, theirs in zip(client, server, strict=True))
        if apart > CLOCK_TOLERANCE_S:
            rule = f"clocks differ by {CLOCK_TOLERANCE_S * 1000:g} ms at most in {mode}"
            yield Problem(file, rule, "keep both clocks with NTP", f"{apart * 1000:.0f} ms")
        load = session.load(folder)
        if load is None:
            rule = "the log says power_begin and power_end"
            yield Problem(f"{folder}/mlperf_log_detail.txt", rule, "copy the log of the power run")
            continue
        for name, when in zip(("begins", "ends"), load, strict=True):
            if not any(client[1] < when - slack < client[2] for slack in (0, SLACK_S)):
                rule = f"the load {name} while {mode} was measured"
                yield Problem(f"{folder}/mlperf_log_detail.txt", rule, "copy the log of this session")


def _starts(phases: Any, mode: str) -> list[float]:
    try:
        starts = [float(phase[0]) for phase in phases[mode]]
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return []
    return starts if all(map(math.isfinite, starts)) else []


def _levels(session: Session) -> Iterator[Problem]:
    """The testing run is as long as the ranging run, roughly, and draws no less."""
    ranging, testing = session.load("ranging"), session.load("run_1")
    if ranging is None or testing is None:
        return
    if testing[1] - testing[0] < (ranging[1] - ranging[0]) / 2:
        rule = "the testing run lasts half as long as the ranging run at least"
        yield Problem("run_1/mlperf_log_detail.txt", rule, _MEASURE_AGAIN, f"{testing[1] - testing[0]:.1f} s", False)
    first, second = (
        between(session.folder / folder / "spl.txt", *load).watts
        for folder, load in (("ranging", ranging), ("run_1", testing))
    )
    if first is None:
        yield Problem("ranging/spl.txt", "there are readings of the ranging run", _MEASURE_AGAIN)
    elif second is not None and second / first - 1 <= -WATTS_TOLERANCE:
        rule = f"the testing run draws {WATTS_TOLERANCE:.0%} less than the ranging run at most ({first:.2f} W)"
        yield Problem("run_1/spl.txt", rule, _MEASURE_AGAIN, f"{second:.2f} W")


def _checksums(session: Session, rules: PowerRules) -> Iterator[Problem]:
    """Every file of the session has the SHA-1 that was recorded right after it."""
    written_later = {"client.json", "server.json"}
    wanted = [f"power/{name}" for name in rules.session_files if name not in written_later]
    wanted += [f"{folder}/{name}" for folder in ("ranging", "run_1") for name in rules.run_files]
    recorded: dict[str, set[str]] = {}
    for record in (session.client, session.server):
        if isinstance(record["results"], dict):
            for name, digest in record["results"].items():
                recorded.setdefault(name, set()).add(str(digest).lower())
    for name in wanted:
        digests = recorded.get(name)
        if digests is None:
            yield Problem("power/server.json", f"the records hold the SHA-1 of {name}", _UNCHANGED)
            continue
        found = _sha1(session.folder / name)
        if found is not None and digests != {found}:
            rule = f"the file is as it was measured: SHA-1 {', '.join(sorted(digests))}"
            yield Problem(name, rule, "bring the file back as it was; nothing of a power run may be edited", found)


def _sha1(path: Place) -> str | None:
    if not path.is_file():
        return None
    try:
        with os.fdopen(open_regular(path.path)[0], "rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
    except OSError:
        return None


def _daemon_log(session: Session) -> Iterator[Problem]:
    """Uncertainty was checked from before the ranging run on, and no reading failed outside of it."""
    file = "power/ptd_logs.txt"
    log = session.folder / file
    begin, end, activated = None, None, None
    mark = f": Go with mark '{session.server['session_name']}_ranging'".encode("utf-8", "surrogatepass")
    for line in lines(log):
        when, text = _stamped(line)
        if activated is None and when is not None and _ACTIVATED.search(text):
            activated = when
        if begin is None and text == mark:
            begin = when
        elif begin is not None and end is None and text == b": Completed test":
            end = when
    if begin is None or end is None:
        yield Problem(file, "the log shows when the ranging run began and ended", _UNCHANGED)
        return
    if activated is None or activated >= begin:
        yield Problem(file, "uncertainty is checked before the ranging run begins", "configure PTDaemon so")
    yield from _daemon_lines(log, file, (begin, end), session.load("run_1"))


def _daemon_lines(
    log: Place, file: str, ranging: tuple[float, float], load: tuple[float, float] | None
) -> Iterator[Problem]:
    uncertain, warnings = 0, 0
    for line in lines(log):
        when, text = _stamped(line)
        _, is_error, error = text.partition(b"ERROR:")
        if is_error:
            accepted = error.strip() == b"USB." or (when is not None and ranging[0] < when < ranging[1])
            if not accepted:
                yield Problem(file, "PTDaemon reports no error outside of the ranging run", _MEASURE_AGAIN, _text(text))
        elif b"WARNING:" in text and load and when is not None:
            inside = load[0] + CLOCK_TOLERANCE_S < when < load[1] - CLOCK_TOLERANCE_S
            warnings += inside
            uncertain += inside and _UNCERTAIN.search(text) is not None
    if uncertain:
        # MLCommons' checker adds its 0.8 s as 800 s to both ends of the load and so sees next to none of these.
        rule = "the uncertainty of a reading is 1 % at most while the load runs"
        yield Problem(file, rule, "set the ranges of the meter to the load", f"{uncertain} readings", grave=False)
    elif warnings:
        yield Problem(file, "PTDaemon warns of nothing while the load runs", "", f"{warnings} warnings", grave=False)


def _stamped(line: bytes) -> tuple[float | None, bytes]:
    found = _STAMP.match(line)
    return (None, line) if found is None else (instant(found[1].decode("ascii")), found[2])


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()[:200]
