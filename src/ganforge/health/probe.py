"""Measures of a GAN in training at the cost of a few steps: diversity, logits, gradients."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from ganforge.core.rng import sub_seed, torch_generator
from ganforge.data.columns import DATA, Batch, Split, Splits
from ganforge.data.order import decoded
from ganforge.metrics.distances import neighbour_radii
from ganforge.models.base import AdversarialModule
from ganforge.models.game import Game
from ganforge.networks.critique import Critique
from ganforge.networks.functional import as_function
from ganforge.sampling.sampler import Sampler

__all__ = ["Probe", "ranking", "spread"]


def spread(points: Tensor) -> tuple[float, float]:
    """Return how far samples lie apart: the mean distance of pairs, and the mean distance to the nearest other one.

    Args:
        points: ``(n, d)``, at least two; see :meth:`ganforge.data.modality.Modality.embed`.
    """
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    pairs = len(points) * (len(points) - 1)
    return float(distances.sum() / pairs), float(distances.fill_diagonal_(torch.inf).amin(1).mean())


def ranking(higher: Tensor, lower: Tensor) -> float:
    """Return the probability that one of ``higher`` is above one of ``lower``, ties counted half (Mann and Whitney).

    It is the discriminator's accuracy on pairs, and needs no threshold: 0.5 is guessing, whatever the loss.
    """
    return float((higher[:, None] - lower[None]).sign().mean() / 2 + 0.5)


class Probe:
    """Measures a module on latents and samples that are always the same; it and its random state stay as they were.

    The discriminator is in training mode: its input augmented, its batch norms on their own batch. Buffers change in
    copies only.

    ``diversity`` and ``nearest`` are the two numbers of :func:`spread` of samples (weights of the moment, batch norms
    with running statistics) over those of as many training samples; ``coverage`` is the share of training samples near
    a generated one in a feature space. ``real_logits``, ``heldout_logits`` and ``fake_logits`` are means; ``ranking``
    and ``heldout_ranking`` are how well the discriminator separates training samples, and those it never saw, from
    generated ones (:func:`ranking`); ``sign`` is ``E[sign D(training)]`` and ``overfitting`` is
    ``(E[D(training)] - E[D(heldout)]) / (E[D(training)] - E[D(samples)])`` (r_t and r_v of Karras et al. 2020a, section
    3, equation 1); ``overfitting_sigmas`` is the latter's numerator in standard errors. ``signal`` is the mean slope of
    the generator's loss over a sample's logit, ``generator_gradient`` and ``discriminator_gradient`` are the norms of
    the adversarial losses' gradients, ``gradient_ratio`` is the first over the second, and ``generator_step`` the
    generator's in root mean square over its parameters.

    Of a procedure with several samplers each is measured by itself.

    Args:
        data: where real samples of both splits are from.
        images: how many of each kind at least; rounded up to whole batches.
        seed: of the choice of samples, latents and augmentations.
    """

    def __init__(self, data: Splits, images: int = 128, seed: int = 0) -> None:
        self.data, self.images, self.seed = data, images, seed
        self._sides: dict[str | None, _Side] = {}

    def __call__(
        self, module: AdversarialModule, batch_size: int, extractor: nn.Module | None = None
    ) -> dict[str, float]:
        """Return the measures by name; of several samplers behind their names, ``a_to_b/diversity``.

        Args:
            module: in training.
            batch_size: samples that the networks see at a time in training.
            extractor: maps stored samples to features, for ``coverage``; ``None`` leaves it out.
        """
        found = {}
        for name, sampler in module.samplers().items():
            game = module.games().get(name)
            raw = sampler.with_weights("raw")
            found[name] = self._measure(raw, None if game is None else _Critic(game, raw), batch_size, extractor)
        if len(found) == 1:
            return next(iter(found.values()))
        return {f"{name}/{key}": value for name, values in found.items() for key, value in values.items()}

    @torch.no_grad()
    def _measure(
        self, sampler: Sampler, critic: "_Critic | None", batch_size: int, extractor: nn.Module | None
    ) -> dict[str, float]:
        device = sampler.device
        side = self._sides.setdefault(sampler.target, _Side(self.data, sampler.target, self.images, self.seed))
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(sub_seed(self.seed, "health"))
            generator = torch_generator(self.seed, "health", device=device)
            train = side.batches("train", batch_size, device)
            drawn = [sampler.sample(len(part.data), generator, _condition(sampler, part)) for part in train]
            samples = torch.cat(drawn)
            values = side.diversity(samples) | side.coverage(batch_size, samples, extractor)
            if critic is None:
                return values
            heldout = side.batches("heldout", batch_size, device)
            real, unseen = (_judged(critic.real(part) for part in split) for split in (train, heldout))
            fake = _judged(critic(x, _condition(sampler, part)) for x, part in zip(drawn, train, strict=True))
            values |= _logit_measures(real, unseen, fake, side.distinct(len(unseen)))
            return values | critic.gradients(train[0], generator)


def _condition(sampler: Sampler, batch: Batch) -> Tensor | None:
    """Return what the batch's samples are conditioned on."""
    return None if sampler.conditioning is None else sampler.conditioning(batch)


class _Side:
    """Real samples of one kind, always the same ones.

    Args:
        data: both splits.
        target: the column that generated samples are compared with.
        images: samples of each split at least.
        seed: of their choice.
    """

    def __init__(self, data: Splits, target: str | None, images: int, seed: int) -> None:
        self.whole: Mapping[str, Split] = {"train": data.train, "heldout": data.heldout}
        self.splits = {name: split.towards(target) for name, split in self.whole.items()}
        self.target, self.images, self.seed = target, images, seed
        self._stored: dict[tuple[str, int], Batch] = {}
        self._real_spread: dict[int, tuple[float, float]] = {}
        self._real_features: Tensor | None = None

    def distinct(self, count: int) -> int:
        """Return how many of ``count`` held-out samples differ."""
        return min(count, len(self.splits["heldout"]))

    def batches(self, split: str, size: int, device: torch.device) -> list[Batch]:
        """Return a split's samples in batches of ``size``, as networks see them; ``data`` is the target."""
        stored = self._batch(split, size)
        whole = decoded(stored.map(lambda column: column.to(device)), self.whole[split])
        if self.target is not None:
            whole = Batch(whole.given[self.target], {**whole.given, DATA: whole.data})
        return whole.split(-(-len(whole.data) // size))

    def _batch(self, split: str, size: int) -> Batch:
        """Return the fixed samples of a split, stored, on the CPU; a small split's are repeated."""
        count = -(-self.images // size) * size
        if (split, count) not in self._stored:
            chosen = self.whole[split]
            order = torch.randperm(len(chosen), generator=torch_generator(self.seed, "health", split))
            self._stored[split, count] = chosen.batch(order[torch.arange(count) % len(order)])
        return self._stored[split, count]

    def coverage(self, size: int, samples: Tensor, extractor: nn.Module | None) -> dict[str, float]:
        """Return the share of training samples with one nearer than their fifth neighbour (Naeem et al. 2020)."""
        if extractor is None:
            return {}
        modality = self.splits["train"].data.modality
        if self._real_features is None:
            stored = self._batch("train", size)
            real = stored.data if self.target is None else stored.given[self.target]
            self._real_features = extractor(real.to(samples.device)).features
        real, fake = self._real_features, extractor(modality.encode(samples)).features
        if not fake.isfinite().all():
            return {"coverage": 0.0}
        radii = neighbour_radii(real, 5)
        nearest = torch.cdist(real, fake, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
        return {"coverage": float((nearest < radii).float().mean())}

    def diversity(self, samples: Tensor) -> dict[str, float]:
        """Compare with as many training samples, so that the distance to the nearest one is comparable."""
        train = self.splits["train"].data
        count = min(len(samples), len(train))
        if count not in self._real_spread:
            order = torch.randperm(len(train), generator=torch_generator(self.seed, "health", "train"))
            real = train.modality.decode(train[order[:count]])
            self._real_spread[count] = spread(train.modality.embed(real))
        pairs = zip(spread(train.modality.embed(samples[:count])), self._real_spread[count], strict=True)
        return dict(zip(("diversity", "nearest"), (fake / max(of, 1e-12) for fake, of in pairs), strict=True))


def _judged(parts: Iterable[Tensor]) -> Tensor:
    """Return ``(n,)`` logits; a PatchGAN's are means over patches."""
    return torch.cat([part if part.ndim == 1 else part.mean(1) for part in parts])


def _logit_measures(real: Tensor, unseen: Tensor, fake: Tensor, distinct: int) -> dict[str, float]:
    """Return measures of the logits of training, held-out and generated samples; ``distinct`` held-out ones differ."""
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


class _Critic:
    """A game's discriminator and a generator, in training mode, every call on copies of buffers."""

    def __init__(self, game: Game, sampler: Sampler) -> None:
        self.game, self.sampler = game, sampler

    def _call(self, network: nn.Module, *inputs: Tensor | None) -> object:
        training = network.training
        network.train()
        try:
            return as_function(network)(*inputs)
        finally:
            network.train(training)

    def __call__(self, samples: Tensor, condition: Tensor | None) -> Tensor:
        """Return ``(n,)`` logits; fewer of a packing discriminator."""
        output = self._call(self.game.discriminator, self.game.augment(samples), condition)
        return Critique.of(output, samples).logits.float()

    def real(self, batch: Batch) -> Tensor:
        """Return the logits of real samples."""
        return self(batch.data, _condition(self.sampler, batch))

    @torch.enable_grad()
    def gradients(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Return the sizes of the adversarial losses' gradients on one batch."""
        game, loss, condition = self.game, self.game.loss, _condition(self.sampler, batch)
        latent, _ = self.sampler.inputs(len(batch.data), generator, condition)
        fake = self._call(self.sampler.network, latent, condition)
        assert isinstance(fake, Tensor)
        real = self.real(batch)
        logits = self(fake, condition)
        weights = [weight for weight in self.sampler.network.parameters() if weight.requires_grad]
        value = loss.generator(logits, real.detach() if loss.needs_real else None)
        slope, *generator_gradients = torch.autograd.grad(value, [logits, *weights], materialize_grads=True)
        logits = self(fake.detach(), condition)
        value = loss.discriminator(real, logits)
        weights = [weight for weight in game.discriminator.parameters() if weight.requires_grad]
        discriminator_gradients = torch.autograd.grad(value, weights, materialize_grads=True)
        norms = [float(nn.utils.get_total_norm(found)) for found in (generator_gradients, discriminator_gradients)]
        size = sum(gradient.numel() for gradient in generator_gradients)
        return {
            "signal": float(slope.abs().sum()),
            "generator_gradient": norms[0],
            "discriminator_gradient": norms[1],
            "gradient_ratio": norms[0] / max(norms[1], 1e-30),
            "generator_step": norms[0] / size**0.5,
        }
