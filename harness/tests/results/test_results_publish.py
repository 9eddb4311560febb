from __future__ import annotations

import concurrent.futures
import json
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from published_builder import git
from published_builder import publish as publish_tree
from result_builder import result, run_folder

from loadfleet.cli.results import command
from loadfleet.errors import BadResultError, InputError, NotReadyError
from loadfleet.results import RunResults
from loadfleet.results.publish import publish

if TYPE_CHECKING:
    from loadfleet.results.publish.pushes import Published

RUNS = [f"20261122T0{hour}3500Z-bert-3f9a" for hour in range(1, 7)]
LOG = "mlperf_log_detail.txt"


def make_run(parent: Path, run_id: str = RUNS[0], *, text: str = "raw log\n", tree: bool = True) -> Path:
    """A run whose raw logs are there and have the digests that result.json names."""
    logs = {LOG: text, "mlperf_log_summary.txt": f"summary of {text}"}
    files = {name: {"sha256": sha256(log.encode()).hexdigest(), "bytes": len(log)} for name, log in logs.items()}
    run = run_folder(parent, result(files=files), run_id=run_id)
    for name, log in logs.items():
        (run / "localhost" / "bert" / "Offline" / "performance" / name).write_text(log)
    if tree:
        publish_tree(run / "submission" / "tree", division="open")
    return run


@pytest.fixture
def run(tmp_path: Path) -> RunResults:
    return RunResults.load(make_run(tmp_path / "results"))


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """An empty bare repository whose first branch is to be called trunk."""
    git("init", "-q", "--bare", "--initial-branch=trunk", str(tmp_path / "remote.git"))
    return tmp_path / "remote.git"


def published(run: RunResults, to: Path | str, **options: Any) -> Published:
    return publish([run], to.as_uri() if isinstance(to, Path) else to, **options).published


def names(repository: Path, branch: str) -> list[str]:
    return git("ls-tree", "-r", "--name-only", branch, cwd=repository).splitlines()


def commits(repository: Path, branch: str) -> int:
    return int(git("rev-list", "--count", branch, cwd=repository))


def test_an_empty_remote_gets_its_first_commit_on_its_own_branch(run: RunResults, remote: Path) -> None:
    done = published(run, remote)

    assert (done.branch, done.pushed, done.attempts) == ("trunk", True, 1)
    assert git("rev-parse", "trunk", cwd=remote) == done.commit
    found = names(remote, "trunk")
    folder = f"runs/{RUNS[0]}"
    assert "README.md" in found
    assert f"{folder}/summary.json" in found
    assert f"{folder}/digests.json" in found
    assert f"{folder}/results/localhost/bert/Offline/performance/result.json" in found
    tree = f"{folder}/submission/open/Example/results/board/bert-99/Offline"
    assert f"{tree}/performance/run_1/{LOG}" in found


def test_publishing_twice_adds_nothing(run: RunResults, remote: Path) -> None:
    first = published(run, remote)
    # A report that was made meanwhile is of this machine.
    (run.path / "report.html").write_text("page")

    again = published(run, remote)

    assert (again.commit, again.pushed, again.note) == (None, False, "nothing new")
    assert git("rev-parse", "trunk", cwd=remote) == first.commit


def test_digests_are_those_of_the_published_files_and_of_the_raw_logs(run: RunResults, remote: Path) -> None:
    published(run, remote)

    folder = f"trunk:runs/{RUNS[0]}"
    digests = json.loads(git("show", f"{folder}/digests.json", cwd=remote))
    for name, entry in digests["files"].items():
        data = subprocess.run(["git", "show", f"{folder}/{name}"], cwd=remote, capture_output=True, check=True).stdout
        assert entry == {"sha256": sha256(data).hexdigest(), "bytes": len(data)}, name
    assert set(digests["raw"]["localhost/bert/Offline/performance"]) == {LOG, "mlperf_log_summary.txt"}


def test_nothing_of_this_machine_and_no_credentials_are_published(
    run: RunResults, remote: Path, tmp_path: Path
) -> None:
    published(run, remote)

    for name in ("summary.json", "digests.json"):
        text = git("show", f"trunk:runs/{RUNS[0]}/{name}", cwd=remote)
        assert str(tmp_path) not in text
    notes = run.path / "submission" / "tree" / "open" / "Example" / "README.md"
    notes.write_text("see https://me:hunter2@example.org/x.git\n")
    with pytest.raises(BadResultError, match=r"README\.md holds a URL with credentials") as caught:
        published(run, remote)
    assert "hunter2" not in str(caught.value)


def test_others_files_and_other_runs_stay(run: RunResults, remote: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git("clone", "-q", str(remote), str(work))
    (work / "notes.txt").write_text("mine\r\n")
    git("add", ".", cwd=work)
    git("commit", "-q", "-m", "notes", cwd=work)
    git("push", "-q", "origin", "HEAD:trunk", cwd=work)

    published(run, remote)
    published(RunResults.load(make_run(tmp_path / "results", RUNS[1])), remote)

    found = names(remote, "trunk")
    assert "notes.txt" in found
    assert "README.md" not in found
    assert commits(remote, "trunk") == 3
    assert len({name.split("/")[1] for name in found if name.startswith("runs/")}) == 2


def test_a_tree_that_shrank_loses_its_files(run: RunResults, remote: Path) -> None:
    published(run, remote)
    (run.path / "submission" / "tree" / "open" / "Example" / "systems" / "board.json").unlink()

    published(run, remote)

    assert not any(name.endswith("systems/board.json") for name in names(remote, "trunk"))


def test_a_missing_branch_is_begun_without_the_history_of_others(run: RunResults, remote: Path, tmp_path: Path) -> None:
    published(run, remote)

    done = published(RunResults.load(make_run(tmp_path / "results", RUNS[1])), remote, branch="results/lab-2")

    assert done.branch == "results/lab-2"
    assert commits(remote, "results/lab-2") == 1
    assert commits(remote, "trunk") == 1


def test_the_same_run_with_other_logs_is_refused(run: RunResults, remote: Path, tmp_path: Path) -> None:
    published(run, remote)
    other = RunResults.load(make_run(tmp_path / "elsewhere", RUNS[0], text="another log\n"))

    with pytest.raises(BadResultError, match=f"runs/{RUNS[0]}/ is published already"):
        published(other, remote)
    assert commits(remote, "trunk") == 1


@pytest.mark.parametrize("change", ["edited\n", None])
def test_a_raw_log_that_changed_or_is_gone_is_refused(run: RunResults, remote: Path, change: str | None) -> None:
    log = run.path / "localhost" / "bert" / "Offline" / "performance" / LOG
    if change is None:
        log.unlink()
    else:
        log.write_text(change)

    with pytest.raises(BadResultError, match=LOG):
        published(run, remote)
    assert git("for-each-ref", cwd=remote) == ""


def test_many_publish_at_once_and_all_arrive(remote: Path, tmp_path: Path) -> None:
    runs = [RunResults.load(make_run(tmp_path / "results", run_id, tree=False)) for run_id in RUNS[:4]]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda one: published(one, remote), runs))

    assert all(one.pushed for one in done)
    assert commits(remote, "trunk") == 4
    assert git("rev-list", "--merges", "--count", "trunk", cwd=remote) == "0"


def test_a_branch_that_moves_before_every_push_is_explained(
    run: RunResults, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadfleet.results.publish.remotes.ATTEMPTS", 2)
    hook = remote / "hooks" / "update"
    hook.write_text(
        "#!/bin/sh\nunset GIT_QUARANTINE_PATH\n"
        "new=$(git -c user.name=a -c user.email=b commit-tree -m other 4b825dc642cb6eb9a060e54bf8d69288fbee4904 "
        '$(git rev-parse -q --verify "$1" | sed "s/^/-p /"))\ngit update-ref "$1" "$new"\n'
    )
    hook.chmod(0o755)
    git("hash-object", "-w", "-t", "tree", "--stdin", cwd=remote)

    with pytest.raises(NotReadyError, match="moved 2 times"):
        published(run, remote)


def test_a_refusal_of_the_server_is_not_tried_again(run: RunResults, remote: Path) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho closed for the holidays >&2\nexit 1\n")
    hook.chmod(0o755)

    with pytest.raises(NotReadyError, match=r"refused the push: .*pre-receive hook declined"):
        published(run, remote)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:hunter2@127.0.0.1:9/r.git",
        "https://hunter2hunter2hunter2@127.0.0.1:9/r.git",
        "ssh://git:hunter2@127.0.0.1:9/r.git",
        "http://127.0.0.1:9/r.git?access_token=hunter2",
    ],
)
def test_secrets_of_a_url_are_in_no_message(run: RunResults, url: str) -> None:
    shown = CliRunner().invoke(command, ["publish", str(run.path), "--to", url])

    assert isinstance(shown.exception, NotReadyError)
    assert "127.0.0.1:9/r.git" in str(shown.exception)
    assert "hunter2" not in repr(shown.exception) + str(shown.exception.__cause__) + shown.output


def test_credentials_reach_git_and_nothing_else(
    run: RunResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git of ours notes its arguments and asks the credential helper as the real one does."""
    log = tmp_path / "log"
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {log}\n'
        f'for word in "$@"; do case "$word" in credential.helper=!*) '
        f'sh -c "${{word#credential.helper=!}} get" > {tmp_path}/answer;; esac; done\nexit 128\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")

    with pytest.raises(NotReadyError):
        published(run, "https://me:hunter2@example.org/r.git")

    assert "hunter2" not in log.read_text()
    assert (tmp_path / "answer").read_text() == "username=me\npassword=hunter2\n"


@pytest.mark.parametrize("form", ["git@lab.example.org:{path}", "lab:{path}", "ssh://git@lab.example.org{path}"])
def test_ssh(run: RunResults, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """An ssh that stays on this machine: it runs what the server would be asked to."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor last in "$@"; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    url = form.format(path=remote)

    done = published(run, url)

    assert (done.to, done.pushed, commits(remote, "trunk")) == (url, True, 1)


def test_a_missing_folder_becomes_a_repository(run: RunResults, tmp_path: Path) -> None:
    done = published(run, str(tmp_path / "new" / "store"))

    assert (done.branch, done.pushed) == ("main", False)
    assert git("status", "--porcelain", cwd=tmp_path / "new" / "store") == ""
    assert (tmp_path / "new" / "store" / "runs" / RUNS[0] / "summary.json").is_file()
    assert published(run, str(tmp_path / "new" / "store")).commit is None


def test_a_folder_within_a_repository_leaves_the_rest_alone(run: RunResults, tmp_path: Path) -> None:
    top = tmp_path / "project"
    git("init", "-q", str(top))
    (top / "code.py").write_text("x = 1\n")
    git("add", ".", cwd=top)
    git("commit", "-q", "-m", "code", cwd=top)
    (top / "code.py").write_text("x = 2\n")
    (top / "staged.py").write_text("y\n")
    git("add", "staged.py", cwd=top)

    done = published(run, str(top / "store"))

    assert done.commit == git("rev-parse", "HEAD", cwd=top)
    assert (top / "store" / "runs" / RUNS[0]).is_dir()
    assert git("status", "--porcelain", cwd=top).splitlines() == ["M code.py", "A  staged.py"]


def test_an_ignored_folder_is_no_part_of_the_repository_around_it(run: RunResults, tmp_path: Path) -> None:
    top = tmp_path / "project"
    git("init", "-q", str(top))
    (top / ".gitignore").write_text("/store/\n")
    git("add", ".", cwd=top)
    git("commit", "-q", "-m", "code", cwd=top)

    published(run, str(top / "store"))

    assert commits(top, "HEAD") == 1
    assert commits(top / "store", "main") == 1


def test_a_plain_folder_gets_files_and_no_repository(run: RunResults, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "mine.txt").write_text("mine\n")

    done = published(run, str(tmp_path / "plain"))

    assert done.commit is None
    assert "nothing was committed" in done.note
    assert not (tmp_path / "plain" / ".git").exists()
    assert (tmp_path / "plain" / "runs" / RUNS[0] / "digests.json").is_file()
    again = published(run, str(tmp_path / "plain"))
    assert (again.files, again.note) == (0, "nothing new")
    with pytest.raises(InputError, match="no git repository"):
        published(run, str(tmp_path / "plain"), push=True)


def test_a_clone_s_rejected_push_is_put_on_top_of_theirs(run: RunResults, remote: Path, tmp_path: Path) -> None:
    published(run, remote)
    clone = tmp_path / "clone"
    git("clone", "-q", str(remote), str(clone))
    published(RunResults.load(make_run(tmp_path / "results", RUNS[1])), remote)

    done = published(RunResults.load(make_run(tmp_path / "results", RUNS[2])), str(clone), push=True)

    assert (done.pushed, done.attempts) == (True, 2)
    assert git("rev-parse", "trunk", cwd=remote) == done.commit == git("rev-parse", "HEAD", cwd=clone)
    assert commits(remote, "trunk") == 3
    assert git("status", "--porcelain", cwd=clone) == ""


def test_a_clone_with_changes_keeps_its_commit_and_says_what_to_do(
    run: RunResults, remote: Path, tmp_path: Path
) -> None:
    published(run, remote)
    clone = tmp_path / "clone"
    git("clone", "-q", str(remote), str(clone))
    published(RunResults.load(make_run(tmp_path / "results", RUNS[1])), remote)
    (clone / "README.md").write_text("changed\n")

    with pytest.raises(NotReadyError, match="rejected") as caught:
        published(RunResults.load(make_run(tmp_path / "results", RUNS[2])), str(clone), push=True)

    assert "pull --rebase" in caught.value.fix
    assert (clone / "README.md").read_text() == "changed\n"
    assert commits(clone, "HEAD") == 2
    assert commits(remote, "trunk") == 2


def test_a_file_in_the_way_is_not_overwritten(run: RunResults, tmp_path: Path) -> None:
    published(run, str(tmp_path / "store"))
    other = RunResults.load(make_run(tmp_path / "results", RUNS[1]))
    mine = tmp_path / "store" / "runs" / RUNS[1] / "summary.json"
    mine.parent.mkdir()
    mine.write_text("mine\n")

    with pytest.raises(NotReadyError, match="cannot take the results"):
        published(other, str(tmp_path / "store"))

    assert mine.read_text() == "mine\n"
    assert commits(tmp_path / "store", "main") == 1


@pytest.mark.parametrize("branch", ["-x", "a..b", "a b", "x.lock", "/x", "a@{1}"])
def test_names_that_are_no_branch(run: RunResults, remote: Path, branch: str) -> None:
    with pytest.raises(InputError, match="no name of a branch"):
        published(run, remote, branch=branch)


def test_wrong_places(run: RunResults, tmp_path: Path, remote: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        published(run, str(tmp_path / "file"))
    with pytest.raises(InputError, match="no results repository"):
        published(run, " ")
    with pytest.raises(NotReadyError, match="cannot be reached"):
        published(run, tmp_path / "nothing.git")
    empty = run_folder(tmp_path / "other", result(), run_id=RUNS[5])
    (empty / "localhost" / "bert" / "Offline" / "performance" / "result.json").unlink()
    with pytest.raises(InputError, match="no result to publish"):
        published(RunResults.load(empty), remote)


def test_the_command(run: RunResults, remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = remote.as_uri()
    shown = CliRunner().invoke(command, ["publish", str(run.path), "--to", url])
    assert shown.exit_code == 0
    assert f"published {RUNS[0]} to {url} (trunk): commit " in shown.output
    assert "pushed" in shown.output

    monkeypatch.setenv("LOADFLEET_RESULTS_STORE", url)
    answer = json.loads(CliRunner().invoke(command, ["publish", str(run.path), "--json"]).output)
    assert (answer["runs"], answer["to"], answer["commit"]) == ([RUNS[0]], url, None)

    shown = CliRunner().invoke(command, ["publish", str(run.path), "--to", "-"], input=f"{url}\n")
    assert "nothing new" in shown.output
