"""Tuning on fake machines: recorded first, verified, put back exactly, whatever happens in between."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.loadfleet.mlperf.plugins.action import platform_tuning as action
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _lock, _settings, _tuning
from fake_machine import machine, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
PLATFORMS = ROOT / "harness/src/loadfleet/catalogue/data/platforms"
WANTED = {
    "governor": "performance", "transparent_hugepages": "always", "numa_balancing": 0, "swappiness": 1,
    "limits": {"nofile": 65536, "memlock": "unlimited"},
}  # fmt: skip


def record(root: Path) -> Path:
    return root / "var/lib/loadfleet/platform_tuning.json"


def tuner(root: Path, busy: str | None = None) -> _tuning.Tuner:
    return _tuning.Tuner(str(root), _tuning.places(str(root), str(root / "store"), privileged=True), busy)


def test_applied_read_back_and_put_back_exactly(tmp_path: Path) -> None:
    root = machine(tmp_path)
    (root / "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor").write_text("schedutil\n")
    before = snapshot(root)
    first = tuner(root).apply("fast", WANTED)
    assert first["changed"]
    assert first["refused"] == []
    assert first["platform"]["profile"] == "fast"
    assert first["platform"]["applied"] == list(WANTED)
    assert first["platform"]["values"] == {
        "governor": "performance", "transparent_hugepages": "always", "numa_balancing": "0", "swappiness": "1",
        "limits": {"nofile": 65536, "memlock": "unlimited"},
    }  # fmt: skip
    assert "* - nofile 65536" in (root / "etc/security/limits.d/90-loadfleet.conf").read_text().splitlines()
    kept = record(root).read_bytes()
    assert "from the next login on" in first["notices"][0]
    again = tuner(root).apply("fast", WANTED)
    assert (again["changed"], again["notices"]) == (False, [])
    assert record(root).read_bytes() == kept, "earlier values are recorded once"
    back = tuner(root).restore()
    assert back["changed"]
    assert snapshot(root) == before
    assert not record(root).exists()
    assert not tuner(root).restore()["changed"]


def test_check_mode_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    root = machine(tmp_path)
    before = snapshot(root)
    foreseen = tuner(root).apply("fast", WANTED, check=True)
    assert snapshot(root) == before
    assert not (root / "var").exists()
    done = tuner(root).apply("fast", WANTED)
    assert foreseen == done
    assert "numa_balancing: 1" in foreseen["diff"]["before"]
    assert "numa_balancing: 0" in foreseen["diff"]["after"]
    tuned = snapshot(root)
    back = tuner(root).restore(check=True)
    assert back["changed"]
    assert snapshot(root) == tuned
    assert record(root).exists()


def test_the_record_is_on_disk_before_the_first_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path)
    seen = []

    def write(*args: Any) -> None:
        seen.append(json.loads(record(root).read_text())["settings"])
        original(*args)

    original = _settings.write
    monkeypatch.setattr(_settings, "write", write)
    tuner(root).apply("fast", WANTED)
    assert {entry["setting"] for entry in seen[0]} == set(WANTED)
    assert {entry["before"] for entry in seen[0] if entry["setting"] == "governor"} == {"powersave"}


@pytest.mark.parametrize("writes", [0, 1, 3])
def test_killed_in_the_middle_everything_is_put_back(tmp_path: Path, writes: int) -> None:
    root = machine(tmp_path)
    before = snapshot(root)
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT / "collections")!r})
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _settings, _tuning
original, left = _settings.write, [{writes}]
def write(*args):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    original(*args)
_settings.write = write
places = _tuning.places({str(root)!r}, "", True)
_tuning.Tuner({str(root)!r}, places).apply("fast", {WANTED!r})
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert record(root).exists()
    tuner(root).restore()
    assert snapshot(root) == before


def test_after_a_restart_the_record_is_discarded_and_lasting_files_are_removed(tmp_path: Path) -> None:
    root = machine(tmp_path)
    tuner(root).apply("fast", WANTED)
    limits = root / "etc/security/limits.d/90-loadfleet.conf"
    # The kernel starts with its defaults, which need not be what was recorded.
    (root / "proc/sys/kernel/random/boot_id").write_text("another-boot\n")
    (root / "proc/sys/vm/swappiness").write_text("42\n")
    back = tuner(root).restore()
    assert "restarted" in back["notices"][0]
    assert (root / "proc/sys/vm/swappiness").read_text() == "42\n"
    assert not limits.exists()
    assert not record(root).exists()


def test_after_a_restart_a_new_tuning_records_the_new_values(tmp_path: Path) -> None:
    root = machine(tmp_path)
    wanted = {"swappiness": 1}
    tuner(root).apply("fast", wanted)
    (root / "proc/sys/kernel/random/boot_id").write_text("another-boot\n")
    (root / "proc/sys/vm/swappiness").write_text("42\n")
    tuner(root).apply("fast", wanted)
    tuner(root).restore()
    assert (root / "proc/sys/vm/swappiness").read_text() == "42\n"


def test_what_cannot_be_set_is_listed_and_the_rest_is_set(tmp_path: Path) -> None:
    root = machine(tmp_path)
    for folder in (root / "sys/devices/system/cpu").glob("cpu*/cpufreq"):
        (folder / "scaling_available_governors").write_text("powersave schedutil\n")
    (root / "proc/sys/kernel/numa_balancing").unlink()
    answer = tuner(root).apply("fast", WANTED)
    assert answer["changed"]
    reasons = {one["setting"]: one["reason"] for one in answer["refused"]}
    assert set(reasons) == {"governor", "numa_balancing"}
    assert reasons["governor"] == "the kernel offers powersave, schedutil"
    assert "not there" in reasons["numa_balancing"]
    assert answer["platform"]["applied"] == ["transparent_hugepages", "swappiness", "limits"]
    assert answer["platform"]["values"]["governor"] == "powersave"


def refusing(name: str) -> Callable[..., None]:
    original = _settings.write

    def write(root: str, path: str, text: str | None, persistent: bool) -> None:
        if path.endswith(name):
            raise OSError(22, "Invalid argument")
        original(root, path, text, persistent)

    return write


def test_a_write_that_the_kernel_refuses_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path)
    monkeypatch.setattr(_settings, "write", refusing("swappiness"))
    answer = tuner(root).apply("fast", WANTED)
    assert [(one["setting"], one["reason"]) for one in answer["refused"]] == [("swappiness", "Invalid argument")]
    assert "swappiness" not in answer["platform"]["applied"]
    assert "swappiness" not in answer["diff"]["after"]


@pytest.mark.parametrize("late", [False, True])
def test_strict_changes_nothing_when_something_cannot_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    root = machine(tmp_path)
    if late:
        with monkeypatch.context() as patch:
            before = snapshot(root)
            patch.setattr(_settings, "write", refusing("swappiness"))
            with pytest.raises(_tuning.TuningError, match="put back again: swappiness") as caught:
                tuner(root).apply("fast", WANTED, strict=True)
    else:
        (root / "proc/sys/vm/swappiness").unlink()
        before = snapshot(root)
        with pytest.raises(_tuning.TuningError, match="nothing was changed: swappiness") as caught:
            tuner(root).apply("fast", WANTED, strict=True)
    assert caught.value.rc == 3
    assert snapshot(root) == before
    assert not record(root).exists()


def test_what_cannot_be_put_back_stays_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path)
    before = snapshot(root)
    tuner(root).apply("fast", WANTED)
    with monkeypatch.context() as patch:
        patch.setattr(_settings, "write", refusing("swappiness"))
        answer = tuner(root).restore()
    assert [one["setting"] for one in answer["refused"]] == ["swappiness"]
    assert [entry["setting"] for entry in json.loads(record(root).read_text())["settings"]] == ["swappiness"]
    tuner(root).restore()
    assert snapshot(root) == before


def test_without_a_place_for_the_record_nothing_is_changed(tmp_path: Path) -> None:
    root = machine(tmp_path)
    (root / "var").write_text("in the way\n")
    before = snapshot(root)
    answer = tuner(root).apply("fast", WANTED)
    assert snapshot(root) == before
    assert not answer["changed"]
    assert {one["setting"] for one in answer["refused"]} == set(WANTED)
    assert "cannot be recorded" in answer["refused"][0]["reason"]


def test_another_profile_puts_back_what_it_does_not_ask_for(tmp_path: Path) -> None:
    root = machine(tmp_path)
    before = snapshot(root)
    tuner(root).apply("fast", WANTED)
    tuner(root).apply("other", {"swappiness": 5})
    assert _settings.shown(_settings.values(str(root), "governor")) == "powersave"
    assert (root / "proc/sys/vm/swappiness").read_text() == "5\n"
    tuner(root).restore()
    assert snapshot(root) == before


def test_a_running_measurement_is_never_disturbed(tmp_path: Path) -> None:
    root = machine(tmp_path)
    before = snapshot(root)
    with pytest.raises(_tuning.TuningError, match="run R measures on this host") as caught:
        tuner(root, "R").apply("fast", WANTED)
    assert caught.value.rc == 3
    assert snapshot(root) == before
    tuner(root).apply("fast", WANTED)
    assert not tuner(root, "R").apply("fast", WANTED)["changed"], "adopting a run finds everything in place"
    tuned = snapshot(root)
    answer = tuner(root, "R").restore()
    assert "still measures" in answer["notices"][0]
    assert snapshot(root) == tuned
    assert record(root).exists()


def test_the_holder_of_the_lock_is_named(tmp_path: Path) -> None:
    assert _lock.holder(str(tmp_path)) is None
    path = tmp_path / "locks/sut.lock"
    path.parent.mkdir()
    path.write_text("20261122T003500Z-bert-3f9a\n")
    assert _lock.holder(str(tmp_path)) is None
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert _lock.holder(str(tmp_path)) == "20261122T003500Z-bert-3f9a"


def test_verify_compares_and_changes_nothing(tmp_path: Path) -> None:
    root = machine(tmp_path)
    before = snapshot(root)
    answer = tuner(root).verify({"swappiness": 60, "numa_balancing": 0}, "fast")
    assert answer["platform"]["applied"] == ["swappiness"]
    assert [(one["setting"], one["seen"]) for one in answer["refused"]] == [("numa_balancing", "1")]
    assert snapshot(root) == before


def test_root_follows_no_record_of_somebody_else(tmp_path: Path) -> None:
    root = machine(tmp_path)
    own = root / "store/platform/platform_tuning.json"
    own.parent.mkdir(parents=True)
    entry = {"setting": "swappiness", "path": "proc/sys/vm/swappiness", "before": "99"}
    boot = (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    own.write_text(json.dumps({"schema_version": 1, "profile": "x", "boot_id": boot, "settings": [entry]}))
    assert not tuner(root).restore()["changed"]
    user = _tuning.Tuner(str(root), _tuning.places(str(root), str(root / "store"), privileged=False))
    assert user.restore()["changed"]


def test_a_record_can_only_name_known_files(tmp_path: Path) -> None:
    root = machine(tmp_path)
    record(root).parent.mkdir(parents=True)
    boot = (root / "proc/sys/kernel/random/boot_id").read_text().strip()
    entry = {"setting": "swappiness", "path": "etc/passwd", "before": "x"}
    record(root).write_text(json.dumps({"schema_version": 1, "profile": "x", "boot_id": boot, "settings": [entry]}))
    assert not tuner(root).restore()["changed"]
    assert not (root / "etc/passwd").exists()


def test_hints_say_what_applies(tmp_path: Path) -> None:
    root = machine(tmp_path)
    assert _settings.hints(str(root), ["irq", "cores"]) == []
    (root / "proc/77").mkdir()
    (root / "proc/77/comm").write_text("irqbalance\n")
    for node in range(2):
        (root / f"sys/devices/system/node/node{node}").mkdir(parents=True)
    irq, cores = _settings.hints(str(root), ["irq", "cores"])
    assert "irqbalance runs" in irq
    assert cores.startswith("2 NUMA nodes")
    (root / "sys/devices/system/cpu/isolated").write_text("2-3\n")
    assert "cores 2-3 are isolated" in _settings.hints(str(root), ["cores"])[0]


def test_platforms_inherit(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(
        yaml.safe_dump(
            {
                "based_on": "throughput-server",
                "tuning": {"swappiness": 10, "limits": {"nofile": 1024}},
                "match": {"architecture": "x86_64"},
                "hints": ["irq"],
            }
        )
    )
    found = action.resolve("mine", [str(tmp_path), str(PLATFORMS)])
    assert found["settings"]["governor"] == "performance"
    assert found["settings"]["swappiness"] == 10
    assert found["settings"]["limits"] == {"nofile": 1024, "memlock": "unlimited"}
    assert found["hints"] == ["irq", "cores"]
    assert found["match"] == {"architecture": "x86_64"}


@pytest.mark.parametrize("path", sorted(PLATFORMS.glob("*.yml")), ids=lambda path: path.stem)
def test_shipped_platforms_resolve_to_known_settings(path: Path) -> None:
    found = action.resolve(path.stem, [str(PLATFORMS)])
    assert set(found["settings"]) <= set(_settings.SETTINGS)
    assert set(found["hints"]) <= set(_settings.HINTS)


def test_wrong_platforms_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean throughput-server"):
        action.resolve("throughput-servr", [str(PLATFORMS)])
    (tmp_path / "a.yml").write_text("{based_on: b, tuning: {}}")
    (tmp_path / "b.yml").write_text("{based_on: a, tuning: {}}")
    with pytest.raises(ValueError, match="a -> b -> a are based on each other"):
        action.resolve("a", [str(tmp_path)])
    (tmp_path / "c.yml").write_text("tuning: [1]")
    with pytest.raises(ValueError, match=r"c\.yml: a mapping"):
        action.resolve("c", [str(tmp_path)])


def test_the_schema_knows_the_settings_that_the_module_knows() -> None:
    schema = json.loads((PLATFORMS.parents[1] / "schemas/platform.json").read_text())
    assert set(schema["properties"]["tuning"]["properties"]) == set(_settings.SETTINGS)
    assert set(schema["properties"]["hints"]["items"]["enum"]) == set(_settings.HINTS)


def module(root: Path, check: bool = False, **options: Any) -> dict[str, Any]:
    """The module itself, in a process of its own."""
    arguments = {
        "ANSIBLE_MODULE_ARGS": {
            "root": str(root), "store_path": str(root / "store"), "_ansible_check_mode": check,
            "_ansible_diff": True, "_ansible_remote_tmp": str(root / "tmp"), **options,
        }
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(ROOT / "plugins/modules/platform_tuning.py"), json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_module_applies_and_restores(tmp_path: Path) -> None:
    root = machine(tmp_path)
    before = snapshot(root)
    options = {"profile": "fast", "settings": WANTED, "hints": ["irq"]}
    assert module(root, check=True, **options)["changed"]
    assert snapshot(root) == before
    (root / "proc/swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 2097152 10240 -2\n")
    answer = module(root, **options)
    assert answer["platform"]["applied"] == list(WANTED)
    assert answer["advice"][0].startswith("swap space is on (2048 MiB, 10 MiB in use)")
    assert module(root, state="verified", strict=True, **options)["refused"] == []
    (root / "proc/swaps").write_text("Filename\n")
    assert module(root, state="restored")["changed"]
    assert snapshot(root) == before
    failed = module(root, state="verified", strict=True, **options)
    assert failed["rc"] == 3
    assert "governor: wanted performance, is powersave" in failed["msg"]


def test_the_module_refuses_wrong_input(tmp_path: Path) -> None:
    root = machine(tmp_path)
    answer = module(root, profile="x", settings={"turbo": 1})
    assert answer["rc"] == 2
    assert "unknown turbo" in answer["msg"]
    answer = module(root, profile="x", settings={"swappiness": 1}, match={"architecture": "sparc"})
    assert answer["rc"] == 2
    assert "not sparc" in answer["msg"]


def test_where_nothing_can_be_set_nothing_is_left_behind(tmp_path: Path) -> None:
    root = machine(tmp_path)
    (root / "proc/sys/vm/swappiness").unlink()
    assert not tuner(root).apply("fast", {"swappiness": 1})["changed"]
    assert not (root / "var").exists()
