"""From SQuAD's JSON to flat arrays: one feature is a question with one window of its paragraph.

The windows are those of BERT's SQuAD preprocessing, which MLPerf Inference uses (inference repository,
language/bert/create_squad_data.py): [CLS] question [SEP] window [SEP], at most 384 positions, windows 128 tokens apart,
questions cut at 64 tokens. SQuAD v1.1 dev has 10,833 features.

Files of a prepared folder (N features, T tokens in all, Q questions):

- `input_ids.npy` int32 [T], the features one after the other; `offsets.npy` int64 [N + 1], where each begins
- `document_start.npy` int32 [N], position of the window's first token, where segment 1 begins
- `token_words.npy` int32 [T], the paragraph's word a token belongs to; -1 outside the window
- `max_context.npy` bool [T], whether an answer may begin there: of the windows a token lies in, the one that shows
  most of its surroundings
- `feature_questions.npy` int32 [N], index of the question; features of a question are neighbours
- `questions.json`, paragraphs, question ids and accepted answers; `vocab.txt`, the vocabulary used
- `recipe.json`, version, sizes and counts
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadfleet.errors import InputError
from loadfleet.workloads.bert.dataset import FORM
from loadfleet.workloads.bert.squad import Squad, words
from loadfleet.workloads.bert.tokenization import WordPieces, read_vocabulary
from loadfleet.workloads.prepared import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Positions that are no document token: [CLS], [SEP] after the question, [SEP] at the end.
_SPECIAL = 3


@dataclass
class Features:
    """The arrays of a prepared folder; each field is the file `<field>.npy` (shapes: module docstring)."""

    input_ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    document_start: NDArray[np.int32]
    token_words: NDArray[np.int32]
    max_context: NDArray[np.bool_]
    feature_questions: NDArray[np.int32]


def build(inputs: Mapping[str, Path], output: Path, parameters: Mapping[str, Any]) -> None:
    """Write a prepared folder; the same input gives the same bytes.

    Args:
        inputs: Folders of the store entries that are required, by name.
        output: Existing folder to write to.
        parameters: `questions` and `vocabulary` ("entry name/file name"), `max_sequence_length`, `document_stride`,
            `max_question_length` (tokens).

    Raises:
        InputError: A parameter is missing or impossible, or an input file is not what it should be.
    """
    try:
        questions, vocabulary = (_input(inputs, str(parameters[key])) for key in ("questions", "vocabulary"))
        sizes = {key: int(parameters[key]) for key in ("max_sequence_length", "document_stride", "max_question_length")}
    except (KeyError, ValueError) as error:
        raise InputError(f"preparing SQuAD: parameter missing or not a number: {error}") from error
    if sizes["document_stride"] < 1 or sizes["max_sequence_length"] <= sizes["max_question_length"] + _SPECIAL:
        raise InputError(f"preparing SQuAD: no window of the paragraph fits into {sizes}")

    squad = Squad.read(questions)
    features = compute(squad, WordPieces(read_vocabulary(vocabulary)), **sizes)
    for field in fields(features):
        np.save(output / f"{field.name}.npy", getattr(features, field.name), allow_pickle=False)
    write_json(
        output / "questions.json",
        {
            "contexts": squad.contexts,
            "questions": [{"id": q.id, "context": q.context, "answers": list(q.answers)} for q in squad.questions],
        },
    )
    shutil.copyfile(vocabulary, output / "vocab.txt")
    counts = {
        "features": len(features.document_start),
        "questions": len(squad.questions),
        "tokens": len(features.input_ids),
    }
    write_json(output / "recipe.json", {"version": FORM.version, **sizes, **counts})


def compute(
    squad: Squad,
    pieces: WordPieces,
    *,
    max_sequence_length: int,
    document_stride: int,
    max_question_length: int,
) -> Features:
    """The features of all questions, in the order of the questions."""
    documents = _documents(squad.contexts, pieces)
    question_ids = pieces.encode([question.text for question in squad.questions])
    ids: list[NDArray[np.int32]] = []
    token_words: list[NDArray[np.int32]] = []
    max_context: list[NDArray[np.bool_]] = []
    starts: list[int] = []
    owners: list[int] = []
    for number, question in enumerate(squad.questions):
        document, document_words = documents[question.context]
        head = [pieces.first, *question_ids[number][:max_question_length], pieces.separator]
        spans = windows(len(document), max_sequence_length - len(head) - 1, document_stride)
        best = _most_context(spans, len(document))
        for index, (begin, length) in enumerate(spans):
            window = slice(begin, begin + length)
            ids.append(np.array([*head, *document[window], pieces.separator], np.int32))
            token_words.append(_framed(document_words[window], len(head), -1))
            max_context.append(_framed(best[window] == index, len(head), False))
            starts.append(len(head))
            owners.append(number)
    offsets = np.zeros(len(ids) + 1, np.int64)
    np.cumsum([len(row) for row in ids], out=offsets[1:])
    return Features(
        np.concatenate(ids),
        offsets,
        np.array(starts, np.int32),
        np.concatenate(token_words),
        np.concatenate(max_context),
        np.array(owners, np.int32),
    )


def windows(tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Begin and length of each window over a paragraph of so many tokens; none for an empty paragraph."""
    found: list[tuple[int, int]] = []
    begin = 0
    while begin < tokens:
        length = min(room, tokens - begin)
        found.append((begin, length))
        if begin + length == tokens:
            break
        begin += min(length, stride)
    return found


def _documents(contexts: list[str], pieces: WordPieces) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Word-piece ids of each paragraph and the word each belongs to. Words are encoded alone, each word once."""
    split = [words(context) for context in contexts]
    vocabulary = list(dict.fromkeys(word for paragraph in split for word in paragraph))
    encoded = dict(zip(vocabulary, pieces.encode(vocabulary), strict=True))
    documents = []
    for paragraph in split:
        parts = [encoded[word] for word in paragraph]
        flat = np.array([piece for part in parts for piece in part], np.int32)
        owner = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
        documents.append((flat, owner))
    return documents


def _most_context(spans: list[tuple[int, int]], tokens: int) -> NDArray[np.int64]:
    """int64 [tokens]: index of the window that shows most around each token, the first of equals.

    A window's score is the smaller of the tokens left and right of it, plus a hundredth of the window's length.
    """
    if len(spans) < 2:
        return np.zeros(tokens, np.int64)
    position = np.arange(tokens)
    scores = np.full((len(spans), tokens), -1.0)
    for index, (begin, length) in enumerate(spans):
        inside = position[begin : begin + length]
        scores[index, inside] = np.minimum(inside - begin, begin + length - 1 - inside) + 0.01 * length
    best: NDArray[np.int64] = np.argmax(scores, axis=0)
    return best


def _framed(values: NDArray[Any], before: int, fill: object) -> NDArray[Any]:
    """The values of a window with `fill` for the question before it and for the [SEP] after it."""
    framed = np.full(before + len(values) + 1, fill, values.dtype)
    framed[before:-1] = values
    return framed


def _input(inputs: Mapping[str, Path], reference: str) -> Path:
    entry, _, file_name = reference.partition("/")
    if entry not in inputs or not file_name:
        raise InputError(
            f"preparing SQuAD: {reference!r} names no file of a required entry ({', '.join(sorted(inputs))})",
            fix="write it as entry/file and list the entry under requires",
        )
    return Path(inputs[entry]) / file_name
