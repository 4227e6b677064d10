"""Samplers that cannot draw are refused before anything is trained."""

from dataclasses import replace

import pytest
import torch
from test_game import TwoWays

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.models.preflight import preflight


class Wrong(TwoWays):
    """Two ways, one of whose samplers has been changed."""

    change: dict = {}  # noqa: RUF012

    def samplers(self):
        there, back = super().samplers().values()
        return {"a_to_b": there, "b_to_a": replace(back, **self.change)}


def module(change):
    Wrong.change = change
    sgd = {player: lambda parameters: torch.optim.SGD(parameters, lr=0.01) for player in ("generator", "discriminator")}
    return Wrong(optimizers=sgd, total_kimg=1)


BATCH = Batch(torch.randn(8, 2), {"source": torch.randn(8, 2)})


@pytest.mark.parametrize(
    ("change", "batch", "said"),
    [
        ({"conditioning": None}, BATCH, "The sampler 'b_to_a' has neither a latent nor a condition to draw from"),
        (
            {"target": "text"},
            BATCH,
            "The sampler 'b_to_a' draws samples of the dataset's column 'text', and it has source",
        ),
        ({}, Batch(torch.randn(8, 2)), "needs the dataset's column 'source', and it has none"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(change, batch, said):
    with pytest.raises(GanforgeError, match=said):
        preflight(module(change), batch)


def test_what_can_be_drawn_passes():
    preflight(module({}), BATCH)
