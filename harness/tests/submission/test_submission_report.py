"""The final report: what MLCommons publishes, in four formats, the same bytes for the same results."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from openpyxl import load_workbook
from submission_mutations import Tree

from loadfleet.cli.submission import command
from loadfleet.errors import InputError
from loadfleet.submission.check import COLUMNS, check
from loadfleet.submission.final.source import parse, read
from loadfleet.submission.final.table import Links, identify, sheets
from loadfleet.submission.final.write import write

DATA = Path(__file__).parent / "data"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(command, ["report", *(str(argument) for argument in arguments)])


def rows(**changes: str) -> list[dict[str, str]]:
    """Two results of one system and one of another."""
    common = dict.fromkeys(COLUMNS, "") | {
        "Organization": "Example",
        "Availability": "available",
        "Division": "closed",
        "SystemType": "datacenter,edge",
        "SystemName": 'The "big" one',
        "Platform": "big",
        "Model": "bert-99",
        "MlperfModel": "bert-99",
        "version": "v6.1",
        "number_of_nodes": "2",
        "framework": "=1+1",
        **changes,
    }
    return [
        {**common, "Scenario": "Offline", "Result": "1234.5", "Units": "Samples/s", "Location": "a/Offline"},
        {**common, "Scenario": "singlestream", "Result": "2.5", "Units": "Latency (ms)", "Location": "a/SingleStream"},
        {
            **common,
            "Platform": "small",
            "SystemName": "<script>alert(1)</script>",
            "Scenario": "Offline",
            "Result": "10.25",
            "Units": "Samples/s",
            "Location": "b/Offline",
        },
    ]


def test_published_summaries_become_tables(tmp_path: Path) -> None:
    done = call(DATA / "v4.1-resnet50.csv", "-o", tmp_path, "--repository", "https://example.org/results", "--json")

    answer = json.loads(done.stdout)
    assert done.exit_code == 0, done.output
    assert (answer["results"], answer["sheets"]) == (3, ["edge - closed", "edge - closed - power"])
    book = load_workbook(tmp_path / "v4.1-resnet50.xlsx")
    assert book.sheetnames == ["edge - closed", "edge - closed - power"]
    with_power = [[cell.value for cell in row] for row in book["edge - closed - power"].iter_rows()]
    assert with_power[0][14:] == ["resnet"] + [None] * 5
    assert with_power[1][14:] == ["SingleStream", None, "MultiStream", None, "Offline", None]
    assert with_power[2][14:] == [
        *("Latency (ms)", "millijoules", "Latency (ms)", "millijoules"),
        *("Samples/s", "Watts"),
    ]
    published = list(csv.DictReader((DATA / "v4.1-resnet50.csv").open()))
    results = {(row["Scenario"].lower(), row["Units"]): float(row["Result"]) for row in published}
    assert sorted(with_power[3][14:]) == pytest.approx(sorted(results.values()))
    objects = json.loads((tmp_path / "v4.1-resnet50_results.json").read_text())
    assert {(one["Scenario"].lower(), one["Power_Units"]): one["Power_Result"] for one in objects} == {
        key: value for key, value in results.items() if key[1] in {"Watts", "millijoules"}
    }
    assert {one["ID"] for one in objects} == {"4.1-0001"}
    assert "https://example.org/results/tree/main/closed/UntetherAI/results/h13_u3_slim" in {
        one["Details"] for one in objects
    }


def test_a_tree_becomes_a_report_of_what_is_accepted(submission: Path, tmp_path: Path) -> None:
    Tree(submission, "open").set("result_validity", "INVALID")

    done = call(submission, "--submitter", "Example", "-o", tmp_path / "report")

    assert done.exit_code == 1
    assert "1 result, 1 table: edge - open" in done.output
    (row,) = read(tmp_path / "report" / "summary.csv")
    assert (row["Scenario"], row["Model"]) == ("SingleStream", "minilm-squad")
    page = load_workbook(tmp_path / "report" / "summary.xlsx")["edge - open"]
    titles = [cell.value for cell in page[3]]
    values = dict(zip(titles, [cell.value for cell in page[4]], strict=True))
    assert (values["Used model"], values["Accuracy"]) == ("minilm-squad", "F1: 76.5")
    assert values["Processor"] == 'Example "X" CPU'
    assert values["Latency (ms)"] == pytest.approx(515.297167)


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    first = write(rows(), tmp_path / "a", "summary", Links(), with_csv=True)
    second = write(list(reversed(rows())), tmp_path / "b", "summary", Links(), with_csv=True)
    third = write(rows(), tmp_path / "c", "summary", Links(), with_csv=True)

    assert [path.name for path in first.files] == [
        "summary.csv",
        "summary_results.json",
        "summary.xlsx",
        "summary.html",
        "ids.json",
    ]
    assert [path.read_bytes() for path in first.files] == [path.read_bytes() for path in third.files]
    # Sheets do not depend on the order of the rows.
    assert [path.read_bytes() for path in first.files[2:]] == [path.read_bytes() for path in second.files[2:]]


def test_texts_stay_texts(tmp_path: Path) -> None:
    write(rows(), tmp_path, "summary", Links(), with_csv=True)

    page = load_workbook(tmp_path / "summary.xlsx")["edge - closed"]
    software = next(cell for cell in page[4] if cell.value == "=1+1")
    html = (tmp_path / "summary.html").read_text()
    assert software.data_type == "s", "no formula"
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?[^"')>]*//""", html), "asks nobody for anything"
    assert read(tmp_path / "summary.csv")[0]["SystemName"] == 'The "big" one'


def test_systems_stand_in_each_suite_once() -> None:
    (datacenter, edge) = sheets(rows(), identify(rows(), {}), Links())

    assert (datacenter.title, edge.title) == ("datacenter - closed", "edge - closed")
    assert edge.groups == [("bert-99", "SingleStream", "Latency (ms)"), ("bert-99", "Offline", "Samples/s")]
    assert [line.results for line in edge.lines] == [
        {edge.groups[1]: 1234.5, edge.groups[0]: 2.5},
        {edge.groups[1]: 10.25},
    ]


def test_identifiers_stay() -> None:
    first = identify(rows(), {})
    more = [*rows(), *rows(Organization="Another")]

    assert first == {"v6.1/closed/Example/big": "6.1-0001", "v6.1/closed/Example/small": "6.1-0002"}
    assert identify(more, first) == first | {
        "v6.1/closed/Another/big": "6.1-0003",
        "v6.1/closed/Another/small": "6.1-0004",
    }


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('"Example "X" CPU"', 'Example "X" CPU'),
        ('"Example ""X"" CPU"', 'Example "X" CPU'),
        ('"a, b"', "a, b"),
        ('"a"",""b"', 'a","b'),
        ('"two\nlines"', "two\nlines"),
        ("plain", "plain"),
        ('""', ""),
    ],
)
def test_values_with_quotes_are_read_as_they_were_meant(line: str, value: str) -> None:
    names = [*rows()[0]]
    others = [f'"{text}"' for text in list(rows()[0].values())[:-1]]
    record = ",".join([*others, line])
    if line == "plain":
        record = ",".join([*(text[1:-1].replace(",", "+") for text in others), line])

    (row,) = parse(",".join(names) + "\n" + record.replace('"The "big" one"', '"The big one"') + "\n", "x")

    assert row[names[-1]] == value


def test_lines_of_the_strict_checker_are_quoted_in_part() -> None:
    names = [*rows()[0]]
    values = ['"Example "X" CPU, 2 GHz"' if name == "SystemName" else "x" for name in names]

    (row,) = parse(",".join(names) + "\n" + ",".join(values) + "\n", "x")

    assert row["SystemName"] == 'Example "X" CPU, 2 GHz'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no summary of results"),
        (b"a,b\n1,2\n", "no summary of results"),
        (bytes(range(256)), "no text"),
        ((",".join(COLUMNS) + '\n"a","b"\n').encode(), "2 values in record 2"),
        ((",".join(COLUMNS) + "\n").encode(), "no accepted results"),
        ((",".join(COLUMNS) + '\n"a\n').encode(), "values in record 2"),
    ],
)
def test_what_is_no_summary_is_wrong_input(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    path.write_bytes(content)

    with pytest.raises(InputError, match=words):
        write(read(path), tmp_path / "out", "summary", Links(), with_csv=False)
    assert not (tmp_path / "out").exists()


def test_missing_things_are_wrong_input(submission: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ((tmp_path / "none.csv",), "cannot be read"),
        ((submission,), "whose submission"),
        ((submission, "--submitter", "Nobody", "-o", tmp_path / "out"), "no accepted results"),
    ):
        done = call(*arguments)
        assert isinstance(done.exception, InputError)
        assert words in str(done.exception)
    (tmp_path / "ids.json").write_text("[]")
    shutil.copy(DATA / "v4.1-resnet50.csv", tmp_path / "summary.csv")
    assert "not an object of identifiers" in str(call(tmp_path / "summary.csv").exception)


def test_our_table_has_the_numbers_of_the_check(accepted_closed: Path) -> None:
    report = check(accepted_closed, "v6.1", "Example")

    (sheet,) = sheets(parse(report.csv(), "x"), identify(parse(report.csv(), "x"), {}), Links())

    assert sorted(sheet.lines[0].results.values()) == sorted(row.value for row in report.rows if row.value)
    assert io.StringIO(report.csv()).readline().strip().split(",") == list(COLUMNS)
