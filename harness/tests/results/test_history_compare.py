from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from published_builder import RESNET, publish
from result_builder import result, run_folder

from loadfleet.cli.results import command
from loadfleet.errors import InputError
from loadfleet.results import RunResults, history
from loadfleet.results.history import PublishedResult, comparison
from loadfleet.results.history.derived import derive
from loadfleet.results.history.importing import import_results
from loadfleet.results.history.nearest import alike, cautions, nearest, why_none

if TYPE_CHECKING:
    from pathlib import Path

ROW = PublishedResult(
    digest="sha256:1", origin="published", source="s", location="l", round="v6.1", division="closed", category="edge",
    availability="available", submitter="Example", system="board", system_name="Board", nodes=1,
    processor="AMD EPYC 9124 16-Core Processor", processors_per_node=1, cores_per_processor=16, accelerator="",
    accelerators_per_node=0, software="", operating_system="", precision="int8", model="bert-99",
    model_folder="bert-99", benchmark="bert", flavour="99", scenario="Offline", value=200.0, unit="Samples/s",
    accuracy_met=True,
)  # fmt: skip


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "results.duckdb"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Ours: bert-99 Offline at 1,234.5 Samples/s, accuracy below the target."""
    return run_folder(tmp_path / "results", result(), result(mode="accuracy"))


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "250"}).invoke(command, ["compare", *arguments], catch_exceptions=False)


def test_derived_numbers_with_their_formulae() -> None:
    accelerated = replace(ROW, nodes=2, accelerator="GPU", accelerators_per_node=4, value=800.0, power_w=400.0)

    found = derive(replace(accelerated, price_eur=1600.0))

    assert (found["per_accelerator"].value, found["per_accelerator"].unit) == (100.0, "Samples/s per accelerator")
    assert found["per_accelerator"].formula == "800 Samples/s / (2 x 4)"
    assert (found["per_watt"].value, found["per_watt"].unit) == (2.0, "Samples/s per W")
    assert (found["per_1000_eur"].value, found["per_1000_eur"].formula) == (500.0, "800 Samples/s x 1000 / 1,600 EUR")
    assert "per_core" not in found
    assert derive(ROW)["per_core"].value == 12.5
    assert set(derive(ROW)) == {"per_core"}


def test_a_latency_has_no_share_per_accelerator_and_its_energy_is_per_query() -> None:
    row = replace(ROW, scenario="MultiStream", value=2.0, unit="ms", accelerator="GPU", accelerators_per_node=4)

    found = derive(replace(row, energy_mj=80.0, price_eur=1000.0))

    assert set(found) == {"per_watt"}
    assert (found["per_watt"].value, found["per_watt"].formula) == (100.0, "8 x 1000 / 80.00 mJ")


def test_unknown_numbers_are_not_made_up() -> None:
    assert derive(replace(ROW, cores_per_processor=None)) == {}
    assert derive(replace(ROW, accelerator="GPU", accelerators_per_node=None, processors_per_node=None)) == {}


def test_like_hardware_comes_first() -> None:
    ours = replace(ROW, origin="own", accelerator="NVIDIA H100 80GB", accelerators_per_node=1, value=100.0)
    same = replace(ours, system="same", accelerator="NVIDIA H100-SXM-80GB")
    eight = replace(ours, system="eight", accelerators_per_node=8)
    other = replace(ours, system="other", accelerator="AMD Instinct MI300X")
    cpu = replace(ROW, system="cpu")

    found = nearest(ours, [cpu, other, eight, same], 10)

    assert [near.row.system for near in found] == ["same", "eight", "other", "cpu"]
    assert found[0].likeness.endswith("as many accelerators")
    assert found[1].likeness == "same accelerator, 8 accelerators to our 1"
    assert found[3].likeness == "accelerators against processors only"


@pytest.mark.parametrize(
    "change",
    [
        {"flavour": "99.9", "model": "bert-99.9"},
        {"benchmark": "resnet", "model": "resnet", "flavour": ""},
        {"scenario": "Server", "unit": "Queries/s"},
        {"unit": "Tokens/s"},
    ],
)
def test_other_units_flavours_models_and_scenarios_are_never_compared(change: dict[str, Any]) -> None:
    other = replace(ROW, **change)

    assert nearest(ROW, [other], 5) == []
    why = why_none(ROW, [other])
    assert why
    assert any(text in why for text in ("bert-99.9", "there are resnet", "Server", "in Tokens/s, ours in Samples/s"))


def test_ratios_say_which_is_better() -> None:
    faster = replace(ROW, value=400.0)
    assert nearest(ROW, [faster], 1)[0].ratio == 2.0
    latency = replace(ROW, scenario="SingleStream", unit="ms", value=4.0)
    assert nearest(latency, [replace(latency, value=2.0)], 1)[0].ratio == 2.0


def test_what_must_be_known_before_comparing() -> None:
    ours = replace(ROW, valid=False, accuracy={"F1": 76.2}, accuracy_met=False)
    theirs = replace(ROW, round="v5.1", division="open", model_folder="tiny", inferred=True, accuracy_met=False)

    text = "; ".join(cautions(ours, theirs))

    for part in ("no valid result", "F1 76.2", "below the target of bert-99", "inferred", "tiny", "v6.1, v5.1"):
        assert part in text
    assert cautions(ROW, ROW) == ()


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("NVIDIA L40S", "NVIDIA L40S", 1, 1),
        ("Intel(R) Xeon(R) Platinum 8592+", "INTEL(R) XEON(R) PLATINUM 8592+", 1, 1),
        ("NVIDIA H100-SXM-80GB", "NVIDIA H200-SXM-141GB", 0.1, 0.5),
        ("NVIDIA L40S", "AMD Instinct MI300X", 0, 0),
        ("", "", 1, 1),
        ("", "x9", 0, 0),
    ],
)
def test_names_of_devices(one: str, other: str, least: float, most: float) -> None:
    assert least <= alike(one, other) <= most


def test_ours_as_a_row(run: Path) -> None:
    (row,) = history.own(RunResults.load(run))

    assert (row.origin, row.model, row.model_folder, row.flavour) == ("own", "bert-99", "minilm-squad", "99")
    assert (row.value, row.unit, row.software) == (1234.5, "Samples/s", "onnxruntime 1.23.2")
    assert row.accuracy == {"F1": 76.4, "exact_match": 65.1}
    assert row.accuracy_met is False
    assert history.own(RunResults.load(run), 250.0)[0].price_eur == 250.0


def test_a_subset_does_not_judge_our_accuracy(tmp_path: Path) -> None:
    subset = result(mode="accuracy", accuracy={"samples": 100, "met": None})
    (row,) = history.own(RunResults.load(run_folder(tmp_path, result(), subset)))

    assert row.accuracy_met is None


def test_a_price_in_system_json(run: Path) -> None:
    path = run / "localhost" / "system.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "price_eur": 800}))

    assert history.own(RunResults.load(run))[0].price_eur == 800.0


def test_the_command_puts_a_run_beside_published_ones(run: Path, index: Path, tmp_path: Path) -> None:
    publish(tmp_path / "tree", values={"result_samples_per_second": 2469.0})
    publish(tmp_path / "tree", system="exact", model="bert-99.9")
    import_results(str(tmp_path / "tree"), index)

    shown = invoke(str(run), "--index", str(index), "--price", "1000", "--price", "board=2000")

    assert shown.exit_code == 0
    assert "bert-99, Offline, Samples/s (more is better)" in shown.output
    assert "2.00x" in shown.output
    assert "System board" in " ".join(shown.output.split())
    assert "exact" not in shown.output.replace("exact_match", "")
    assert "below the target of bert-99" in shown.output
    assert "Per 1000 EUR = result x 1000 / price in euro" in shown.output


def test_the_command_as_json_csv_and_markdown(run: Path, index: Path, tmp_path: Path) -> None:
    publish(tmp_path / "tree", values={"result_samples_per_second": 2469.0})
    import_results(str(tmp_path / "tree"), index)

    answer = json.loads(invoke(str(run), "--index", str(index), "--json").output)
    ours, theirs = answer["published"]["groups"][0]["results"]
    assert (ours["origin"], theirs["origin"], theirs["ratio"]) == ("own", "published", 2.0)
    assert theirs["derived"]["per_core"]["formula"] == "2,469 Samples/s / (1 x 2 x 32)"
    assert "per_core" in answer["published"]["formulae"]

    lines = list(csv.DictReader(io.StringIO(invoke(str(run), "--index", str(index), "--csv").output)))
    assert [line["origin"] for line in lines] == ["own", "published"]
    assert (lines[1]["per_core_unit"], lines[1]["unit"]) == ("Samples/s per core", "Samples/s")
    assert lines[1]["per_core_formula"] == "2,469 Samples/s / (1 x 2 x 32)"

    text = invoke(str(run), "--index", str(index), "--markdown").output
    assert text.startswith("### bert-99, Offline, Samples/s (more is better)\n\n| System |")
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {9}


def test_published_results_alone_with_a_filter(index: Path) -> None:
    import_results(str(RESNET), index)

    shown = invoke("--index", str(index), "--with", "power_w>0")

    assert "resnet, Offline" in shown.output
    assert "SingleStream" not in shown.output
    assert "423.6 Samples/s" in shown.output
    assert invoke("--index", str(index), "--with", "model=nothing").output == "no published result matches\n"


def test_an_empty_index_is_said(run: Path, index: Path) -> None:
    shown = invoke(str(run), "--index", str(index))

    assert shown.exit_code == 0
    assert "loadfleet results import" in shown.output


def test_two_runs_are_compared_as_before(run: Path, tmp_path: Path) -> None:
    faster = run_folder(tmp_path / "results", result(metric={"value": 2469.0}), run_id="20261122T013500Z-bert-0001")
    slower = run_folder(tmp_path / "results", result(metric={"value": 617.25}), run_id="20261122T023500Z-bert-0002")

    answer = json.loads(invoke(str(run), str(faster), "--json").output)
    assert set(answer) == {"schema_version", "runs", "a", "b", "cells"}
    assert answer["cells"][0]["ratio"] == 2.0

    three = json.loads(invoke(str(run), str(faster), str(slower), "--json").output)
    assert [pair["cells"][0]["ratio"] for pair in three["pairs"]] == [2.0, 0.5]
    assert "2.000" in invoke(str(run), str(faster)).output
    assert invoke(str(run), str(faster), "--markdown").output.startswith("| Cell |")


@pytest.mark.parametrize(
    "arguments",
    [("--json", "--csv"), ("--price", "free"), ("--price", "=5"), ("--price", "-1"), ("--with", "x"), ("nowhere",)],
)
def test_wrong_arguments(run: Path, arguments: tuple[str, ...]) -> None:
    named = [] if arguments == ("nowhere",) else [str(run)]
    with pytest.raises(InputError):
        CliRunner().invoke(command, ["compare", *named, *arguments], catch_exceptions=False)


def test_prices_name_systems() -> None:
    known = comparison.prices(["500", "Board*=900"])

    assert known == {"": 500.0, "Board*": 900.0}
    assert comparison.priced(ROW, known).price_eur == 900.0
    assert comparison.priced(replace(ROW, system="x", system_name="y"), known).price_eur is None
