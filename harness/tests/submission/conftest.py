"""Results folders and submissions made of real LoadGen logs (data/logs.tar.xz, made by record_logs.py)."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from submission_builder import BERT, Results

from loadfleet.submission.tree import generate as tree

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`<Scenario>/<mode>/` with user.conf, summary and detail log of real runs."""
    folder = tmp_path_factory.mktemp("logs")
    with tarfile.open(DATA / "logs.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def results(tmp_path: Path, logs: Path) -> Results:
    return Results(tmp_path / "results", logs)


@pytest.fixture(scope="session")
def accepted(tmp_path_factory: pytest.TempPathFactory, logs: Path) -> Path:
    """An open submission of two results that every check accepts; read only, copy it to change it."""
    folder = tmp_path_factory.mktemp("accepted")
    run = Results(folder / "results", logs).run(scenarios=("Offline", "SingleStream"))
    return tree.generate([run], folder / "out", tree.Request(submitter="Example")).tree


@pytest.fixture(scope="session")
def accepted_closed(tmp_path_factory: pytest.TempPathFactory, logs: Path) -> Path:
    """Like `accepted`, in the closed division with the official model and its compliance test."""
    folder = tmp_path_factory.mktemp("closed")
    modes = ("accuracy", "performance", "TEST01")
    run = Results(folder / "results", logs).run(scenarios=("Offline", "SingleStream"), modes=modes, model=BERT, f1=90.5)
    return tree.generate([run], folder / "out", tree.Request(submitter="Example", division="closed")).tree


@pytest.fixture
def submission(accepted: Path, tmp_path: Path) -> Path:
    """A copy of `accepted` to break."""
    return Path(shutil.copytree(accepted, tmp_path / "tree", symlinks=True))
