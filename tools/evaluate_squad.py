"""Exact match and F1 of an ONNX question-answering model on SQuAD v1.1, without any code of Loadfleet.

A second opinion on what the harness reports: its own windows, batches, answer selection and metric. It cuts answers
out of the paragraph by character offsets instead of projecting word pieces as MLPerf's script does, so that the two
agree to about a tenth of a point, not to the last digit.

    python tools/evaluate_squad.py model.onnx dev-v1.1.json vocab.txt --threads 2
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import string
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import BertWordPieceTokenizer

LENGTH, STRIDE, QUESTION, BEST, LONGEST = 384, 128, 64, 20, 30


@dataclass
class Window:
    """A question with a part of its paragraph: `offsets` are characters of the paragraph per position from `start`."""

    question: str
    ids: list[int]
    start: int
    offsets: list[tuple[int, int]]
    central: list[bool]


def main() -> int:
    """Print one JSON object with exact_match, f1, questions, windows and seconds."""
    parser = argparse.ArgumentParser(description="EM and F1 of an ONNX model on SQuAD v1.1")
    parser.add_argument("model", type=Path, help="ONNX file with inputs input_ids, input_mask, segment_ids")
    parser.add_argument("squad", type=Path, help="dev-v1.1.json")
    parser.add_argument("vocabulary", type=Path, help="vocab.txt of BERT uncased")
    parser.add_argument("--questions", type=int, default=0, help="only so many, evenly spaced (0: all)")
    parser.add_argument("--threads", type=int, default=0, help="intra-op threads (0: all cores)")
    parser.add_argument("--batch-tokens", type=int, default=2048, help="positions in a batch")
    arguments = parser.parse_args()

    questions = read(arguments.squad)
    if arguments.questions:
        names = list(questions)[:: max(1, len(questions) // arguments.questions)][: arguments.questions]
        questions = {name: questions[name] for name in names}
    parts = windows(questions, arguments.vocabulary)
    began = time.perf_counter()
    found = answer(arguments.model, parts, arguments.threads, arguments.batch_tokens)
    seconds = time.perf_counter() - began
    exact = total = 0.0
    for name, (_, context, accepted) in questions.items():
        begin, end = found[name][1:] if name in found else (0, 0)
        prediction = normal(context[begin:end])
        exact += max(prediction == normal(text) for text in accepted)
        total += max(f1(prediction.split(), normal(text).split()) for text in accepted)
    count = len(questions)
    result = {"exact_match": 100 * exact / count, "f1": 100 * total / count}
    sys.stdout.write(json.dumps({**result, "questions": count, "windows": len(parts), "seconds": round(seconds, 1)}))
    sys.stdout.write("\n")
    return 0


def read(path: Path) -> dict[str, tuple[str, str, list[str]]]:
    """Question id -> question, paragraph, accepted answers."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return {
        entry["id"]: (entry["question"], paragraph["context"], [answer["text"] for answer in entry["answers"]])
        for article in document["data"]
        for paragraph in article["paragraphs"]
        for entry in paragraph["qas"]
    }


def windows(questions: dict[str, tuple[str, str, list[str]]], vocabulary: Path) -> list[Window]:
    """Windows over every question's paragraph."""
    tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    cls, sep = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    contexts = list(dict.fromkeys(context for _, context, _ in questions.values()))
    encoded = dict(zip(contexts, tokenizer.encode_batch(contexts, add_special_tokens=False), strict=True))
    asked = tokenizer.encode_batch([text for text, _, _ in questions.values()], add_special_tokens=False)
    found = []
    for (name, (_, context, _)), question in zip(questions.items(), asked, strict=True):
        document = encoded[context]
        head = [cls, *question.ids[:QUESTION], sep]
        room = LENGTH - len(head) - 1
        begins = [0]
        while begins[-1] + room < len(document.ids):
            begins.append(begins[-1] + STRIDE)
        spans = [(begin, min(begin + room, len(document.ids))) for begin in begins]
        for number, (begin, end) in enumerate(spans):
            central = [most_context(spans, token) == number for token in range(begin, end)]
            ids = [*head, *document.ids[begin:end], sep]
            found.append(Window(name, ids, len(head), document.offsets[begin:end], central))
    return found


def most_context(spans: list[tuple[int, int]], token: int) -> int:
    """The window in which a token has the most neighbours on its poorer side."""
    holding = [number for number, (begin, end) in enumerate(spans) if begin <= token < end]
    return max(
        holding,
        key=lambda number: (
            min(token - spans[number][0], spans[number][1] - 1 - token) + 0.01 * (spans[number][1] - spans[number][0]),
            -number,
        ),
    )


def answer(model: Path, parts: list[Window], threads: int, budget: int) -> dict[str, tuple[float, int, int]]:
    """Question id -> score, first and past-the-end character of the best answer."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    waiting = sorted(parts, key=lambda part: -len(part.ids))
    best: dict[str, tuple[float, int, int]] = {}
    while waiting:
        width = len(waiting[0].ids)
        batch, waiting = waiting[: max(1, budget // width)], waiting[max(1, budget // width) :]
        ids, mask, segments = (np.zeros((len(batch), width), np.int64) for _ in range(3))
        for row, part in enumerate(batch):
            ids[row, : len(part.ids)] = part.ids
            mask[row, : len(part.ids)] = 1
            segments[row, part.start : len(part.ids)] = 1
        feed = {"input_ids": ids, "input_mask": mask, "segment_ids": segments}
        starts, ends = session.run(["output_start_logits", "output_end_logits"], feed)
        for part, start, end in zip(batch, starts, ends, strict=True):
            choice = pick(part, start[: len(part.ids)], end[: len(part.ids)])
            if choice and (part.question not in best or choice[0] > best[part.question][0]):
                best[part.question] = choice
    return best


def pick(part: Window, start: Any, end: Any) -> tuple[float, int, int] | None:
    """The best answer of a window."""
    best: tuple[float, int, int] | None = None
    for first in np.argsort(-start)[:BEST] - part.start:
        if not 0 <= first < len(part.offsets) or not part.central[first]:
            continue
        for last in np.argsort(-end)[:BEST] - part.start:
            if not first <= last < min(first + LONGEST, len(part.offsets)):
                continue
            score = float(start[first + part.start]) + float(end[last + part.start])
            if best is None or score > best[0]:
                best = (score, part.offsets[first][0], part.offsets[last][1])
    return best


def normal(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces."""
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def f1(prediction: list[str], accepted: list[str]) -> float:
    """Harmonic mean of precision and recall over words."""
    shared = sum((collections.Counter(prediction) & collections.Counter(accepted)).values())
    return 2 * shared / (len(prediction) + len(accepted)) if shared else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
