"""Power sessions and results of the endpoints client with anything in place of any value: always a verdict."""

from __future__ import annotations

import json
import os
import random
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from endpoints_builder import build

from loadfleet.submission.check import check

ARCHIVE = Path(__file__).parent / "data" / "v4.1-closed-edge-resnet50-power.tar.xz"
VALUES = [None, [], {}, "", "x", -1, 0, 1.5, 1e308, True, [[]], [None], {"x": None}, "\ud800", 10**400, [1] * 9]
TEXTS = [
    b"",
    b"\xff\xfe\n" * 50,
    b"Time,99-99-9999 99:99:99.999,Watts,1,Volts,1,Amps,1,PF,1\n",
    b"Time,07-23-2024 13:43:40.228,Watts,1.2.3,Volts,1,Amps,1,PF,1,Mark,x\n",
    b"Time,,Watts\n" * 1000,
    b"07-23-2024 13:28:09.884: Go with mark '2024-07-23_09-27-46_ranging'\n07-23-2024 13:28:09.884: Completed test\n",
    b"ERROR: \xff\n" * 500,
]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One published result with power."""
    folder = tmp_path_factory.mktemp("power")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    for name in ("singlestream", "multistream"):
        for path in list(folder.rglob(name)):
            shutil.rmtree(path)
    return folder


@pytest.fixture(scope="module")
def clients(accepted_closed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(accepted_closed, tmp_path_factory.mktemp("clients") / "tree")


def damage(value: Any, chance: random.Random) -> Any:
    """The value with something else somewhere in it."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        return {**value, key: damage(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        index = chance.randrange(len(value))
        return [*value[:index], damage(value[index], chance), *value[index + 1 :]]
    return chance.choice(VALUES)


def rewrite(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def verdict(root: Path, round_name: str, submitter: str) -> list[str]:
    report = check(root, round_name, submitter, jobs=1)
    json.dumps(report.as_json())
    report.csv().encode()
    assert not [finding for finding in report.findings if "can be made" in finding.rule], report.findings
    return [finding.line() for finding in report.findings if finding.severity == "error"]


@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_record_of_a_session(seed: int, measured: Path, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - damage, no secret
    root = Path(shutil.copytree(measured, tmp_path / "tree", copy_function=os.link))
    (power,) = root.rglob("power")
    path = power / chance.choice(["client.json", "server.json"])
    changed = damage(json.loads(path.read_text()), chance)
    rewrite(path, json.dumps(changed).encode())

    verdict(root, "v4.1", "UntetherAI")


@pytest.mark.parametrize(
    "keys",
    [
        ("session_name",),
        ("timezone",),
        ("debug",),
        ("phases", "testing", 1, 0),
        ("ptd_config", "device_type"),
        ("ptd_messages", 1, "reply"),
        ("messages", 0, "cmd"),
        ("results", "run_1/spl.txt"),
        ("sources", "server.py"),
        ("uuid", "server"),
    ],
    ids=lambda keys: keys[0],
)
def test_anything_in_a_field_of_a_session(keys: tuple[Any, ...], measured: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(measured, tmp_path / "tree", copy_function=os.link))
    (path,) = root.rglob("server.json")
    before = path.read_text()
    for value in [*VALUES, float("nan"), float("inf")]:
        content = place = json.loads(before)
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        rewrite(path, json.dumps(content).encode())

        verdict(root, "v4.1", "UntetherAI")


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("name", ["run_1/spl.txt", "ranging/spl.txt", "power/ptd_logs.txt", "power/client.log"])
def test_a_damaged_log_of_a_session(name: str, text: bytes, measured: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(measured, tmp_path / "tree", copy_function=os.link))
    (power,) = root.rglob("power")
    rewrite(power.parent / name, text)

    assert verdict(root, "v4.1", "UntetherAI")


@pytest.mark.parametrize("seed", range(25))
def test_damaged_files_of_the_endpoints_client(seed: int, clients: Path, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - damage, no secret
    root = Path(shutil.copytree(clients, tmp_path / "tree"))
    names = ["result_summary.json", "accuracy_results.json", "config.yaml", "audit_output_caching_test.json"]
    for path in root.rglob(chance.choice(names)):
        changed = damage(yaml.safe_load(path.read_text()), chance)
        path.write_text(json.dumps(changed))

    verdict(root, "v6.1", "Example")


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_nameplate(seed: int, measured: Path, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 - damage, no secret
    root = Path(shutil.copytree(measured, tmp_path / "tree", copy_function=os.link))
    content = {"A": [{"B": {"PSUs": [{"Name": "x", "PowerCapacityWatts": 1200}], "Min PSUs Needed": 1}}]}
    (systems,) = root.rglob("systems")
    (systems / "h13_u3_slim_power.yaml").write_text(json.dumps(damage(content, chance)))

    verdict(root, "v6.1", "UntetherAI")
