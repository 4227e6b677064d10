"""Small networks and made-up steps, to call losses and terms on."""

import torch
from torch import Tensor, nn

from ganforge.losses.step import Player, Step
from ganforge.networks.critique import Critique


class LinearDiscriminator(nn.Module):
    """``D(x) = w.x + q ||x||^2 / 2``, with every optional head."""

    def __init__(self, weight: Tensor, quadratic: float = 0.0, classes: int = 4, codes: int = 5) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.quadratic = nn.Parameter(torch.tensor(quadratic))
        self.classes = nn.Linear(weight.numel(), classes)
        self.codes = nn.Linear(weight.numel(), codes)
        self.proxies = nn.Embedding(classes, 4)
        self.embedding = nn.Linear(weight.numel(), 4)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Judge ``(n, ...)`` samples; a condition that is no label counts as class 0."""
        flat = images.flatten(1).to(self.weight.dtype)
        unlabelled = condition is None or condition.is_floating_point()
        labels = torch.zeros(len(flat), dtype=torch.long) if unlabelled else condition
        return Critique(
            logits=flat @ self.weight.flatten() + self.quadratic * flat.square().sum(1) / 2,
            features=flat,
            class_logits=self.classes(flat),
            codes=self.codes(flat),
            embedding=self.embedding(flat),
            proxy=self.proxies(labels),
            local_embeddings=self.embedding(flat)[:, :, None] * torch.tensor([1.0, -1.0, 0.5]),
            layers=((flat, 2 * flat),),
        )


class LinearGenerator(nn.Module):
    """``map`` is the identity; ``synthesise`` is linear."""

    def __init__(self, matrix: Tensor, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix.clone())
        self.shape = shape

    def map(self, latent: Tensor, condition: Tensor | None) -> Tensor:
        """Return the latent as styles."""
        return latent.detach().requires_grad_()

    def synthesise(self, styles: Tensor) -> Tensor:
        """Return ``(n, *shape)`` samples."""
        return (styles.to(self.matrix.dtype) @ self.matrix.T).reshape(-1, *self.shape)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return ``(n, *shape)`` samples."""
        return self.synthesise(latent)


def make_step(
    player: Player = "discriminator",
    *,
    discriminator: nn.Module | None = None,
    generator: nn.Module | None = None,
    n: int = 4,
    shape: tuple[int, int, int] = (2, 6, 6),
    dtype: torch.dtype = torch.float32,
    real_critique: Critique | None = None,
    fake_critique: Critique | None = None,
    **replaced: object,
) -> Step:
    """A step of ``n`` random images in ``dtype``; ``replaced`` overrides its fields.

    ``real_critique`` and ``fake_critique`` are what the discriminator says of these images, in place of its own output.
    """
    size = shape[0] * shape[1] * shape[2]
    discriminator = discriminator or LinearDiscriminator(torch.randn(size) / size)
    generator = generator or LinearGenerator(torch.randn(size, 7) / 7, shape)
    latent = torch.cat([torch.randn(n, 2), torch.eye(3)[torch.arange(n) % 3], torch.rand(n, 2) * 2 - 1], 1)
    real = torch.rand(n, *shape).mul(2).sub(1).to(dtype)
    fake = generator(latent.to(dtype)).to(dtype)
    if player == "discriminator":
        fake = fake.detach()

    def discriminate(images: Tensor, condition: Tensor | None) -> Critique:
        for known, critique in ((step.real, real_critique), (step.fake, fake_critique)):
            if images is known:
                return critique or _narrow(discriminator(images, condition), dtype)
        verdict: Critique = discriminator(images, condition)
        return verdict

    given = replaced.pop("fake", fake)
    fields: dict[str, object] = {
        "player": player,
        "real": real,
        "make_fake": lambda: given,
        "latent": latent.to(dtype),
        "condition": torch.arange(n) % 3,
        "fake_condition": (torch.arange(n) + 1) % 3,
        "discriminate": discriminate,
        "generate": generator,
        "augment": lambda images: images,
        "surrogate": None,
        "networks": {"generator": generator, "discriminator": discriminator},
        "images_seen": 0,
    }
    step = Step(**{**fields, **replaced})  # type: ignore[arg-type]
    return step


def unread(step: Step) -> list[str]:
    """Return which of the two critiques nobody has read."""
    return [name for name in ("real_critique", "fake_critique") if name not in vars(step)]


def _narrow(critique: Critique, dtype: torch.dtype) -> Critique:
    computed = critique.computed()
    return Critique._make(field.to(dtype) if isinstance(field, Tensor) else field for field in computed)
