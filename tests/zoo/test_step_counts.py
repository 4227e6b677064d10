"""Who steps how often: optimizer steps of each player, counted where the optimizers are called."""

from collections import Counter

import pytest
from hydra.utils import instantiate

from ganforge.core.config import compose
from ganforge.data.columns import Batch
from ganforge.models.manual_loop import ManualLoop

BATCHES = 32
D, G = "discriminator", "generator"


def counted(*overrides, batches=BATCHES):
    """Train on ``batches`` batches; return each player's steps, and in which batches they fell."""
    config = compose(["model=dcgan", "network.width=4", "data.image_size=8", *overrides])
    module, batch = instantiate(config.model), instantiate(config.data).example()
    loop = ManualLoop(module)
    steps, when = Counter(), {D: [], G: []}

    def count(player):
        def called(optimizer, arguments, keywords):
            steps[player] += 1
            when[player].append(module.batches_seen)

        return called

    for player, optimizer in zip(module.players(), loop.optimizers, strict=True):
        optimizer.register_step_post_hook(count(player))
    for _ in range(batches):
        loop.step(batch)
    assert module.images_seen == batches * len(batch.data)
    return steps, when


@pytest.mark.parametrize("n_critic", [1, 2, 5])
def test_generator_steps_once_in_n_critic_batches(n_critic):
    steps, when = counted(f"model.n_critic={n_critic}")
    assert steps == {D: BATCHES, G: BATCHES // n_critic}
    assert when[G] == [batch for batch in range(BATCHES) if (batch + 1) % n_critic == 0]


@pytest.mark.parametrize("n_critic", [1, 2])
@pytest.mark.parametrize("every", [4, 16])
def test_lazy_terms_are_steps_of_their_own(every, n_critic):
    lazy = ["term=[r1,mode_seeking]", f"term.r1.every={every}", f"term.mode_seeking.every={every}"]
    steps, when = counted(*lazy, f"model.n_critic={n_critic}")
    mine = BATCHES // n_critic
    assert steps == {D: BATCHES + BATCHES // every, G: mine + mine // every}
    assert [batch for batch in range(BATCHES) if when[D].count(batch) == 2] == list(range(every - 1, BATCHES, every))
    period = every * n_critic
    assert [batch for batch in range(BATCHES) if when[G].count(batch) == 2] == list(range(period - 1, BATCHES, period))


def test_prompt_terms_share_their_players_step():
    assert counted("term=[r1,mode_seeking]", batches=4)[0] == {D: 4, G: 4}


def test_accumulated_parts_are_one_step():
    assert counted("model.accumulate=2", batches=4)[0] == {D: 4, G: 4}


@pytest.mark.parametrize("unroll_steps", [0, 3])
def test_unrolled_steps_are_not_the_discriminators(unroll_steps):
    assert counted("model=unrolled", f"model.unroll_steps={unroll_steps}", batches=4)[0] == {D: 4, G: 4}


def test_two_timescales_reach_their_players():
    config = compose(["model=dcgan", "network.width=4", "data.image_size=8", "optimizer=ttur"])
    module = instantiate(config.model)
    rates = {
        player: [(group["lr"], tuple(group["betas"])) for group in optimizer.param_groups]
        for player, optimizer in zip(module.players(), module.configure_optimizers(), strict=True)
    }
    assert rates == {D: [(4e-4, (0.0, 0.9))], G: [(1e-4, (0.0, 0.9))]}


#: Who steps in a batch, in the order of the official codes.
ORDERS = {
    "pix2pix": [D, G],
    "pix2pix_l1": [G],
    "cyclegan": [G, D],
    "cut": [D, G],
    "fastcut": [D, G],
    "pix2pixhd": [G, D],
    "spade": [G, D],
}


@pytest.mark.parametrize("name", ORDERS)
def test_translations_step_in_their_papers_order(name):
    config = compose([f"model={name}", "network.width=4", "data.image_size=32"])
    module, batch = instantiate(config.model), instantiate(config.data).example()
    loop, order = ManualLoop(module), []
    for player, optimizer in zip(module.players(), loop.optimizers, strict=True):
        optimizer.register_step_post_hook(lambda *_, player=player: order.append(player))
    batch = Batch(batch.data[:4], {"source": batch.data[4:8]})
    for _ in range(2):
        loop.step(batch)
    assert order == 2 * ORDERS[name]


@pytest.mark.parametrize(("name", "constant"), [("pix2pix", 0.5), ("cyclegan", 0.5), ("cut", 0.5), ("fastcut", 0.75)])
def test_translations_rates_are_constant_and_then_fall_to_zero(name, constant):
    config = compose([f"model={name}", "total_kimg=10", "network.width=4", "data.image_size=32"])
    for player in (D, G):
        schedule = instantiate(config.model.schedules.optimizer[player].lr)
        assert schedule(0) == schedule(round(constant * 10_000)) == 2e-4
        assert schedule(round((constant + 1) / 2 * 10_000)) == pytest.approx(1e-4)
        assert schedule(10_000) == 0


def test_stargans_generator_steps_once_in_five():
    steps, when = counted("model=stargan", "data.image_size=16", batches=10)
    assert steps == {D: 10, G: 2}
    assert when[G] == [4, 9]
