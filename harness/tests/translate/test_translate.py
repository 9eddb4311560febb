"""How lines are read, what becomes of flags, and the command `loadfleet translate`."""

from __future__ import annotations

import json
import random
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner, Result

from loadfleet.cli import cli
from loadfleet.errors import InputError
from loadfleet.translate import shell, translate

if TYPE_CHECKING:
    from loadfleet.translate import Part, Translation

LINES = Path(__file__).parent / "lines.yml"
BERT = "cm run script --tags=run-mlperf,inference --model=bert-99"


def one(line: str) -> Translation:
    (found,) = translate(line)
    return found


def part(line: str, theirs: str) -> Part:
    (found,) = [each for each in one(line).parts if each.theirs.strip() == theirs]
    return found


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["translate", *arguments], input=given)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("cm a --x='b c' \"d e\"", [["cm", "a", "--x=b c", "d e"]]),
        ("cm a \\\n  --x=1 \\\n  --y", [["cm", "a", "--x=1", "--y"]]),
        ("cm a ^\n --x=1", [["cm", "a", "--x=1"]]),
        ("cm a `\n --x=1", [["cm", "a", "--x=1"]]),
        ("cm a --x=1\n   --y", [["cm", "a", "--x=1", "--y"]]),
        ("cm a # why\ncm b", [["cm", "a"], ["cm", "b"]]),
        ("cm a,_b#c", [["cm", "a,_b#c"]]),
        ("cm a && cm b; cm c | sort", [["cm", "a"], ["cm", "b"], ["cm", "c"], ["sort"]]),
        ("cm a > log.txt 2>&1", [["cm", "a"]]),
        ("ls `cm find cache`/x", [["cm", "find", "cache"], ["ls", "`cm find cache`/x"]]),
        ("ls $(cm find cache)/x", [["cm", "find", "cache"], ["ls", "$(cm find cache)/x"]]),
        ("cm a \u201cb c\u201d --x=<NAME>", [["cm", "a", "b c", "--x=<NAME>"]]),
        ('cm a --x="b \\"c\\"" --y=\'\'', [["cm", "a", '--x=b "c"', "--y="]]),
        ("\r\ncm a \\\r\n --x\r\n", [["cm", "a", "--x"]]),
    ],
)
def test_text_is_cut_as_a_shell_cuts_it(text: str, commands: list[list[str]]) -> None:
    assert shell.commands(text) == commands


@pytest.mark.parametrize("text", ["cm 'a", 'cm "a', "cm `a", "cm $(a"])
def test_what_is_not_closed_is_named(text: str) -> None:
    with pytest.raises(InputError, match="not closed"):
        shell.commands(text)


SPELLINGS = [
    "cm run script --tags=run-mlperf,inference,_short --model=bert-99 --scenario=Offline",
    'cm run script "run-mlperf inference _short" --model=bert-99 --scenario=Offline',
    'cmr "run-mlperf inference _short" --model=bert-99 --scenario=offline',
    "mlcr run-mlperf,inference,_short --model=bert-99 --scenario=Offline",
    "mlc run script -tags=run-mlperf,inference,_short --model=bert-99 --scenario=Offline",
    "time mlcr run-mlperf,inference,_short --model=bert-99 \\\n  --scenario=Offline",
    "CM_MLPERF_MODEL=bert-99 cmr 'run-mlperf inference _short' --env.CM_MLPERF_LOADGEN_SCENARIO=Offline",
    "export MLC_MLPERF_MODEL=bert-99\nmlcr run-mlperf,inference,_short,_offline",
    "mlcr run-mlperf,inference,_short,_bert-99 --scenario=Offline",
]


@pytest.mark.parametrize("line", SPELLINGS)
def test_spellings_of_one_command_are_equal(line: str) -> None:
    found = one(line)
    assert found.unknown == []
    assert found.playbook == "bert.yml"
    assert found.variables == {
        "benchmark_execution": "test",
        "submission_division": "open",
        "benchmark_scenarios": ["Offline"],
        "benchmark_model": "bert-large-fp32",
    }


CASES: list[tuple[str, dict[str, Any]]] = [
    ("--execution-mode=valid --test_query_count=10", {"benchmark_execution": "valid"}),
    ("--test_query_count=10", {"benchmark_query_count": 10}),
    ("--scenario=Offline,Server --target_qps=40.5", {"benchmark_target_qps": {"Offline": 40.5, "Server": 40.5}}),
    ("--scenario=SingleStream --target_latency=12", {"benchmark_target_latency_ms": {"SingleStream": 12}}),
    ("--offline_target_qps=100 --server_target_qps=50", {"benchmark_target_qps": {"Offline": 100, "Server": 50}}),
    ("--precision=int8", {"benchmark_model": "bert-large-int8"}),
    ("--backend=openvino --precision=bfloat16", {"benchmark_precision": "bf16"}),
    ("--model=bert-99.9", {"submission_flavours": "best"}),
    ("--adr.mlperf-inference-implementation.max_batchsize=128", {"benchmark_batch_size": 128}),
    ("--threads=8", {"benchmark_threads": 8}),
    ("--env.CM_RUN_PREFIX='numactl -N 0'", {"benchmark_run_prefix": "numactl -N 0"}),
    ("--env.KMP_AFFINITY=compact", {"benchmark_environment": {"KMP_AFFINITY": "compact"}}),
    (
        "--division=closed --compliance --mode=performance",
        {"benchmark_modes": ["performance", "accuracy", "compliance"]},
    ),
    ("--device=gpu", {"benchmark_device": "cuda"}),
    ("--hw_notes_extra='by me'", {"system_description_overrides": {"hw_notes": "by me"}}),
    ("--results_dir=/data/results", {"results_path": "/data/results"}),
    ("--category=datacenter --submitter=Lab", {"submission_system_type": "datacenter", "submission_submitter": "Lab"}),
]


@pytest.mark.parametrize(("flags", "variables"), CASES, ids=[flags for flags, _ in CASES])
def test_flags_become_variables(flags: str, variables: dict[str, Any]) -> None:
    found = one(f"{BERT} {flags}")
    assert found.unknown == []
    assert {name: found.variables.get(name) for name in variables} == variables
    if "valid" in flags:
        assert "benchmark_query_count" not in found.variables  # a valid run refuses it


@pytest.mark.parametrize(
    ("variation", "variables"),
    [
        ("_find-performance", {"benchmark_modes": ["performance"], "benchmark_execution": "test"}),
        ("_accuracy-only,_valid", {"benchmark_modes": ["accuracy"], "benchmark_execution": "valid"}),
        ("_r5.1-dev", {"submission_round": "v5.1"}),
        ("_all-scenarios", {"benchmark_scenarios": ["SingleStream", "Offline"]}),
        ("_submission", {"benchmark_modes": ["accuracy", "performance"]}),
        ("_batch_size.32,_cuda,_onnxruntime", {"benchmark_batch_size": 32, "benchmark_device": "cuda"}),
    ],
)
def test_variations_become_variables(variation: str, variables: dict[str, Any]) -> None:
    found = one(f"mlcr run-mlperf,inference,{variation} --model=bert-99")
    assert found.unknown == []
    assert {name: found.variables.get(name) for name in variables} == variables


def test_a_closed_submission_has_its_compliance_tests() -> None:
    found = one("mlcr run-mlperf,inference,_submission --model=bert-99 --division=closed")
    assert found.variables["benchmark_modes"] == ["accuracy", "performance", "compliance"]


@pytest.mark.parametrize(
    ("flag", "status", "why"),
    [
        ("--quiet", "not_needed", "nothing asks"),
        ("--docker", "not_yet", "containers"),
        ("--docker=no", "not_needed", "nothing runs in a container"),
        ("--docker_os=ubuntu", "not_needed", "container"),
        ("--power=yes", "not_yet", "power"),
        ("--power=no", "not_needed", "not measured"),
        ("--framework=pytorch", "not_yet", "PyTorch"),
        ("--implementation=nvidia", "not_yet", "adapter"),
        ("--adr.compiler.tags=gcc", "not_needed", "compiled"),
        ("--compliance-", "not_needed", "asked for"),
        ("--scenaro=Offline", "unknown", "is scenario meant?"),
        ("--scenario=Onfline", "unknown", "'Onfline' is not known"),
        ("--threads=many", "unknown", "a number"),
        ("--offline_target_qps=inf", "unknown", "a number"),
        ("--offline_target_qps=nan", "unknown", "a number"),
        ("--env.CM_NO_SUCH_THING=1", "unknown", ""),
    ],
)
def test_what_is_not_a_variable_has_a_reason(flag: str, status: str, why: str) -> None:
    found = part(f"{BERT} {flag}", flag)
    assert (found.status, found.ours) == (status, "")
    assert why in found.why


def test_rounds_that_are_not_there_are_said_so() -> None:
    found = part("mlcr run-mlperf,inference,_r2.1 --model=bert-99", "_r2.1")
    assert found.status == "not_yet"
    assert "no round v2.1" in found.why


def test_options_inside_a_value_are_explained_one_by_one() -> None:
    line = "ck run bench.mlperf.inference --model=bert-99 --env.EXTRA_OPS='--qps 40 --time 60 --count=5 --nonsense 1'"
    found = one(line)
    assert found.variables["benchmark_target_qps"] == {"Offline": 40}
    assert found.variables["benchmark_query_count"] == 5
    assert found.unknown == ["  --nonsense 1"]


def test_a_model_that_is_left_out_is_theirs() -> None:
    found = one("mlcr run-mlperf,inference --scenario=Offline")
    assert found.playbook == "resnet50.yml"
    assert found.parts[0].why.startswith("resnet50 is theirs by default")


def test_an_unknown_script_is_named_and_its_flags_read() -> None:
    found = one("cmr 'fold my laundry' --device=cuda")
    assert found.unknown == [found.line]
    assert found.command() == ""
    assert found.parts[0].ours == "benchmark_device: cuda"


def test_removing_from_the_cache_by_tags_never_becomes_removing_everything() -> None:
    assert one("mlc rm cache --tags=get -f").command() == "loadfleet cache rm get"
    assert one("cm rm cache -f").command() == "loadfleet cache rm --all"


def test_a_home_folder_is_put_in_by_the_shell_or_by_ansible() -> None:
    found = one(f"{BERT} --results_dir=$HOME/results")
    assert '-e "results_path=$HOME/results"' in found.command()
    assert found.run_file()["results_path"] == "{{ lookup('env', 'HOME') }}/results"


def test_nothing_in_a_value_is_run_by_the_shell_that_gets_our_command(tmp_path: Path) -> None:
    values = [
        "a; touch x",
        "$(touch x)",
        "$HOME$(touch x)",
        "`touch x`",
        "<a>;touch x",
        "a'b\"c",
        "${HOME}/`touch x`",
        "$[1+1]",
    ]
    for flag in ("--submitter", "--hw_name", "--env.FOO"):
        for value in values:
            command = one(f"{BERT} {flag}={shlex.quote(value)}").command()
            shown = subprocess.run(
                ["sh", "-c", command.replace("ansible-playbook", "printf '%s\\n'", 1)],
                cwd=tmp_path,
                env={"HOME": "/home/me", "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                check=True,
            )
            expected = value.replace("$HOME", "/home/me").replace("${HOME}", "/home/me")
            assert expected in shown.stdout or json.dumps(expected)[1:-1] in shown.stdout, command
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_not_shown_and_not_written(tmp_path: Path) -> None:
    line = f"{BERT} --client_secret=hunter2222 --env.MY_API_TOKEN=hunter2222 --hf_token=hunter2222"
    for arguments in ([line], [line, "--json"], [line, "--run-file", str(tmp_path / "run.yml")]):
        result = run(*arguments)
        assert result.exit_code == 0
        assert "hunter2222" not in result.stdout
        assert "--secret benchmark_environment.MY_API_TOKEN=MY_API_TOKEN" in " ".join(result.stdout.split())
    assert "hunter2222" not in (tmp_path / "run.yml").read_text()
    assert "hunter2222" not in run("export HF_TOKEN=hunter2222").stdout


def test_the_scenarios_of_a_category_are_those_of_the_round() -> None:
    line = "mlcr run-mlperf,inference,_all-scenarios,_r4.1 --model=bert-99 --category=datacenter"
    assert sorted(one(line).variables["benchmark_scenarios"]) == ["Offline", "Server"]


def test_the_command_prints_the_line_and_each_part() -> None:
    result = run(f"{BERT} --scenario=Offline --quiet")
    assert result.exit_code == 0
    first, *rest = result.stdout.splitlines()
    assert first.startswith("ansible-playbook playbooks/bert.yml -i inventory -e benchmark_model=bert-large-fp32 -e '{")
    assert any("--scenario=Offline" in row and "benchmark_scenarios: [Offline]" in row for row in rest)
    assert any("--quiet" in row and "not needed: nothing asks questions" in row for row in rest)


def test_a_line_may_be_typed_without_quotes() -> None:
    result = run("--json", "mlcr", "run-mlperf,inference,_short", "--model=bert-99", "--quiet", "--json")
    assert json.loads(result.stdout)["commands"][0]["playbook"] == "bert.yml"
    assert "--json" in [each["theirs"] for each in json.loads(result.stdout)["commands"][0]["parts"]]


def test_options_may_follow_a_quoted_line() -> None:
    result = run(BERT, "--for", "loadfleet", "--json")
    (command,) = json.loads(result.stdout)["commands"]
    assert command["command"].startswith("loadfleet run bert.yml -i inventory")
    assert command["unknown"] == []


def test_unknown_flags_end_with_1_and_the_rest_is_translated() -> None:
    result = run(f"{BERT} --frobnicate=3")
    assert result.exit_code == 1
    assert "UNKNOWN" in result.stdout
    assert "playbooks/bert.yml" in result.stdout


def test_broken_lines_are_translated_or_refused_in_words() -> None:
    chance = random.Random(1)  # noqa: S311  the same lines each time
    lines = [line for lines in yaml.safe_load(LINES.read_text()).values() for line, _ in lines]
    for _ in range(800):
        text = list(chance.choice(lines))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text))
            text[at : at + chance.randint(0, 9)] = chance.choice(
                ["", "'", '"', "`", "=", ",", " _", "--", "$(", "\\", "\n", "é", "{", ":"]
            )
            text = text or ["c"]
        refused = None
        found = []
        try:
            found = translate("".join(text))
        except InputError as error:
            refused = error
        assert found or (refused and refused.fix)
        assert all(isinstance(each.command(), str) and each.about for each in found)


@pytest.mark.parametrize("arguments", [["ls -l"], [""], [], ["cm 'run"], ["cm run", "--file", "-"]])
def test_wrong_input_is_an_error_in_words(arguments: list[str]) -> None:
    result = run(*arguments, given="")
    assert isinstance(result.exception, InputError)
    assert result.exception.fix


def test_a_script_is_translated_command_by_command() -> None:
    result = run("--file", "-", "--json", given=f"#!/bin/bash\nset -e\npip install cmind\ncm pull repo x@y\n{BERT}\n")
    commands = json.loads(result.stdout)["commands"]
    assert [each["playbook"] for each in commands] == ["", "bert.yml"]


def test_a_run_file_has_the_variables(tmp_path: Path) -> None:
    path = tmp_path / "bert.yml"
    result = run(f"{BERT} --scenario=Offline", "--run-file", str(path))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"ansible-playbook playbooks/bert.yml -i inventory -e @{path}\n")
    assert yaml.safe_load(path.read_text()) == one(f"{BERT} --scenario=Offline").variables
    before = path.read_text()
    again = run(BERT, "--run-file", str(path))
    assert isinstance(again.exception, InputError)
    assert path.read_text() == before


def test_a_run_file_can_be_printed_alone() -> None:
    result = run("--run-file", "-", f"{BERT} --scenario=Offline")
    assert yaml.safe_load(result.stdout) == one(f"{BERT} --scenario=Offline").variables
    assert "--scenario=Offline" in result.stderr


@pytest.mark.parametrize("line", ["cm show cache", f"{BERT}; {BERT}"])
def test_a_run_file_needs_one_run(line: str) -> None:
    result = run("--run-file", "-", line)
    assert isinstance(result.exception, InputError)


def test_a_model_of_ones_own_goes_to_its_workload_or_to_the_runner_of_any_model() -> None:
    line = "cm run script --tags=run-mlperf,inference --model=bert-99 --env.CM_MLPERF_CUSTOM_MODEL_PATH=/data/m.onnx"
    (found,) = translate(line)
    assert found.playbook == "bert.yml"
    assert found.variables["benchmark_model_path"] == "/data/m.onnx"
    assert "benchmark_model" not in found.variables, "both at once are refused"
    (found,) = translate(
        'cmr "python app loadgen-generic _onnxruntime _retinanet" --modelpath=/data/m.onnx --samples=5'
    )
    assert found.playbook == "onnx.yml"
    assert found.variables["benchmark_input_samples"] == 5
    assert all(part.why or part.ours for part in found.parts), "every part is explained"


def test_versions_of_theirs_become_constraints() -> None:
    line = "cm run script --tags=run-mlperf,inference --model=bert-99 --adr.onnxruntime.version_min=1.20"
    (found,) = translate(line)
    assert found.variables["backend_version"] == ">=1.20"
    (found,) = translate(f"{line} --adr.onnxruntime.version_max=1.22")
    assert found.variables["backend_version"] == ">=1.20,<=1.22"
    (found,) = translate("cm run script --tags=run-mlperf,inference --model=bert-99 --adr.onnxruntime.version=1.20.1")
    assert found.variables["backend_version"] == "1.20.1"
