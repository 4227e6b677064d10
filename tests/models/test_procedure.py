"""Players, phases and the clock, through the real Trainer."""

from contextlib import contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from ganforge.conditioning import Label
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.ema import EMA
from ganforge.latents import Normal
from ganforge.losses.adversarial import NonSaturating, Wasserstein
from ganforge.losses.constraint import WeightClipping
from ganforge.losses.gradient_penalty import R1, GradientPenalty
from ganforge.models.gan import GAN
from ganforge.networks.critique import Critique
from ganforge.schedules import Linear


class TinyGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.latent_dim = 4
        self.layer = nn.Linear(4, 16)

    def forward(self, latent, condition=None):
        return torch.tanh(self.layer(latent)).view(-1, 1, 4, 4)


class TinyDiscriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 1)

    def forward(self, images, condition=None):
        return Critique(self.layer(images.flatten(1)).squeeze(1))


class Endless(torch.utils.data.IterableDataset):
    def __init__(self, size=8):
        self.size = size

    def __iter__(self):
        generator = torch.Generator().manual_seed(0)
        while True:
            yield Batch(
                torch.rand(self.size, 1, 4, 4, generator=generator) * 2 - 1, {"label": torch.arange(self.size) % 3}
            )


def optimizers(lr=0.01):
    return {player: partial(torch.optim.SGD, lr=lr) for player in ("generator", "discriminator")}


def gan(**options):
    torch.manual_seed(0)
    defaults = {
        "generator": TinyGenerator(),
        "discriminator": TinyDiscriminator(),
        "loss": NonSaturating(),
        "latent": Normal(4),
        "optimizers": optimizers(),
        "total_kimg": 0.096,
        "log_every": 4,
    }
    return GAN(**{**defaults, **options})


def fit(module, callbacks=(), size=8):
    trainer = pl.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    loader = torch.utils.data.DataLoader(Endless(size), batch_size=None)
    trainer.fit(module, loader)
    return trainer


class Steps(pl.Callback):
    """Counts optimizer steps a player, and which parameters each of them changed."""

    def __init__(self, module):
        self.counts = {"generator": 0, "discriminator": 0}
        self.moved = {"generator": set(), "discriminator": set()}

        @contextmanager
        def watched(phase):
            before = {name: value.detach().clone() for name, value in module.named_parameters()}
            yield
            self.counts[phase.player] += 1
            self.moved[phase.player] |= {
                name.split(".")[0] for name, value in module.named_parameters() if not torch.equal(value, before[name])
            }

        module.phase_context = watched


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"discriminator": 12, "generator": 12}),
        ({"n_critic": 5}, {"discriminator": 12, "generator": 2}),
        ({"n_critic": 2}, {"discriminator": 12, "generator": 6}),
        ({"terms": {"r1": R1(weight=1, every=4)}}, {"discriminator": 15, "generator": 12}),
        ({"terms": {"r1": R1(weight=1)}}, {"discriminator": 12, "generator": 12}),
        ({"accumulate": 2}, {"discriminator": 12, "generator": 12}),
    ],
)
def test_steps_of_each_player(options, expected):
    module = gan(**options)
    steps = Steps(module)
    fit(module)
    assert steps.counts == expected
    assert steps.moved == {"generator": {"generator"}, "discriminator": {"discriminator"}}
    assert (module.images_seen, module.batches_seen) == (96, 12)


def test_accumulation_makes_the_same_step():
    states = []
    for accumulate in (1, 4):
        module = gan(accumulate=accumulate, loss=Wasserstein(), optimizers=optimizers(0.1))
        module.latent = lambda n, generator, device: torch.ones(n, 4, device=device)
        fit(module)
        states.append(module.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=1e-5, atol=1e-6)


def test_lazy_term_equals_its_weight_on_average():
    module = gan(terms={"r1": R1(weight=2, every=4)})
    module.configure_optimizers()
    batch = next(iter(Endless()))
    (lazy,) = [phase for phase in module.phases() if phase.every == 4]
    weight = module.discriminator.layer.weight
    assert lazy.losses(batch).values["r1"].item() == pytest.approx(2 * 4 * weight.square().sum().item() / 2, rel=1e-5)


def test_constraint_holds_after_each_step():
    module = gan(constraint=WeightClipping(0.05), loss=Wasserstein(), optimizers=optimizers(1.0))
    fit(module)
    assert max(parameter.abs().max() for parameter in module.discriminator.parameters()) <= 0.05


def test_constraint_holds_after_lazy_steps_too():
    module = gan(
        constraint=WeightClipping(0.05),
        loss=Wasserstein(),
        optimizers=optimizers(1.0),
        terms={"r1": R1(weight=100, every=2)},
    )
    largest = []

    def watched(phase):
        if phase.player == "generator":
            largest.append(max(parameter.abs().max().item() for parameter in module.discriminator.parameters()))
        return nullcontext()

    module.phase_context = watched
    fit(module)
    assert len(largest) == 12
    assert max(largest) == pytest.approx(0.05)


def test_what_adapts_to_logits_sees_every_part_of_the_batch():
    observed = []
    for accumulate in (1, 4):
        module = gan(accumulate=accumulate, loss=Wasserstein())
        module.latent = lambda n, generator, device: torch.ones(n, 4, device=device)
        module.augment.observe = lambda logits, images: observed.append(logits)
        fit(module)
    torch.testing.assert_close(torch.stack(observed[:12]), torch.stack(observed[12:]))


def test_intervals_end_where_they_do_without_readings_in_between():
    for every in (1, 3):
        module = gan()
        noted = []
        note = module.ledger.note
        module.ledger.note = lambda name, value, noted=noted, note=note: (noted.append(name), note(name, value))
        close = module.ledger.close_batch

        def closed(images_seen, module=module, close=close, every=every):
            close(images_seen)
            if module.batches_seen % every == 0:
                module.ledger.read(images_seen)  # as a checkpoint does

        module.ledger.close_batch = closed
        fit(module)
        assert noted.count("discriminator/real_logits") == 3
        assert noted.count("generator/gradient_norm") == 3


def test_ema_follows_by_images_not_steps():
    averages = []
    for size, n_critic in ((8, 1), (16, 1)):
        ema = EMA(halflife_kimg=0.1, rampup=None)
        averages.append(ema.decay(size * n_critic, 0) ** (96 / (size * n_critic)))
    assert averages[0] == pytest.approx(averages[1])
    assert averages[0] == pytest.approx(0.5**0.96)
    module = gan(ema=EMA(halflife_kimg=1e-9, rampup=None))
    fit(module)
    torch.testing.assert_close(module.generator_ema.state_dict(), module.generator.state_dict())
    module = gan(ema=EMA(halflife_kimg=1e9, rampup=None))
    start = {name: value.clone() for name, value in module.generator_ema.state_dict().items()}
    fit(module)
    torch.testing.assert_close(dict(module.generator_ema.state_dict()), start, rtol=0, atol=1e-6)


def test_ema_copies_buffers():
    average, current = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    current(torch.randn(8, 3))
    EMA(1).update(average, current, 8, 8)
    torch.testing.assert_close(average.running_mean, current.running_mean)
    assert average.num_batches_tracked == 1


def test_schedules_write_to_optimizers_terms_and_buffers():
    module = gan(
        terms={"gp": GradientPenalty(weight=10)},
        schedules={
            "optimizer.generator.lr": Linear(1.0, 0.0, end_kimg=0.08),
            "terms.gp.weight": Linear(10, 20, end_kimg=0.08),
        },
    )
    trainer = fit(module)
    generator = trainer.optimizers[list(module.players()).index("generator")]
    assert generator.param_groups[0]["lr"] == 0.0
    assert module.terms["gp"].weight == 20


@pytest.mark.parametrize("place", ["optimizer.generator.speed", "terms.nothing.weight", "optimizer.critic.lr"])
def test_schedule_to_nowhere_is_refused(place):
    with pytest.raises(GanforgeError, match=place):
        fit(gan(schedules={place: Linear(0, 1, 1)}))


@pytest.mark.parametrize("options", [{"n_critic": 0}, {"accumulate": 0}, {"total_kimg": 0}, {"log_every": 0}])
def test_impossible_values_are_refused(options):
    with pytest.raises(GanforgeError, match=next(iter(options))):
        gan(**options)


def test_optimizers_must_name_the_players():
    with pytest.raises(GanforgeError, match=r"discriminator.*generator"):
        fit(gan(optimizers={"generator": partial(torch.optim.SGD, lr=1)}))


def test_not_finite_loss_names_term_and_player():
    class Broken(R1):
        def __call__(self, step):
            return super().__call__(step) * (float("nan") if step.images_seen >= 40 else 1.0)

    with pytest.raises(GanforgeError, match=r"discriminator's loss 'penalty' became nan"):
        fit(gan(terms={"penalty": Broken(weight=1)}))


def test_conditions_reach_both_networks_and_sampling():
    seen = []

    class Watching(TinyDiscriminator):
        def forward(self, images, condition=None):
            seen.append(condition)
            return super().forward(images)

    module = gan(discriminator=Watching(), conditioning=Label(3))
    fit(module)
    assert all(condition is not None and condition.shape == (8,) for condition in seen)
    assert module.sample(5).shape == (5, 1, 4, 4)


def test_label_conditioning_without_labels_is_refused():
    with pytest.raises(GanforgeError, match=r"conditioning=label.*data\.classes"):
        Label(None)


def test_sampling_leaves_training_mode_and_random_state_alone():
    module = gan()
    state = torch.get_rng_state()
    first = module.sample(3, generator=torch.Generator().manual_seed(1))
    second = module.sample(3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())
    assert module.generator.training


class StepSizes(pl.Callback):
    """Records the L2 norm of each of a phase's steps, over the learning rate: with SGD, its gradient's norm."""

    def __init__(self, module, lr):
        self.norms = {}

        @contextmanager
        def watched(phase):
            before = [value.detach().clone() for value in module.parameters()]
            yield
            moved = [(value - old).flatten() for value, old in zip(module.parameters(), before, strict=True)]
            self.norms.setdefault(phase, []).append(torch.cat(moved).norm().item() / lr)

        module.phase_context = watched


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}, {"terms": {"r1": R1(weight=9, every=4)}}])
def test_gradient_norm_is_that_of_the_last_step_of_the_players_own_loss(options):
    module = gan(optimizers=optimizers(0.05), **options)
    sizes = StepSizes(module, 0.05)
    fit(module)
    first = {phase.player: norms for phase, norms in reversed(sizes.norms.items())}
    for player in ("generator", "discriminator"):
        assert module.ledger.latest[f"{player}/gradient_norm"] == pytest.approx(first[player][-1], rel=1e-3)
    assert len(sizes.norms) == 2 + len(options.get("terms", {}))


@pytest.mark.parametrize(("n_critic", "computed"), [(1, 6), (3, 6), (6, 5)])
def test_gradient_norm_costs_nothing_on_other_steps(monkeypatch, n_critic, computed):
    # Twelve batches in three intervals of four; the generator steps on every n_critic-th one.
    calls = []
    norm = torch.nn.utils.get_total_norm
    monkeypatch.setattr(torch.nn.utils, "get_total_norm", lambda gradients: calls.append(1) or norm(gradients))
    fit(gan(n_critic=n_critic))
    assert len(calls) == computed


def test_gradient_norm_is_without_the_loss_scalers_factor(monkeypatch):
    module = gan()
    module.configure_optimizers()
    for parameter in module.discriminator.parameters():
        parameter.grad = torch.full_like(parameter, 8.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    plugin = SimpleNamespace(precision_plugin=SimpleNamespace(scaler=scaler))
    monkeypatch.setattr(type(module), "trainer", plugin)
    assert module.gradient_norm("discriminator").item() == pytest.approx(17**0.5)
