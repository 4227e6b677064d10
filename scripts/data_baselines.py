"""Measure what needs no training on the paired datasets: the numbers to beat in docs/data.md.

python scripts/data_baselines.py
"""

import argparse
import sys

import torch
from hydra.utils import instantiate
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.config import compose
from ganforge.data.columns import SOURCE, Split


def psnr(images: Tensor, truth: Tensor) -> float:
    """Return the mean over pictures in dB; both are in [0, 1]."""
    return float((-10 * ((images - truth) ** 2).flatten(1).mean(1).log10()).mean())


def sides(split: Split) -> tuple[Tensor, Tensor]:
    return split.given[SOURCE].read().float() / 255, split.data.read().float() / 255


def splits(*overrides: str):
    return instantiate(compose(overrides).data).splits()


def linear(train: Split, heldout: Split) -> Tensor:
    """Map each pixel's colour by the best affine map of training pixels."""
    source, data = (side.permute(0, 2, 3, 1).flatten(0, 2)[::7].double() for side in sides(train))
    weights = torch.linalg.lstsq(F.pad(source, (0, 1), value=1.0), data).solution
    tiles = sides(heldout)[0].permute(0, 2, 3, 1).double()
    return (F.pad(tiles, (0, 1), value=1.0) @ weights).clamp(0, 1).permute(0, 3, 1, 2).float()


def upscaled(split: Split, mode: str) -> tuple[Tensor, Tensor]:
    source, truth = sides(split)
    smooth = {"align_corners": False} if mode == "bicubic" else {}
    return (F.interpolate(source, truth.shape[-2:], mode=mode, **smooth).clamp(0, 1) * 255).round() / 255, truth


def rows(side: int):
    """Yield task, baseline, images and truth; pairs of the Earth have ``side`` pixels."""
    for layer in ("relief", "elevation"):
        earth = splits("data=earth_pairs", f"data.source.layer={layer}", f"data.image_size={side}")
        truth = sides(earth.heldout)[1]
        mean = sides(earth.train)[1].mean((0, 2, 3))[:, None, None].expand_as(truth)
        yield f"`earth_pairs`, satellite to {layer}, {side} px", "mean colour", mean, truth
        yield (
            f"`earth_pairs`, satellite to {layer}, {side} px",
            "linear colour map",
            linear(*vars(earth).values()),
            truth,
        )
    for overrides, name in (
        (["data=earth_x4"], "`earth_x4`, 16 to 64 px"),
        (["data=earth_x4", "data.source.scale=2", "data.given.source.image_size=32"], "`earth_x4`, 32 to 64 px"),
        (["data=mnist5k_x4"], "`mnist5k_x4`, 8 to 32 px"),
    ):
        heldout = splits(*overrides).heldout
        yield name, "bicubic", *upscaled(heldout, "bicubic")
        yield name, "nearest", *upscaled(heldout, "nearest")
    yield "`glyphs`, Sans to Serif, 32 px", "identity", *sides(splits("data=glyphs").heldout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=64, help="pixels of the Earth's pairs (default %(default)s)")
    side = parser.parse_args().side
    print("| task | baseline | PSNR, dB | L1 |\n|---|---|--:|--:|")
    for task, baseline, images, truth in rows(side):
        print(f"| {task} | {baseline} | {psnr(images, truth):.2f} | {float((images - truth).abs().mean()):.4f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
