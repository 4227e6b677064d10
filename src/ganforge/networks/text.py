"""Text encoders: from tokens to the sentence embedding that text-to-image networks read.

Each network of a game holds one of its own, which its player's optimizer trains and its average follows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.networks.checks import require_positive

__all__ = ["Recurrent", "TextEncoder", "Vectors", "require_encoder"]

#: Gives the vectors ``(words, d)`` of a vocabulary.
WordVectors = Callable[[Sequence[str]], Tensor]


class TextEncoder(nn.Module, ABC):
    """Embeds texts. What is embedded already, floats ``(n, dim)``, passes as it is.

    Args:
        dim: length of an embedding.
    """

    def __init__(self, dim: Count) -> None:
        super().__init__()
        require_positive("text_encoder", dim=dim)
        self.dim = dim

    @abstractmethod
    def encode(self, tokens: Tensor) -> Tensor:
        """Return ``(n, dim)`` embeddings of ``(n, length)`` int64 tokens, of which 0 fills up the end."""

    def forward(self, texts: Tensor | None) -> Tensor:
        """Return ``(n, dim)`` embeddings.

        Args:
            texts: tokens ``(n, length)``; ``(n, k, length)``, whose embeddings are averaged over ``k`` texts of one
                sample; or embeddings ``(n, dim)``.

        Raises:
            GanforgeError: for anything else.
        """
        if texts is not None and texts.is_floating_point() and texts.ndim == 2 and texts.shape[1] == self.dim:
            return texts
        if texts is None or texts.is_floating_point() or texts.ndim not in (2, 3):
            got = "none" if texts is None else f"{texts.dtype} {tuple(texts.shape)}".removeprefix("torch.")
            raise GanforgeError(
                f"A text encoder reads tokens (n, length) or embeddings (n, {self.dim}), and the condition is {got}: "
                "set conditioning=text, and choose data with captions such as data=scenes."
            )
        if texts.ndim == 2:
            return self.encode(texts)
        embeddings = self.encode(texts.flatten(0, 1))
        return embeddings.view(*texts.shape[:2], self.dim).mean(1)


class Vectors(TextEncoder):
    """No encoder: the dataset's texts are embeddings already, such as those of Reed et al. 2016 (1,024 numbers)."""

    def encode(self, tokens: Tensor) -> Tensor:
        """Refuse tokens."""
        raise GanforgeError("text_encoder=vectors reads embeddings, and the condition is tokens: use text_encoder=gru.")


class Recurrent(TextEncoder):
    """Word vectors read by a GRU (Cho et al. 2014), whose state after the last word is the embedding.

    Its values lie in (-1, 1). The papers' encoders are trained beforehand, to match pictures and texts; this one is
    trained with the network that it is in.

    Args:
        vocabulary: the words that tokens stand for, from 1 on; ``None`` for bytes.
        dim: length of an embedding.
        width: length of a learned word vector.
        words: gives fixed word vectors in place of learned ones.

    Raises:
        GanforgeError: if a length is below 1, or bytes are to have fixed vectors.
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | None,
        dim: Count = 256,
        width: Count = 64,
        words: WordVectors | None = None,
    ) -> None:
        super().__init__(dim)
        require_positive("text_encoder", width=width)
        if words is not None and vocabulary is None:
            raise GanforgeError(
                "text_encoder.words gives vectors of words, and these texts are bytes: list the words as "
                "data.given.text.vocabulary, or use text_encoder=gru."
            )
        if words is None or vocabulary is None:
            self.words = nn.Embedding(256 if vocabulary is None else len(vocabulary) + 1, width)
        else:
            known = words(vocabulary)
            fixed = torch.cat([known.new_zeros(1, known.shape[1]), known])
            self.words = nn.Embedding.from_pretrained(fixed, freeze=True)
        self.read = nn.GRU(self.words.embedding_dim, dim, batch_first=True)

    def encode(self, tokens: Tensor) -> Tensor:
        """See :class:`TextEncoder`."""
        states, _ = self.read(self.words(tokens))
        last = ((tokens != 0).sum(1) - 1).clamp_min(0)
        embedding: Tensor = states.gather(1, last[:, None, None].expand(-1, 1, self.dim)).squeeze(1)
        return embedding


def require_encoder(owner: str, text: TextEncoder | None) -> TextEncoder:
    """Return the encoder; GanforgeError without one.

    Args:
        owner: the network option, such as ``network=df_gan``.
        text: the encoder.
    """
    if text is None:
        raise GanforgeError(f"{owner} reads texts: add text_encoder=gru.")
    return text
