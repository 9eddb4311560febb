"""What is said of a round or a benchmark is said in the catalogue; code works on whatever stands there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import loadfleet
from loadfleet.catalogue import loader, rounds

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = sorted(Path(loadfleet.__file__).parent.rglob("*.py"))
ROUND = re.compile(r"\bv(?:[3-9]|\d\d)\.\d*")  # rounds that we know begin with v3; v1.1 is a data set
MODELS = {
    name
    for round_name in rounds.names()
    for name in (*rounds.load(round_name).models, *rounds.load(round_name).aliases)
}


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """String constants with their lines; docstrings and help texts, which may give examples, are left out."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    bare |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "help"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.lineno, node.value


def named(source: str) -> list[str]:
    """Rounds and benchmarks that a source names, with their lines."""
    found = []
    for line, text in texts(ast.parse(source)):
        words = set(re.findall(r"[\w.-]+", text)) & MODELS
        found += [f"{line}: {word}" for word in [*ROUND.findall(text), *sorted(words)]]
    return found


def test_no_code_names_a_round_or_a_benchmark() -> None:
    root = Path(loadfleet.__file__).parent
    found = {str(path.relative_to(root)): names for path in SOURCES if (names := named(path.read_text()))}

    assert found == {}
    assert len(SOURCES) > 100


@pytest.mark.parametrize(
    "source",
    [
        'DEFAULT = "v6.1"',
        'if name.startswith("v6."): pass',
        'f"rules of v5.0"',
        'NAMES = {"bert-99": 1}',
        'if model == "resnet50": pass',
        'if "dlrm-v3" in names: pass',
    ],
)
def test_such_names_would_be_found(source: str) -> None:
    assert named(source)


@pytest.mark.parametrize("source", ['"""Rules of v6.1 and bert-99."""', 'x = "v6"', 'option(help="like bert-99")'])
def test_documentation_may_name_them(source: str) -> None:
    assert named(source) == []


def test_a_round_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in a folder of one's own is a round like any other, and the newest when its number says so."""
    (tmp_path / "rounds").mkdir()
    (tmp_path / "rounds" / "v99.0.yml").write_text(
        "name: v99.0\ntitle: A later round\ntags: [later]\nbased_on: v6.1\n"
        "seeds: {qsl_rng_seed: 1, sample_index_rng_seed: 2, schedule_rng_seed: 3}\n"
        "models:\n  bert-99: {accuracy: {F1: {share: 0.98, reference: 90.874}}}\n  resnet: null\n"
    )
    monkeypatch.setenv("LOADFLEET_CATALOGUE", str(tmp_path))
    for cached in (
        rounds.load,
        rounds.by_seed,
        *(found for found in vars(loader).values() if hasattr(found, "cache_clear")),
    ):
        cached.cache_clear()
    try:
        later, base = rounds.load("v99.0"), rounds.load("v6.1")

        assert rounds.newest() == "v99.0"
        assert later.models["bert-99"].target().minimum == pytest.approx(0.98 * 90.874)
        assert later.models.keys() == base.models.keys() - {"resnet"}
        assert (later.layout, later.power, later.compliance_tests) == (base.layout, base.power, base.compliance_tests)
    finally:
        monkeypatch.undo()
        for cached in (
            rounds.load,
            rounds.by_seed,
            *(found for found in vars(loader).values() if hasattr(found, "cache_clear")),
        ):
            cached.cache_clear()
