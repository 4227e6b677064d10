"""Failure modes of GAN training as rules over a few measures, with a remedy for each."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ganforge.core.annotations import NonNegative
from ganforge.core.errors import GanforgeError

__all__ = ["FAILURE_MODES", "REMEDIES", "Measures", "Rule", "Thresholds"]

Measures = Mapping[str, float]

_GROWTH = 1.01  # less than this times the best so far is no growth


@dataclass(frozen=True)
class Thresholds:
    """Limits on the measures of :class:`~ganforge.health.probe.Probe`; docs/health.md has the figures.

    Attributes:
        diversity: samples that lie less than this share as far apart as training images are a collapse, unless
            this check found them further apart than any before: then the generator is on its way up.
        nearest: so are samples whose nearest neighbours are nearer than this share of training images' ones.
        coverage: so is a coverage that has fallen below this share of its best.
        signal: a slope of the generator's loss over the logits below this is a vanished gradient, if
        ranking: the discriminator also ranks this share of pairs right: it is not the generator that has won.
        step: a generator's gradient below this, in root mean square, is one too: Adam's ``eps`` swallows it.
        logits: mean logits beyond this are a divergence, and so is anything that is not finite.
        overfitting: r_v above this is overfitting, if
        sigmas: the difference of training and held-out logits is also this many standard errors.
    """

    diversity: NonNegative = 0.3
    nearest: NonNegative = 0.1
    coverage: NonNegative = 0.3
    signal: NonNegative = 0.01
    ranking: NonNegative = 0.99
    step: NonNegative = 1e-8
    logits: NonNegative = 1000.0
    overfitting: NonNegative = 0.5
    sigmas: NonNegative = 5.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise GanforgeError(f"callbacks.health.thresholds.{name} must be a number >= 0, got {value}.")


def _collapse(now: Measures, best: Measures, limits: Thresholds) -> str | None:
    # A generator that has begun to learn passes through low values too, upwards.
    if now["diversity"] < limits.diversity and now["diversity"] < _GROWTH * best.get("diversity", math.inf):
        return (
            f"samples lie {now['diversity']:.2f} times as far apart as training images (limit {limits.diversity:g}), "
            "and do not move apart"
        )
    if now["nearest"] < limits.nearest and now["nearest"] < _GROWTH * best.get("nearest", math.inf):
        return (
            f"samples' nearest neighbours are {now['nearest']:.3f} times as far as those of training images (limit "
            f"{limits.nearest:g}): few images, repeated"
        )
    coverage, before = now.get("coverage", math.inf), best.get("coverage", 0.0)
    if coverage < limits.coverage * before:
        return f"samples cover {coverage:.2f} of the training images and covered {before:.2f} before"
    return None


def _vanishing_gradient(now: Measures, best: Measures, limits: Thresholds) -> str | None:
    signal, ranking = now.get("signal", math.inf), now.get("ranking", 0.0)
    if signal < limits.signal and ranking > limits.ranking:
        return (
            f"the slope of the generator's loss over the logits is {signal:.2g} (limit {limits.signal:g}) while the "
            f"discriminator ranks {ranking:.1%} of pairs right: it is too far ahead"
        )
    step = now.get("generator_step", math.inf)
    if step < limits.step:
        return f"the generator's gradient is {step:.1g} in root mean square (limit {limits.step:g})"
    return None


def _divergence(now: Measures, best: Measures, limits: Thresholds) -> str | None:
    lost = [name for name, value in now.items() if not math.isfinite(value)]
    if lost:
        return f"not finite: {', '.join(lost)}"
    kinds = {name: value for name, value in now.items() if name.endswith("_logits") and abs(value) > limits.logits}
    if kinds:
        name, value = max(kinds.items(), key=lambda entry: abs(entry[1]))
        return f"the mean of {name.replace('_', ' ')} is {value:.3g} (limit {limits.logits:g} either way)"
    return None


def _overfitting(now: Measures, best: Measures, limits: Thresholds) -> str | None:
    if now.get("overfitting", 0.0) > limits.overfitting and now["overfitting_sigmas"] > limits.sigmas:
        return (
            f"mean logits are {now['real_logits']:.2f} on training images, {now['heldout_logits']:.2f} on held-out "
            f"ones and {now['fake_logits']:.2f} on samples: r_v = {now['overfitting']:.2f} (limit "
            f"{limits.overfitting:g}), r_t = {now['sign']:.2f}"
        )
    return None


#: From the measures now and the best ones so far to the evidence, if there is any.
Rule = Callable[[Measures, Measures, Thresholds], str | None]

#: Rules by the name of what they find.
FAILURE_MODES: dict[str, Rule] = {
    "divergence": _divergence,
    "collapse": _collapse,
    "vanishing_gradient": _vanishing_gradient,
    "overfitting": _overfitting,
}
REMEDIES = {
    "divergence": "lower optimizer.generator.lr and optimizer.discriminator.lr; with loss=wasserstein "
    "term=[gradient_penalty] or constraint=weight_clipping, with other losses term=[r1]",
    "collapse": "a lower optimizer.generator.lr, term=[r1], packing=pairs, or model=wgan_gp",
    "vanishing_gradient": "loss=non_saturating, a lower optimizer.discriminator.lr, model.n_critic=1, term=[r1], or "
    "model=wgan_gp",
    "overfitting": "augment=ada or augment=diff_augment, data.horizontal_flip=0.5 where mirror images belong to the "
    "data, term=[r1], more images, or fewer kimg",
}
