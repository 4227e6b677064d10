"""One adversarial relation as a plain object, and two of them in one procedure."""

from functools import partial

import pytest
import torch
from torch import nn

from ganforge.augment.base import Augment
from ganforge.conditioning import Given
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.ema import EMA
from ganforge.latents import Normal
from ganforge.losses.adversarial import Hinge, LeastSquares, NonSaturating, RelativisticPaired
from ganforge.losses.auxiliary import Classification
from ganforge.losses.constraint import WeightClipping
from ganforge.losses.energy import BoundaryEquilibrium
from ganforge.losses.gradient_penalty import R1
from ganforge.losses.regularizers import Drift, FeatureMatching, ModeSeeking
from ganforge.models.base import AdversarialModule
from ganforge.models.game import Game
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.phase import Losses, Phase
from ganforge.networks import mlp
from ganforge.sampling.sampler import Sampler

D, G = "discriminator", "generator"


class Observant(Augment):
    """Counts what it sees, and records each observed step."""

    def __init__(self):
        super().__init__()
        self.seen, self.observed = [], []

    def forward(self, images):
        self.seen.append(images)
        return images

    def observe(self, real_logits, images):
        self.observed.append((real_logits, images))

    def scalars(self):
        return {"strength": torch.tensor(0.25)}


def game(**options):
    torch.manual_seed(0)
    return Game(**{"discriminator": mlp.PointDiscriminator(width=4, depth=1), "loss": NonSaturating(), **options})


def play(relation, player, batch=None):
    """Return a step on six points of each kind."""
    generator = mlp.PointGenerator(width=5, depth=1)
    latent = Normal(2)(6, generator=None, device=torch.device("cpu"))
    return relation.step(
        player,
        generator=generator,
        real=torch.randn(6, 2) if batch is None else batch.data,
        latent=latent,
        condition=None,
        fake_condition=None,
        images_seen=0,
    )


def test_both_players_losses():
    relation = game()
    step = play(relation, D)
    losses = relation.discriminator_losses(step)
    real, fake = relation.discriminator(step.real).logits, relation.discriminator(step.fake).logits
    assert losses.values.keys() == {"adversarial"}
    assert torch.equal(losses.values["adversarial"], relation.loss.discriminator(real, fake))
    assert list(losses.logs) == ["discriminator/real_logits", "discriminator/fake_logits"]
    assert torch.equal(losses.logs["discriminator/real_logits"], real)
    assert not any(value.requires_grad for value in losses.logs.values())
    step = play(relation, G)
    losses = relation.generator_losses(step)
    fake = relation.discriminator(step.fake).logits
    assert torch.equal(losses.values["adversarial"], relation.loss.generator(fake))
    assert losses.logs == {}


@pytest.mark.parametrize(("loss", "judged"), [(NonSaturating(), 1), (RelativisticPaired(), 2)])
def test_a_phase_judges_what_its_losses_read(loss, judged):
    augment = Observant()
    relation = game(loss=loss, augment=augment, terms={"matching": FeatureMatching(weight=1, every=4)})
    step = play(relation, G)
    relation.generator_losses(step)
    assert len(augment.seen) == judged
    assert augment.seen[-1] is step.fake  # the real samples come first, where they are read
    augment.seen.clear()
    relation.lazy_losses("matching", play(relation, G))
    assert len(augment.seen) == 2
    augment.seen.clear()
    relation.discriminator_losses(play(relation, D))
    assert len(augment.seen) == 2


def test_weight_is_of_the_adversarial_loss_alone_and_one_changes_no_bit():
    values = {}
    for weight in (1.0, 0.25):
        relation = game(weight=weight, terms={"drift": Drift(weight=3)})
        values[weight] = relation.discriminator_losses(play(relation, D)).values
    assert torch.equal(values[0.25]["adversarial"], 0.25 * values[1.0]["adversarial"])
    assert torch.equal(values[0.25]["drift"], values[1.0]["drift"])
    relation = game(weight=1.0)
    step = play(relation, D)
    plain = relation.loss.discriminator(step.real_critique.logits, step.fake_critique.logits)
    assert torch.equal(relation.discriminator_losses(step).values["adversarial"], plain)


def test_a_name_tells_games_apart():
    relation = game(name="a", loss=BoundaryEquilibrium(), augment=Observant(), terms={"drift": Drift(weight=1)})
    losses = relation.discriminator_losses(play(relation, D))
    assert list(losses.values) == ["a_adversarial", "a_drift"]
    assert list(losses.logs) == ["discriminator/a_real_logits", "discriminator/a_fake_logits", "augment/a_strength"]
    assert list(relation.after_step([losses], 6)) == ["loss/a_k", "loss/a_convergence"]
    both = losses | Losses({"cycle": torch.tensor(2.0)})
    assert list(both.values) == ["a_adversarial", "a_drift", "cycle"]
    assert both.total().item() == pytest.approx(sum(value.item() for value in both.values.values()))
    assert both.logs.keys() == losses.logs.keys()
    assert not any(value.requires_grad for value in both.detach().values.values())


def test_what_follows_a_step_of_several_parts():
    augment = Observant()
    relation = game(constraint=WeightClipping(0.01), augment=augment)
    parts = [relation.discriminator_losses(play(relation, D)) for _ in range(2)]
    assert relation.after_step(parts, 48) == {}
    assert max(parameter.abs().max() for parameter in relation.discriminator.parameters()) <= 0.01
    ((logits, images),) = augment.observed
    assert images == 48
    assert torch.equal(logits, torch.cat([part.logs["discriminator/real_logits"] for part in parts]))


def test_phases_in_order():
    terms = {"seek": ModeSeeking(weight=2, every=3), "r1": R1(weight=1, every=4), "drift": Drift(weight=1)}
    relation = game(terms=terms, loss=Hinge(), constraint=WeightClipping(0.01))
    phases = relation.phases(partial(play, relation), n_critic=2)
    assert [(phase.player, phase.every) for phase in phases] == [(D, 1), (D, 4), (G, 2), (G, 6)]
    batch = Batch(torch.randn(6, 2))
    assert [list(phase.losses(batch).values) for phase in phases] == [
        ["adversarial", "drift"],
        ["r1"],
        ["adversarial"],
        ["seek"],
    ]
    with torch.no_grad():
        relation.discriminator.head.weight.fill_(5.0)
    assert phases[1].after([], 6) == {}
    assert relation.discriminator.head.weight.max() <= 0.01  # after a lazy step too


def test_an_error_names_the_term():
    relation = game(terms={"classes": Classification(weight=1), "matching": FeatureMatching(weight=1)})
    with pytest.raises(GanforgeError, match=r"^term\.classes reads labels and conditioning=none gives none"):
        relation.discriminator_losses(play(relation, D))

    class Bare(nn.Module):
        def forward(self, images, condition=None):
            return mlp.PointDiscriminator(width=4, depth=1)(images)._replace(features=None)

    relation = game(discriminator=Bare(), terms={"matching": FeatureMatching(weight=1, every=2)})
    step = play(relation, G)
    assert relation.generator_losses(step).values.keys() == {"adversarial"}  # a lazy term is not read there
    with pytest.raises(GanforgeError, match=r"^term\.matching reads the discriminator's features .*leave matching"):
        relation.lazy_losses("matching", step)


class Translator(nn.Module):
    """A linear map of the condition."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, latent, condition=None):
        assert latent is None
        return self.layer(condition)


class TwoWays(AdversarialModule):
    """Two translations against two discriminators, one optimizer a side, the translators first."""

    def __init__(self, **training):
        super().__init__(**training)
        self.a_to_b, self.b_to_a = Translator(), Translator()
        self.of_a, self.of_b = (mlp.PointDiscriminator(width=4, depth=1) for _ in range(2))
        self.average(G, "a_to_b", "b_to_a")
        self.a = Game(discriminator=self.of_a, loss=LeastSquares(), name="a", weight=0.5)
        self.b = Game(discriminator=self.of_b, loss=LeastSquares(), name="b", terms={"drift": Drift(weight=0.1)})

    def players(self):
        return {G: [self.a_to_b, self.b_to_a], D: [self.of_a, self.of_b]}

    def play(self, player, batch):
        a, b = batch.given["source"], batch.data
        unconditional = {"latent": None, "condition": None, "images_seen": self.images_seen}
        return (
            self.a.step(player, generator=self.b_to_a, real=a, fake_condition=b, **unconditional),
            self.b.step(player, generator=self.a_to_b, real=b, fake_condition=a, **unconditional),
        )

    def translate(self, batch):
        of_a, of_b = self.play(G, batch)
        cycle = (self.b_to_a(None, of_b.fake) - of_a.real).abs().mean()
        return self.a.generator_losses(of_a) | self.b.generator_losses(of_b) | Losses({"cycle": 10 * cycle})

    def judge(self, batch):
        of_a, of_b = self.play(D, batch)
        return self.a.discriminator_losses(of_a) | self.b.discriminator_losses(of_b)

    def phases(self):
        def after(parts, images):
            return self.a.after_step(parts, images) | self.b.after_step(parts, images)

        return [Phase(G, self.translate), Phase(D, self.judge, every=2, after=after)]

    def samplers(self):
        return {
            "a_to_b": Sampler(self.a_to_b, None, Given("source"), self.modality_of(), self.a_to_b_ema),
            "b_to_a": Sampler(self.b_to_a, None, Given("data"), self.modality_of("source"), self.b_to_a_ema, "source"),
        }


def test_two_games_share_players_and_keep_their_averages():
    torch.manual_seed(0)
    module = TwoWays(
        optimizers={player: partial(torch.optim.SGD, lr=0.01) for player in (G, D)},
        total_kimg=1,
        ema=EMA(halflife_kimg=1e-9, rampup=None),
        log_every=4,
        accumulate=2,
    )
    assert {name.split(".")[0] for name in module.state_dict()} >= {"a_to_b_ema", "b_to_a_ema"}
    assert module.batches_per_round == 1  # nothing is known yet
    loop = ManualLoop(module)
    assert module.batches_per_round == 2
    before = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    for _ in range(4):
        loop.step(Batch(torch.randn(8, 2), {"source": torch.randn(8, 2) + 1}))
    for name, parameter in module.named_parameters():
        assert not torch.equal(parameter, before[name]), name
    for name in ("a_to_b", "b_to_a"):
        average, network = getattr(module, f"{name}_ema"), getattr(module, name)
        torch.testing.assert_close(average.state_dict(), network.state_dict())
        assert not any(parameter.requires_grad for parameter in average.parameters())
    expected = {
        "generator/a_adversarial",
        "generator/b_adversarial",
        "generator/cycle",
        "generator/gradient_norm",
        "discriminator/a_adversarial",
        "discriminator/b_adversarial",
        "discriminator/b_drift",
        "discriminator/gradient_norm",
        *(f"discriminator/{game}_{kind}_logits" for game in "ab" for kind in ("real", "fake")),
    }
    assert module.ledger.latest.keys() == expected
    own = [*module.a_to_b.parameters(), *module.b_to_a.parameters()]
    assert {id(weight) for weight in module.parameters_of(G)} == {id(weight) for weight in own}
    assert module.optimizer_of(G) is loop.optimizers[0]
