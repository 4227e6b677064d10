"""Texts as rows of tokens: words of a vocabulary, or bytes."""

import re
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column
from ganforge.data.modality import AsStored

__all__ = ["Texts", "text_column"]

_WORD = re.compile(r"\w+")


class Texts(AsStored):
    """Texts, ``(n, length)`` int64 tokens, the same in store as for networks; 0 fills up the end.

    Args:
        length: tokens of the longest text.
        vocabulary: words that are known, whose tokens are their places in it, from 1 on; case and punctuation are
            left out. ``None``: tokens are the bytes of UTF-8, for which any text will do.

    Raises:
        GanforgeError: for an impossible length or vocabulary.
    """

    name = "texts"

    def __init__(self, length: Count, vocabulary: Sequence[str] | None = None) -> None:
        if length < 1:
            raise GanforgeError(f"A text has at least 1 token, got length={length}.")
        words = None if vocabulary is None else list(vocabulary)
        if words is not None and (
            not words or len({*words}) < len(words) or any(_words(word) != [word] for word in words)
        ):
            raise GanforgeError(
                "A vocabulary is a list of different words in lower case without punctuation, got "
                f"{', '.join(words[:5]) or 'none'}{', ...' if len(words) > 5 else ''}."
            )
        self.length, self.vocabulary, self.shape = length, words, (length,)

    @property
    def tokens(self) -> int:
        """How many tokens there are, that of the end included: rows of an embedding."""
        return 256 if self.vocabulary is None else len(self.vocabulary) + 1

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.vocabulary or (), start=1)}

    def tokenise(self, texts: Sequence[str]) -> Tensor:
        """Return ``(n, length)`` int64 tokens of texts.

        Raises:
            GanforgeError: for a text that is too long or empty, or a word that is not in the vocabulary.
        """
        rows = torch.zeros(len(texts), self.length, dtype=torch.int64)
        for row, text in zip(rows, texts, strict=True):
            tokens = self._tokens(text)
            row[: len(tokens)] = torch.tensor(tokens)
        return rows

    def _tokens(self, text: str) -> list[int]:
        if self.vocabulary is None:
            tokens = [byte for byte in text.strip().encode() if byte]
        else:
            words = _words(text)
            unknown = [word for word in words if word not in self._numbers]
            if unknown:
                raise GanforgeError(
                    f"The text '{_short(text)}' holds '{_short(unknown[0])}', which is none of the "
                    f"{len(self.vocabulary)} words of data.given.text.vocabulary: add it there, or set that to null to "
                    "read texts byte by byte."
                )
            tokens = [self._numbers[word] for word in words]
        if not 0 < len(tokens) <= self.length:
            raise GanforgeError(
                f"The text '{_short(text)}' has {len(tokens)} tokens, and texts have 1 to {self.length}: change it, or "
                f"set data.given.text.length={max(1, len(tokens))}."
            )
        return tokens

    def fit(self, values: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """Turn bytes, as :func:`text_column` stores them, into this modality's tokens."""
        if not isinstance(values, Tensor) or values.dtype != torch.uint8:
            return values
        return self.tokenise([bytes(row).rstrip(b"\0").decode() for row in values.numpy()])

    def texts(self, stored: Tensor) -> list[str]:
        """Return rows of tokens as texts: words with one space between them, or what bytes say."""
        return [self._text([token for token in row if token]) for row in stored.tolist()]

    def _text(self, tokens: list[int]) -> str:
        if self.vocabulary is None:
            return bytes(tokens).decode(errors="replace")
        return " ".join(self.vocabulary[token - 1] for token in tokens)

    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """Write the texts below each other, black on white."""
        from PIL import Image, ImageDraw

        lines = self.texts(stored)
        width = 8 + 7 * max((len(line) for line in lines), default=1)
        page = Image.new("RGB", (width, 4 + 14 * len(lines)), "white")
        draw = ImageDraw.Draw(page)
        for number, line in enumerate(lines):
            draw.text((4, 2 + 14 * number), line, "black")
        return torch.from_numpy(np.array(page)).permute(2, 0, 1)

    def example(self, n: int, generator: torch.Generator) -> Tensor:
        """Return texts of random tokens."""
        first = 1 if self.vocabulary is not None else ord(" ")
        last = self.tokens if self.vocabulary is not None else 127
        return torch.randint(first, last, (n, self.length), generator=generator)

    def embed(self, samples: Tensor) -> Tensor:
        """Count how often each token is there."""
        counts = torch.zeros(len(samples), self.tokens, device=samples.device)
        return counts.scatter_add_(1, samples, torch.ones_like(samples, dtype=torch.float32))[:, 1:]


def text_column(texts: Sequence[str]) -> Column:
    """Return texts as a column of UTF-8 bytes, uint8, which any :class:`Texts` makes its own tokens of."""
    stored = [text.strip().encode() for text in texts]
    rows = torch.zeros(len(stored), max([1, *map(len, stored)]), dtype=torch.uint8)
    for row, text in zip(rows, stored, strict=True):
        row[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8) if text else 0
    return Column(rows, Texts(rows.shape[1]))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
