"""Exact match and F1 of SQuAD v1.1, as the official evaluation defines them (Rajpurkar et al. 2016, section 6.1).

Both compare texts in lower case without punctuation, articles and repeated white space, and take the best of the
accepted answers; F1 is over the words two texts share, counted with repetition.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalized(text: str) -> list[str]:
    """The words that count."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def f1(prediction: Sequence[str], accepted: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over words, 0..1; 0 when no word is shared, even of two empty texts."""
    shared = sum((Counter(prediction) & Counter(accepted)).values())
    if not shared:
        return 0.0
    precision = shared / len(prediction)
    recall = shared / len(accepted)
    return 2 * precision * recall / (precision + recall)


def evaluate(pairs: Iterable[tuple[str, Sequence[str]]]) -> dict[str, float]:
    """Exact match and F1 in per cent over predictions and their accepted answers, summed in the order given.

    Raises:
        ValueError: No pair.
    """
    exact = 0
    total_f1 = 0.0
    total = 0
    for prediction, answers in pairs:
        total += 1
        words = normalized(prediction)
        accepted = [normalized(answer) for answer in dict.fromkeys(answers)]
        if words in accepted:
            exact += 1
        total_f1 += max(f1(words, answer) for answer in accepted)
    if not total:
        raise ValueError("no question was answered")
    return {"exact_match": 100.0 * exact / total, "f1": 100.0 * total_f1 / total}
