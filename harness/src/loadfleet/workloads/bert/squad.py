"""The SQuAD v1.1 file format, and how BERT cuts a paragraph into words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

# What separates words of a paragraph in the preprocessing of BERT for SQuAD: not all of Unicode's white space.
# Others (a no-break space) stay inside a word here and separate its word pieces later.
_SEPARATORS = re.compile("[ \t\r\n\u202f]+")


@dataclass(frozen=True)
class Question:
    """One question: `context` is the index of its paragraph, `answers` are the accepted texts."""

    id: str
    text: str
    context: int
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Squad:
    """A SQuAD v1.1 file: paragraphs and questions in the order of the file."""

    contexts: list[str]
    questions: list[Question]

    @classmethod
    def read(cls, path: Path) -> Squad:
        """Read a SQuAD v1.1 JSON file.

        Raises:
            InputError: The file is missing, not JSON, not of this format, or repeats a question id.
        """
        fix = "give the SQuAD v1.1 development set, dev-v1.1.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: the questions cannot be read: {error}", fix=fix) from error
        try:
            squad = cls._parse(document)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: not in the format of SQuAD v1.1: {error!r}", fix=fix) from error
        ids = {question.id for question in squad.questions}
        if not ids or len(ids) < len(squad.questions):
            raise InputError(f"{path}: {'has no question' if not ids else 'repeats a question id'}", fix=fix)
        unanswered = [question.id for question in squad.questions if not question.answers]
        if unanswered:
            raise InputError(f"{path}: question {unanswered[0]} has no answer (SQuAD v2?)", fix=fix)
        return squad

    @classmethod
    def _parse(cls, document: Any) -> Squad:
        contexts: list[str] = []
        questions: list[Question] = []
        for article in document["data"]:
            for paragraph in article["paragraphs"]:
                for entry in paragraph["qas"]:
                    answers = tuple(answer["text"] for answer in entry["answers"])
                    questions.append(Question(entry["id"], entry["question"], len(contexts), answers))
                contexts.append(paragraph["context"])
        return cls(contexts, questions)


def words(context: str) -> list[str]:
    """The words of a paragraph; an answer is a run of whole words before it is narrowed to its characters."""
    return [word for word in _SEPARATORS.split(context) if word]
