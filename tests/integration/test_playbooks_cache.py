"""The stores of two hosts in one table: listed, pinned, verified, removed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playground import Play, Site

pytestmark = pytest.mark.integration

VOCABULARY = "bert-uncased-vocab"


def row(play: Play) -> list[str]:
    return [" ".join(line.split()) for line in play.text.splitlines() if f" {VOCABULARY} " in line]


@pytest.fixture
def two(site: Site) -> Site:
    """Two hosts with the vocabulary in their stores."""
    site.hosts = ["one", "two"]
    command = Path(sys.executable).parent / "loadfleet"
    site.variables["python_venv_path"] = str(command.parents[1])
    ensure = [str(command), "cache", "ensure", "dataset", VOCABULARY, "--store", str(site.store / "one")]
    subprocess.run(ensure, check=True, capture_output=True)
    shutil.copytree(site.store / "one", site.store / "two")
    return site


def test_a_fleet_s_stores_are_looked_after(two: Site) -> None:
    play = two.play("cache", cache_state="pinned", cache_words=[VOCABULARY])
    assert play.code == 0, play.text
    (line,) = row(play)
    assert line.startswith(f"dataset {VOCABULARY} 07eced375cec 231.5 kB current, pinned ")
    assert line.endswith(" 0 one, two")
    assert play.recap("two")["changed"] == 1
    place = next((two.store / "two/artifacts/dataset").iterdir()) / "vocab.txt"
    place.chmod(0o644)
    place.write_text("edited")
    play = two.play("cache", cache_state="verified")
    assert play.code == 2
    assert "two" in play.text
    assert play.recap("one")["failed"] == 0
    assert play.recap("two")["failed"] == 1
    assert f"damaged: dataset {VOCABULARY}; fix: playbooks/prepare.yml makes them again" in play.text
    assert len(row(play)) == 2, "good on one, not on the other"
    (two.store / "one/pins/dataset" / f"{place.parent.name}.json").unlink()
    play = two.play("cache", "--check", cache_state="absent", cache_words=["dataset"])
    assert " would be removed " in play.text
    assert "is pinned" in play.text, "nothing could go there"
    play = two.play("cache", cache_state="absent", cache_words=["dataset"])
    assert play.recap("one")["changed"] == 1
    assert not list((two.store / "one/artifacts/dataset").iterdir())
    assert place.exists()


def test_what_runs_made_goes_alone(two: Site) -> None:
    graph = two.store / "two/compiled/onnxruntime/minilm-squad-1/graph"
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"1234567")
    play = two.play("cache", "--check", cache_state="absent", cache_made=True)
    assert play.code == 0, play.text
    assert graph.exists()
    play = two.play("cache", cache_state="absent", cache_made=True)
    assert [play.recap(host)["changed"] for host in two.hosts] == [0, 1], play.text
    (line,) = [" ".join(line.split()) for line in play.text.splitlines() if " minilm-squad-1 " in line]
    assert line == "a compiled model minilm-squad-1 7 B removed - 0 two"
    assert not graph.exists()
    assert list((two.store / "two/artifacts/dataset").iterdir())
