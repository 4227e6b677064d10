"""Image k of a seed is one image; truncation does what its formula says; what cannot be is refused in a sentence."""

import math

import pytest
import torch
from sampling_runs import CONDITIONAL, DCGAN, INFOGAN, STYLES

from ganforge.core.errors import GanforgeError
from ganforge.latents import Coded, Normal, Uniform
from ganforge.sampling import (
    classes,
    export,
    grid,
    images,
    interpolate,
    neighbours,
    style_mixing,
    traverse,
    truncation,
)


@pytest.mark.parametrize("overrides", [DCGAN, CONDITIONAL, STYLES, INFOGAN], ids=lambda overrides: overrides[0])
def test_image_k_of_a_seed_does_not_depend_on_its_company(overrides, make_sampler):
    sampler, other = make_sampler(overrides), make_sampler(overrides, seed=1)
    many = sampler.draw(sampler.latents(9), sampler.labels(9))
    assert many.dtype == torch.uint8
    assert many.float().std(0).mean() > 5, "images must differ for this test to say anything"
    alone = sampler.draw(sampler.latents(1, start=7), sampler.labels(1, start=7))
    assert (alone[0].int() - many[7].int()).abs().max() <= 1
    sampler.batch_size = 2
    again = sampler.draw(sampler.latents(9), sampler.labels(9))
    assert (again.int() - many.int()).abs().max() <= 1
    assert not torch.equal(other.latents(9), sampler.latents(9))


def test_averaged_or_raw_weights(make_sampler):
    average = make_sampler(DCGAN)
    raw = average.run.sampler(ema=False, device="cpu")
    with torch.no_grad():
        next(average.run.module.generator.parameters()).neg_()
    latents = average.latents(4)
    assert not torch.equal(average.draw(latents), raw.draw(latents))
    assert torch.equal(make_sampler([*DCGAN, "ema=none"]).draw(latents), average.draw(latents))


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.0])
def test_truncated_normal_has_the_moments_of_one(threshold):
    prior = Normal(50)
    latent = prior(2000, generator=torch.Generator().manual_seed(0), device=torch.device("cpu"))
    short = prior.truncate(latent, threshold)
    density = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * threshold * density / math.erf(threshold / math.sqrt(2))
    assert short.abs().max() <= threshold
    assert short.var().item() == pytest.approx(variance, rel=0.02)
    assert (short.flatten()[latent.flatten().argsort()].diff() >= 0).all(), "order is kept"
    assert torch.allclose(prior.truncate(latent, 8.0), latent, atol=1e-5)


def test_uniform_truncation_confines_noise_and_leaves_codes():
    latent = torch.rand(20, 6) * 2 - 1
    assert torch.equal(Uniform(6).truncate(latent, 0.5), latent * 0.5)
    assert torch.equal(Uniform(6).truncate(latent, 3.0), latent)
    coded = Coded(noise=3, categories=2, continuous=1).truncate(latent, 0.5)
    assert torch.equal(coded, torch.cat([latent[:, :3] * 0.5, latent[:, 3:]], 1))


def test_psi_moves_styles_to_their_mean(make_sampler):
    sampler = make_sampler(STYLES)
    with torch.no_grad():
        sampler.network.w_mean.copy_(torch.arange(8.0))
    latents = sampler.latents(3)
    whole, half, none = (sampler.styles(latents, truncation=psi) for psi in (1.0, 0.5, 0.0))
    assert torch.allclose(half, (whole + torch.arange(8.0)) / 2, atol=1e-6)
    drawn = sampler.draw(latents, truncation=0.0)
    assert torch.equal(drawn, drawn[:1].expand_as(drawn))
    assert torch.equal(none, torch.arange(8.0).expand_as(none))
    cautious = make_sampler(STYLES, truncation=0.5)
    assert torch.equal(cautious.styles(latents)[0, 0], (cautious.styles(latents, truncation=1.0) / 2)[0, 0])


POINTS = ["experiment=mixture", "network.width=4"]


@pytest.mark.parametrize(
    ("overrides", "mode", "sentence"),
    [
        (DCGAN, classes, "mode=classes needs a run that is conditioned on labels.*mode=grid"),
        (DCGAN, lambda s: grid(s, label=3), "mode.label needs a run that is conditioned on labels"),
        (CONDITIONAL, lambda s: grid(s, label=10), "mode.label must be a whole number from 0 to 9, got '10'"),
        (CONDITIONAL, lambda s: classes(s, classes=[3, 11]), "mode.classes must be a whole number from 0 to 9"),
        (DCGAN, style_mixing, "mode=style_mixing needs a generator with styles.*mode=traverse"),
        (DCGAN, lambda s: interpolate(s, space="style"), "mode.space=style needs a generator with styles"),
        (DCGAN, lambda s: traverse(s, directions="codes"), "needs a latent with codes.*is Normal: use mode.direct"),
        (DCGAN, lambda s: traverse(s, directions="up"), "mode.directions must be codes or sefa or ganspace"),
        (DCGAN, lambda s: traverse(s, n=9), "n=9 directions are too many, there are 8"),
        (DCGAN, lambda s: traverse(s, directions="ganspace", samples=9), "mode.samples=9 is too few for 5"),
        (DCGAN, lambda s: truncation(s, values=[0]), "mode.values must be a number above 0, got '0'"),
        (DCGAN, lambda s: truncation(s, values=[]), "at least one truncation"),
        (DCGAN, lambda s: interpolate(s, steps=1), "mode.steps must be a whole number >= 2"),
        (DCGAN, lambda s: interpolate(s, format="avi"), "mode.format must be png or gif or mp4"),
        (DCGAN, lambda s: interpolate(s, format="gif", fps=0), "mode.fps must be a number above 0"),
        (DCGAN, lambda s: grid(s, columns="wide"), "mode.columns must be a whole number"),
        (STYLES, lambda s: style_mixing(s, cut=4), "mode.cut must be a whole number from 1 to 3"),
        ([*DCGAN, "protocol=[]"], lambda s: neighbours(s, space="both"), "trained with protocol=.*space=pixels"),
        (DCGAN, lambda s: images(s, format="tar"), "mode.format must be folder or zip or npz"),
        (DCGAN, lambda s: export(s).enlarged(2), "zoom enlarges pictures"),
        (DCGAN, lambda s: grid(s).enlarged(0), "zoom must be a whole number"),
        (DCGAN, lambda s: grid(s).save("grid.jpg"), "output must end in .png here, got 'grid.jpg'"),
        *[
            (POINTS, mode, "is for images, and '.*' draws points: use mode=grid")
            for mode in (classes, interpolate, truncation, traverse, neighbours, style_mixing, images)
        ],
    ],
)
def test_what_cannot_be_is_one_sentence(overrides, mode, sentence, make_sampler):
    with pytest.raises(GanforgeError, match=sentence) as caught:
        mode(make_sampler(overrides))
    assert "\n" not in str(caught.value)


def test_a_model_without_latents_and_a_device_that_is_not_there(make_sampler):
    run = make_sampler(DCGAN).run
    with pytest.raises(GanforgeError, match="device=cuda:77 is not there"):
        run.sampler(device="cuda:77")
    with pytest.raises(GanforgeError, match="truncation must be a number above 0"):
        run.sampler(truncation=-1)
    with torch.no_grad():
        for weight in run.module.generator_ema.parameters():
            weight.fill_(torch.nan)
    with pytest.raises(GanforgeError, match=r"has diverged.*checkpoint=previous"):
        grid(run.sampler(device="cpu"))
    with pytest.raises(GanforgeError, match=r"sampler=b_to_a is not there.*draws with generator"):
        run.sampler("b_to_a")
