"""A new kind of samples is one class: data, training, sampling, evaluation and pictures ask nothing else."""

from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from ganforge.data.columns import Column, Split, Splits
from ganforge.data.modality import Modality
from ganforge.data.module import DataModule
from ganforge.latents import Normal
from ganforge.losses.adversarial import NonSaturating
from ganforge.losses.gradient_penalty import R1
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import Identity
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.protocol import Protocol, Sampling
from ganforge.metrics.sources import Generated
from ganforge.models.gan import GAN
from ganforge.models.preflight import preflight
from ganforge.networks.critique import Critique

PITCHES = 24


class Melodies(Modality):
    """Notes one after another: uint8 pitches in store, floats in [-1, 1] for networks; moved by a few semitones."""

    name = "melodies"
    is_transformed = True

    def __init__(self, notes: int) -> None:
        self.shape = (notes,)

    def decode(self, stored: Tensor) -> Tensor:
        return stored.float() / ((PITCHES - 1) / 2) - 1

    def encode(self, samples: Tensor) -> Tensor:
        return ((self.clamp(samples) + 1) * ((PITCHES - 1) / 2)).round().to(torch.uint8)

    def clamp(self, samples: Tensor) -> Tensor:
        return samples.clamp(-1, 1)

    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """A piano roll: a row a pitch, the highest above; melodies side by side, ``columns`` of them."""
        roll = nn.functional.one_hot(stored[:columns].long(), PITCHES).flatten(0, 1).T.flip(0)
        return (roll * 255).to(torch.uint8).expand(3, -1, -1)

    def example(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, *self.shape, generator=generator) * 2 - 1

    def choose(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randint(-2, 3, (n,), generator=generator) * 2 / (PITCHES - 1)

    def transform(self, samples: Tensor, choice: Tensor) -> Tensor:
        return samples + choice[:, None]


class Scales:
    """Rising scales from a random pitch."""

    def load(self, modality: Melodies) -> Splits:
        def part(count: int) -> Split:
            starts = torch.randint(4, 12, (count, 1), generator=torch.Generator().manual_seed(count))
            return Split(Column((starts + torch.arange(modality.shape[0])).to(torch.uint8), modality))

        return Splits(part(64), part(16))


class Composer(nn.Module):
    def __init__(self, notes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, notes), nn.Tanh())

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.layers(latent)


class Listener(nn.Module):
    def __init__(self, notes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(notes, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, melodies: Tensor, condition: Tensor | None = None) -> Critique:
        return Critique(self.layers(melodies).squeeze(1))


@pytest.fixture
def data() -> DataModule:
    return DataModule(Scales(), Melodies(8), batch_size=8)


@pytest.fixture
def model() -> GAN:
    torch.manual_seed(0)
    return GAN(
        generator=Composer(8),
        discriminator=Listener(8),
        loss=NonSaturating(),
        latent=Normal(4),
        terms={"r1": R1(weight=0.1)},
        optimizers={player: partial(torch.optim.Adam, lr=0.01) for player in ("generator", "discriminator")},
        total_kimg=0.4,
        log_every=10,
    )


def fit(model: GAN, data: DataModule) -> None:
    trainer = pl.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(model, datamodule=data)


def test_every_pitch_survives_the_way_to_networks_and_back() -> None:
    stored = torch.arange(PITCHES, dtype=torch.uint8).view(3, 8)
    modality = Melodies(8)
    assert torch.equal(modality.encode(modality.decode(stored)), stored)


def test_batches_are_decoded_and_transformed(data: DataModule) -> None:
    stored = next(iter(data.train_dataloader()))
    seen = data.on_after_batch_transfer(stored, 0)
    assert (stored.data.dtype, seen.data.dtype) == (torch.uint8, torch.float32)
    steps = (seen.data - data.modality.decode(stored.data)) * ((PITCHES - 1) / 2)
    assert torch.allclose(steps, steps[:, :1].round().expand_as(steps), atol=1e-4)
    assert len(set(steps[:, 0].round().tolist())) > 1
    assert not seen.given
    assert data.example().data.shape == (12, 8)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_training_sampling_and_pictures(data: DataModule, model: GAN) -> None:
    preflight(model, data.example())
    before = {name: value.clone() for name, value in model.named_parameters()}
    fit(model, data)
    assert model.images_seen == 400
    assert not any(torch.equal(value, before[name]) for name, value in model.named_parameters())
    (sampler,) = model.samplers().values()
    assert isinstance(sampler.modality, Melodies)
    stored = sampler.modality.encode(model.sample(6, generator=torch.Generator().manual_seed(0)))
    assert (stored.shape, stored.dtype) == ((6, 8), torch.uint8)
    picture = sampler.modality.picture(stored)
    assert picture.shape == (3, PITCHES, 6 * 8)
    assert torch.equal(picture[0].sum(0, dtype=torch.int64), torch.full((48,), 255))  # one pitch at a time


@pytest.mark.filterwarnings("ignore::ganforge.metrics.inputs.FewSamplesWarning")
def test_evaluation_by_the_samples_own_values(data: DataModule, model: GAN, tmp_path: Path) -> None:
    model.bind(data)
    (sampler,) = model.samplers().values()
    protocol = Protocol("melodies", Identity(), {"fid": FrechetDistance()}, 40, sampling=Sampling(batch_size=16))
    values = Evaluation([protocol], data.splits(), tmp_path, torch.device("cpu"))(Generated(sampler))["melodies"]
    assert values["fid"] > 0
