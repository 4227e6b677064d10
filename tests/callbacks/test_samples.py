"""Pictures of samples: the same latents each time, and one picture a sampler."""

from types import SimpleNamespace

import torch
from torch import nn

from ganforge.callbacks.samples import SampleGrid
from ganforge.data.images import grid, quantise
from ganforge.data.modality import Images
from ganforge.latents import Normal
from ganforge.loggers.base import Loggers
from ganforge.sampling.sampler import Sampler
from recording_loggers import RecordingLogger


class Shade(nn.Module):
    """Images of one grey level each: the latent's first number, times a weight."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, latent, condition=None):
        return (latent[:, :1, None, None] * self.weight).expand(-1, 1, 4, 4)


def sampler(weight, average=None):
    return Sampler(Shade(weight), Normal(2), None, Images(4, 1), average)


def test_latents_are_the_same_each_time_and_weights_the_averaged_ones():
    part = SampleGrid("samples", 1, images=9)
    first = part.picture(sampler(1.0))
    assert torch.equal(first, part.picture(sampler(1.0)))
    assert torch.equal(first, part.picture(sampler(0.1, average=Shade(1.0))))
    assert not torch.equal(first, part.picture(sampler(0.1)))
    latents = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    assert first.shape == grid(quantise(Shade(1.0)(latents))).shape


def test_each_sampler_has_its_picture(tmp_path):
    logger = RecordingLogger()
    samplers = {"a_to_b": sampler(1.0), "b_to_a": sampler(0.5)}
    module = SimpleNamespace(images_seen=64, data=None, samplers=lambda: samplers)
    SampleGrid(str(tmp_path), 1, images=4).draw(module, Loggers([logger]))
    assert [(name, clock) for name, clock, _ in logger.pictures] == [("samples", 64), ("samples_b_to_a", 64)]
    assert {path.name for path in tmp_path.iterdir()} == {
        "000000064.png",
        "latest.png",
        "000000064_b_to_a.png",
        "latest_b_to_a.png",
    }
