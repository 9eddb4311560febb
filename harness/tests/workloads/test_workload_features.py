"""Features equal those of MLPerf's reference, and bad input is refused in words."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from workload_helpers import DATA, EMBEDDED

from loadfleet.errors import InputError
from loadfleet.workloads.bert.dataset import SquadDataset
from loadfleet.workloads.bert.features import build, windows
from loadfleet.workloads.bert.squad import words
from loadfleet.workloads.bert.tokenization import WordPieces, basic_tokens, read_vocabulary


def row_digests(prepared) -> list[str]:
    dataset = SquadDataset(prepared)
    token_words, context, owner = (
        np.load(prepared / f"{name}.npy") for name in ("token_words", "max_context", "feature_questions")
    )
    digests = []
    for sample in range(dataset.count):
        batch = dataset.batch(np.array([sample]))
        tokens = slice(dataset.offsets[sample], dataset.offsets[sample + 1])
        row = [
            batch["input_ids"][0].tolist(),
            batch["segment_ids"][0].tolist(),
            token_words[tokens].tolist(),
            context[tokens].astype(int).tolist(),
            int(owner[sample]),
        ]
        digests.append(hashlib.sha256(json.dumps(row, separators=(",", ":")).encode()).hexdigest()[:16])
    return digests


def squad_file(path, context="A b c.", question="What?", answers=({"text": "b", "answer_start": 2},)):
    entry = {"id": "q1", "question": question, "answers": list(answers)}
    document = {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": [entry]}]}]}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_every_sample_of_the_excerpt_is_that_of_the_reference(prepared, expected):
    assert row_digests(prepared) == [row[0] for row in expected["features"]]


def test_lengths_are_those_of_the_reference(dataset, expected):
    assert dataset.lengths.tolist() == [row[1] for row in expected["features"]]


def test_other_window_sizes_give_the_windows_of_the_reference(prepare, expected):
    digests = row_digests(prepare(max_sequence_length=128, document_stride=32, max_question_length=12))
    assert len(digests) == expected["small"]["count"]
    assert hashlib.sha256("\n".join(digests).encode()).hexdigest() == expected["small"]["sha256"]


def test_preparing_twice_gives_the_same_bytes(prepare, prepared):
    again = prepare()
    names = sorted(path.name for path in prepared.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((prepared / name).read_bytes() == (again / name).read_bytes() for name in names)


@pytest.mark.parametrize(
    ("tokens", "expected_windows"),
    [
        (0, []),
        (5, [(0, 5)]),
        (10, [(0, 10)]),
        (11, [(0, 10), (4, 7)]),
        (18, [(0, 10), (4, 10), (8, 10)]),
    ],
)
def test_windows_cover_the_paragraph(tokens, expected_windows):
    assert windows(tokens, room=10, stride=4) == expected_windows


def test_words_are_separated_by_the_reference_white_space_only():
    assert words(" a\tb\r\nc\u202fd  e ") == ["a", "b", "c", "d", "e"]
    assert words("a\u00a0b \u200bc") == ["a\u00a0b", "\u200bc"]


def test_basic_tokens_are_lower_case_without_accents_and_split_at_punctuation():
    assert basic_tokens("Caf\u00e9's \u4e2d\u6587\u00a0X\u0000\u200b!") == [
        "cafe",
        "'",
        "s",
        "\u4e2d",
        "\u6587",
        "x",
        "!",
    ]


def test_unknown_and_overlong_words_become_one_unknown_token():
    pieces = WordPieces(read_vocabulary(EMBEDDED / "bert-uncased-vocab.txt"))
    assert pieces.encode(["a" * 101, "\U0001f600", "a" * 4]) == [[100], [100], pieces.encode(["aaaa"])[0]]
    assert len(pieces.encode(["a" * 100])[0]) > 1


def test_a_long_question_is_cut(prepare, tmp_path):
    dataset = SquadDataset(prepare(squad_file(tmp_path / "long.json", question="why " * 100)))
    assert dataset.document_start.tolist() == [1 + 64 + 1]


def test_a_paragraph_without_words_has_no_sample(prepare, tmp_path):
    path = squad_file(tmp_path / "two.json")
    document = json.loads(path.read_text())
    entry = {"id": "q2", "question": "Why?", "answers": [{"text": "", "answer_start": 0}]}
    document["data"][0]["paragraphs"].append({"context": " \n", "qas": [entry]})
    path.write_text(json.dumps(document))
    assert SquadDataset(prepare(path)).count == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ('{"data": [{"paragraphs": 3}]}', "not in the format"),
        ('{"data": []}', "has no question"),
    ],
)
def test_a_file_that_is_not_squad_is_refused(prepare, tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        prepare(path)


def test_squad_2_is_refused_by_the_question_without_answer(prepare, tmp_path):
    with pytest.raises(InputError, match="q1 has no answer"):
        prepare(squad_file(tmp_path / "v2.json", answers=()))


def test_a_vocabulary_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\nhello\n")
    with pytest.raises(InputError, match=r"lacks \[UNK\], \[CLS\], \[SEP\]"):
        read_vocabulary(path)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "questions"),
        ({"questions": "other/x.json", "vocabulary": "squad/y"}, "names no file of a required entry"),
        (
            {
                "questions": "squad/squad-excerpt.json",
                "vocabulary": "squad/y",
                "max_sequence_length": 60,
                "document_stride": 8,
                "max_question_length": 64,
            },
            "no window",
        ),
    ],
)
def test_impossible_parameters_are_refused(tmp_path, parameters, message):
    with pytest.raises(InputError, match=message):
        build({"squad": DATA}, tmp_path, parameters)
    assert list(tmp_path.iterdir()) == []
