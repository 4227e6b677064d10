"""Measure evaluation against torch-fidelity and torchmetrics: the same images and weights, runs interleaved.

    python scripts/bench_metrics.py                 # with random weights of Inception's layout, if it is absent
    python scripts/bench_metrics.py --images 2000 --rounds 5

Prints images/s through Inception with the resulting values, seconds of a Frechet distance at 2,048 dimensions,
and the seconds of a first evaluation and of a second one, which finds the real images' statistics in the cache.
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Split, Splits
from ganforge.data.modality import Images
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import Inception
from ganforge.metrics.extractors.inception import INCEPTION_FILE
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.inception_score import InceptionScore
from ganforge.metrics.protocol import Protocol
from ganforge.metrics.sources import Stored

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "metrics"))
from random_inception import write


def images(count: int, seed: int) -> Tensor:
    """Return smooth random colour images of 32 pixels, uint8."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 8, 8, generator=generator)
    return torch.nn.functional.interpolate(small, (32, 32), mode="bicubic").mul(255).clamp(0, 255).to(torch.uint8)


def interleaved(tasks: dict[str, Callable[[], float]], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Run the tasks in turn, ``rounds`` times; return median seconds and values."""
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    values: dict[str, float] = {}
    for _ in range(rounds):
        for name, task in tasks.items():
            started = time.perf_counter()
            values[name] = task()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) for name, times in seconds.items()}, values


def through_inception(real: Tensor, fake: Tensor, weights: Path, rounds: int) -> None:
    """FID and IS from pixels, by three libraries."""
    from torch.utils.data import TensorDataset
    from torch_fidelity import calculate_metrics
    from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3

    class Plain(TensorDataset):
        def __getitem__(self, index: int) -> Tensor:
            return super().__getitem__(index)[0]

    def fidelity() -> float:
        return calculate_metrics(
            input1=Plain(fake), input2=Plain(real), fid=True, isc=True, cuda=False, cache=False, verbose=False,
            feature_extractor_weights_path=str(weights), save_cpu_ram=True,
        )["frechet_inception_distance"]  # fmt: skip

    def metrics() -> float:
        network = NoTrainInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights), antialias=False
        )
        metric = FrechetInceptionDistance(feature=network)
        for part, is_real in ((real, True), (fake, False)):
            for batch in part.split(64):
                metric.update(batch, real=is_real)
        return float(metric.compute())

    def ours() -> float:
        with tempfile.TemporaryDirectory() as cache:
            return evaluate(real, fake, weights, Path(cache))

    seconds, values = interleaved({"ganforge": ours, "torch-fidelity": fidelity, "torchmetrics": metrics}, rounds)
    total = len(real) + len(fake)
    for name in seconds:
        print(f"{name:>16}: {total / seconds[name]:7.2f} images/s, FID {values[name]:.6f}")
    print(f"  against torch-fidelity: {seconds['torch-fidelity'] / seconds['ganforge']:.2f} times its images/s")


def evaluate(real: Tensor, fake: Tensor, weights: Path, cache: Path) -> float:
    """One evaluation as ``ganforge evaluate`` does it."""
    metrics = {"fid": FrechetDistance(), "inception_score": InceptionScore()}
    protocol = Protocol("bench", Inception(str(weights)), metrics, len(fake))
    modality = Images(real.shape[2:], real.shape[1])
    sets = [Split(Column(images, modality)) for images in (real, real[:0], fake)]
    return Evaluation([protocol], Splits(*sets[:2]), cache, torch.device("cpu"))(Stored(sets[2]))["bench"]["fid"]


def frechet(count: int, rounds: int) -> None:
    """Seconds of the distance alone, from features."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torchmetrics.image.fid import FrechetInceptionDistance

    from ganforge.data.modality import Vectors
    from ganforge.metrics.comparison import Comparison
    from ganforge.metrics.moments import Moments

    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(2048, 2048, generator=generator) / 45
    real, fake = (torch.randn(count, 2048, generator=generator) @ mix + shift for shift in (0, 0.1))

    class Given(torch.nn.Module):
        num_features = 2048

        def forward(self, features: Tensor) -> Tensor:
            return features

    moments, known = Moments.of(iter([real])), fid_features_to_statistics(real)
    filled = FrechetInceptionDistance(feature=Given(), reset_real_features=False)
    filled.update(real, real=True)

    def metrics() -> float:
        filled.reset()  # the real side stays
        filled.update(fake, real=False)
        return float(filled.compute())

    def ours() -> float:
        comparison = Comparison(fake, fake[:, :0], 0, None, Vectors(2048), real_moments=moments)  # type: ignore[arg-type]
        return FrechetDistance()(comparison)["fid"]

    def fidelity() -> float:
        statistics_of_fake = fid_features_to_statistics(fake)
        return float(fid_statistics_to_metric(statistics_of_fake, known, verbose=False)["frechet_inception_distance"])

    seconds, values = interleaved({"ganforge": ours, "torch-fidelity": fidelity, "torchmetrics": metrics}, rounds)
    for name in seconds:
        print(f"{name:>16}: {seconds[name]:6.2f} s for {count:,} features of 2,048, FID {values[name]:.6f}")


def twice(real: Tensor, fake: Tensor, weights: Path) -> None:
    """A first evaluation, and a second one of other samples."""
    with tempfile.TemporaryDirectory() as cache:
        times = []
        for samples in (fake, fake.flip(0)):
            started = time.perf_counter()
            evaluate(real, samples, weights, Path(cache))
            times.append(time.perf_counter() - started)
    print(f"first evaluation {times[0]:.1f} s, second {times[1]:.1f} s: {times[0] / times[1]:.2f} times faster")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300, help="real images, and as many others")
    parser.add_argument("--features", type=int, default=10_000, help="feature vectors of the distance alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="torch's threads; the default is torch's own")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    np.random.seed(0)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    real, fake = images(arguments.images, 0), images(arguments.images, 1)
    with tempfile.TemporaryDirectory() as folder:
        try:
            weights = Inception()._find()
        except GanforgeError:
            weights = Path(folder) / INCEPTION_FILE
            write(weights)
            print("Inception's weights are not here: random ones of the same layout are timed.")
        frechet(arguments.features, arguments.rounds)
        through_inception(real, fake, weights, arguments.rounds)
        twice(real, fake, weights)


if __name__ == "__main__":
    main()
