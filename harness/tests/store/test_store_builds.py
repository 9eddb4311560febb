from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from store_helpers import sha256, visible

from loadfleet.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadfleet.store import Store

RECIPES = """
    from pathlib import Path

    def upper(inputs, output, parameters):
        text = (inputs["raw"] / "raw.txt").read_text().upper() + parameters.get("suffix", "")
        (output / "made.txt").write_text(text)
        with (output.parent.parent.parent / "calls").open("a") as calls:
            calls.write("called\\n")

    def nothing(inputs, output, parameters):
        pass

    def fails(inputs, output, parameters):
        (output / "made.txt").write_text("half")
        raise ValueError("cannot divide by cucumber")

    def hangs(inputs, output, parameters):
        import time
        (output / "made.txt").write_text("half")
        print("begun", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "store_test_recipes.py").write_text(textwrap.dedent(RECIPES))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return "store_test_recipes"


@pytest.fixture
def raw(add: Callable[..., None], overlay: Path) -> None:
    (overlay / "datasets" / "raw.txt").write_text("some text")
    source = {"type": "embedded", "path": "raw.txt"}
    add("raw", files=[{"name": "raw.txt", "sha256": sha256(b"some text"), "sources": [source]}])


@pytest.fixture
def made(add: Callable[..., None], recipes: str, raw: None) -> Callable[..., None]:
    """Add the data set "made", which is built from "raw"."""

    def made(function: str = "upper", *, file: dict[str, Any] | None = None, **build: Any) -> None:
        recipe = {
            "entry_point": f"{recipes}:{function}",
            "version": 1,
            "requires": [{"kind": "dataset", "name": "raw"}],
        }
        add("made", build={**recipe, **build}, files=[file or {"name": "made.txt"}])

    return made


def calls(store: Store) -> int:
    path = store.path / "calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_build_brings_what_it_requires(store: Store, made: Callable[..., None]) -> None:
    made(parameters={"suffix": "!"})
    entry = store.ensure("dataset", "made")
    assert entry.file().read_text() == "SOME TEXT!"
    raw = store.find("dataset", "raw")
    assert raw is not None
    written = json.loads((entry.path / "entry.json").read_bytes())
    assert written["requires"] == [{"kind": "dataset", "name": "raw", "digest": raw.digest}]
    assert written["recipe"] == {
        "entry_point": "store_test_recipes:upper",
        "version": 1,
        "parameters": {"suffix": "!"},
    }
    assert written["source"] == "build store_test_recipes:upper version 1"


def test_a_built_entry_stands_without_its_inputs(store: Store, made: Callable[..., None]) -> None:
    made()
    store.ensure("dataset", "made")
    raw = store.find("dataset", "raw")
    assert raw is not None
    store.remove(raw)
    assert store.ensure("dataset", "made").changed is False
    assert calls(store) == 1
    assert store.find("dataset", "raw") is None


@pytest.mark.parametrize("change", [{"version": 2}, {"parameters": {"suffix": "?"}}])
def test_another_recipe_is_another_entry(store: Store, made: Callable[..., None], change: dict[str, Any]) -> None:
    made()
    first = store.ensure("dataset", "made")
    made(**change)
    assert store.find("dataset", "made") is None
    second = store.ensure("dataset", "made")
    assert second.path != first.path
    assert first.path.is_dir()


def test_other_inputs_are_another_entry(
    store: Store, made: Callable[..., None], add: Callable[..., None], overlay: Path
) -> None:
    made()
    first = store.ensure("dataset", "made")
    (overlay / "datasets" / "raw.txt").write_text("other text")
    source = {"type": "embedded", "path": "raw.txt"}
    add("raw", files=[{"name": "raw.txt", "sha256": sha256(b"other text"), "sources": [source]}])
    second = store.ensure("dataset", "made")
    assert second.digest != first.digest
    assert second.file().read_text() == "OTHER TEXT"


def test_a_declared_digest_names_the_entry_and_is_verified(store: Store, made: Callable[..., None]) -> None:
    made(file={"name": "made.txt", "sha256": sha256(b"SOME TEXT")})
    assert store.ensure("dataset", "made").digest == f"sha256:{sha256(b'SOME TEXT')}"


@pytest.mark.parametrize(
    ("function", "file", "expected"),
    [
        ("upper", {"name": "made.txt", "sha256": "0" * 64}, "instead of 000"),
        ("nothing", None, "did not write made.txt"),
        ("fails", None, "ValueError: cannot divide by cucumber"),
        ("absent", None, "store_test_recipes:absent, which cannot be imported"),
    ],
)
def test_a_failed_build_leaves_nothing(
    store: Store, made: Callable[..., None], function: str, file: dict[str, Any] | None, expected: str
) -> None:
    made(function, file=file)
    with pytest.raises(NotReadyError) as caught:
        store.ensure("dataset", "made")
    assert expected in caught.value.message
    assert [path.split("/")[-1].rpartition("-")[0] for path in visible(store)] == ["raw"]


def test_a_killed_build_leaves_nothing_visible_and_is_cleared_away(
    store: Store, made: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made("hangs")
    program = "import sys; from loadfleet.store import Store; Store(sys.argv[1]).ensure('dataset', 'made')"
    with subprocess.Popen([sys.executable, "-c", program, str(store.path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert [path for path in visible(store) if ".new" in path]
    assert store.find("dataset", "made") is None
    assert [entry.name for entry in store.entries()] == ["raw"]
    # the dead process holds no lock, and the next one to make the entry removes what it left
    monkeypatch.setattr("time.sleep", lambda _: None)
    store.ensure("dataset", "made")
    assert not [path for path in visible(store) if ".new" in path]


def test_a_circle_is_refused(store: Store, add: Callable[..., None]) -> None:
    build = {"entry_point": "a:b", "version": 1}
    add("left", build={**build, "requires": [{"kind": "dataset", "name": "right"}]}, files=[{"name": "f"}])
    add("right", build={**build, "requires": [{"kind": "dataset", "name": "left"}]}, files=[{"name": "f"}])
    with pytest.raises(InputError, match="dataset left needs dataset right needs dataset left"):
        store.ensure("dataset", "left")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(store: Store, made: Callable[..., None]) -> None:
    made()
    said: list[str] = []
    entry = store.ensure("dataset", "made", dry_run=True, report=said.append)
    assert entry.changed is True
    assert entry.files == ()
    assert "would fetch raw.txt from the first that has it: embedded raw.txt" in said[0]
    assert "would build store_test_recipes:upper version 1" in said[1]
    assert not store.path.exists()
    assert store.ensure("dataset", "made").path == entry.path
    assert store.ensure("dataset", "made", dry_run=True).changed is False
