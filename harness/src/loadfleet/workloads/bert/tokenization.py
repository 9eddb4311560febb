"""The tokenisation of BERT uncased: basic tokens (lower case, accents stripped, punctuation apart), then word pieces.

The rules are those of the original BERT code; the `tokenizers` library applies them. On every question and paragraph of
SQuAD v1.1 dev it gives the tokens of the original.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from loadfleet.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UNKNOWN, FIRST, SEPARATOR, PADDING = "[UNK]", "[CLS]", "[SEP]", "[PAD]"
# Longer words become [UNK] as a whole (BertTokenizer of the reference implementation).
_LONGEST_WORD = 100

_normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True)
_splitter = pre_tokenizers.BertPreTokenizer()


def read_vocabulary(path: Path) -> list[str]:
    """Word pieces in the order of their ids, one a line.

    Raises:
        InputError: The file cannot be read or lacks a special token.
    """
    try:
        pieces = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the vocabulary cannot be read: {error}") from error
    if pieces[-1] == "":
        pieces.pop()
    missing = [token for token in (PADDING, UNKNOWN, FIRST, SEPARATOR) if token not in pieces]
    if missing or pieces[0] != PADDING:
        what = f"lacks {', '.join(missing)}" if missing else f"does not begin with {PADDING}"
        raise InputError(f"{path}: this is no BERT vocabulary: it {what}", fix="use vocab.txt of BERT uncased")
    return pieces


def basic_tokens(text: str) -> list[str]:
    """Words and punctuation marks, lower-cased and without accents, before they are cut into word pieces."""
    return [token for token, _ in _splitter.pre_tokenize_str(_normalizer.normalize_str(text))]


class WordPieces:
    """Texts to word-piece ids, without special tokens, truncation or padding."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        ids = {piece: number for number, piece in enumerate(vocabulary)}
        model = models.WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=_LONGEST_WORD)
        self._tokenizer = Tokenizer(model)
        self._tokenizer.normalizer = _normalizer
        self._tokenizer.pre_tokenizer = _splitter
        self.first, self.separator = ids[FIRST], ids[SEPARATOR]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; an empty list for a text without any token."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]
