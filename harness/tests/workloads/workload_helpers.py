"""What fixtures and tests of this folder share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import loadfleet

if TYPE_CHECKING:
    from loadfleet.workloads.bert.dataset import SquadDataset

DATA = Path(__file__).parent / "data"
EMBEDDED = Path(loadfleet.__file__).parent / "embedded"
PARAMETERS: dict[str, Any] = {
    "questions": "squad/squad-excerpt.json",
    "vocabulary": "vocabulary/bert-uncased-vocab.txt",
    "max_sequence_length": 384,
    "document_stride": 128,
    "max_question_length": 64,
}


def synthetic_logits(dataset: SquadDataset, sample: int) -> np.ndarray:
    """float32 [384, 2]: integers with many ties; in every twentieth sample the question outbids the paragraph."""
    length, start = int(dataset.lengths[sample]), int(dataset.document_start[sample])
    position, channel = np.arange(length)[:, None], np.arange(2)[None]
    logits = np.full((384, 2), -10000, np.float32)
    logits[:length] = (position * position * 31 + position * 7919 + sample * 104729 + channel * 31337) % 13 - 6
    if sample % 3:
        logits[start:length] += 5
    if sample % 20 == 0:
        logits[start:length] -= 40
    return logits
