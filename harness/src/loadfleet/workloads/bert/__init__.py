"""BERT question answering on SQuAD v1.1, as MLPerf Inference defines the task `bert`.

`features` prepares the data set, `dataset` serves it, `answers` judges an accuracy log, `model` expands the embedded
MiniLM weights to ONNX. Nothing is imported until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadfleet.workloads.base import Accuracy, Workload

if TYPE_CHECKING:
    from pathlib import Path

    from loadfleet.workloads.bert.dataset import SquadDataset

__all__ = ["Bert"]


class Bert(Workload):
    """Answers to questions about paragraphs; metric F1, per cent."""

    def open(self, prepared: Path) -> SquadDataset:
        from loadfleet.workloads.bert.dataset import SquadDataset  # noqa: PLC0415  numpy is slow to import

        return SquadDataset(prepared)

    def accuracy(self, prepared: Path, log: Path) -> Accuracy:
        from loadfleet.workloads.bert.answers import accuracy  # noqa: PLC0415  numpy is slow to import

        return accuracy(prepared, log)
