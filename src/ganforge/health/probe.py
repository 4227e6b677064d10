"""What can be told of a GAN in training for the price of a few steps: variety, verdicts, gradients."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganforge.core.rng import sub_seed, torch_generator
from ganforge.data.columns import Batch, Split, Splits
from ganforge.data.images import normalise, quantise
from ganforge.metrics.distances import neighbour_radii
from ganforge.models.base import AdversarialModule
from ganforge.models.gan import GAN

__all__ = ["Probe", "ranking", "spread"]

_SIDE = 16  # pixels to which images are averaged before they are compared


def spread(images: Tensor) -> tuple[float, float]:
    """Return how far images lie apart: the mean distance of pairs, and the mean distance to the nearest other one.

    Images are averaged down to 16 x 16 pixels first: noise that differs from image to image is no variety.

    Args:
        images: ``(n, c, h, w)``, at least two.
    """
    height, width = images.shape[2:]
    points = nn.functional.adaptive_avg_pool2d(images.float(), (min(_SIDE, height), min(_SIDE, width))).flatten(1)
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    pairs = len(points) * (len(points) - 1)
    return float(distances.sum() / pairs), float(distances.fill_diagonal_(torch.inf).amin(1).mean())


def ranking(higher: Tensor, lower: Tensor) -> float:
    """Return the probability that one of ``higher`` is above one of ``lower``, ties counted half (Mann and Whitney).

    It is the discriminator's accuracy on pairs, and needs no threshold: 0.5 is guessing, whatever the loss.
    """
    return float((higher[:, None] - lower[None]).sign().mean() / 2 + 0.5)


class Probe:
    """Measures a module on latents and images that are always the same; it and its random state stay as they were.

    The discriminator judges as it does in training: its input augmented, its batch norms on their own batch. What that
    changes in buffers happens in copies.

    ``diversity`` and ``nearest`` are the two numbers of :func:`spread` of samples (weights of the moment, batch norms
    with running statistics) over those of as many training images; ``coverage``
    is the share of training images near a sample in a feature space. ``real_logits``, ``heldout_logits`` and
    ``fake_logits`` are means; ``ranking`` and ``heldout_ranking`` say how well the discriminator tells training images,
    and those it never saw, from samples (:func:`ranking`); ``sign`` is ``E[sign D(training)]`` and ``overfitting`` is
    ``(E[D(training)] - E[D(heldout)]) / (E[D(training)] - E[D(samples)])`` (r_t and r_v of Karras et al. 2020a, section
    3, equation 1); ``overfitting_sigmas`` is the latter's numerator in standard errors. ``signal`` is the mean slope of
    the generator's loss over a sample's logit, ``generator_gradient`` and ``discriminator_gradient`` are the norms of
    the adversarial losses' gradients, ``gradient_ratio`` is the first over the second, and ``generator_step`` the
    generator's in root mean square over its parameters.

    Args:
        data: where real images of both splits are from.
        images: how many of each kind at least; rounded up to whole batches.
        seed: of the choice of images, latents and augmentations.
    """

    def __init__(self, data: Splits, images: int = 128, seed: int = 0) -> None:
        self.images, self.seed = images, seed
        self._splits = {"train": data.train, "heldout": data.heldout}
        self._chosen: dict[tuple[str, int], Batch] = {}
        self._real_spread: dict[int, tuple[float, float]] = {}
        self._real_features: Tensor | None = None

    @torch.no_grad()
    def __call__(
        self, module: AdversarialModule, batch_size: int, extractor: nn.Module | None = None
    ) -> dict[str, float]:
        """Return the measures by name; of modules that are no :class:`GAN` only the samples' variety.

        Args:
            module: in training.
            batch_size: images that the networks see at a time in training.
            extractor: maps uint8 images to features, for ``coverage``; ``None`` leaves it out.
        """
        device = module.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(sub_seed(self.seed, "health"))
            generator = torch_generator(self.seed, "health", device=device)
            train = self._batch("train", batch_size)
            if not isinstance(module, GAN):
                samples = module.sample(len(train.data), ema=False, generator=generator)
                return self._variety(samples) | self._coverage(train, samples, extractor)
            game = _Game(module)
            parts = _parts(train, batch_size)
            drawn = [
                module.sample(len(part.data), condition=game.condition(part), ema=False, generator=generator)
                for part in parts
            ]
            heldout = _parts(self._batch("heldout", batch_size), batch_size)
            real, unseen = (torch.cat([game.judge_real(part) for part in split]) for split in (parts, heldout))
            fake = torch.cat([game.judge(x, game.condition(part)) for x, part in zip(drawn, parts, strict=True)])
            samples = torch.cat(drawn)
            values = (
                self._variety(samples)
                | self._coverage(train, samples, extractor)
                | _verdicts(real, unseen, fake, self._unseen(len(unseen)))
            )
            return values | game.gradients(parts[0], generator)

    def _unseen(self, count: int) -> int:
        return min(count, len(self._splits["heldout"]))

    def _batch(self, split: str, size: int) -> Batch:
        """Return the fixed images of a split, uint8 on the CPU; a small split's are repeated."""
        count = -(-self.images // size) * size
        if (split, count) not in self._chosen:
            chosen: Split = self._splits[split]
            order = torch.randperm(len(chosen), generator=torch_generator(self.seed, "health", split))
            rows = order[torch.arange(count) % len(order)]
            self._chosen[split, count] = chosen.batch(rows)
        return self._chosen[split, count]

    def _coverage(self, train: Batch, samples: Tensor, extractor: nn.Module | None) -> dict[str, float]:
        """Return the share of training images with a sample nearer than their fifth neighbour (Naeem et al. 2020)."""
        if extractor is None:
            return {}
        device = samples.device
        if self._real_features is None:
            self._real_features = extractor(train.data.to(device)).features
        real, fake = self._real_features, extractor(quantise(samples)).features
        if not fake.isfinite().all():
            return {"coverage": 0.0}
        radii = neighbour_radii(real, 5)
        nearest = torch.cdist(real, fake, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
        return {"coverage": float((nearest < radii).float().mean())}

    def _variety(self, samples: Tensor) -> dict[str, float]:
        """Compare with as many training images, so that the distance to the nearest one is comparable."""
        train = self._splits["train"]
        count = min(len(samples), len(train))
        if count not in self._real_spread:
            order = torch.randperm(len(train), generator=torch_generator(self.seed, "health", "train"))
            self._real_spread[count] = spread(normalise(train.data[order[:count]]))
        names = "diversity", "nearest"
        real, generated = self._real_spread[count], spread(samples[:count])
        return {name: fake / max(of, 1e-12) for name, fake, of in zip(names, generated, real, strict=True)}


def _parts(batch: Batch, size: int) -> list[Batch]:
    return batch.split(-(-len(batch.data) // size))


def _verdicts(real: Tensor, unseen: Tensor, fake: Tensor, distinct: int) -> dict[str, float]:
    """Return what the logits of training, held-out and generated images say; ``distinct`` held-out ones differ."""
    gap, distance = real.mean() - unseen.mean(), real.mean() - fake.mean()
    error = (real.var() / len(real) + unseen.var() / distinct).sqrt()
    values = {
        "real_logits": real.mean(),
        "heldout_logits": unseen.mean(),
        "fake_logits": fake.mean(),
        "sign": real.sign().mean(),
        "overfitting": gap / distance.clamp_min(1e-12) if distance > 0 else torch.zeros(()),
        "overfitting_sigmas": gap / error.clamp_min(1e-12),
    }
    found = {name: float(value) for name, value in values.items()}
    return found | {"ranking": ranking(real, fake), "heldout_ranking": ranking(unseen, fake)}


class _Game:
    """Both networks in training mode, every call on copies of their buffers."""

    def __init__(self, module: GAN) -> None:
        self.module, self.device = module, module.device

    def _call(self, network: nn.Module, *inputs: Tensor | None) -> object:
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
        training = network.training
        network.train()
        try:
            return functional_call(network, buffers, inputs)
        finally:
            network.train(training)

    def condition(self, batch: Batch) -> Tensor | None:
        """Return what the batch's images are conditioned on."""
        conditioning = self.module.conditioning
        if conditioning is None:
            return None
        return conditioning(batch.map(lambda column: column.to(self.device)))

    def judge(self, images: Tensor, condition: Tensor | None) -> Tensor:
        """Return ``(n,)`` logits; fewer of a packing discriminator."""
        critique: object = self._call(self.module.discriminator, self.module.augment(images), condition)
        logits: Tensor = critique.logits.float()  # type: ignore[attr-defined]
        return logits

    def judge_real(self, batch: Batch) -> Tensor:
        """Return the logits of uint8 images."""
        return self.judge(normalise(batch.data.to(self.device)), self.condition(batch))

    @torch.enable_grad()
    def gradients(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Return the sizes of the adversarial losses' gradients on one batch."""
        module, condition = self.module, self.condition(batch)
        latent = module.latent(len(batch.data), generator=generator, device=self.device)
        fake = self._call(module.generator, latent, condition)
        assert isinstance(fake, Tensor)
        real = self.judge_real(batch)
        logits = self.judge(fake, condition)
        weights = [weight for weight in module.generator.parameters() if weight.requires_grad]
        loss = module.loss.generator(logits, real.detach() if module.loss.needs_real else None)
        slope, *generator_gradients = torch.autograd.grad(loss, [logits, *weights], materialize_grads=True)
        judged = self.judge(fake.detach(), condition)
        loss = module.loss.discriminator(real, judged)
        weights = [weight for weight in module.discriminator.parameters() if weight.requires_grad]
        discriminator_gradients = torch.autograd.grad(loss, weights, materialize_grads=True)
        norms = [float(nn.utils.get_total_norm(found)) for found in (generator_gradients, discriminator_gradients)]
        size = sum(gradient.numel() for gradient in generator_gradients)
        return {
            "signal": float(slope.abs().sum()),
            "generator_gradient": norms[0],
            "discriminator_gradient": norms[1],
            "gradient_ratio": norms[0] / max(norms[1], 1e-30),
            "generator_step": norms[0] / size**0.5,
        }
