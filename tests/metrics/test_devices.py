"""Devices that this machine lacks, by stand-ins: float64 on MPS, and what a process group gathers."""

import pytest
import torch

from ganforge.core import distributed
from ganforge.latents import Normal
from ganforge.metrics.moments import Moments


class WithoutFloat64(torch.Tensor):
    """A tensor that says it is on MPS, and refuses float64 there as MPS does."""

    @property
    def device(self):
        return torch.device("mps")

    def double(self):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64.")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


class ReachedError(Exception):
    """The place that a test is about."""


def on_mps(rows):
    with torch._C.DisableTorchFunctionSubclass():
        return torch.Tensor._make_subclass(WithoutFloat64, rows)


def test_moments_on_mps():
    rows = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    expected = Moments.of(iter([rows]))
    with torch._C.DisableTorchFunctionSubclass():
        found = Moments.of(iter([on_mps(rows)]))
    assert torch.equal(found.products, expected.products)


def test_truncation_on_mps():
    latent = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))

    class Moved:
        """What is asked of a tensor: to come to the CPU, never for float64 where it is."""

        device = torch.device("mps")

        def cpu(self):
            raise ReachedError

    with pytest.raises(ReachedError):
        Normal(3).truncate(Moved(), 0.5)
    assert Normal(3).truncate(latent, 0.5).dtype == torch.float32


@pytest.mark.parametrize(("backend", "device"), [("nccl", "cuda:3"), ("gloo", "cpu")])
def test_what_is_gathered_lies_where_the_group_can_reach_it(backend, device, monkeypatch):
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: backend)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert distributed.group_device() == torch.device(device)


def test_rows_are_moved_to_the_group(monkeypatch):
    def all_gather(parts, own):
        assert {own.device, *(part.device for part in parts)} == {torch.device("meta")}
        raise ReachedError

    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "group_device", lambda: torch.device("meta"))
    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    with pytest.raises(ReachedError):
        distributed.gather_rows(torch.ones(2, 3))
