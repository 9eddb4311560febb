"""Post-processing and metric equal MLPerf's accuracy script; a damaged log is refused in words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from workload_helpers import synthetic_logits

from loadfleet.errors import BadResultError, InputError
from loadfleet.workloads.bert import Bert, answers, metrics


def test_predictions_with_ties_are_those_of_the_reference(prepared, synthetic, write_log, expected):
    found = answers.predictions(prepared, write_log(reversed(synthetic)))
    assert found == expected["synthetic"]["predictions"]
    assert list(found) == list(expected["synthetic"]["predictions"])
    assert answers.NO_ANSWER in found.values()


def test_the_score_and_its_line_are_those_of_the_reference(prepared, synthetic, write_log, expected):
    accuracy = Bert().accuracy(prepared, write_log(synthetic))
    values = {name: expected["synthetic"][name] for name in ("exact_match", "f1")}
    assert accuracy.values == values
    assert accuracy.value == values["f1"]
    assert accuracy.line == json.dumps(values)
    assert (accuracy.metric, accuracy.samples, accuracy.total) == ("f1", 211, 211)


def test_recorded_predictions_of_the_model_have_the_recorded_score(expected, prepared):
    questions = json.loads((prepared / "questions.json").read_text(encoding="utf-8"))["questions"]
    accepted = {question["id"]: question["answers"] for question in questions}
    found = metrics.evaluate((text, accepted[name]) for name, text in expected["model"]["predictions"].items())
    assert found == {name: expected["model"][name] for name in ("exact_match", "f1")}


def test_a_subset_is_judged_over_its_own_questions(prepared, dataset, synthetic, write_log, expected):
    owner = np.load(prepared / "feature_questions.npy")
    logged = [entry for entry in synthetic if owner[entry[0]] in {3, 4, 5}]
    path = write_log(logged)
    names = [q["id"] for q in json.loads((prepared / "questions.json").read_text(encoding="utf-8"))["questions"][3:6]]
    assert answers.predictions(prepared, path) == {n: expected["synthetic"]["predictions"][n] for n in names}
    accuracy = Bert().accuracy(prepared, path)
    assert accuracy.samples == len(logged)
    assert accuracy.total == dataset.count


def test_one_window_of_a_question_is_enough(prepared, synthetic, write_log):
    owner = np.load(prepared / "feature_questions.npy").tolist()
    second = next(sample for sample in range(1, len(owner)) if owner[sample] == owner[sample - 1])
    assert len(answers.predictions(prepared, write_log([synthetic[second]]))) == 1


def test_the_first_response_to_a_sample_counts(prepared, dataset, synthetic, write_log):
    other = synthetic_logits(dataset, 7)
    once = answers.predictions(prepared, write_log([synthetic[1]]))
    assert answers.predictions(prepared, write_log([synthetic[1], (1, other.tobytes())])) == once


def test_a_response_without_padding_is_the_same(prepared, dataset, synthetic, write_log):
    short = [(sample, data[: int(dataset.lengths[sample]) * 8]) for sample, data in synthetic]
    assert Bert().accuracy(prepared, write_log(short)) == Bert().accuracy(prepared, write_log(synthetic))


def test_no_log(prepared, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Bert().accuracy(prepared, tmp_path / "mlperf_log_accuracy.json")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: "", "is empty"),
        (lambda text: "[\n]\n", "holds no response"),
        (lambda text: text.rstrip().removesuffix("]"), "truncated"),
        (lambda text: text[: len(text) // 2], "line 2: not an entry"),
        (lambda text: text.replace('"qsl_idx"', '"index"'), "line 2: not an entry"),
        (lambda text: text.replace('"data" : "', '"data" : "x'), "line 2: not an entry"),
        (lambda text: text.replace('"qsl_idx" : 0', '"qsl_idx" : 999'), "sample 999 does not exist"),
        (lambda text: text + '{ "seq_id" : 1 }\n', "after the closing bracket"),
        (lambda text: text.replace('"data" : "', '"data" : "00000000'), "has 3076 bytes"),
    ],
)
def test_a_damaged_log_is_refused(prepared, synthetic, write_log, damage, message):
    path = write_log(synthetic[:1])
    path.write_text(damage(path.read_text()))
    with pytest.raises(BadResultError, match=message):
        Bert().accuracy(prepared, path)


def test_a_log_that_is_no_text_is_refused(prepared, tmp_path):
    path = tmp_path / "log.json"
    path.write_bytes(b"[\n\xff\xfe\n]\n")
    with pytest.raises(BadResultError, match="not a text file"):
        Bert().accuracy(prepared, path)


def test_a_response_shorter_than_its_sample_is_refused(prepared, dataset, write_log):
    with pytest.raises(BadResultError, match="has 16 bytes"):
        Bert().accuracy(prepared, write_log([(0, bytes(16))]))


def test_nan_is_refused(prepared, write_log):
    with pytest.raises(BadResultError, match="sample 4 holds NaN"):
        Bert().accuracy(prepared, write_log([(4, np.full((384, 2), np.nan, np.float32).tobytes())]))


def best(logits, *, length=12, start=4, context=None):
    logits = np.array(logits, np.float32)[None]
    allowed = np.ones((1, logits.shape[1]), np.bool_) if context is None else np.array(context, np.bool_)[None]
    score, first, last = answers.best_spans(logits, np.array([length]), np.array([start]), allowed)
    return float(score[0]), int(first[0]), int(last[0])


def logits_with(peaks, size=64):
    logits = np.full((size, 2), -5.0)
    for position, channel, value in peaks:
        logits[position, channel] = value
    return logits


def test_an_answer_lies_in_the_window():
    logits = logits_with([(1, 0, 9), (2, 1, 9), (11, 1, 8), (6, 0, 3), (8, 1, 2)])
    assert best(logits) == (5.0, 6, 8)


def test_an_answer_does_not_end_before_it_begins():
    assert best(logits_with([(8, 0, 4), (6, 1, 4)])) == (-1.0, 8, 8)


def test_an_answer_begins_where_the_context_is_best_but_may_end_elsewhere():
    context = np.ones(64, bool)
    context[[6, 7]] = False
    logits = logits_with([(6, 0, 9), (5, 0, 1), (7, 1, 3)])
    assert best(logits, context=context) == (4.0, 5, 7)


def test_an_answer_has_thirty_tokens_at_most():
    within = logits_with([(4, 0, 5), (33, 1, 5)])
    beyond = logits_with([(4, 0, 5), (34, 1, 5)])
    assert best(within, length=60) == (10.0, 4, 33)
    assert best(beyond, length=60)[0] < 10


def test_only_the_twenty_best_positions_are_paired():
    logits = np.full((64, 2), -50.0)
    logits[:20] = 9  # the question takes all twenty places
    assert best(logits, length=60, start=30)[0] == -np.inf


@pytest.mark.parametrize(
    ("pieces", "original", "answer"),
    [
        ("steve smith", "Steve Smith's", "Steve Smith"),
        ("1895", "(1895-1943).", "1895"),
        ("cafe", "Caf\u00e9,", "Caf\u00e9"),
        ("of rome", "city of Rome.", "of Rome"),
        ("smith", "John Jones", "John Jones"),  # not among its tokens
        ("[UNK]", "\u0b95 word", "\u0b95 word"),
        ("e", "e\u0301tude\u200b x", "e\u0301tude\u200b x"),  # characters do not correspond
        ("", "x", "x"),
    ],
)
def test_word_pieces_are_projected_onto_the_paragraph(pieces, original, answer):
    assert answers.project(pieces, original) == answer


@pytest.mark.parametrize(
    ("prediction", "accepted", "exact", "f1"),
    [
        ("The Cat!", ["a cat"], 100, 100),
        ("cat", ["dog", "cat"], 100, 100),
        ("black cat", ["cat"], 0, 100 * 2 / 3),
        ("cat cat", ["cat"], 0, 100 * 2 / 3),
        ("dog", ["cat"], 0, 0),
        ("the", ["a"], 100, 0),  # both are empty: equal, and share no word
        ("and", ["an"], 0, 0),
    ],
)
def test_the_metric(prediction, accepted, exact, f1):
    found = metrics.evaluate([(prediction, accepted)])
    assert found["exact_match"] == exact
    assert found["f1"] == pytest.approx(f1)


def test_no_question_is_no_score():
    with pytest.raises(ValueError, match="no question"):
        metrics.evaluate([])
