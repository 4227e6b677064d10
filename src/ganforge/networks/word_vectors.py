"""Fixed word vectors that a package ships."""

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install

__all__ = ["WordLlama"]


class WordLlama:
    """The 256-dimensional token vectors of WordLlama, distilled from Llama 2's (Miller 2024, package wordllama, MIT).

    Its files are read where they are installed; the package is not imported. A word's vector is the mean of its tokens'
    vectors, and all are scaled to a standard deviation of 1 together.

    Args:
        folder: of the package; ``None`` for the installed one.
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder

    def __call__(self, words: Sequence[str]) -> Tensor:
        """Return ``(words, 256)`` float32.

        Raises:
            GanforgeError: if the package is not there, or its files are not what they should be.
        """
        from safetensors.torch import load_file

        folder = self._place()
        try:
            model = json.loads((folder / "tokenizers" / "l2_supercat_tokenizer_config.json").read_text("utf-8"))[
                "model"
            ]
            vectors = load_file(folder / "weights" / "l2_supercat_256.safetensors")["embedding.weight"]
            ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(model["merges"])}
            vocabulary: Mapping[str, int] = model["vocab"]
        except Exception as error:  # a damaged file raises safetensors' own, json's or a KeyError
            raise GanforgeError(
                f"The word vectors in '{folder}' cannot be read ({error}): {install('wordllama')}."
            ) from error
        rows = [[number for piece in pieces(word, ranks) for number in _numbers(piece, vocabulary)] for word in words]
        found = torch.stack([vectors[row].float().mean(0) for row in rows])
        return found / found.std()

    def _place(self) -> Path:
        if self.folder is not None:
            return Path(self.folder).expanduser()
        package = find_spec("wordllama")
        if package is None or not package.submodule_search_locations:
            raise GanforgeError(f"text_encoder=wordllama reads vectors that wordllama ships: {install('wordllama')}.")
        return Path(package.submodule_search_locations[0])


def pieces(word: str, ranks: Mapping[tuple[str, ...], int]) -> list[str]:
    """Cut a word by byte-pair encoding (Sennrich et al. 2016): join the pair of the lowest rank until there is none.

    Args:
        word: without spaces; the mark of a word's beginning is put before it.
        ranks: of the pairs that are joined.
    """
    parts = list(f"\N{LOWER ONE EIGHTH BLOCK}{word}")
    while len(parts) > 1:
        rank, at = min((ranks.get((parts[k], parts[k + 1]), len(ranks)), k) for k in range(len(parts) - 1))
        if rank == len(ranks):
            break
        parts[at : at + 2] = ["".join(parts[at : at + 2])]
    return parts


def _numbers(piece: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Return a piece's number, or those of its bytes where it has none."""
    if piece in vocabulary:
        return [vocabulary[piece]]
    return [vocabulary[f"<0x{byte:02X}>"] for byte in piece.encode()]
