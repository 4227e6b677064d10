"""Measure the cost of health: seconds of processor time of a check, and of the training between two checks.

    python scripts/bench_health.py model=dcgan data=mnist5k

Arguments are those of ``ganforge train``; the default is the configuration of ``make demo``. What is measured is
processor time, which other programs on the machine hardly change.
"""

import argparse
import statistics
import sys
import time
from typing import Any

import torch
from hydra.utils import instantiate

from ganforge.core.config import compose
from ganforge.data.order import decoded
from ganforge.health.probe import Probe
from ganforge.models.manual_loop import ManualLoop

STEPS, CHECKS = 30, 3


def measure(function: Any) -> float:
    """Return the seconds of processor time that a call takes."""
    started = time.process_time()
    function()
    return time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    config = compose(parser.parse_args().overrides)
    torch.manual_seed(0)
    module, data = instantiate(config.model), instantiate(config.data)
    train, size = data.splits().train, config.data.batch_size
    batches = [decoded(train.batch(rows), train) for rows in torch.randperm(len(train))[: size * 10].split(size)]
    loop = ManualLoop(module)
    probe = Probe(data.splits(), config.callbacks.health.images)
    loop.step(batches[0])
    probe(module, size)
    steps = [measure(lambda number=number: loop.step(batches[number % 10])) for number in range(STEPS)]
    checks = [measure(lambda: probe(module, size)) for _ in range(CHECKS)]
    step, check = statistics.median(steps), statistics.median(checks)
    between = config.callbacks.health.every_kimg * 1000 / size * step
    print(f"step {1e3 * step:.1f} ms, check {1e3 * check:.0f} ms")
    print(f"every {config.callbacks.health.every_kimg:g} kimg: {between:.1f} s of training, {check / between:.2%} more")
    return 0


if __name__ == "__main__":
    sys.exit(main())
