"""Players, phases and the clock, through the real Trainer."""

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from tiny_gan import Endless, TinyDiscriminator, TinyGenerator, fit, gan, optimizers
from torch import nn

from ganforge.augment.base import Augment
from ganforge.conditioning import Label
from ganforge.core.errors import GanforgeError
from ganforge.ema import EMA
from ganforge.losses.adversarial import Wasserstein
from ganforge.losses.constraint import WeightClipping
from ganforge.losses.gradient_penalty import R1, GradientPenalty
from ganforge.losses.regularizers import ModeSeeking
from ganforge.models.gan import GAN
from ganforge.models.preflight import preflight
from ganforge.schedules import Linear


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


def test_the_context_is_entered_around_each_phase_that_is_due():
    module = gan(n_critic=3, terms={"r1": R1(weight=1, every=4)})
    entered = []

    @contextmanager
    def context(phase):
        batch, generator = module.batches_seen, [weight.detach().clone() for weight in module.generator.parameters()]
        yield
        moved = any(not torch.equal(*pair) for pair in zip(generator, module.generator.parameters(), strict=True))
        entered.append((batch, phase.player, phase.every, moved))

    module.phase_context = context
    fit(module)
    due = [("discriminator", 1, False), ("discriminator", 4, False), ("generator", 3, True)]
    assert entered == [(batch, *phase) for batch in range(12) for phase in due if (batch + 1) % phase[1] == 0]
    assert module.batches_per_round == 3


@pytest.mark.parametrize("where", ["before", "after"])
def test_what_surrounds_a_phase_is_called_once_however_many_parts(where):
    calls = []

    class Surrounded(GAN):
        def phases(self):
            first, *others = super().phases()
            extra = {
                "before": lambda: calls.append(self.discriminator.layer.weight.detach().clone()),
                "after": lambda parts, images: calls.append((len(parts), images)) or {"extra/mean": torch.ones(3) * 2},
            }
            return [replace(first, **{where: extra[where]}), *others]

    module = gan(kind=Surrounded, accumulate=4)
    start = module.discriminator.layer.weight.detach().clone()
    fit(module)
    assert len(calls) == 12
    if where == "before":
        assert torch.equal(calls[0], start)
        assert not torch.equal(calls[1], start)
    else:
        assert set(calls) == {(4, 8)}
        assert module.ledger.latest["extra/mean"] == 2


def test_logs_are_means_at_the_end_of_an_interval():
    module = gan(log_every=4, augment=Noted())
    fit(module)
    assert module.ledger.latest["augment/strength"] == 12  # of the last batch, after it has been observed
    names = [name for name in module.ledger.latest if not name.startswith("generator/")]
    assert names == [
        "discriminator/adversarial",
        "discriminator/real_logits",
        "discriminator/fake_logits",
        "augment/strength",
        "discriminator/gradient_norm",
    ]


class Noted(Augment):
    """Adds one for each step that it observes."""

    def __init__(self):
        super().__init__()
        self.register_buffer("strength", torch.tensor(0.0))

    def observe(self, real_logits, images):
        self.strength += 1

    def scalars(self):
        return {"strength": self.strength}


def test_a_generator_may_do_without_a_latent():
    class OfCondition(TinyGenerator):
        def forward(self, latent, condition=None):
            assert latent is None
            return super().forward(torch.nn.functional.one_hot(condition, 4).float())

    module = gan(generator=OfCondition(), latent=None, conditioning=Label(3))
    preflight(module, next(iter(Endless())))
    fit(module)
    assert module.sample(5, condition=torch.tensor([0, 1, 2, 0, 1])).shape == (5, 1, 4, 4)
    with pytest.raises(GanforgeError, match=r"latent=none and conditioning=none .* choose a latent or a conditioning"):
        gan(latent=None)
    module.terms["seek"] = ModeSeeking(weight=1)
    with pytest.raises(GanforgeError, match=r"term\.seek reads the generator's latent and latent=none gives none"):
        preflight(module, next(iter(Endless())))


@pytest.mark.parametrize("vectors", [False, True])
def test_a_condition_that_nobody_reads_is_refused(vectors):
    class Vectors(Label):
        def __call__(self, batch):
            return torch.nn.functional.one_hot(super().__call__(batch), 3).float()

    module = gan(conditioning=(Vectors if vectors else Label)(3))
    message = "conditioning is set and neither network reads the condition" if vectors else "conditioning=label is set"
    with pytest.raises(GanforgeError, match=f"^{message}"):
        preflight(module, next(iter(Endless())))


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
