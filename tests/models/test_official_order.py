"""What official codes do in one batch: whose real samples, what is generated, who moves, when averages do."""

from contextlib import contextmanager

import pytest
import pytorch_lightning as pl
import torch
from tiny_gan import TinyDiscriminator, gan, optimizers
from torch import nn

from ganforge.data.columns import Batch
from ganforge.data.embedded import Mnist5k
from ganforge.data.mixtures import MixtureSample, Points, Ring
from ganforge.data.module import DataModule, ImageData
from ganforge.ema import EMA
from ganforge.latents import Normal
from ganforge.losses.adversarial import NonSaturating, RelativisticPaired
from ganforge.losses.gradient_penalty import R1, R2
from ganforge.losses.regularizers import FeatureMatching
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.preflight import preflight
from ganforge.networks.mlp import PointDiscriminator, PointGenerator

CPU = torch.device("cpu")


def points(batch_size=10):
    modality = Points(Ring(modes=8, sigma=0.05))
    return DataModule(MixtureSample(modality.mixture, points=200), modality, batch_size=batch_size)


def on_points(**options):
    defaults = {"generator": PointGenerator(width=8), "discriminator": PointDiscriminator(width=8), "latent": Normal(2)}
    return gan(**{**defaults, "total_kimg": 0.06, **options})


def seen_by(module, data):
    """Train on a data module; return the real samples of each phase by player."""
    seen = {"discriminator": [], "generator": []}
    play = module.play

    def watched(player, batch):
        seen[player].append(batch.data.clone())
        return play(player, batch)

    module.play = watched
    trainer = pl.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=data)
    return seen


@pytest.mark.parametrize(
    ("options", "own"),
    [
        ({"loss": RelativisticPaired()}, True),
        ({"loss": RelativisticPaired(), "fresh_real": False}, False),
        ({"terms": {"matching": FeatureMatching(weight=1.0, player="generator")}}, True),
        ({"loss": NonSaturating()}, False),
    ],
)
def test_a_generator_that_reads_real_samples_has_a_batch_of_its_own(options, own):
    seen = seen_by(on_points(**options), points())
    assert [len(parts) for parts in seen.values()] == [6, 6]
    assert [torch.equal(a, b) for a, b in zip(*seen.values(), strict=True)] == [not own] * 6
    if own:
        assert len(torch.cat(seen["generator"]).unique(dim=0)) == 60  # one epoch of an order of its own


def test_the_generators_batch_is_a_function_of_the_clock():
    whole = seen_by(on_points(loss=RelativisticPaired()), points())["generator"]
    later = on_points(loss=RelativisticPaired())
    later.images_seen, later.batches_seen = 30, 3
    torch.manual_seed(123)
    torch.testing.assert_close(
        torch.stack(seen_by(later, points())["generator"]), torch.stack(whole[3:]), rtol=0, atol=0
    )


def test_the_generators_batch_is_of_images_with_their_labels():
    data = ImageData(Mnist5k(heldout=0.1), image_size=32, channels=1, classes=10, batch_size=6, margin="pad")
    batch = data.batch_of("generator", 12, CPU)
    assert batch.data.shape == (6, 1, 32, 32)
    assert batch.data.is_floating_point()
    train = data.splits().train
    images = train.data.modality.decode(train.data.read())
    for image, label in zip(batch.data, batch.given["label"], strict=True):
        (row,) = (images == image).flatten(1).all(1).nonzero().flatten().tolist()
        assert train.label[row] == label


def test_a_lazy_phase_generates_what_its_term_reads():
    """R1 reads no generated samples, R2 does; the adversarial phase always."""
    for term, calls in ((R1(weight=1, every=2), 4), (R2(weight=1, every=2), 5)):
        module = gan(terms={"term": term})
        count = []
        module.generator.register_forward_hook(lambda *_, count=count: count.append(torch.is_grad_enabled()))
        loop = ManualLoop(module)
        for _ in range(2):
            loop.step(Batch(torch.rand(8, 1, 4, 4)))
        assert len(count) == calls
        assert sum(count) == 2  # with its graph in the generator's phases alone


@pytest.mark.parametrize(("every", "steps"), [(1, [1, 2, 3, 4]), (2, [1, 3, 4, 6])])
def test_a_lazy_phase_moves_parameters_that_its_term_does_not_contain(every, steps):
    """As in StyleGAN2's code, where logits enter R1's phase times 0: R1 contains no bias, whose moments decay."""
    adam = dict.fromkeys(("generator", "discriminator"), torch.optim.Adam)
    module = gan(terms={"r1": R1(weight=1, every=every)}, optimizers=adam)
    loop = ManualLoop(module)
    counts = []
    for _ in range(4):
        loop.step(Batch(torch.rand(8, 1, 4, 4)))
        state = module.optimizer_of("discriminator").state[module.discriminator.layer.bias]
        counts.append(int(state["step"]))
    assert counts == steps


def test_an_adversarial_phase_leaves_parameters_without_gradient_alone():
    module = gan()
    module.discriminator.unused = nn.Parameter(torch.ones(1))
    loop = ManualLoop(module)
    loop.step(Batch(torch.rand(8, 1, 4, 4)))
    assert module.discriminator.unused.grad is None


def test_averages_move_after_the_lazy_phases_of_their_player():
    matching = FeatureMatching(weight=1.0, player="generator", every=2)
    module = gan(
        discriminator=Featured(),
        terms={"matching": matching},
        ema=EMA(halflife_kimg=1e-9, rampup=None),
        optimizers=optimizers(0.5),
    )
    between = []

    @contextmanager
    def watched(phase):
        yield
        if phase.player == "generator":
            between.append(same(module))

    module.phase_context = watched
    loop = ManualLoop(module)
    for _ in range(2):
        loop.step(Batch(torch.rand(8, 1, 4, 4)))
        assert same(module)  # at the end of each batch
    assert between == [False, False, False]


class Featured(TinyDiscriminator):
    def forward(self, images, condition=None):
        return super().forward(images)._replace(features=self.layer(images.flatten(1)))


def same(module):
    average, current = module.generator_ema.parameters(), module.generator.parameters()
    return all(torch.allclose(a, b) for a, b in zip(average, current, strict=True))


def test_a_first_step_is_checked_without_data():
    module = on_points(loss=RelativisticPaired())
    before = module.state_dict()
    preflight(module, points().example())
    assert module.data is None
    torch.testing.assert_close(module.state_dict(), before)
