from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from published_builder import DATA, LLAMA, RESNET, git, publish, write

from loadfleet.catalogue import rounds
from loadfleet.cli.results import command
from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.results import history
from loadfleet.results.history import trees
from loadfleet.results.history.importing import import_results
from loadfleet.results.history.index import default_path
from loadfleet.results.history.published import flavour_of


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "data" / "results.duckdb"


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return folder


def test_a_published_archive_has_the_numbers_of_its_official_table(index: Path) -> None:
    done = import_results(str(RESNET), index)

    assert (done.added.added, done.broken_count, done.rounds) == (3, 0, {"v4.1": 3})
    rows = {row.scenario: row for row in history.rows(index=index)}
    assert rows["Offline"].value == 168720.0
    assert rows["Offline"].power_w == pytest.approx(398.32998477930016, rel=1e-12)
    assert (rows["SingleStream"].value, rows["SingleStream"].unit) == (0.120438, "ms")
    assert rows["SingleStream"].energy_mj == pytest.approx(29.238986918361313, rel=1e-12)
    assert rows["MultiStream"].energy_mj == pytest.approx(61.316696672746566, rel=1e-12)
    row = rows["Offline"]
    assert (row.model, row.model_folder, row.accuracy, row.accuracy_met) == (
        "resnet",
        "resnet50",
        {"acc": 75.912},
        True,
    )
    assert (row.accelerator, row.accelerators_per_node) == ("UntetherAI speedAI240 Slim", 3)
    assert (row.precision, row.compliance) == ("float8", ("TEST01", "TEST04", "TEST05"))


@pytest.mark.parametrize(
    ("archive", "table", "count"),
    [
        (RESNET, "v4.1-resnet50.csv", 3),
        (LLAMA, "v5.1-llama3.1-8b.strict.csv", 2),
        (LLAMA, "v5.1-llama3.1-8b.modular.csv", 2),
    ],
)
def test_a_table_and_its_tree_are_the_same_results(index: Path, archive: Path, table: str, count: int) -> None:
    first = import_results(str(DATA / table), index)
    assert (first.added.added, first.added.known) == (count, 0)
    assert not any(row.files for row in history.rows(index=index))

    second = import_results(str(archive), index)

    assert (second.added.added, second.added.completed) == (0, count)
    assert all(row.files for row in history.rows(index=index))
    assert import_results(str(DATA / table), index).added.known == count


def test_importing_twice_adds_nothing_wherever_it_comes_from(index: Path, tmp_path: Path) -> None:
    import_results(str(LLAMA), index)
    tree = unpacked(LLAMA, tmp_path / "tree")

    for path in (tree, tree / "closed", tree / "closed" / "RedHat", tmp_path):
        done = import_results(str(path), index)
        assert (done.added.added, done.added.known) == (0, 2), path


def test_only_what_was_named_is_read(index: Path, tmp_path: Path) -> None:
    publish(tmp_path, system="one")
    publish(tmp_path, system="two")

    assert import_results(str(tmp_path / "closed" / "Example" / "results" / "two"), index).results == 1
    assert [row.system for row in history.rows(index=index)] == ["two"]


@pytest.mark.parametrize("round_name", rounds.names())
def test_every_round_of_the_catalogue_is_told_by_its_seeds(index: Path, tmp_path: Path, round_name: str) -> None:
    model = next(name for name in rounds.load(round_name).models if name.startswith("3d-unet"))
    publish(tmp_path, round_name=round_name, model=model)

    import_results(str(tmp_path), index)

    (row,) = history.rows(index=index)
    assert (row.round, row.precision, row.benchmark) == (round_name, "int8", "3d-unet")


def test_a_round_that_the_catalogue_lacks_is_taken_from_the_name_or_the_option(index: Path, tmp_path: Path) -> None:
    result = publish(tmp_path / "inference_results_v2.1", round_name="v3.1")
    log = result / "performance" / "run_1" / "mlperf_log_detail.txt"
    seed = str(rounds.load("v3.1").seeds.qsl_rng_seed)
    log.write_text(log.read_text().replace(seed, "12345"))

    import_results(str(tmp_path / "inference_results_v2.1"), index)
    import_results(str(tmp_path / "inference_results_v2.1"), index, round_name="v2.0")

    assert [row.round for row in history.rows(index=index)] == ["v2.1", "v2.0"]
    with pytest.raises(InputError, match="no round"):
        import_results(str(tmp_path), index, round_name="6.1")


def test_open_names_and_inferred_scenarios(index: Path, tmp_path: Path) -> None:
    single = {"early_stopping_latency_ms": 2e6, "result_qps_without_loadgen_overhead": 800.0}
    publish(
        tmp_path, division="open", model="tiny", scenario="SingleStream", folder="Offline", values=single,
        score={"f1": 70.0, "exact_match": 60.0},
    )  # fmt: skip
    write(tmp_path / "open" / "Example" / "model_mapping.json", {"tiny": "bert-99"})
    publish(tmp_path, division="open", model="unheard-of", scenario="SingleStream", folder="multistream", values=single)

    import_results(str(tmp_path), index)

    rows = {row.model_folder: row for row in history.rows(index=index)}
    assert (rows["tiny"].model, rows["tiny"].accuracy_met) == ("bert-99", False)
    assert (rows["tiny"].value, rows["tiny"].unit, rows["tiny"].inferred) == (800.0, "Samples/s", True)
    assert (rows["unheard-of"].model, rows["unheard-of"].scenario) == ("unheard-of", "MultiStream")
    assert (rows["unheard-of"].value, rows["unheard-of"].inferred) == (16.0, True)


def test_results_of_the_endpoints_client(index: Path, tmp_path: Path) -> None:
    name = "gpt-oss-120b"
    newest = rounds.load(rounds.newest())
    result = publish(tmp_path, model=name, scenario="Server", description={"system_type": "datacenter"})
    shutil.rmtree(result / "performance")
    shutil.rmtree(result / "accuracy")
    runtime = f"dataloader_random_seed: {newest.seeds.sample_index_rng_seed}, min_duration_ms: 600000"
    write(result / "config.yaml", f"type: online\nsettings: {{runtime: {{{runtime}}}}}\n")
    write(result / "performance" / "result_summary.json", {"tps": 5400.5, "n_samples_failed": 0})
    write(result / "accuracy" / "accuracy_results.json", {"accuracy_scores": [{"score": 83.2}]})
    broken = publish(tmp_path, system="other", model=name, scenario="Server")
    shutil.rmtree(broken / "performance")
    shutil.copy(result / "config.yaml", broken)
    (broken / "accuracy" / "accuracy.txt").unlink()

    done = import_results(str(tmp_path), index)

    (row,) = history.rows(index=index)
    assert (row.round, row.value, row.unit, row.valid) == (newest.name, 5400.5, "Tokens/s", True)
    assert row.accuracy["exact_match"] == 83.2
    assert any(path.endswith("result_summary.json") for path in row.files)
    assert "result_summary.json" in done.broken[0].why


def test_broken_entries_are_reported_and_do_not_end_the_import(index: Path, tmp_path: Path) -> None:
    publish(tmp_path, system="good")
    bad = {name: publish(tmp_path, system=name) for name in ("binary", "gone", "empty", "notes", "cut")}
    run = Path("performance") / "run_1" / "mlperf_log_detail.txt"
    (bad["binary"] / run).write_bytes(bytes(range(256)) * 9)
    (bad["gone"] / run).unlink()
    (bad["empty"] / run).write_text("")
    (bad["notes"] / run).parent.rename(bad["notes"] / "somewhere")
    (bad["cut"] / run).write_text((bad["cut"] / run).read_text()[:400])
    (bad["good"] if "good" in bad else tmp_path / "closed/Example/systems/good.json").write_text("{nonsense")
    (tmp_path / "closed" / "Example" / "results" / "good" / "bert-99" / "Sideways").mkdir()
    (tmp_path / "closed" / "Example" / "results" / "good" / "loop").symlink_to("..")

    done = import_results(str(tmp_path), index)

    assert done.added.added == 1
    assert {entry.location.split("/")[3] for entry in done.broken} >= set(bad)
    assert any("Sideways" in entry.location and "no scenario" in entry.why for entry in done.broken)
    (row,) = history.rows(index=index)
    assert (row.system, row.processor, row.nodes) == ("good", "", None)


def test_a_tree_without_one_good_result_is_a_bad_result(index: Path, tmp_path: Path) -> None:
    result = publish(tmp_path)
    (result / "performance" / "run_1" / "mlperf_log_detail.txt").write_text("rubbish\n")

    with pytest.raises(BadResultError, match="closed/Example/results/board/bert-99/Offline"):
        import_results(str(tmp_path), index)


def test_a_corrected_result_replaces_the_one_before(index: Path, tmp_path: Path) -> None:
    publish(tmp_path, values={"result_samples_per_second": 100.0})
    import_results(str(tmp_path), index)
    shutil.rmtree(tmp_path / "closed")
    publish(tmp_path, values={"result_samples_per_second": 90.0})

    done = import_results(str(tmp_path), index)

    assert done.added.added == 1
    assert [row.value for row in history.rows(index=index)] == [90.0]


def test_git_repositories_are_read_without_sources_and_by_branch(index: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    publish(work, values={"result_samples_per_second": 1.0})
    write(work / "closed" / "Example" / "code" / "bert" / "huge.py", "x = 1\n")
    git("init", "-q", str(work))
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "one", cwd=work)
    git("switch", "-q", "-c", "later", cwd=work)
    publish(work, system="another")
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "two", cwd=work)
    git("switch", "-q", "main", cwd=work)
    bare = tmp_path / "bare.git"
    git("clone", "-q", "--bare", str(work), str(bare))

    assert import_results(bare.as_uri(), index).added.added == 1
    assert import_results(bare.as_uri(), index, branch="later").added.added == 1
    assert import_results(str(bare), index).added.known == 1
    assert {row.source for row in history.rows(index=index)} == {bare.as_uri()}
    with pytest.raises(NotReadyError, match="nowhere"):
        import_results(bare.as_uri(), index, branch="nowhere")


def test_an_empty_repository_and_a_secret_in_a_url(index: Path, tmp_path: Path) -> None:
    git("init", "-q", "--bare", str(tmp_path / "empty.git"))

    with pytest.raises(InputError, match="empty"):
        import_results((tmp_path / "empty.git").as_uri(), index)
    with pytest.raises(NotReadyError) as caught:
        import_results("https://me:hunter2@127.0.0.1:9/x.git?token=hunter2", index)
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:9/x.git" in str(caught.value)


def test_an_archive_cannot_write_outside(index: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    publish(tree)
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(tree, ".")
        opened.add(tree / "closed/Example/systems/board.json", "../../closed/Evil/systems/out.json")
        link = tarfile.TarInfo("closed/Example/systems/link.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        opened.addfile(link)

    assert import_results(str(archive), index).added.added == 1
    assert not list(tmp_path.rglob("out.json"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, "there is no"),
        ("notes.txt", "hello", "no archive and no table"),
        ("broken.tar.xz", "not a tarball", "no archive that can be unpacked"),
        ("other.csv", "a,b\n1,2\n", "no column Organization"),
        ("other.json", "{}", "a list of objects"),
        ("broken.json", "{", "not JSON"),
    ],
)
def test_what_is_nothing_to_import(index: Path, tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)

    with pytest.raises(InputError, match=message):
        import_results(str(tmp_path / name), index)


def test_a_table_with_bad_lines(index: Path, tmp_path: Path) -> None:
    text = (DATA / "v4.1-resnet50.csv").read_text()
    table = tmp_path / "summary.csv"
    table.write_text(text + "a,b,c\n" + text.splitlines()[1].replace("0.120438", "fast") + "\n")

    done = import_results(str(table), index)

    assert (done.results, done.broken_count) == (3, 2)
    assert [entry.location for entry in done.broken] == ["summary.csv line 8", "summary.csv line 9"]


def test_the_final_report_s_json_is_the_same_as_its_tree(index: Path, tmp_path: Path) -> None:
    import_results(str(RESNET), index)
    entries = [
        {
            "Submitter": "UntetherAI", "Availability": "available", "Category": "closed", "Suite": "edge",
            "System": "Supermicro", "Platform": "h13_u3_slim", "UsedModel": "resnet50", "Model": "resnet",
            "Scenario": "Offline", "Accuracy": "acc: 75.912", "Nodes": 1, "Processor": "AMD", "p#": 1, "a#": 3,
            "Accelerator": "speedAI240", "version": "v4.1", "inferred": 0, "Performance_Result": 168720.0,
            "Performance_Units": "Samples/s", "Power_Result": 398.3299847793, "Power_Units": "Watts",
        },
        "nonsense",
    ]  # fmt: skip
    report = tmp_path / "results.json"
    report.write_text(json.dumps(entries))

    done = import_results(str(report), index)

    assert (done.added.known, done.added.added, done.broken_count) == (1, 0, 1)


def test_queries_labelled_as_tokens_are_told_apart_by_the_round(index: Path, tmp_path: Path) -> None:
    text = (DATA / "v5.1-llama3.1-8b.modular.csv").read_text().replace("Tokens/s", "Queries/s")
    (tmp_path / "summary.csv").write_text(text)

    import_results(str(tmp_path / "summary.csv"), index)

    assert {row.unit for row in history.rows(index=index)} == {"Tokens/s"}


@pytest.mark.parametrize(
    ("conditions", "systems"),
    [
        ("system=one", ["one"]),
        ("system=ON?", ["one"]),
        ("system!=one", ["t[w]o"]),
        ("system=t[w]o", ["t[w]o"]),
        ("system~[W]", ["t[w]o"]),
        ("nodes>=2", ["t[w]o"]),
        ("round>=v6.0", ["t[w]o"]),
        ("round<v6.0", ["one"]),
        ("'system_name=System one' valid=yes", ["one"]),
        ("all", ["t[w]o", "one"]),
        ("submitter=nobody", []),
    ],
)
def test_filters(index: Path, tmp_path: Path, conditions: str, systems: list[str]) -> None:
    publish(tmp_path / "a", system="one", round_name="v5.1", model="3d-unet-99")
    publish(tmp_path / "b", system="t[w]o", description={"number_of_nodes": 2})
    import_results(str(tmp_path), index)

    assert [row.system for row in history.rows(conditions, index=index)] == systems


@pytest.mark.parametrize("text", ["nonsense", "colour=red", "nodes=many", "system>3", "valid=perhaps", "files=x", "'a"])
def test_bad_filters_are_explained(index: Path, text: str) -> None:
    with pytest.raises(InputError):
        history.rows(text, index=index)


def test_an_index_that_is_none(tmp_path: Path) -> None:
    assert history.rows(index=tmp_path / "missing.duckdb") == []
    (tmp_path / "text.duckdb").write_text("hello " * 4000)
    with pytest.raises(NotReadyError, match=r"text\.duckdb"):
        history.rows(index=tmp_path / "text.duckdb")
    with pytest.raises(InputError, match="folder"):
        history.rows(index=tmp_path)


def test_an_interrupted_import_leaves_the_index_as_it_was(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_results(str(LLAMA), index)
    for number in range(3):
        publish(tmp_path / "tree", system=f"s{number}")
    monkeypatch.setattr("loadfleet.results.history.importing._BATCH", 1)

    def stop(count: int) -> None:
        if count == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_results(str(tmp_path / "tree"), index, report=stop)

    assert len(history.rows(index=index)) == 2
    assert import_results(str(tmp_path / "tree"), index).added.added == 3


def test_the_default_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LOADFLEET_RESULTS_INDEX", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_path() == tmp_path / ".local/share/loadfleet/results.duckdb"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    assert default_path() == tmp_path / "d/loadfleet/results.duckdb"
    monkeypatch.setenv("LOADFLEET_RESULTS_INDEX", "/x/y")
    assert default_path() == Path("/x/y")


def test_the_command(index: Path) -> None:
    shown = CliRunner().invoke(command, ["import", str(RESNET), "--index", str(index)])
    assert shown.exit_code == 0
    assert "3 results of v4.1 (3)" in shown.output
    assert "3 added, 0 known already" in shown.output

    answer = json.loads(CliRunner().invoke(command, ["import", str(RESNET), "--index", str(index), "--json"]).output)
    assert answer["schema_version"] == 1
    first: dict[str, Any] = answer["imports"][0]
    assert (first["added"], first["known"], first["broken"]) == (0, 3, [])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("bert-99.9", ("bert", "99.9")),
        ("yolo-95", ("yolo", "95")),
        ("resnet", ("resnet", "")),
        ("llama3.1-8b", ("llama3.1-8b", "")),
        ("dlrm-v2-99", ("dlrm-v2", "99")),
        ("-99", ("-99", "")),
    ],
)
def test_flavours(name: str, found: tuple[str, str]) -> None:
    assert flavour_of(name) == found


def test_rounds_in_names() -> None:
    assert trees.round_in("https://github.com/mlcommons/inference_results_v4.0.git") == "v4.0"
    assert trees.round_in("/data/v5.1-closed.tar.xz") == "v5.1"
    assert trees.round_in("/data/results") == ""
