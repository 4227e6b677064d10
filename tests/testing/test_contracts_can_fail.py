"""A part of each kind that is broken on purpose fails its contract, and the sentence says in what."""

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from comparisons import compare, normal
from tiny_gan import Endless, TinyDiscriminator, TinyGenerator, gan
from torch import nn

from ganforge.augment.base import Augment
from ganforge.data.columns import Column, Split, Splits, labelled
from ganforge.data.modality import Images, Vectors
from ganforge.latents import Normal
from ganforge.losses.adversarial import NonSaturating
from ganforge.losses.step import Term
from ganforge.metrics.extractors import Features, Identity, Loaded
from ganforge.models.gan import GAN
from ganforge.testing import (
    check_augment,
    check_extractor,
    check_loss,
    check_metric,
    check_modality,
    check_networks,
    check_procedure,
    check_source,
    check_term,
)


class Reversed(NonSaturating):
    def discriminator(self, real, fake):
        return super().discriminator(fake, real)


class PerSample(NonSaturating):
    def generator(self, fake, real=None):
        return -fake


class Overflowing(NonSaturating):
    def generator(self, fake, real=None):
        return (-20 * fake).exp().mean()


class BlindToReal(NonSaturating):
    def discriminator(self, real, fake):
        return super().discriminator(real.detach(), fake)


class Unrefusing(NonSaturating):
    needs_real = True


class SilentlyAdapting(NonSaturating):
    def scalars(self):
        return {"balance": torch.zeros(())}


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Reversed, "must be lower where real samples have the higher logits"),
        (PerSample, "must return a scalar"),
        (Overflowing, "must be finite"),
        (BlindToReal, "no gradient on the logits of real samples"),
        (Unrefusing, "without real logits it must be refused"),
        (SilentlyAdapting, "set adapts = True"),
    ],
)
def test_losses(broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_loss(broken())


@dataclass(kw_only=True, eq=False)
class MeanLogit(Term):
    def __call__(self, step):
        return step.fake_critique.logits.float().mean()


@dataclass(kw_only=True, eq=False)
class Detached(MeanLogit):
    def __call__(self, step):
        return super().__call__(step).detach()


@dataclass(kw_only=True, eq=False)
class Vector(MeanLogit):
    def __call__(self, step):
        return step.fake_critique.logits.float()


@dataclass(kw_only=True, eq=False)
class Narrow(MeanLogit):
    def __call__(self, step):
        return step.fake_critique.logits.mean()


@dataclass(kw_only=True, eq=False)
class Overwriting(MeanLogit):
    def __call__(self, step):
        value = super().__call__(step)
        step.real.zero_()
        return value


@dataclass(kw_only=True, eq=False)
class UncheckedOptions(MeanLogit):
    def __post_init__(self):
        pass


@dataclass(kw_only=True, eq=False)
class Presuming(MeanLogit):
    def __call__(self, step):
        return step.fake_critique.codes.float().mean()


class NoDataclass(MeanLogit):
    def __init__(self, weight):
        self.weight, self.every, self.player, self.extra = weight, 1, "discriminator", 2

    def __repr__(self):
        return "NoDataclass()"


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Detached, "trains nothing"),
        (Vector, "must be a scalar"),
        (Narrow, "must be computed in float32"),
        (Overwriting, "changes the tensors of the step"),
        (UncheckedOptions, "must refuse"),
        (Presuming, "must ask for codes"),
        (NoDataclass, "repr must begin with its options"),
    ],
)
def test_terms(broken, sentence):
    check_term(MeanLogit(weight=1.0))
    with pytest.raises(AssertionError, match=sentence):
        check_term(broken(weight=1.0))


class WrongSide(TinyGenerator):
    def forward(self, latent, condition=None):
        return super().forward(latent)[..., :3]


class Untied(TinyGenerator):
    def forward(self, latent, condition=None):
        return super().forward(latent).detach().requires_grad_()


class Column1(TinyDiscriminator):
    def forward(self, images, condition=None):
        return super().forward(images).logits[:, None]


class Probability(TinyDiscriminator):
    def forward(self, images, condition=None):
        return super().forward(images).logits > 0


@pytest.mark.parametrize(
    ("generator", "discriminator", "sentence"),
    [
        (WrongSide, TinyDiscriminator, r"must return samples of shape \(4, 1, 4, 4\), got \(4, 1, 4, 3\)"),
        (Untied, TinyDiscriminator, "No gradient"),
        (TinyGenerator, Column1, r"logits of shape \(4, 1\) for 4 samples"),
        (TinyGenerator, Probability, "must return floats"),
        (lambda: nn.Linear(4, 16), TinyDiscriminator, r"define forward\(self, latent, condition=None\)"),
    ],
)
def test_networks(generator, discriminator, sentence):
    check_networks(TinyGenerator(), TinyDiscriminator(), shape=(1, 4, 4), latent=Normal(4))
    with pytest.raises(AssertionError, match=sentence):
        check_networks(generator(), discriminator(), shape=(1, 4, 4), latent=Normal(4))


class Halving(Augment):
    def forward(self, images):
        return images[..., ::2]


class Rounding(Augment):
    def forward(self, images):
        return images.detach().round()


class Learning(Augment):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


class Forgetful(Augment):
    steps = 0.0

    def observe(self, real_logits, images):
        self.steps += 1

    def scalars(self):
        return {"steps": torch.tensor(self.steps)}


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Halving, "must keep the shape"),
        (Rounding, "must be differentiable"),
        (Learning, "must hold no parameters"),
        (Forgetful, "not in its state_dict"),
    ],
)
def test_augmentations(broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_augment(broken())


class Drifting(Vectors):
    def encode(self, samples):
        return samples.float() + 1


class Unseeded(Vectors):
    def example(self, n, generator):
        return torch.randn(n, *self.shape)


class Unfitting(Vectors):
    def fit(self, values):
        return values + 0


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Drifting, "must give back what"),
        (Unseeded, "must draw from the generator"),
        (Unfitting, "must return samples of its shape themselves"),
    ],
)
def test_modalities(broken, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_modality(broken(2))


def points(count=20, seed=0):
    return normal(count, 2, seed=seed)


class Source:
    def __init__(self, make):
        self.make = make

    def load(self, modality):
        return Splits(*(self.make(modality) for _ in range(2)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda kind: labelled(Column(torch.randn(20, 2), kind), None), "differ from one call of load to the next"),
        (lambda kind: labelled(Column(points(0), kind), None), "gives no sample"),
        (lambda kind: labelled(Column(points() / 0, kind), None), "not finite"),
        (lambda kind: labelled(Column(points()[:, :1], kind), None), r"samples of shape \(2, 1\)"),
        (lambda kind: labelled(Column(points(), Images(2, 1)), None), "holds images and was asked for vectors"),
        (lambda kind: Split(Column(points(), kind), {"vector": Column(points(9), kind)}), "a paired column has one"),
    ],
)
def test_sources(make, sentence):
    check_source(Source(lambda kind: labelled(Column(points(), kind), None)), Vectors(2))
    with pytest.raises(AssertionError, match=sentence):
        check_source(Source(make), Vectors(2))


class Apart:
    """Pairs in training alone."""

    def load(self, modality):
        parts = [
            Split(Column(points(), modality), {"vector": Column(points(), modality)}, paired) for paired in self.paired
        ]
        return Splits(*parts)

    paired = (True, False)


class Kept(Apart):
    """Pairs in what is held out alone."""

    paired = (False, True)


def test_pairs_that_are_trained_on_are_held_out_too():
    check_source(Kept(), Vectors(2))
    with pytest.raises(AssertionError, match="must be paired where the training split is"):
        check_source(Apart(), Vectors(2))


@dataclass(frozen=True)
class Distance:
    needs: ClassVar[frozenset[str]] = frozenset({"real_features"})
    better: ClassVar[Mapping[str, str]] = {"distance": "less"}

    def __call__(self, comparison):
        from ganforge.metrics.inputs import features

        return {"distance": float((features(comparison) - features(comparison, "real_features")).abs().mean())}


@dataclass(frozen=True)
class Understated(Distance):
    needs: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Directionless(Distance):
    better: ClassVar[Mapping[str, str]] = {}


@dataclass(frozen=True)
class Tensorial(Distance):
    def __call__(self, comparison):
        return {name: torch.tensor(value) for name, value in super().__call__(comparison).items()}


@dataclass(frozen=True)
class Drawing(Distance):
    def __call__(self, comparison):
        return {"distance": super().__call__(comparison)["distance"] + float(torch.rand(()))}


@dataclass(frozen=True)
class Trusting(Distance):
    def __call__(self, comparison):
        if comparison.real_features is None:
            super().__call__(comparison)
        distance = (comparison.fake_features - comparison.real_features).abs().mean()
        return {"distance": min(float(distance), 1e9)}


@dataclass
class Thawed:
    needs: ClassVar[frozenset[str]] = frozenset()


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Understated, "fields of its needs alone"),
        (Directionless, "which way"),
        (Tensorial, "plain floats"),
        (Drawing, "same values each time"),
        (Trusting, "diverged"),
        (Thawed, "frozen dataclass"),
    ],
)
def test_metrics(broken, sentence):
    comparison = compare(normal(20), normal(20, seed=1))
    check_metric(Distance(), comparison)
    with pytest.raises(AssertionError, match=sentence):
        check_metric(broken(), comparison)


class Centred(Identity):
    def load(self):
        class Network(nn.Module):
            def forward(self, samples):
                features = samples.float() - samples.float().mean(0)
                return Features(features, features.new_zeros(len(features), 0))

        return Loaded(Network().eval(), 0, "none", 0)


class Unfrozen(Identity):
    def load(self):
        return dataclasses.replace(super().load(), module=nn.Linear(2, 2).eval())


class Overstating(Identity):
    def load(self):
        return dataclasses.replace(super().load(), classes=10)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [(Centred, "other company"), (Unfrozen, "frozen"), (Overstating, "says that it gives 10 logits")],
)
def test_extractors(broken, sentence):
    check_extractor(Identity(), points(5))
    with pytest.raises(AssertionError, match=sentence):
        check_extractor(broken(), points(5))


class OneSided(GAN):
    def phases(self):
        return super().phases()[:1]


class Poolish(GAN):
    """Keeps what passes from step to step where no checkpoint finds it."""

    last = None

    def play(self, player, batch):
        step = super().play(player, batch)
        before, self.last = self.last, step.fake.detach()
        return step if before is None or player == "generator" else dataclasses.replace(step, make_fake=lambda: before)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (OneSided, r"players that no phase has moved: \['generator'\]"),
        (Poolish, "does not go on from a checkpoint"),
    ],
)
def test_procedures(broken, sentence):
    batch = next(iter(Endless()))
    check_procedure(gan(), batch)
    with pytest.raises(AssertionError, match=sentence):
        check_procedure(gan(kind=broken), batch)


def test_a_phase_may_move_its_own_player_alone():
    class Meddling(GAN):
        def phases(self):
            first, second = super().phases()

            def meddle():
                with torch.no_grad():
                    self.generator.layer.weight.add_(1)

            return [dataclasses.replace(first, before=meddle), second]

    with pytest.raises(AssertionError, match=r"discriminator moves \['generator.layer.weight'\]"):
        check_procedure(gan(kind=Meddling), next(iter(Endless())))


@pytest.mark.slow
def test_the_package_needs_neither_pytest_nor_hydra():
    program = "import sys, ganforge.testing; sys.exit(bool({'pytest', 'hydra', 'omegaconf'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
