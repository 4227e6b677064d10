"""Train a classifier that ships with ganforge as the extractor ``attributes_scenes`` or ``attributes_robots``.

    python scripts/train_attributes.py scenes [--count 20000] [--epochs 8] [--seed 0] [--output PATH]

Trains on pictures drawn with another seed than the datasets', of all combinations of attributes, blurred and noised at
random; tests on the held-out pictures of data=scenes or data=robohash_text, half of which show combinations that models
never see; and writes the weights in half precision with these accuracies in the file's metadata. Minutes on one core.
"""

import argparse
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ganforge.core.rng import seed_all
from ganforge.data.columns import TEXT, UNSEEN, Split, Splits
from ganforge.data.modality import Images
from ganforge.data.robohash import Robohash
from ganforge.data.scenes import Scenes
from ganforge.data.texts import byte_texts
from ganforge.metrics.attributes import AttributeAccuracy
from ganforge.metrics.captions import KINDS
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.extractors import Features
from ganforge.metrics.extractors.attributes import SIDES, AttributeNet

FOLDER = Path(__file__).parents[1] / "src" / "ganforge" / "metrics"
CACHE = str(Path("~/.cache/ganforge").expanduser())


def drawn(kind: str, **options: object) -> Splits:
    """Return both splits of a dataset of this kind."""
    source = Scenes(**options) if kind == "scenes" else Robohash(CACHE, text=True, **options)  # type: ignore[arg-type]
    return source.load(Images(SIDES[kind], 3))


def spoil(images: Tensor) -> Tensor:
    """Blur a third of ``(n, c, h, w)`` uint8 images and add noise to all, by amounts drawn at random."""
    pixels = images.float()
    blurred = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    pixels = torch.where(torch.rand(len(pixels), 1, 1, 1) < 1 / 3, blurred, pixels)
    noise = torch.rand(len(pixels), 1, 1, 1) * 25 * torch.randn_like(pixels)
    return (pixels + noise).round().clamp(0, 255).to(torch.uint8)


def losses(logits: Tensor, stated: Tensor, sizes: list[int]) -> Tensor:
    """Return the sum of the cross-entropies of attributes that captions state."""
    parts = logits.split(sizes, 1)
    return torch.stack([F.cross_entropy(part, stated[:, k], ignore_index=-1) for k, part in enumerate(parts)]).sum()


@torch.no_grad()
def accuracy(network: AttributeNet, split: Split, kind: Literal["scenes", "robots"]) -> dict[str, float]:
    """Return the values of :class:`AttributeAccuracy` on real pictures."""
    features, logits = (
        torch.cat(field) for field in zip(*map(network.eval(), split.data.read().split(256)), strict=True)
    )
    captions, unseen = split.given[TEXT].read(), split.given[UNSEEN].read()
    comparison = Comparison(
        features,
        logits,
        0,
        lambda images: Features(*network(images)),
        split.data.modality,
        captions=captions,
        unseen=unseen,
    )
    return AttributeAccuracy(kind)(comparison)


def main() -> None:
    """Train, test once, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    seed_all(options.seed)
    kind, attributes = options.kind, KINDS[options.kind]
    train = drawn(kind, count=options.count, heldout=1, seed=1).train
    images, stated = train.data.read(), attributes.numbers(byte_texts(train.given[TEXT].read()))
    network, batch = AttributeNet(SIDES[kind], sum(attributes.sizes)), 64
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    steps = options.epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in (bar := tqdm(range(options.epochs), unit="epoch")):
        for chosen in torch.randperm(len(images)).split(batch)[: len(images) // batch]:
            loss = losses(network(spoil(images[chosen]))[1], stated[chosen], attributes.sizes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")
    state = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    network.load_state_dict({name: value.to(network.state_dict()[name].dtype) for name, value in state.items()})
    heldout = drawn(kind, count=1, heldout=1000, unseen=True).heldout
    metadata = {
        **{f"heldout_{name}": f"{value:.4f}" for name, value in accuracy(network, heldout, kind).items()},
        "training_images": str(len(images)),
        "command": f"python scripts/train_attributes.py {kind} --count {options.count} --epochs {options.epochs} "
        f"--seed {options.seed}",
    }
    path = options.output or FOLDER / f"attributes_{kind}.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path, metadata)
    print(f"{path}: {path.stat().st_size:,} bytes, {metadata}")


if __name__ == "__main__":
    main()
