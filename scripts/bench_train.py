"""Measure ganforge's training loop against a bare PyTorch loop, and the speed-ups of the options.

    python scripts/bench_train.py [--widths 16 64] [--pairs 7] [--images 6400] [--options]

Both sides use the same networks from the same seed, the same batches (64 images of 1 x 32 x 32, mnist5k), the same
optimizers, weight average and memory layout; ganforge logs to CSV as always. Sides alternate within each pair, so that
other load on the machine hits both; the table gives medians over pairs. ``--options`` measures channels-last, bf16 and
compile on the bare loop.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from torch.nn import functional as F

from ganforge.core.config import compose
from ganforge.core.rng import seed_all
from ganforge.core.workarounds import quiet_lightning
from ganforge.data.module import ImageData
from ganforge.loggers.table import TableLogger
from ganforge.models.gan import GAN

BATCH = 64


def build(width: int, images: int) -> tuple[GAN, ImageData]:
    """Return the default DCGAN of a width, and its data."""
    config = compose([f"network.width={width}", f"total_kimg={images / 1000}", f"data.batch_size={BATCH}"])
    seed_all(0, "build")
    return instantiate(config.model), instantiate(config.data)


class Clock(pl.Callback):
    """Times the batches after the first ``warm``."""

    def __init__(self, warm: int) -> None:
        self.warm, self.started, self.seconds = warm, 0.0, 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *arguments: object) -> None:
        """Start after the warm-up; the last reading counts."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if module.batches_seen == self.warm:
            self.started = time.perf_counter()
        self.seconds = time.perf_counter() - self.started


def framework(width: int, images: int, warm: int, splits: object) -> float:
    """Return images/s of ``Trainer.fit`` with the parts of the loop that act on every batch, logging to CSV."""
    from ganforge.callbacks.interrupt import Interrupt
    from ganforge.callbacks.loop import RunLoop
    from ganforge.callbacks.progress import Progress

    module, data = build(width, images + warm * BATCH)
    data._splits = splits
    clock = Clock(warm)
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=-1,
            logger=[TableLogger(str(Path(folder) / "metrics.csv"))],
            callbacks=[RunLoop(progress=Progress(), interrupt=Interrupt()), clock],
            devices=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        trainer.fit(module, datamodule=data)
    return images / clock.seconds


def bare(
    width: int,
    images: int,
    warm: int,
    splits: object,
    *,
    channels_last: bool = True,
    bf16: bool = False,
    compiled: bool = False,
) -> float:
    """Return images/s of the same training written as a plain loop."""
    module, _data = build(width, images)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    layout = torch.channels_last if channels_last else torch.contiguous_format
    generator, discriminator, average = module.generator, module.discriminator, module.generator_ema
    for network in (generator, discriminator, average):
        network.to(device, memory_format=layout)
    if compiled:
        generator.compile()
        discriminator.compile()
    g_step = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_step = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    everything = torch.as_tensor(splits.train.data.values)
    order = torch.randperm(len(everything))
    seen, started = 0, 0.0
    for batch in range(warm + images // BATCH):
        if batch == warm:
            if device.type == "cuda":
                torch.cuda.synchronize()
            started = time.perf_counter()
        chosen = order[torch.arange(seen, seen + BATCH) % len(order)]
        real = everything[chosen].to(device).float().mul_(1 / 127.5).sub_(1).contiguous(memory_format=layout)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            with torch.no_grad():
                fake = generator(torch.randn(BATCH, 100, device=device))
            d_loss = F.softplus(-discriminator(real).logits).mean() + F.softplus(discriminator(fake).logits).mean()
        d_step.zero_grad(set_to_none=True)
        d_loss.backward()
        d_step.step()
        discriminator.requires_grad_(False)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            g_loss = F.softplus(-discriminator(generator(torch.randn(BATCH, 100, device=device))).logits).mean()
        g_step.zero_grad(set_to_none=True)
        g_loss.backward()
        g_step.step()
        discriminator.requires_grad_(True)
        module.ema.update(average, generator, BATCH, seen)
        seen += BATCH
        if batch % 50 == 49:
            d_loss.item(), g_loss.item()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return images / (time.perf_counter() - started)


def pairs(first: Callable[[], float], second: Callable[[], float], count: int) -> tuple[float, float, float]:
    """Alternate two measurements; return both medians and the median of the pairs' ratios second / first."""
    left, right = [], []
    for number in range(count):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            (left if side == 0 else right).append((first if side == 0 else second)())
    ratios = [b / a for a, b in zip(left, right, strict=True)]
    return statistics.median(left), statistics.median(right), statistics.median(ratios)


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--images", type=int, default=6400)
    parser.add_argument("--options", action="store_true", help="measure channels-last, bf16 and compile instead")
    options = parser.parse_args()
    quiet_lightning()
    warm = 10
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"DCGAN 1 x 32 x 32, batch {BATCH}, {options.images} images a measurement, {options.pairs} pairs, {device}, "
        f"torch {torch.__version__}\n"
    )
    splits = build(16, 64)[1].splits()
    if not options.options:
        print("| width | bare loop images/s | ganforge images/s | overhead |\n|--:|--:|--:|--:|")
        for width in options.widths:
            one, two, ratio = pairs(
                lambda w=width: bare(w, options.images, warm, splits),
                lambda w=width: framework(w, options.images, warm, splits),
                options.pairs,
            )
            print(f"| {width} | {one:,.0f} | {two:,.0f} | {(1 / ratio - 1) * 100:+.1f} % |", flush=True)
        return
    print("| width | option | plain images/s | with it | speed-up |\n|--:|---|--:|--:|--:|")
    for width in options.widths:
        for name, chosen in {
            "channels-last": {"channels_last": True},
            "bf16": {"channels_last": False, "bf16": True},
            "bf16 + channels-last": {"channels_last": True, "bf16": True},
            "compile": {"channels_last": False, "compiled": True},
            "compile + bf16": {"channels_last": False, "bf16": True, "compiled": True},
        }.items():
            one, two, ratio = pairs(
                lambda w=width: bare(w, options.images, warm, splits, channels_last=False),
                lambda w=width, c=chosen: bare(w, options.images, warm, splits, **c),
                options.pairs,
            )
            print(f"| {width} | {name} | {one:,.0f} | {two:,.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
