"""Translation both ways with a cycle (after CycleGAN, Zhu et al. 2017), on points."""

from torch import nn

from ganforge.conditioning import Given
from ganforge.models.base import AdversarialModule
from ganforge.models.game import Game
from ganforge.models.phase import Losses, Phase
from ganforge.sampling.sampler import Sampler

D, G = "discriminator", "generator"


class Translator(nn.Module):
    """An affine map of the condition; there is no latent."""

    def __init__(self, dim=2):
        super().__init__()
        self.layer = nn.Linear(dim, dim)

    def forward(self, latent, condition=None):
        return self.layer(condition)


class TwoWays(AdversarialModule):
    """Two translators, which step together, against two discriminators.

    Args:
        a_to_b, b_to_a: translators, from the column ``source`` to the data and back.
        of_a, of_b: discriminators of the two.
        loss: adversarial loss of both games.
        cycle: weight of the way there and back.
        **training: see AdversarialModule.
    """

    def __init__(self, *, a_to_b, b_to_a, of_a, of_b, loss, cycle=10.0, **training):
        super().__init__(**training)
        self.a_to_b, self.b_to_a, self.of_a, self.of_b, self.cycle = a_to_b, b_to_a, of_a, of_b, cycle
        self.average(G, "a_to_b", "b_to_a")
        self.game_a = Game(discriminator=of_a, loss=loss, name="a")
        self.game_b = Game(discriminator=of_b, loss=loss, name="b")
        self.source, self.target = Given("source"), Given("data")

    def players(self):
        return {G: [self.a_to_b, self.b_to_a], D: [self.of_a, self.of_b]}

    def bind(self, data):
        super().bind(data)
        for conditioning in (self.source, self.target):
            conditioning.bind(data.heldout)

    def play(self, player, batch):
        a, b = self.source(batch), self.target(batch)
        rest = {"latent": None, "condition": None, "images_seen": self.images_seen}
        return (
            self.game_a.step(player, generator=self.b_to_a, real=a, fake_condition=b, **rest),
            self.game_b.step(player, generator=self.a_to_b, real=b, fake_condition=a, **rest),
        )

    def translate(self, batch):
        of_a, of_b = self.play(G, batch)
        way_back = (self.b_to_a(None, of_b.fake) - of_a.real).abs().mean()
        way_back = way_back + (self.a_to_b(None, of_a.fake) - of_b.real).abs().mean()
        games = self.game_a.generator_losses(of_a) | self.game_b.generator_losses(of_b)
        return games | Losses({"cycle": self.cycle * way_back})

    def judge(self, batch):
        of_a, of_b = self.play(D, batch)
        return self.game_a.discriminator_losses(of_a) | self.game_b.discriminator_losses(of_b)

    def phases(self):
        return [Phase(G, self.translate), Phase(D, self.judge, after=self.after)]

    def after(self, parts, images):
        return self.game_a.after_step(parts, images) | self.game_b.after_step(parts, images)

    def samplers(self):
        there = Sampler(self.a_to_b, None, self.source, self.modality_of(), self.a_to_b_ema)
        back = Sampler(self.b_to_a, None, self.target, self.modality_of("source"), self.b_to_a_ema, "source")
        return {"a_to_b": there, "b_to_a": back}

    def games(self):
        return {"a_to_b": self.game_b, "b_to_a": self.game_a}
