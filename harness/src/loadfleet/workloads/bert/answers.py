"""From logged logits to answer texts, exact match and F1.

The rules are those of MLPerf's accuracy script (inference repository, language/bert/accuracy-squad.py): the 20 best
start and end positions of each window are paired; a pair is an answer when both lie in the window, the start is in the
window that shows most of its surroundings, and it is at most 30 tokens long; the best sum of logits over the windows of
a question wins. Its word pieces are then projected onto the paragraph's own characters.

Equal scores: the reference sorts stably, so the earlier window, then the better-ranked start, then end wins; of equal
logits the earlier position is ranked better. The same holds here whatever the order of the log.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import BadResultError, NotReadyError
from loadfleet.workloads import accuracy_log
from loadfleet.workloads.base import Accuracy
from loadfleet.workloads.bert import metrics
from loadfleet.workloads.bert.dataset import PADDING_LOGIT, SquadDataset, mapped
from loadfleet.workloads.bert.squad import words
from loadfleet.workloads.bert.tokenization import basic_tokens, read_vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

BEST = 20
LONGEST_ANSWER = 30
# What the reference predicts for a question without any possible answer.
NO_ANSWER = "empty"
# Log entries scored at a time: a few MB of temporary arrays.
_CHUNK = 256


def accuracy(prepared: Path, log: Path) -> Accuracy:
    """EM and F1 over the questions that have a response; see `Workload.accuracy` for the errors."""
    dataset = SquadDataset(prepared)
    texts = _read_questions(prepared)
    best = _best_spans(dataset, log)
    predicted = _texts(dataset, texts, best)
    answers = {question["id"]: question["answers"] for question in texts["questions"]}
    values = metrics.evaluate((text, answers[identifier]) for identifier, text in predicted.items())
    return Accuracy(
        metric="f1",
        value=values["f1"],
        values=values,
        line=json.dumps(values),
        samples=int(best["logged"].sum()),
        total=dataset.count,
    )


def predictions(prepared: Path, log: Path) -> dict[str, str]:
    """The answer text of every question with a response, by question id, in the order of the data set.

    Raises:
        LoadfleetError: As `accuracy`.
    """
    dataset = SquadDataset(prepared)
    return _texts(dataset, _read_questions(prepared), _best_spans(dataset, log))


def best_spans(
    logits: NDArray[np.float32],
    lengths: NDArray[np.int32],
    document_start: NDArray[np.int32],
    max_context: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """The best answer of each window.

    Args:
        logits: [B, W, 2], start and end logit per position.
        lengths: [B], tokens of each sample.
        document_start: [B], first position of the window.
        max_context: [B, W], where an answer may begin.

    Returns:
        Score [B] (-inf where no answer is possible), start and end position [B] (inclusive).
    """
    # A stable sort of the negated logits ranks equal ones by position. Sums in float64, as Python's floats.
    ranked = np.argsort(-logits, axis=1, kind="stable")[:, :BEST]
    values = np.take_along_axis(logits, ranked, axis=1).astype(np.float64)
    start, end = ranked[:, :, None, 0], ranked[:, None, :, 1]
    scores = values[:, :, None, 0] + values[:, None, :, 1]
    first, last = document_start[:, None, None], lengths[:, None, None] - 2  # the last token is [SEP]
    possible = (start >= first) & (start <= last) & (end <= last) & (end >= start) & (end < start + LONGEST_ANSWER)
    possible &= np.take_along_axis(max_context, ranked[:, :, 0], axis=1)[:, :, None]
    flat = np.where(possible, scores, -np.inf).reshape(len(logits), -1)
    winner = np.argmax(flat, axis=1)
    rows = np.arange(len(logits))
    width = ranked.shape[1]
    return flat[rows, winner], ranked[rows, winner // width, 0], ranked[rows, winner % width, 1]


def project(pieces: str, original: str) -> str:
    """The characters of `original` that a predicted text stands for.

    `pieces` has lost case and accents, and `original` (whole words) may hold more than was predicted. When the basic
    tokens of `original` have as many characters as it has itself, spaces apart, characters correspond one to one;
    otherwise, or when the predicted text is not found among them, `original` is the answer.
    """
    tokens = " ".join(basic_tokens(original))
    begin = tokens.find(pieces)
    if begin < 0 or not pieces:
        return original
    solid = [position for position, character in enumerate(original) if character != " "]
    if len(solid) != len(tokens) - tokens.count(" "):
        return original
    first = begin - tokens.count(" ", 0, begin)
    last = first + len(pieces) - pieces.count(" ") - 1
    return original[solid[first] : solid[last] + 1]


def _best_spans(dataset: SquadDataset, log: Path) -> dict[str, NDArray[Any]]:
    """`logged`, `score`, `start`, `end` per sample, each [N]."""
    count, width = dataset.count, dataset.width
    max_context = mapped(dataset.prepared, "max_context", len(dataset.input_ids))
    best: dict[str, NDArray[Any]] = {
        "logged": np.zeros(count, np.bool_),
        "score": np.full(count, -np.inf),
        "start": np.zeros(count, np.int64),
        "end": np.zeros(count, np.int64),
    }
    position = np.arange(width, dtype=np.int64)
    for indices, logits in _chunks(dataset, log):
        where = dataset.offsets[indices][:, None] + position
        allowed = max_context.take(where, mode="clip")
        allowed &= position < dataset.lengths[indices][:, None]
        score, start, end = best_spans(logits, dataset.lengths[indices], dataset.document_start[indices], allowed)
        best["logged"][indices] = True
        best["score"][indices], best["start"][indices], best["end"][indices] = score, start, end
    return best


def _chunks(dataset: SquadDataset, log: Path) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Sample indices [C] and logits [C, W, 2] of a few hundred log entries at a time."""
    indices: list[int] = []
    rows: list[NDArray[np.float32]] = []
    for index, data in accuracy_log.entries(log, dataset.count):
        indices.append(index)
        rows.append(_logits(dataset, log, index, data))
        if len(rows) == _CHUNK:
            yield np.array(indices, np.int64), np.stack(rows)
            indices, rows = [], []
    if rows:
        yield np.array(indices, np.int64), np.stack(rows)


def _logits(dataset: SquadDataset, log: Path, index: int, data: bytes) -> NDArray[np.float32]:
    """One response as float32 [W, 2]; a shorter one (as long as the sample at least) is padded."""
    expected = dataset.width * 2 * 4
    length = int(dataset.lengths[index])
    if len(data) % 8 or not length * 8 <= len(data) <= expected:
        raise BadResultError(
            f"{log}: the response to sample {index} has {len(data)} bytes, expected {expected} (float32 [W, 2])",
            fix="log one start and one end logit, float32, for each position",
        )
    logits = np.frombuffer(data, "<f4").reshape(-1, 2)
    if np.isnan(logits).any():
        raise BadResultError(
            f"{log}: the response to sample {index} holds NaN", fix="check the model and its precision"
        )
    if len(logits) == dataset.width:
        return logits
    padded = np.full((dataset.width, 2), PADDING_LOGIT, np.float32)
    padded[: len(logits)] = logits
    return padded


def _texts(dataset: SquadDataset, texts: Mapping[str, Any], best: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Answer text by question id, for the questions with a logged sample."""
    vocabulary = read_vocabulary(dataset.prepared / "vocab.txt")
    owners = mapped(dataset.prepared, "feature_questions", dataset.count)
    token_words = mapped(dataset.prepared, "token_words", len(dataset.input_ids))
    context_words = lru_cache(maxsize=64)(lambda context: words(texts["contexts"][context]))

    winners: dict[int, int] = {}
    for sample in np.flatnonzero(best["logged"]).tolist():
        owner = int(owners[sample])
        if owner not in winners or best["score"][sample] > best["score"][winners[owner]]:
            winners[owner] = sample
    found: dict[str, str] = {}
    for owner in sorted(winners):
        sample = winners[owner]
        question = texts["questions"][owner]
        if best["score"][sample] == -np.inf:
            found[question["id"]] = NO_ANSWER
            continue
        begin = int(dataset.offsets[sample] + best["start"][sample])
        end = int(dataset.offsets[sample] + best["end"][sample])
        original = context_words(question["context"])[int(token_words[begin]) : int(token_words[end]) + 1]
        found[question["id"]] = project(_joined(vocabulary, dataset.input_ids[begin : end + 1]), " ".join(original))
    return found


def _joined(vocabulary: Sequence[str], ids: NDArray[np.int32]) -> str:
    """Word pieces as text: pieces that continue a word ("##") are joined to it, white space is single."""
    text = " ".join(vocabulary[number] for number in ids.tolist())
    return " ".join(text.replace(" ##", "").replace("##", "").split())


def _read_questions(prepared: Path) -> dict[str, Any]:
    try:
        texts: dict[str, Any] = json.loads((prepared / "questions.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotReadyError(
            f"{prepared}: questions.json cannot be read: {error}", fix="prepare the data set again"
        ) from error
    return texts
