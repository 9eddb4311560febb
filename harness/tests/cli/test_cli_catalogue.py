from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from loadfleet import catalogue
from loadfleet.cli import cli
from loadfleet.errors import InputError


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["catalogue", *arguments], catch_exceptions=True)


def test_list_prints_an_aligned_table() -> None:
    result = run("list", "backends")
    assert result.exit_code == 0
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["KIND", "NAME", "TITLE", "TAGS"]
    assert [row.split()[1] for row in rows] == ["null", "onnxruntime", "openvino", "pytorch"]
    assert {row.index(row.split()[1]) for row in rows} == {header.index("NAME")}


def test_list_without_kind_holds_every_entry() -> None:
    rows = json.loads(run("list", "--json").stdout)["entries"]
    assert [(row["kind"], row["name"]) for row in rows] == [(each.kind, each.name) for each in catalogue.entries()]


def test_find_by_tags() -> None:
    answer = json.loads(run("find", "backend", "cuda", "--json").stdout)
    assert answer["schema_version"] == 1
    assert [row["name"] for row in answer["entries"]] == ["onnxruntime"]


def test_find_without_a_hit_says_so_on_stderr() -> None:
    result = run("find", "no-such-tag")
    assert result.stdout == ""
    assert "no entry fits" in result.stderr


@pytest.mark.parametrize("arguments", [("null",), ("backend", "null"), ("backends", "null")])
def test_show_prints_the_file(arguments: tuple[str, ...]) -> None:
    result = run("show", *arguments)
    assert "loadfleet.backends.null:Null" in result.stdout
    assert json.loads(run("show", *arguments, "--json").stdout)["data"]["devices"] == {"cpu": []}


@pytest.mark.parametrize("arguments", [("show", "nul"), ("show", "backend", "nul"), ("list", "nul")])
def test_unknown_names_are_wrong_input(arguments: tuple[str, ...]) -> None:
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    assert error.fix


@pytest.mark.parametrize(
    "arguments", [["list"], ["list", "--json"], ["find", "onnx"], ["show", "onnxruntime"]], ids=" ".join
)
def test_slow_modules_are_not_imported(arguments: list[str]) -> None:
    """The promise of an answer below 0.3 s, held by what is imported: time on a busy machine proves nothing."""
    program = (
        "import sys; from loadfleet.cli import cli; cli(sys.argv[1:], standalone_mode=False);"
        "print(' '.join(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "catalogue", *arguments], capture_output=True, text=True, check=True
    )
    imported = set(done.stderr.split())
    slow = "numpy jsonschema referencing rich onnx onnxruntime jinja2 tokenizers mlperf_loadgen ansible urllib3 asyncio"
    assert imported & set(slow.split()) == set()
    assert "yaml" in imported
