"""Widening, and agreement between ranks."""

import pytest
import torch
from torch import distributed, multiprocessing

from ganforge.losses.precision import mean_over_ranks, widen
from ganforge.losses.regularizers import LeCam
from ganforge.networks.critique import Critique
from ganforge.testing.steps import make_step


def test_widen_keeps_what_is_wide():
    assert widen(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32
    assert widen(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
    single = torch.zeros(1)
    assert widen(single) is single


def test_mean_over_one_process_is_the_value():
    value = torch.tensor(3.0, requires_grad=True)
    assert mean_over_ranks(value).item() == 3
    assert not mean_over_ranks(value).requires_grad


def rank_of_two(rank, rendezvous):
    distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    term = LeCam(weight=1)
    logits = torch.tensor([1.0, 3.0]) * (rank + 1)
    term(make_step(real_critique=Critique(logits), fake_critique=Critique(-logits)))
    distributed.destroy_process_group()
    assert term.anchors.tolist() == pytest.approx([3.0, -3.0])  # of means 2 and 4


@pytest.mark.slow
def test_ranks_share_anchors(tmp_path):
    multiprocessing.spawn(rank_of_two, (tmp_path / "rendezvous",), nprocs=2)
