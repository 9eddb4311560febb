"""What can be wrong with an inventory and with hosts: how each is brought about, and what a user has to read then.

tools/bad_hosts.py writes docs/bad-hosts.md of it, test_bad_hosts.py holds the product to it.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.bench import BROKEN, Bench
from tests.lab.fleet import STORE, Play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

UNTOUCHED = "Nothing was done: every host is as it was, and there are no results."
GOOD = ("sut1", "sut3")
# Runs of cases that start one, each with a name of its own.
RUN = "20260102T030405Z-bert-{:04x}"
LONG = 240  # samples: as many as leave time to break something


@dataclass(frozen=True)
class Case:
    """One thing that is wrong.

    Attributes:
        title: Heading.
        done: What was done, in words.
        status: Exit status of the command.
        says: What the output contains, with single spaces.
        left: What is left on the hosts, in words; `proof` proves it.
        bring: Breaks, runs, mends.
        proof: Raises AssertionError when `left` is not true. Without, every host has to be as it was.
    """

    title: str
    done: str
    status: int
    says: tuple[str, ...]
    left: str
    bring: Callable[[Bench], Play]
    proof: Callable[[Bench, Play], None] | None = None

    @property
    def name(self) -> str:
        return self.bring.__name__


CASES: list[Case] = []


def case(
    title: str,
    done: str,
    *says: str,
    status: int,
    left: str = UNTOUCHED,
    proof: Callable[[Bench, Play], None] | None = None,
) -> Callable[[Callable[[Bench], Play]], Callable[[Bench], Play]]:
    """Register a function that breaks something, runs a command and mends."""

    def register(bring: Callable[[Bench], Play]) -> Callable[[Bench], Play]:
        CASES.append(Case(title, done, status, says, left, bring, proof))
        return bring

    return register


# The inventory.


@case(
    "The inventory is not there", "A path was mistyped.",
    "nothere.yml does not exist; fix: correct the path, or leave -i out to measure this machine", status=2,
)  # fmt: skip
def no_inventory(bench: Bench) -> Play:
    return bench.play("bert", "-i", str(bench.path / "nothere.yml"))


@case(
    "The group sut is empty", "The inventory has a group `sut` without hosts, and a group `power` with one.",
    "the group sut of -i", "has no hosts (it has the groups power); fix: name hosts below sut", status=2,
)  # fmt: skip
def empty_group(bench: Bench) -> Play:
    path = bench.path / "empty.yml"
    path.write_text(json.dumps({"sut": {"hosts": {}}, "power": {"hosts": {"meter": {"ansible_host": "198.18.1.9"}}}}))
    return bench.play("bert", "-i", str(path))


@case(
    "Hosts that nobody knows", "A name was mistyped.",
    "benchmark_hosts is sut2,sut4, and the inventory has no host or group sut4; fix: did you mean sut", status=4,
)  # fmt: skip
def unknown_hosts(bench: Bench) -> Play:
    return bench.play("bert", benchmark_hosts="sut2,sut4")


@case(
    "A misspelt variable of one host", "`host_vars` of sut2 name `benchmark_thread`, and a model that is none.",
    "unknown variable benchmark_thread; fix: did you mean benchmark_threads? (on sut2)",
    "benchmark_model is bert-lage, which does not exist; fix: did you mean bert-large-", "(on sut2)", status=2,
)  # fmt: skip
def misspelt_variable(bench: Bench) -> Play:
    bench.rewrite(sut2={"benchmark_thread": 4, "benchmark_model": "bert-lage"})
    return bench.play("bert")


@case(
    "Two names for one machine", "The inventory names the address of sut2 once more, as `spare`.",
    "sut2, spare are one machine (boot id ", "fix: leave one name in the inventory", status=2,
)  # fmt: skip
def two_names(bench: Bench) -> Play:
    bench.rewrite(spare={"ansible_host": bench.hosts["sut2"]["ansible_host"], "ansible_ssh_host_key_checking": False})
    return bench.play("bert")


@case(
    "Hosts disagree on the gate", "`group_vars` of some hosts set `fleet_gate_policy`, which holds for a whole fleet.",
    "fleet_gate_policy differs between hosts: fail on sut1, sut3; drop on sut2; fix: set it once, for all of them",
    status=2,
)  # fmt: skip
def policies_differ(bench: Bench) -> Play:
    bench.rewrite(sut2={"fleet_gate_policy": "drop"})
    return bench.play("bert")


@case(
    "Fewer forks than hosts", "Three hosts, two forks.",
    "3 hosts and 2 forks: they would be measured one wave after the other; fix: ansible-playbook --forks 3", status=2,
)  # fmt: skip
def few_forks(bench: Bench) -> Play:
    return bench.play("bert", "--forks", "2")


# The way to a host.


@case(
    "A wrong key", "sut2 does not have the user's public key.",
    "sut2 cannot be reached (class connection) error bench@198.18.1.2: Permission denied (publickey",
    "fix have your public key in the account's authorized_keys", "nothing was done on the others", status=4,
)  # fmt: skip
def wrong_key(bench: Bench) -> Play:
    bench.lab.root(BROKEN, "mv", "/home/bench/.ssh/authorized_keys", "/home/bench/.ssh/away")
    with bench.mended("mv /home/bench/.ssh/away /home/bench/.ssh/authorized_keys"):
        return bench.play("bert")


@case(
    "A host key that has changed", "sut2 shows another host key than the one in known_hosts.",
    "sut2 cannot be reached (class connection) error host key has changed: the host now shows SHA256:",
    "fix ask the host's administrator whether that is its key; if so: ssh-keygen -R 198.18.1.2", status=4,
)  # fmt: skip
def changed_key(bench: Bench) -> Play:
    right = bench.known_hosts.read_text()
    lines = right.splitlines()
    wrong = [lines[0], " ".join([lines[1].split()[0], *lines[0].split()[1:]]), *lines[2:], ""]
    bench.known_hosts.write_text("\n".join(wrong))
    try:
        return bench.play("bert")
    finally:
        bench.known_hosts.write_text(right)


@case(
    "A host that is down", "sut2 has no power.",
    "sut2 cannot be reached (class connection) error ssh: connect to host 198.18.1.2 port 22: ",
    "fix see whether the host is up and its port 22 reachable", status=4,
)  # fmt: skip
def host_down(bench: Bench) -> Play:
    bench.lab.kill(BROKEN)
    bench.forget_neighbours()
    try:
        return bench.play("bert")
    finally:
        bench.lab.start(BROKEN)


@case(
    "A port that nobody listens on", "The inventory gives sut2 the port 2222.",
    "sut2 cannot be reached (class connection) error ssh: connect to host 198.18.1.2 port 2222: Connection refused",
    "fix start sshd there, or set ansible_port", status=4,
)  # fmt: skip
def refused_port(bench: Bench) -> Play:
    bench.rewrite(sut2={"ansible_port": 2222})
    return bench.play("bert")


@case(
    "A host that dies while it is prepared", "sut2 lacks the harness, and its power fails while it is installed.",
    "sut2 cannot be reached (class connection) error ssh: connect to host 198.18.1.2 port 22: ",
    "fix see whether the host is up", status=4,
    left="sut1 and sut3 are prepared. sut2 keeps the layers that were whole; the same command does the rest "
    "(it did, after sut2 was started again).",
    proof=lambda bench, _play: _prepared_again(bench),
)  # fmt: skip
def dies_in_prepare(bench: Bench) -> Play:
    bench.lab.root(BROKEN, "sh", "-c", f"rm {STORE}/venvs/onnxruntime/.loadfleet/harness.json")
    installs = lambda: "pip install" in bench.lab.root(BROKEN, "ps", "-e", "-ww", "-o", "args")  # noqa: E731
    try:
        return bench.watch("prepare", installs, lambda: bench.lab.kill(BROKEN), "--tags", "harness")
    finally:
        bench.lab.start(BROKEN)


def _prepared_again(bench: Bench) -> None:
    bench.again()
    play = bench.play("prepare", "--limit", BROKEN, "--tags", "harness")
    assert play.code == 0, play.text[-3000:]
    assert play.recap(BROKEN)["changed"] == 1


# What a host lacks.


@case(
    "No Python", "sut2 has no `/usr/bin/python3`.",
    "sut2 cannot be worked on (class environment) error it has no Python: there is no /usr/bin/python3",
    "fix install Python 3.8 or newer there", status=2,
)  # fmt: skip
def no_python(bench: Bench) -> Play:
    bench.lab.root(BROKEN, "mv", "/usr/bin/python3", "/usr/bin/away3")
    with bench.mended("mv /usr/bin/away3 /usr/bin/python3"):
        return bench.play("bert")


@case(
    "A Python that is too old for Ansible", "The Python of sut2 says that it is 3.6.15.",
    "sut2 cannot be worked on (class environment) error /usr/bin/python3 is Python 3.6.15, Ansible's modules need 3.8",
    "fix install a newer one there and name it in ansible_python_interpreter", status=2,
)  # fmt: skip
def old_python(bench: Bench) -> Play:
    with _python(bench, 6, 15):
        return bench.play("bert")


@case(
    "A Python that is too old for the harness", "The only Python of sut2 says that it is 3.8.18; the store is empty.",
    "sut2 lacks Python 3.11 or newer with venv (it has 3.8.18)",
    "install a newer one and name it in python_venv_python", status=2,
)  # fmt: skip
def middle_aged_python(bench: Bench) -> Play:
    bench.rewrite(sut2={"store_path": "~/elsewhere"})
    with _python(bench, 8, 18):
        return bench.play("prepare", "--limit", BROKEN)


def _python(bench: Bench, minor: int, micro: int) -> AbstractContextManager[None]:
    """Let every Python of the host believe to be an older one."""
    code = (
        "import collections, sys\n"
        "_V = collections.namedtuple('version_info', 'major minor micro releaselevel serial')\n"
        f"sys.version_info = _V(3, {minor}, {micro}, 'final', 0)\n"
        f"sys.version = '3.{minor}.{micro}' + sys.version[sys.version.index(' ') :]\n"
    )
    place = "/usr/lib/python3/dist-packages/sitecustomize.py"
    own = "/usr/lib/python3.*/sitecustomize.py"  # Debian's, which hides others
    bench.lab.root(BROKEN, "sh", "-c", f"printf %s {shlex.quote(code)} > {place}; mv {own} /var/sitecustomize")
    return bench.mended(f"rm {place}; mv /var/sitecustomize $(echo /usr/lib/python3.*[0-9])/sitecustomize.py")


@case(
    "No sudo, and a package lacks", "sut2 lacks `python3-venv`, and its account may not use sudo.",
    "sut2 lacks Python 3.11 or newer with venv (it has 3.11.2, without venv)", "and bench is neither root nor may use",
    "fix: have an administrator run sudo apt-get install -y python3 python3-venv", status=2,
    left="sut1 and sut3 are prepared; sut2 is as it was.",
)  # fmt: skip
def no_sudo(bench: Bench) -> Play:
    with _without_venv(bench):
        return bench.play("prepare")


@case(
    "A package lacks, and the host reaches no package source", "As before, and the account may use sudo.",
    "and python3, python3-venv could not be installed there: ",
    "fix: give the host a package source, or without a network: apt-get download python3 python3-venv", status=2,
    left="sut1 and sut3 are prepared; sut2 is as it was.",
)  # fmt: skip
def no_packages(bench: Bench) -> Play:
    bench.lab.root(BROKEN, "sh", "-c", "echo 'bench ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/bench")
    with bench.mended("rm /etc/sudoers.d/bench"), _without_venv(bench):
        return bench.play("prepare")


def _without_venv(bench: Bench) -> AbstractContextManager[None]:
    bench.lab.root(BROKEN, "sh", "-c", "mv /usr/lib/python3.*/ensurepip /var/ensurepip")
    return bench.mended("mv /var/ensurepip /usr/lib/python3.*[0-9]/")


# Disks.


@contextlib.contextmanager
def _disk(bench: Bench, mib: int, *, readonly: bool = False) -> Iterator[None]:
    """Let the store of the broken host lie on a disk of its own."""
    bench.lab.small_disk(BROKEN, "/srv/store", mib << 20, readonly=readonly)
    bench.rewrite(sut2={"store_path": "/srv/store"})
    try:
        yield
    finally:
        bench.lab.small_disk(BROKEN, "/srv/store", 0)


@case(
    "A read-only disk", "The store of sut2 lies on a disk that is mounted read-only.",
    "sut2 cannot be worked on (class environment) error store_path (/srv/store) is on a disk that is mounted read-only "
    "at /srv/store", "fix mount it writable (mount -o remount,rw /srv/store), or set store_path", status=2,
)  # fmt: skip
def readonly_disk(bench: Bench) -> Play:
    with _disk(bench, 64, readonly=True):
        return bench.play("bert")


@case(
    "A full disk", "The store of sut2 lies on a disk of 64 MiB.",
    "sut2 cannot be worked on (class environment) error 64 MiB are free on its disk /srv/store below store_path",
    "fix free some space, set store_path to a larger disk, or lower fleet_gate_disk_mib", status=2,
)  # fmt: skip
def full_disk(bench: Bench) -> Play:
    with _disk(bench, 64):
        return bench.play("bert")


@case(
    "A disk that fills while a host is prepared",
    "The store of sut2 lies on a disk of 48 MiB, and the limit is set below that.",
    "the disk is full; fix: free space below", "or set store_path to a larger disk", status=2,
    left="sut1 and sut3 are prepared. Nothing on sut2's disk is taken for whole: the same command goes on.",
    proof=lambda bench, _play: _others_prepared(bench),
)  # fmt: skip
def disk_fills_in_prepare(bench: Bench) -> Play:
    with _disk(bench, 48):
        return bench.play("prepare", fleet_gate_disk_mib=32)


def _others_prepared(bench: Bench) -> None:
    assert bench.droppings("sut1") == ""
    assert bench.droppings("sut3") == ""


@case(
    "No permission to write", "The store of sut2 belongs to root.",
    "sut2 cannot be worked on (class environment) error store_path (/home/bench/.cache/loadfleet)",
    "the account bench may not write in /home/bench/.cache/loadfleet",
    "fix let it (chown bench /home/bench/.cache/loadfleet), or set store_path", status=2,
)  # fmt: skip
def no_permission(bench: Bench) -> Play:
    bench.lab.root(BROKEN, "chown", "root", STORE)
    with bench.mended(f"chown bench {STORE}"):
        return bench.play("bert")


# Hosts that are not as the others.


@case(
    "A clock that is off by 2 s", "The clock of sut2 is 2 s behind.",
    "sut2: its clock is ", "s behind the controller's, the limit is 400 ms; fix: synchronise both, such as by chrony",
    status=2,
)  # fmt: skip
def wrong_clock(bench: Bench) -> Play:
    bench.lab.clock(BROKEN, -2)
    try:
        bench.again()
        return bench.play("run")
    finally:
        bench.lab.clock(BROKEN, 0)
        bench.again()


@case(
    "One host with another package version: a warning", "sut2 has NumPy 1.0.0. Nothing is asked about it.",
    "package numpy", "1.0.0 sut2", "hosts differ in package numpy, see the table above", status=0,
    left="All three hosts ran; the difference stands in every result.",
    proof=lambda bench, _play: _ran(bench, "sut1", "sut2", "sut3"),
)  # fmt: skip
def other_package(bench: Bench) -> Play:
    with _other_numpy(bench):
        return bench.play("run", benchmark_modes=["performance"])


@case(
    "One host with another package version: refused", "The same, and `fleet_gate_identical` is set.",
    "sut2: it differs from the others: package numpy is 1.0.0, elsewhere ", "fix: make hosts equal", status=2,
)  # fmt: skip
def other_package_refused(bench: Bench) -> Play:
    with _other_numpy(bench):
        return bench.play("run", fleet_gate_identical=True)


@case(
    "One host with another package version: left out", "The same, and the policy is `drop`.",
    "sut2 unfit: it differs from the others: package numpy is 1.0.0", "sut2 is left out", status=2,
    left="sut1 and sut3 ran, and their results are home. sut2 is as it was.",
    proof=lambda bench, _play: _ran(bench, "sut1", "sut3"),
)  # fmt: skip
def other_package_dropped(bench: Bench) -> Play:
    with _other_numpy(bench):
        return bench.play("run", fleet_gate_identical=True, fleet_gate_policy="drop", benchmark_modes=["performance"])


def _other_numpy(bench: Bench) -> AbstractContextManager[None]:
    """The package's own description says another version, which is what hosts are compared by."""
    place = f"{STORE}/venvs/onnxruntime/lib/python3.*/site-packages"
    name = bench.lab.root(BROKEN, "sh", "-c", f"cd {place} && basename numpy-*.dist-info").strip()
    bench.lab.root(BROKEN, "sh", "-c", f"cd {place} && mv {name} numpy-1.0.0.dist-info")
    return bench.mended(f"cd {place} && mv numpy-1.0.0.dist-info {name}")


def _ran(bench: Bench, *hosts: str) -> None:
    assert len(bench.home()) == 1, bench.home()
    run_id = bench.home()[0]
    found = {host: bench.cells(run_id, host) for host in bench.lab.hosts}
    assert {host for host, cells in found.items() if cells} == set(hosts), found
    assert all(code == 0 for cells in found.values() for code in cells.values()), found


@case(
    "One host with little memory", "The kernel of sut2 says that 300 MiB are available.",
    "sut2: 300 MiB of memory are free, the limit is 1024 MiB; fix: free some, or lower fleet_gate_memory_mib", status=2,
)  # fmt: skip
def little_memory(bench: Bench) -> Play:
    with _little_memory(bench):
        return bench.play("run")


@case(
    "One host with little memory, and a spare", "The same, the policy is `replace`, and sut3 is the spare.",
    "sut2 sut3 takes its place: 300 MiB of memory are free", status=0,
    left="sut1 and sut3 ran, and their results are home. sut2 is as it was.",
    proof=lambda bench, _play: _ran(bench, "sut1", "sut3"),
)  # fmt: skip
def little_memory_replaced(bench: Bench) -> Play:
    with _little_memory(bench):
        return bench.play("run", fleet_gate_policy="replace", fleet_gate_spares="sut3", benchmark_modes=["performance"])


@contextlib.contextmanager
def _little_memory(bench: Bench) -> Iterator[None]:
    real = bench.lab.root(BROKEN, "cat", "/proc/meminfo")
    bench.lab.show(BROKEN, "/proc/meminfo", re.sub(r"MemAvailable:.*", f"MemAvailable: {300 << 10} kB", real))
    try:
        yield
    finally:
        bench.lab.show(BROKEN, "/proc/meminfo", "")


# During a run.


@case(
    "Two runs at once", "sut2 measures a run already.",
    "this host is busy with the run 20260102T030405Z-bert-0001 fix: wait for that run to end, or stop it", status=2,
    left="The first run went on undisturbed. The second has the results of sut1 and sut3.",
    proof=lambda bench, _play: _first_undisturbed(bench),
)  # fmt: skip
def two_runs(bench: Bench) -> Play:
    first = bench.start("run", "--limit", BROKEN, benchmark_run_id=RUN.format(1), benchmark_query_count=LONG)
    bench.until(lambda: bench.running(BROKEN, RUN.format(1)))
    play = bench.play("run", benchmark_run_id=RUN.format(2), benchmark_modes=["performance"])
    text, _ = first.communicate(timeout=120)
    assert first.returncode == 0, text[-3000:]
    return play


def _first_undisturbed(bench: Bench) -> None:
    assert set(bench.cells(RUN.format(1), BROKEN).values()) == {0}
    assert bench.cells(RUN.format(2), BROKEN) == {}
    assert all(set(bench.cells(RUN.format(2), host).values()) == {0} for host in GOOD)


@case(
    "The connection is lost during a run", "The cable of sut2 is pulled while it measures, and stays out; "
    "`benchmark_reconnect_timeout` is 2 s.",
    "sut2 was out of reach for 2 s", "Its cells may go on there; fix: when it is back, repeat with -e "
    "benchmark_run_id=20260102T030405Z-bert-0003", "Failed: host sut2 (class connection)", status=4,
    left="The results of sut1 and sut3 are home. sut2 went on alone and finished; `loadfleet resume` brings its.",
    proof=lambda bench, _play: _went_on(bench, RUN.format(3)),
)  # fmt: skip
def lost_link(bench: Bench) -> Play:
    play = bench.watch(
        "run", lambda: bench.running(BROKEN, RUN.format(3)), lambda: _unplug(bench),
        benchmark_run_id=RUN.format(3), benchmark_query_count=LONG, benchmark_reconnect_timeout=2,
        benchmark_modes=["performance"],
    )  # fmt: skip
    bench.lab.plug(BROKEN)
    return play


def _unplug(bench: Bench) -> None:
    bench.lab.unplug(BROKEN)
    bench.forget_neighbours()


def _went_on(bench: Bench, run_id: str) -> None:
    assert all(set(bench.cells(run_id, host).values()) == {0} for host in GOOD)
    assert bench.cells(run_id, BROKEN) == {}
    bench.until(lambda: bench.status(BROKEN, run_id).get("phase") == "finished")
    assert bench.status(BROKEN, run_id)["exit_code"] == 0


@case(
    "A disk that fills during a run", "The disk with the runs of sut2 is filled to the last byte while it measures.",
    "run 20260102T030405Z-bert-0004 on sut2: its agent has ended because the disk is full below ",
    "Failed: host sut2 (class environment)", "free some space on that disk, then: loadfleet resume", status=2,
    left="The results of sut1 and sut3 are home, and what sut2 had written. Its cell counts as failed.",
    proof=lambda bench, _play: _others_ran(bench, RUN.format(4)),
)  # fmt: skip
def disk_fills_in_run(bench: Bench) -> Play:
    bench.lab.small_disk(BROKEN, f"{STORE}/runs", 600 << 20)
    fill = f"cat /dev/zero > {STORE}/runs/filling 2>/dev/null || :"
    try:
        return bench.watch(
            "run", lambda: bench.running(BROKEN, RUN.format(4)), lambda: bench.lab.root(BROKEN, "sh", "-c", fill),
            benchmark_run_id=RUN.format(4), benchmark_query_count=LONG, benchmark_modes=["performance"],
        )  # fmt: skip
    finally:
        bench.lab.small_disk(BROKEN, f"{STORE}/runs", 0)


def _others_ran(bench: Bench, run_id: str) -> None:
    assert all(set(bench.cells(run_id, host).values()) == {0} for host in GOOD)
    assert 0 not in bench.cells(run_id, BROKEN).values()


@case(
    "A run that takes too long", "`benchmark_timeout` is 4 s, the run needs more.",
    "is stopped after benchmark_timeout (4 s); the same run id continues it", status=2,
    left="The hosts were stopped, and what they had written is home.",
    proof=lambda bench, _play: _brought_home(bench, RUN.format(5)),
)  # fmt: skip
def timeout(bench: Bench) -> Play:
    return bench.play(
        "run",
        benchmark_run_id=RUN.format(5),
        benchmark_query_count=2000,
        benchmark_timeout=4,
    )


def _brought_home(bench: Bench, run_id: str) -> None:
    for host in bench.lab.hosts:
        assert (bench.results / run_id / host / "journal.jsonl").is_file(), host
        assert bench.status(host, run_id)["phase"] in ("stopped", "interrupted"), host


# The controller.


@case(
    "Results cannot be written", "The disk with `results_path` is mounted read-only on the controller.",
    "results_path (", "on the controller: Read-only file system; fix: mount that disk writable, or set results_path",
    status=2,
)  # fmt: skip
def readonly_results(bench: Bench) -> Play:
    with bench.results_on("ro,size=1m"):
        return bench.play("bert")


@case(
    "No room for results", "The disk with `results_path` on the controller has 1 MiB.",
    "results_path (", "on the controller: 1 MiB are free; fix: free some space there, or set results_path", status=2,
)  # fmt: skip
def full_results(bench: Bench) -> Play:
    with bench.results_on("size=1m"):
        return bench.play("bert")


@case(
    "The controller's disk fills while logs come home", "The disk with `results_path` has 96 KiB.",
    "No space left on device", "what was there before is untouched", "playbooks/collect.yml", status=2,
    left="Every host keeps its run; `playbooks/collect.yml` brought all home when there was room.",
    proof=lambda bench, _play: _collected(bench),
)  # fmt: skip
def results_fill(bench: Bench) -> Play:
    with bench.results_on("size=96k"):
        return bench.play("run", benchmark_run_id=RUN.format(6), benchmark_modes=["performance"])


def _collected(bench: Bench) -> None:
    play = bench.play("collect", benchmark_run_id=RUN.format(6))
    assert play.code == 0, play.text[-3000:]
    assert all(set(bench.cells(RUN.format(6), host).values()) == {0} for host in bench.lab.hosts)


def attempt(bench: Bench, one: Case) -> tuple[Play, list[str]]:
    """Bring a case about. Returns what was read, and what was not as it should be."""
    before = {host: (bench.listing(host), bench.droppings(host)) for host in bench.lab.hosts}
    shutil.rmtree(bench.results, ignore_errors=True)
    bench.again()
    try:
        play = one.bring(bench)
    finally:
        bench.rewrite()
    problems = [f"exit status {play.code}, not {one.status}"] if play.code != one.status else []
    problems += [f"not said: {words}" for words in one.says if words not in play.words]
    problems += ["a traceback is shown"] if "Traceback" in play.text else []
    shown = bench.shown
    try:
        if one.proof:
            one.proof(bench, play)
        else:
            _untouched(bench, before)
    except AssertionError as error:
        problems.append(f"left: {error or one.left}")
    bench.shown = shown
    return play, problems


def _untouched(bench: Bench, before: dict[str, tuple[str, str]]) -> None:
    bench.again()
    for host, (listing, droppings) in before.items():
        assert bench.listing(host) == listing, f"the store of {host} has changed"
        assert bench.droppings(host) == droppings, f"on {host} lies {bench.droppings(host)}"
    assert bench.home() == [], "results"
