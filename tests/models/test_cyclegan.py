"""CycleGAN: the order of its steps, what its discriminators see, histories, samplers, refusals."""

import copy
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.ema import EMA
from ganforge.losses.adversarial import LeastSquares
from ganforge.models.cyclegan import CycleGAN
from ganforge.models.image_pool import ImagePool
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.preflight import preflight
from ganforge.networks import cyclegan, patch
from ganforge.testing import check_procedure

BATCH = Batch(torch.rand(2, 3, 16, 16) * 2 - 1, {"source": torch.rand(2, 3, 16, 16) * 2 - 1})


def module(*, source_channels=3, **options):
    torch.manual_seed(0)
    channels = {"a_to_b": (3, source_channels), "b_to_a": (source_channels, 3)}
    return CycleGAN(
        **{name: cyclegan.Generator(16, *numbers, width=2, blocks=1) for name, numbers in channels.items()},
        of_a=patch.Discriminator(16, source_channels, width=2, layers=1),
        of_b=patch.Discriminator(16, 3, width=2, layers=1),
        loss=LeastSquares(),
        optimizers=partial(torch.optim.Adam, lr=0.01),
        total_kimg=1,
        log_every=1,
        **options,
    )


class Watched(nn.Module):
    """A network that keeps what it is given."""

    def __init__(self, network):
        super().__init__()
        self.network, self.seen = network, []

    def forward(self, *inputs):
        self.seen.append(inputs[0])
        return self.network(*inputs)


def test_generators_step_first_and_discriminators_see_translations_from_before():
    trained = module(pool_size=0)
    trained.game_a.discriminator = of_a = Watched(trained.of_a)
    before = copy.deepcopy(trained.b_to_a)
    order = []
    loop = ManualLoop(trained)
    for player, optimizer in zip(trained.players(), loop.optimizers, strict=True):
        optimizer.register_step_post_hook(lambda *_, player=player: order.append(player))
    loop.step(BATCH)
    assert order == ["generator", "discriminator"]
    in_generators, real, fake = of_a.seen
    assert torch.equal(real, BATCH.given["source"])
    assert torch.equal(fake, before(None, BATCH.data))  # not what the stepped translator would draw
    assert torch.equal(fake, in_generators)
    assert not torch.equal(fake, trained.b_to_a(None, BATCH.data))


def test_losses_are_the_papers():
    trained, (b, a) = module(identity_weight=0.5, cycle_weight=10.0), (BATCH.data, BATCH.given["source"])
    values = trained.translate(BATCH).values
    there, back = partial(trained.a_to_b, None), partial(trained.b_to_a, None)
    expected = {
        "a_adversarial": (trained.of_a(back(b)).logits - 1).square().mean() / 2,
        "b_adversarial": (trained.of_b(there(a)).logits - 1).square().mean() / 2,
        "cycle_a": 10 * (back(there(a)) - a).abs().mean(),
        "cycle_b": 10 * (there(back(b)) - b).abs().mean(),
        "identity_a": 5 * (back(a) - a).abs().mean(),
        "identity_b": 5 * (there(b) - b).abs().mean(),
    }
    torch.testing.assert_close(dict(values), expected)
    assert "identity_a" not in module(identity_weight=0.0).translate(BATCH).values


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_is_a_procedure_that_resumes_to_the_bit(accumulate):
    preflight(module(), BATCH, (1,))
    check_procedure(module(pool_size=2, accumulate=accumulate, ema=EMA(halflife_kimg=0.01)), BATCH, batches=3)


def test_histories_are_what_resuming_needs():
    class Forgetful(CycleGAN):
        def restore(self, progress):
            super().restore({**progress, "pools": []})

    forgetful = module(pool_size=2)
    forgetful.__class__ = Forgetful
    with pytest.raises(AssertionError, match="does not go on from a checkpoint"):
        check_procedure(forgetful, BATCH, batches=3)


def test_histories_are_taken_with_everything_and_left_with_networks():
    trained = module(pool_size=3)
    loop = ManualLoop(trained)
    loop.step(BATCH)
    checkpoint = {
        "state_dict": trained.state_dict(),
        "optimizer_states": [optimizer.state_dict() for optimizer in loop.optimizers],
        "loops": {},
        "callbacks": {},
        "loggers": {},
    }
    trained.on_save_checkpoint(checkpoint)
    whole, part = module(pool_size=3), module(pool_size=3)
    whole.begin_from(checkpoint, None, keep_clock=False)
    part.begin_from(checkpoint, ["a_to_b"], keep_clock=False)
    assert [len(pool) for pool in (*whole.pools, *part.pools)] == [2, 2, 0, 0]


def test_samplers_draw_either_way():
    trained = module(source_channels=1, identity_weight=0.0)
    batch = Batch(BATCH.data, {"source": BATCH.given["source"][:, :1]})
    preflight(trained, batch)
    there, back = trained.samplers().values()
    assert torch.equal(there.sample(2, condition=batch.given["source"]), trained.a_to_b(None, batch.given["source"]))
    assert back.sample(2, condition=batch.data).shape == (2, 1, 16, 16)
    assert (there.target, back.target) == (None, "source")


@pytest.mark.parametrize(
    ("options", "batch", "sentence"),
    [
        ({"source_channels": 1}, Batch(BATCH.data, {"source": BATCH.data[:, :1]}), "set model.identity_weight=0"),
        ({}, Batch(BATCH.data), "needs the dataset's column 'source', and it has none"),
        ({"source": "photo"}, BATCH, "needs the dataset's column 'photo', and it has source"),
        ({"pool_size": -1}, BATCH, "pool_size must be a whole number >= 0"),
        ({"cycle_weight": -1.0}, BATCH, "model.cycle_weight"),
    ],
)
def test_refusals_are_one_sentence(options, batch, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        preflight(module(**options), batch)


@settings(max_examples=50, deadline=None)
@given(size=st.integers(0, 6), batches=st.lists(st.integers(1, 4), max_size=12), seed=st.integers(0, 2**31))
def test_a_history_gives_each_image_back_once_at_most(size, batches, seed):
    """What has come back and what is stored are together what was given, but for images that are kept and shown."""
    torch.manual_seed(seed)
    pool, stored, given_so_far = ImagePool(size), [], 0
    for count in batches:
        images = torch.arange(given_so_far, given_so_far + count).float()
        given_so_far += count
        shown = pool.exchange(images)
        for image, back in zip(images.tolist(), shown.tolist(), strict=True):
            if len(stored) < size:
                assert back == image
                stored.append(image)
            elif back != image:
                stored[stored.index(back)] = image  # one that was stored, whose place the new one takes
        held = pool.state_dict().get("images", torch.zeros(0)).tolist()
        assert held == stored
        assert len(pool) == min(size, given_so_far)


def test_half_of_later_images_are_exchanged_for_any_stored_one():
    torch.manual_seed(0)
    pool = ImagePool(4)
    pool.exchange(torch.arange(4.0))
    images = torch.arange(4.0, 4004.0)
    shown = pool.exchange(images)
    assert (shown != images).float().mean().item() == pytest.approx(0.5, abs=0.03)
    waited = (images - shown)[shown != images]  # each stored image stays 2 * 4 images in the mean
    assert waited.mean().item() == pytest.approx(8, rel=0.1)


def test_a_history_goes_on_from_its_state():
    pool, other = ImagePool(3), ImagePool(3)
    pool.exchange(torch.rand(3, 1, 2, 2))
    other.load_state_dict(pool.state_dict())
    images = torch.rand(6, 1, 2, 2)
    shown = []
    for each in (pool, other):
        torch.manual_seed(5)
        shown.append(each.exchange(images))
    assert torch.equal(*shown)
    assert torch.equal(pool.state_dict()["images"], other.state_dict()["images"])
